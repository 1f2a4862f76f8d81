"""Reading a film: upright frames in RGB, from its start as far as it can be read."""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.filter import Graph

from colornet.inference.inputs import working_size
from colornet.storage import AnyPath
from colornet.video.streams import is_cover, open_film

RATE, FASTEST = 25, 250  # frames a second: where a film does not tell; that timecodes can count
TONE = 3  # levels of 255: a frame whose channels differ by no more is grey
WHOLE, SLACK = 0.98, 0.1  # share of its stated length that a film has, at least; seconds
HOURS = re.compile(r"\d+:\d\d:\d\d(\.\d+)?")
READY = 4  # items that a thread works ahead


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


def upright(frames: Iterable[av.VideoFrame], time_base: Fraction) -> Iterator[av.VideoFrame]:
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


def moving_pictures(film: av.container.InputContainer, source: AnyPath) -> av.VideoStream:
    """The stream of moving pictures; covers of sound files are none.

    Raises:
        ValueError: there is none.
    """
    for stream in film.streams.video:
        if stream.codec_context and not is_cover(stream):
            stream.thread_type = "AUTO"
            return stream
    raise ValueError(f"{source}: has no moving pictures; give a film")


class Reading:
    """A film that is read, from its start as far as it can be.

    start: time of the film that becomes 0, seconds.
    end: where its pictures end, seconds from its start.
    aspect: of the pixels as they are shown upright, None where it is not told.
    """

    def __init__(self, film: av.container.InputContainer, pictures: av.VideoStream):
        self._film, self._pictures = film, pictures
        self.start = Fraction(film.start_time or 0, av.time_base)
        self.end = self._latest = Fraction(0)
        self.aspect, self._packets = pictures.sample_aspect_ratio, 0

    def frames(self, take: Callable[[av.Packet], None]) -> Iterator[av.VideoFrame]:
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

    def cut_off(self) -> tuple[float, float] | None:
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


def frame_rate(stream: av.VideoStream) -> Fraction:
    """Frames a second that a stream tells, 25 where it tells none that can be."""
    rate = stream.guessed_rate or stream.average_rate
    return rate if rate and rate <= FASTEST else Fraction(RATE)


class Picture(NamedTuple):
    """A frame of a film.

    number: from 0 on.
    seconds: from the film's start.
    pts, time_base: its time as the film tells it; pts may be None.
    pixels: uint8 RGB `(H, W, 3)`, or grey `(H, W)` where it has no colours.
    grey: uint8 `(h, w)`, the size at which a network sees it.
    """

    number: int
    seconds: float
    pts: int | None
    time_base: Fraction
    pixels: np.ndarray
    grey: np.ndarray


def pictures(frames: Iterable[av.VideoFrame], network: object, rate: float) -> Iterator[Picture]:
    """Upright frames as `Picture`s.

    Args:
        frames: of `upright`.
        network: that is to see them.
        rate: frames a second, where they do not tell their times.
    """
    seconds = None
    for number, frame in enumerate(frames):
        told = None if frame.pts is None else float(frame.pts * frame.time_base)
        if told is None or seconds is not None and told <= seconds:
            told = 0.0 if seconds is None else seconds + 1 / rate
        seconds, pixels = told, frame.to_ndarray()
        red, green, blue = cv2.split(pixels)
        if max(cv2.absdiff(red, green).max(), cv2.absdiff(blue, green).max()) <= TONE:
            pixels = green
        height, width = working_size(network, *pixels.shape[:2])
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        yield Picture(number, seconds, frame.pts, frame.time_base, pixels, grey)


@contextlib.contextmanager
def ahead(items: Iterator) -> Iterator[Iterator]:
    """The items of a generator, made by a thread of their own while those before are used.

    The thread is at its end when the block is.
    """
    pool = ThreadPoolExecutor(1)

    def made():
        coming = deque(pool.submit(next, items, None) for _ in range(READY))
        while (item := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, items, None))
            yield item

    try:
        yield made()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def reading(source: AnyPath, network: object) -> Iterator[Iterator[Picture]]:
    """The `Picture`s of a film, for who wants nothing else of it.

    Raises:
        ValueError: it cannot be read as a film, or has no picture; one line.
    """
    try:
        film = open_film(source)
    except av.FFmpegError as error:
        raise ValueError(f"{source}: cannot be read as a film ({error.strerror})") from None
    with film:
        stream = moving_pictures(film, source)
        frames = upright(Reading(film, stream).frames(lambda packet: None), stream.time_base)
        with ahead(pictures(frames, network, frame_rate(stream))) as found:
            yield found
