"""Films: every frame coloured, held still in time, written beside all else that they carry."""

import os
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
from tqdm import tqdm

from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.storage import AnyPath, atomic, sweep_for
from colornet.video.dust import cleaned_film
from colornet.video.look import Look, shown
from colornet.video.marks import mark_film
from colornet.video.reading import (
    Reading,
    ahead,
    frame_rate,
    moving_pictures,
    pictures,
    reading,
    upright,
)
from colornet.video.steady import steadied
from colornet.video.streams import Carried, new_film, open_film
from colornet.video.tracks import NONE, track

# Hardly to be told from the original; no B-frames, so that the last picture is also the last
# packet: mp4 shows that one as long as it says.
X264 = {"crf": "17", "preset": "veryfast", "bf": "0"}
BT709 = dict(colorspace=1, color_primaries=1, color_trc=1, color_range=1)
HDR = 16, 18  # PQ and HLG, as H.273 numbers them


def _even(rgb):
    """Even height and width, as players want them: the last row or column twice where odd."""
    down, right = (side % 2 for side in rgb.shape[:2])
    return cv2.copyMakeBorder(rgb, 0, down, 0, right, cv2.BORDER_REPLICATE)


def _new_pictures(stream, shape, aspect, out):
    """The stream of pictures in `out`, with the times of the film's."""
    time_base = stream.time_base
    stream = out.add_stream("libx264", rate=frame_rate(stream), options=X264)
    stream.height, stream.width = shape[:2]
    context = stream.codec_context
    context.pix_fmt, context.time_base = "yuv420p", time_base
    if aspect:
        context.sample_aspect_ratio = aspect
    for name, value in BT709.items():
        setattr(context, name, value)
    return stream


def _write(out, work, source, been, carried, waiting):
    """Writes coloured frames, and the packets that wait beside them; returns how many frames."""
    number, before = 0, None
    for picture, ab in work:
        rgb, pts, time_base = _even(compose(picture.pixels, ab)), picture.pts, picture.time_base
        if not number:
            stream = _new_pictures(source, rgb.shape, been.aspect, out)
            carried.begin(out, stream, been.start)
            each = max(1, round(1 / (stream.codec_context.framerate * time_base)))
            # Some formats, such as raw streams, begin later than they say.
            late = 0 if carried.streams or pts is None else pts
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        # Raw streams tell no times, joined ones begin anew: then each follows the one before.
        if pts is None or before is not None and pts <= before:
            pts = 0 if before is None else before + each
        frame.pts, frame.time_base, before = pts - late, time_base, pts
        out.mux(stream.encode(frame))
        while waiting:
            out.mux(carried.take(waiting.popleft()))
        number += 1
    if number:
        last = max(each * time_base, been.end - before * time_base)
        for packet in stream.encode():
            if packet.pts == round((before - late) * time_base / packet.time_base):
                packet.duration = round(last / packet.time_base)
            out.mux(packet)
        while waiting:
            out.mux(carried.take(waiting.popleft()))
        out.mux(carried.rest())
    return number


def _bar(frames, total):
    return tqdm(frames, total=total, unit="frame")


def _follow(colorizer, source, order):
    """The `Tracks` of what an order tells of a film, by a reading of it for these alone."""
    if not order.told and not order.guides:
        return NONE
    with reading(source, colorizer.network) as found, closing(order.watch(found, None)) as seen:
        return track(seen, order.told, order.guides)


def _coloured(found, look, order):
    """Pairs of `Picture` and its ab."""
    if not order.steady:
        return ((picture, look(picture)[..., :2]) for picture in found)
    held = steadied(((picture, picture.grey) for picture in found), look)
    return ((picture, shown(planes)) for picture, planes in held)


