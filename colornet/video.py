"""Films: every frame coloured, held still in time, written beside the sound as it was."""

import contextlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
from av.filter import Graph
from tqdm import tqdm

from colornet import temporal
from colornet.colorize import compose, predict_ab, working_size
from colornet.files import atomic

# Sound that mp4 holds as it is; other kinds become AAC.
SOUND = ("aac", "mp3", "ac3", "eac3", "alac", "flac", "opus")
X264 = {"crf": "17", "preset": "veryfast"}  # hardly to be told from the original
BT709 = dict(colorspace=1, color_primaries=1, color_trc=1, color_range=1)
RATE = 25  # frames a second where a film does not tell
TONE = 3  # levels of 255: a frame whose channels differ by no more is grey
WHOLE = 0.98  # share of its stated length that a film has, at least
TURNS = {90: "transpose=cclock", 180: "rotate=PI", 270: "transpose=clock"}


def _upright(frames, stream):
    """Frames in RGB, all of the first one's size: whole where interlaced, turned as the camera was."""
    graph, shape, first = None, None, None

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
        if shape != (frame.width, frame.height, frame.format.name):
            yield from rest()
            shape = frame.width, frame.height, frame.format.name
            first = first or shape
            turn = TURNS.get(frame.rotation % 360)
            parts = ["bwdif=mode=send_frame:deint=interlaced", f"scale={first[0]}:{first[1]}"]
            parts += [*([turn] if turn else []), "format=rgb24"]
            graph = Graph()
            nodes = [graph.add_buffer(None, *shape, time_base=stream.time_base)]
            nodes += [graph.add(*part.split("=", 1)) for part in parts]
            graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        graph.vpush(frame)
        yield from ready()
    yield from rest()


def _coloured(network, frames, vividness):
    """`(frame, grey, ab)` as `temporal.steady` takes it; a frame is its times and its pixels."""
    for frame in frames:
        pixels = frame.to_ndarray()
        red, green, blue = cv2.split(pixels)
        if max(cv2.absdiff(red, green).max(), cv2.absdiff(blue, green).max()) <= TONE:
            pixels = green
        height, width = working_size(network, *pixels.shape[:2])
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        ab = predict_ab(network, pixels, vividness)
        ab = cv2.resize(ab, (width, height), interpolation=cv2.INTER_CUBIC)
        yield (frame.pts, frame.time_base, pixels), grey, ab


def _ahead(items):
    """The same items, made by a thread of their own while those before are used."""
    items = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, items, None) for _ in range(temporal.CHUNK))
        while (item := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, items, None))
            yield item


def _even(rgb):
    """Even height and width, as players want them: the last row or column twice where odd."""
    down, right = (side % 2 for side in rgb.shape[:2])
    return cv2.copyMakeBorder(rgb, 0, down, 0, right, cv2.BORDER_REPLICATE)


def _pictures(film, source):
    """The stream of moving pictures; covers of sound files are none."""
    for stream in film.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.thread_type = "AUTO"
            return stream
    raise ValueError(f"{source}: has no moving pictures; give a film")


def _decoded(film, pictures, take):
    """The frames of a film, as far as they can be read; `take` is given the packets of sound."""
    try:
        for packet in film.demux(pictures, *_sounds(film)):
            try:
                if packet.stream is pictures:
                    yield from packet.decode()
                else:
                    take(packet)
            except av.InvalidDataError:
                continue  # the next may be whole again
    except av.InvalidDataError:
        return


def _first(source):
    """The first frame, RGB: for the size of what is to come."""
    try:
        with av.open(source) as film:
            pictures = _pictures(film, source)
            for frame in _upright(_decoded(film, pictures, lambda sound: None), pictures):
                return frame.to_ndarray()
    except av.FFmpegError as error:
        raise ValueError(f"{source}: cannot be read as a film ({error.strerror})") from None
    raise ValueError(f"{source}: no picture in it can be read; fetch it again")


def _new_pictures(pictures, shape, out):
    """The stream of pictures in `out`, with the times and the aspect of the film's."""
    rate = pictures.average_rate or pictures.guessed_rate or RATE
    stream = out.add_stream("libx264", rate=rate, options=X264)
    stream.height, stream.width = shape[:2]
    context = stream.codec_context
    context.pix_fmt, context.time_base = "yuv420p", pictures.time_base
    if pictures.sample_aspect_ratio:
        context.sample_aspect_ratio = pictures.sample_aspect_ratio
    for name, value in BT709.items():
        setattr(context, name, value)
    return stream


