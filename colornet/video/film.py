"""Films: every frame coloured, held still in time, written beside all else that they carry."""

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.filter import Graph
from tqdm import tqdm

from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.inference.inputs import working_size
from colornet.photos.photo import Photo
from colornet.storage import AnyPath, atomic
from colornet.video.marks import mark_film
from colornet.video.steady import CHUNK, steadied
from colornet.video.streams import Carried, is_cover, new_film, open_film

# Hardly to be told from the original; no B-frames, so that the last picture is also the last
# packet: mp4 shows that one as long as it says.
X264 = {"crf": "17", "preset": "veryfast", "bf": "0"}
BT709 = dict(colorspace=1, color_primaries=1, color_trc=1, color_range=1)
HDR = 16, 18  # PQ and HLG, as H.273 numbers them
RATE, FASTEST = 25, 250  # frames a second: where a film does not tell; that timecodes can count
TONE = 3  # levels of 255: a frame whose channels differ by no more is grey
WHOLE, SLACK = 0.98, 0.1  # share of its stated length that a film has, at least; seconds
HOURS = re.compile(r"\d+:\d\d:\d\d(\.\d+)?")


def _turn(frame):
    """How a frame comes upright: the names of filters, and whether rows become columns."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return [], False
    # x' = a x + c y and y' = b x + d y, as FFmpeg defines it.
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return [f"transpose={'cclock' if c > 0 else 'clock'}{'_flip' if b * c > 0 else ''}"], True
    return ["hflip"] * (a < 0) + ["vflip"] * (d < 0), False


def _upright(frames, time_base):
    """Frames in RGB, all of the first one's size: whole where interlaced, then turned."""
    graph, shape, size = None, None, None

    def ready():
        while True:
            try:
                yield graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return

    def rest():
        if graph:
            graph.vpush(None)
            yield from ready()

    for frame in frames:
        turn, turned = _turn(frame)
        if shape != (frame.width, frame.height, frame.format.name, turn):
            yield from rest()
            shape = frame.width, frame.height, frame.format.name, turn
            size = size or (shape[1::-1] if turned else shape[:2])
            parts = ["bwdif=mode=send_frame:deint=interlaced", *turn]
            parts += ["scale={}:{}".format(*size), "format=rgb24"]
            graph = Graph()
            nodes = [graph.add_buffer(None, *shape[:3], time_base=time_base)]
            nodes += [graph.add(*part.split("=", 1)) for part in parts]
            graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        graph.vpush(frame)
        yield from ready()
    yield from rest()


def _coloured(colorizer, frames, vividness):
    """`(frame, grey, ab)` as `steadied` takes it; a frame is its times and its pixels."""
    for frame in frames:
        pixels = frame.to_ndarray()
        red, green, blue = cv2.split(pixels)
        if max(cv2.absdiff(red, green).max(), cv2.absdiff(blue, green).max()) <= TONE:
            pixels = green
        height, width = working_size(colorizer.network, *pixels.shape[:2])
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        ab = colorizer.predict(Photo(pixels)).ab(vividness)
        ab = cv2.resize(ab, (width, height), interpolation=cv2.INTER_CUBIC)
        yield (frame.pts, frame.time_base, pixels), grey, ab


def _ahead(items):
    """The items of a generator, made by a thread of their own while those before are used."""
    pool = ThreadPoolExecutor(1)
    try:
        coming = deque(pool.submit(next, items, None) for _ in range(CHUNK))
        while (item := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, items, None))
            yield item
    finally:  # the thread is at its end when this returns
        pool.shutdown(cancel_futures=True)


def _even(rgb):
    """Even height and width, as players want them: the last row or column twice where odd."""
    down, right = (side % 2 for side in rgb.shape[:2])
    return cv2.copyMakeBorder(rgb, 0, down, 0, right, cv2.BORDER_REPLICATE)


def _pictures(film, source):
    """The stream of moving pictures; covers of sound files are none."""
    for stream in film.streams.video:
        if stream.codec_context and not is_cover(stream):
            stream.thread_type = "AUTO"
            return stream
    raise ValueError(f"{source}: has no moving pictures; give a film")


