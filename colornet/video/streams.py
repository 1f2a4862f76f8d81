"""What a film carries beside moving pictures, as mp4 holds it: sound, subtitles, covers, tags."""

import contextlib
import io
import re
from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph

from colornet.storage import AnyPath

# Sound that mp4 holds as it is, where its muxer takes it; other kinds become AAC.
SOUND = ("aac", "mp3", "ac3", "eac3", "alac", "flac", "opus")
COVERS = ("mjpeg", "png")
TEXT = ("subrip", "srt", "ass", "ssa", "webvtt", "text")
# The layouts of AAC that are still known by name when mp4 is read.
LAYOUTS = ("mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "5.0", "5.1", "7.1")
SNAP = 0.1  # seconds: gaps in sound up to it come from rounded times
# Tags that tell of the file rather than of the film: untrue of another file.
OF_THE_FILE = re.compile(
    r"encoder.*|software|duration.*|major_brand|minor_version|compatible_brands|handler_name"
    r"|vendor_id|_statistics.*|bps.*|number_of_.*|source_id.*|rotate|variant_bitrate|id3v2_priv.*"
    r"|.*_ul|(.*_)?uid|.*_umid|company_name|product_.*|toolkit_.*|application_platform",  # MXF
    re.IGNORECASE,
)
# Names of tags in other formats, and those that mp4's muxer takes.
RENAMED = {
    "date_released": "date",
    "date_recorded": "date",
    "com.apple.quicktime.creationdate": "date",
    "name": "title",
}
# `file:` below: a name is a file's, also where it is like an address. Tags go on byte for byte.
TAGS = dict(metadata_errors="surrogateescape")


def open_film(path: AnyPath) -> av.container.InputContainer:
    """PyAV's container of a file to read."""
    return av.open(f"file:{path}", **TAGS)


@contextlib.contextmanager
def new_film(path: AnyPath) -> Iterator[av.container.OutputContainer]:
    """PyAV's container of an mp4 file to write; the first error is the one that is raised."""
    out = av.open(f"file:{path}", "w", "mp4", {"movflags": "faststart"}, **TAGS)
    try:
        yield out
    except BaseException:
        with contextlib.suppress(av.FFmpegError):
            out.close()
        raise
    out.close()


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether a stream is a still picture of a sound file or film, no moving one."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def tags(metadata: dict[str, str]) -> dict[str, str]:
    """The tags that another file may keep, by their names in mp4."""
    kept = {key: value for key, value in metadata.items() if not OF_THE_FILE.fullmatch(key)}
    for key in list(kept):
        if new := RENAMED.get(key.lower()):
            kept.setdefault(new, kept.pop(key))
    return kept


class _Copy:
    """A stream as it is."""

    def __init__(self, stream, out):
        self.new = out.add_stream_from_template(stream, opaque=True)
        self._after = None

    def take(self, packet):
        if not packet.size:
            return
        # Joined films begin anew, and some packets tell no time: each follows the one before.
        if self._after is not None and (packet.dts is None or packet.dts < self._after):
            packet.pts = packet.dts = self._after
        if packet.dts is not None:
            self._after = packet.dts + max(1, packet.duration or 0)
        packet.stream = self.new
        yield packet

    def rest(self):
        return ()


class _Text:
    """Subtitles of text as mov_text."""

    def __init__(self, stream, out):
        self._decoder = stream.codec_context
        self._decoder.open(strict=False)  # makes the header
        self.new = out.add_stream("mov_text")
        self.new.codec_context.subtitle_header = self._decoder.subtitle_header
        self.new.codec_context.time_base = Fraction(1, 1000)

    def take(self, packet):
        subtitle = self._decoder.decode2(packet) if packet.size else None
        if subtitle is None or packet.pts is None:
            return
        new = self.new.codec_context.encode_subtitle(subtitle)
        new.stream, new.time_base = self.new, packet.time_base
        new.pts = new.dts = packet.pts
        new.duration = packet.duration
        yield new

    def rest(self):
        return ()


class _Aac:
    """Sound as AAC, from the same loudspeakers."""

    def __init__(self, sound, out):
        rates = av.Codec("aac", "w").audio_rates
        self._rate = min((rate for rate in rates if rate >= sound.rate), default=max(rates))
        self.new = out.add_stream("aac", rate=self._rate)
        self.new.layout = self._layout = _layout(sound.layout)
        self.new.codec_context.time_base = Fraction(1, self._rate)
        self._shape, self._graph, self._next = None, None, None

    def _ready(self):
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield from self.new.encode(frame)

    def _flush(self):
        if self._graph:
            self._graph.push(None)
            yield from self._ready()

    def _begin(self, frame):
        """A graph to AAC's form; a film's sound may change its own on the way."""
        layout, count = frame.layout.name, frame.layout.nb_channels
        self._graph = Graph()
        nodes = [
            self._graph.add(
                "abuffer",
                sample_rate=str(frame.sample_rate),
                sample_fmt=frame.format.name,
                channel_layout=layout,
                time_base=f"1/{frame.sample_rate}",
            )
        ]
        if _name(frame.layout) != layout:
            same = "|".join(map(str, range(count)))
            nodes.append(
                self._graph.add("channelmap", map=same, channel_layout=_name(frame.layout))
            )
        nodes.append(
            self._graph.add(
                "aformat",
                sample_rates=str(self._rate),
                sample_fmts="fltp",
                channel_layouts=self._layout,
            )
        )
        self._graph.link_nodes(*nodes, self._graph.add("abuffersink")).configure()
        self._next = None

    def take(self, packet):
        for frame in packet.decode():
            shape = frame.format.name, frame.layout.name, frame.sample_rate
            if shape != self._shape:
                yield from self._flush()
                self._begin(frame)
                self._shape = shape
            due = self._next
            if frame.pts is not None:
                due = round(frame.pts * frame.time_base * frame.sample_rate)
            if self._next is not None and due < self._next + SNAP * frame.sample_rate:
                due = self._next
            frame.pts, frame.time_base = due or 0, Fraction(1, frame.sample_rate)
            self._next = frame.pts + frame.samples
            self._graph.push(frame)
            yield from self._ready()

    def rest(self):
        yield from self._flush()
        yield from self.new.encode()


def _name(layout):
    """A layout's name; where it has none, that of as many channels by FFmpeg's default."""
    count = layout.nb_channels
    if count > 8:
        return None
    unnamed = count < 3 or "channels" in layout.name
    return av.AudioLayout(f"{count}c").name if unnamed else layout.name


def _layout(layout):
    """The layout of AAC that has the loudspeakers of another, or None."""
    name = _name(layout)
    if name is None:
        return None
    back = name.replace("(side)", "")
    if back in LAYOUTS:
        return back
    return "5.1" if layout.nb_channels < 6 else "7.1"


def _fits(stream):
    """Whether mp4's muxer takes a stream as it is."""
    with av.open(io.BytesIO(), "w", format="mp4") as trial:
        try:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
    return True


def _carrier(stream):
    """The class that carries a stream, or None."""
    context = stream.codec_context
    if context is None:
        return None
    name = context.codec.canonical_name
    if stream.type == "audio" and context.sample_rate and context.layout.nb_channels:
        if name in SOUND and _fits(stream):
            return _Copy
        return _Aac if _layout(context.layout) else None
    if stream.type == "subtitle":
        return _Copy if name == "mov_text" else _Text if name in TEXT else None
    if stream.type == "video" and is_cover(stream) and name in COVERS:
        return _Copy
    return None


class Carried:
    """All that goes from an open film into another file, beside its moving pictures.

    Args:
        film: PyAV's container.
        pictures: its stream of moving pictures.

    streams: those of `film` that are carried.
    """

    def __init__(self, film: av.container.InputContainer, pictures: av.VideoStream):
        self._film, self._pictures = film, pictures
        others = [stream for stream in film.streams if stream.index != pictures.index]
        others.sort(key=is_cover)  # no tracks in mp4: behind them, the others keep their place
        found = {stream: _carrier(stream) for stream in others}
        self.streams = [stream for stream, carrier in found.items() if carrier]
        self._found, self._carriers, self._pairs = found, {}, []

    def begin(
        self, out: av.container.OutputContainer, pictures: av.VideoStream, start: Fraction
    ) -> None:
        """Adds the streams and tags to `out`, before its first packet.

        Args:
            out: PyAV's container.
            pictures: its stream of moving pictures.
            start: time of the film that becomes 0, seconds.
        """
        self._pairs = [(self._pictures, pictures)]
        for stream in self.streams:
            carrier = self._carriers[stream.index] = self._found[stream](stream, out)
            self._pairs.append((stream, carrier.new))
        for old, new in self._pairs:
            new.metadata.update(told := tags(old.metadata))
            if "title" in told:
                new.metadata["handler_name"] = told["title"]  # which most players show
            new.disposition = old.disposition
        out.metadata.update(tags(self._film.metadata))
        chapters = self._film.chapters()
        for chapter in chapters:
            shift = round(start / chapter["time_base"])
            chapter["start"], chapter["end"] = chapter["start"] - shift, chapter["end"] - shift
        out.set_chapters(chapters)

    def take(self, packet: av.Packet) -> Iterator[av.Packet]:
        """The packets of the new file that follow from one of the film's."""
        if packet.stream.index not in self._carriers:
            return
        with contextlib.suppress(av.InvalidDataError):  # the next may be whole again
            yield from self._carriers[packet.stream.index].take(packet)

    def rest(self) -> Iterator[av.Packet]:
        """The last packets."""
        for carrier in self._carriers.values():
            yield from carrier.rest()

    def left_out(self, new: av.container.InputContainer) -> list[str]:
        """What the film has and an open file made from it has not: a word or two for each."""
        chapters = self._film.chapters()
        there = {key.lower() for of in (new, *new.streams) for key in of.metadata}
        lost = [f"{len(chapters)} chapters"] if len(new.chapters()) < len(chapters) else []
        for stream, carrier in self._found.items():
            told = "timecode" in there if "timecode" in stream.metadata else chapters
            if carrier or stream.type == "data" and told and stream.codec_context is None:
                continue
            name = stream.codec_context.name if stream.codec_context else stream.name
            words = [word for word in (name, stream.language) if word and word != "und"]
            lost.append(f"{stream.type} {stream.index}" + f" ({', '.join(words)})" * bool(words))
        lost += [f"tag {key}" for key in tags(self._film.metadata) if key.lower() not in there]
        for number, (stream, _) in enumerate(self._pairs):
            if not is_cover(stream):
                told, kept = tags(stream.metadata), tags(new.streams[number].metadata)
                for key in {"language", "title"} & {*told}:
                    if told[key] not in ("und", kept.get(key)):
                        lost.append(f"{key} of {stream.type} {stream.index}")
        return lost