def _sounds(film):
    """The streams of sound that can be read."""
    return [stream for stream in film.streams.audio if stream.codec_context]


def _fits(sound):
    return sound.codec_context.codec.canonical_name in SOUND


def _new_sound(sound, out):
    """The stream of sound in `out`: as the film's where mp4 can hold that, else AAC."""
    if _fits(sound):
        return out.add_stream_from_template(sound)
    stream = out.add_stream("aac", rate=sound.rate)
    stream.layout = sound.layout
    return stream


def _colour(network, film, source, shape, target, vividness, steady):
    """Colours an open film into a file; returns the number of frames."""
    pictures = _pictures(film, source)
    with av.open(target, "w", format="mp4", options={"movflags": "faststart"}) as out:
        stream = _new_pictures(pictures, shape, out)
        sounds = {sound.index: _new_sound(sound, out) for sound in _sounds(film)}
        number, reached, waiting = 0, 0.0, deque()
        rate, before = stream.codec_context.framerate, None

        def write_sound():
            nonlocal reached
            while waiting:
                packet = waiting.popleft()
                if packet.pts is not None:
                    reached = max(reached, float(packet.pts * packet.time_base))
                sound = sounds[packet.stream.index]
                if not _fits(packet.stream):
                    with contextlib.suppress(av.InvalidDataError):  # the next may be whole again
                        for frame in packet.decode():
                            out.mux(sound.encode(frame))
                elif packet.dts is not None:  # None: an empty one, behind the last
                    packet.stream = sound
                    out.mux(packet)

        frames = _upright(_decoded(film, pictures, waiting.append), pictures)
        work = _ahead(_coloured(network, frames, vividness))
        work = temporal.steady(work) if steady else ((frame, ab) for frame, _, ab in work)
        for (pts, time_base, pixels), ab in tqdm(work, total=pictures.frames or None, unit="frame"):
            rgb = av.VideoFrame.from_ndarray(_even(compose(pixels, ab)), "rgb24")
            frame = rgb.reformat(format="yuv420p", dst_colorspace="ITU709")
            # Raw streams tell no times, joined ones begin anew: then each follows the one before.
            after = 0 if before is None else before + max(1, round(1 / (rate * time_base)))
            if pts is None or before is not None and pts <= before:
                pts = after
            frame.pts, frame.time_base, before = pts, time_base, pts
            out.mux(stream.encode(frame))
            write_sound()
            number, reached = number + 1, max(reached, float(pts * time_base))
        out.mux(stream.encode())
        write_sound()
        for sound in _sounds(film):
            if not _fits(sound):
                out.mux(sounds[sound.index].encode())
    stated, start = ((time or 0) / av.time_base for time in (film.duration, film.start_time))
    if reached - start + 1 / float(rate) < WHOLE * stated:
        raise ValueError(
            f"{source}: can be read to {reached - start:.1f} of {stated:.1f} seconds; it is cut "
            "off or damaged, fetch it again"
        )
    return number


def colorize_video(network, source, target, vividness=None, steady=True, force=False):
    """Colours a film.

    Args:
        network: a Keras model from L to ab, see `models.load`.
        source: any film that FFmpeg reads.
        target: the new film, mp4: H.264, with the sound, times, aspect and upright position of
            `source`. It appears when it is whole.
        vividness: as in `colorize.predict_ab`.
        steady: hold colours still in time, see `temporal.steady`; else each frame is on its own.
        force: replace a `target` that is there.

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
    if target.exists() and not force:
        raise ValueError(f"{target}: is there already; --force replaces it")
    shape = _even(_first(source)).shape
    with av.open(source) as film, atomic(target) as temporary:
        try:
            return _colour(network, film, source, shape, temporary, vividness, steady)
        except OSError as error:
            if error.filename != str(temporary):
                reason = error.strerror or error
                raise ValueError(f"{source}: cannot be coloured ({reason}); fetch it again") from None
            raise OSError(f"{target}: cannot be written ({error.strerror}); make room") from None