class _Reading:
    """A film that is read, from its start as far as it can be.

    start: time of the film that becomes 0, seconds.
    end: where its pictures end, seconds from its start.
    aspect: of the pixels as they are shown upright, None where it is not told.
    """

    def __init__(self, film, pictures):
        self._film, self._pictures = film, pictures
        self.start = Fraction(film.start_time or 0, av.time_base)
        self.end = self._latest = Fraction(0)
        self.aspect, self._packets = pictures.sample_aspect_ratio, 0

    def frames(self, take):
        """The frames; `take` is given the packets of the other streams."""
        first = True
        with contextlib.suppress(av.InvalidDataError):
            for packet in self._film.demux():
                self._from_start(packet)
                if packet.stream.index != self._pictures.index:
                    take(packet)
                    continue
                self._packets += bool(packet.size)
                with contextlib.suppress(av.InvalidDataError):  # the next may be whole again
                    for frame in packet.decode():
                        if first and self.aspect and _turn(frame)[1]:
                            self.aspect = 1 / self.aspect
                        first = False
                        if frame.pts is not None:
                            end = (frame.pts + (frame.duration or 0)) * frame.time_base
                            self.end = max(self.end, end)
                        yield frame

    def _from_start(self, packet):
        shift = round(self.start / packet.time_base)
        if packet.dts is not None:
            packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self._latest = max(self._latest, end)

    def cut_off(self):
        """`(reached, stated)`, seconds, where pictures are missing at the end, else None."""
        pictures = self._pictures
        if 0 < pictures.frames <= self._packets or not self.end:
            return None
        own = pictures.metadata.get("DURATION", "")  # Matroska's, where its maker wrote it
        from_zero = max(self.start, 0)
        if pictures.duration:
            first = pictures.start_time or 0
            stated = (first + pictures.duration) * pictures.time_base - self.start
            reached = self.end
        elif HOURS.fullmatch(own):
            hours, minutes, seconds = map(Fraction, own.split(":"))
            stated, reached = hours * 3600 + minutes * 60 + seconds, self.end + from_zero
        else:  # of the longest stream, which need not be the pictures
            stated = Fraction(self._film.duration or 0, av.time_base)
            reached = self._latest + from_zero
        return (float(reached), float(stated)) if reached < WHOLE * stated - SLACK else None


def _new_pictures(pictures, shape, aspect, out):
    """The stream of pictures in `out`, with the times of the film's."""
    rate = pictures.guessed_rate or pictures.average_rate
    if not rate or rate > FASTEST:
        rate = RATE
    stream = out.add_stream("libx264", rate=rate, options=X264)
    stream.height, stream.width = shape[:2]
    context = stream.codec_context
    context.pix_fmt, context.time_base = "yuv420p", pictures.time_base
    if aspect:
        context.sample_aspect_ratio = aspect
    for name, value in BT709.items():
        setattr(context, name, value)
    return stream


def _write(out, work, pictures, reading, carried, waiting):
    """Writes coloured frames, and the packets that wait beside them; returns how many frames."""
    number, before = 0, None
    for (pts, time_base, pixels), ab in work:
        rgb = _even(compose(pixels, ab))
        if not number:
            stream = _new_pictures(pictures, rgb.shape, reading.aspect, out)
            carried.begin(out, stream, reading.start)
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
        shown = max(each * time_base, reading.end - before * time_base)
        for packet in stream.encode():
            if packet.pts == round((before - late) * time_base / packet.time_base):
                packet.duration = round(shown / packet.time_base)
            out.mux(packet)
        while waiting:
            out.mux(carried.take(waiting.popleft()))
        out.mux(carried.rest())
    return number


def _bar(frames, total):
    return tqdm(frames, total=total, unit="frame")


def _colour(colorizer, film, source, target, order):
    """Colours an open film into a file; returns the number of frames, and what is left out."""
    pictures = _pictures(film, source)
    carried, reading, waiting = Carried(film, pictures), _Reading(film, pictures), deque()
    frames = _upright(reading.frames(waiting.append), pictures.time_base)
    # The thread that reads the film is at its end before the film is closed, whatever happens.
    with contextlib.closing(_ahead(_coloured(colorizer, frames, order.vividness))) as work:
        done = steadied(work) if order.steady else ((frame, ab) for frame, _, ab in work)
        done = order.watch(done, pictures.frames or None)
        with new_film(target) as out:
            number = _write(out, done, pictures, reading, carried, waiting)
    if not number:
        raise ValueError(f"{source}: no picture in it can be read; fetch it again")
    if missing := reading.cut_off():
        raise ValueError(
            f"{source}: can be read to {missing[0]:.1f} of {missing[1]:.1f} seconds; it is cut "
            "off or damaged, fetch it again"
        )
    with open_film(target) as new:
        left = carried.left_out(new)
    depth = max(component.bits for component in pictures.format.components)
    if depth > 8:
        left.insert(0, f"{depth} bits a channel (8 are written)")
    if pictures.codec_context.color_trc in HDR:
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
    watch: is given the frames on their way and their number, or None, and hands them on; by
        default it shows a bar of progress.
    """

    vividness: float | None = None
    steady: bool = True
    force: bool = False
    mark: bool = True
    credentials: object = None
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