def _colour(colorizer, film, source, target, order):
    """Colours an open film into a file; returns the number of frames, and what is left out."""
    look = Look(colorizer, order.vividness, _follow(colorizer, source, order))
    stream = moving_pictures(film, source)
    carried, been, waiting = Carried(film, stream), Reading(film, stream), deque()
    frames = upright(been.frames(waiting.append), stream.time_base)
    frames = cleaned_film(frames) if order.repair else frames
    found = pictures(frames, colorizer.network, frame_rate(stream))
    # The threads that read and colour are at their end before the film is closed.
    with ahead(found) as found, ahead(_coloured(found, look, order)) as work:
        done = order.watch(work, stream.frames or None)
        with new_film(target) as out:
            number = _write(out, done, stream, been, carried, waiting)
    if not number:
        raise ValueError(f"{source}: no picture in it can be read; fetch it again")
    if missing := been.cut_off():
        raise ValueError(
            f"{source}: can be read to {missing[0]:.1f} of {missing[1]:.1f} seconds; it is cut "
            "off or damaged, fetch it again"
        )
    with open_film(target) as new:
        left = carried.left_out(new)
    depth = max(component.bits for component in stream.format.components)
    if depth > 8:
        left.insert(0, f"{depth} bits a channel (8 are written)")
    if stream.codec_context.color_trc in HDR:
        left.insert(0, "the brightness of HDR")
    return number, left


@dataclass(frozen=True)
class FilmOrder:
    """What is wanted of a film.

    vividness: as in `Steering`.
    steady: hold colours still in time, see `steadied`; else each frame is on its own.
    force: replace a result that is there.
    mark: write into it that its colours are a network's, see `history`.
    credentials: `credentials.Credentials` to sign it by, or None.
    told: `Told` colours of places, carried along the motion through their shots.
    guides: each an `inference.guide.Guide`, asked at the first good frame of every shot; what it
        tells is carried likewise, and its palette is that of the shot.
    repair: take away dust, which stands in one frame alone, see `dust`.
    watch: is given the frames on their way and their number, or None, and hands them on; by
        default it shows a bar of progress.
    """

    vividness: float | None = None
    steady: bool = True
    force: bool = False
    mark: bool = True
    credentials: object = None
    told: tuple = ()
    guides: tuple = ()
    repair: bool = False
    watch: Callable = _bar


def colorize_video(
    colorizer: Colorizer,
    source: AnyPath,
    target: AnyPath,
    order: FilmOrder = FilmOrder(),
    say: Callable[[str], None] = lambda line: None,
) -> int:
    """Colours a film.

    Args:
        colorizer: a `Colorizer`.
        source: any film that FFmpeg reads.
        target: the new film, mp4: H.264, upright, from time 0 on, with the times and aspect of
            `source` and what it carries, see `streams`. It appears when it is whole.
        order: a `FilmOrder`.
        say: is called with one line where something that the film carries is left out.

    Returns:
        The number of frames.

    Raises:
        ValueError: no film, one without pictures, one cut off, or an unfit target; one line.
        OSError: the target cannot be written.
    """
    source, target = Path(source), Path(target)
    if target.suffix.lower() != ".mp4":
        raise ValueError(f"{target}: films are written as mp4; name it {target.stem}.mp4")
    if source.exists() and target.exists() and os.path.samefile(source, target):
        raise ValueError(f"{target}: is the film to be coloured; choose another name")
    if target.exists() and not order.force:
        raise ValueError(f"{target}: is there already; --force replaces it")
    try:
        film = open_film(source)
    except av.FFmpegError as error:
        raise ValueError(f"{source}: cannot be read as a film ({error.strerror})") from None
    sweep_for(target)
    with film, atomic(target) as temporary:
        try:
            number, left = _colour(colorizer, film, source, temporary, order)
            mark_film(source, temporary, colorizer.network, order)
        except (OSError, av.FFmpegError) as error:
            reason = error.strerror or error
            if isinstance(error, OSError) and str(error.filename).endswith(str(temporary)):
                raise OSError(f"{target}: cannot be written ({reason}); make room") from None
            raise ValueError(f"{source}: cannot be coloured ({reason}); fetch it again") from None
    if left:
        say(f"{source}: left out, since mp4 does not hold it: {', '.join(left)}")
    return number
