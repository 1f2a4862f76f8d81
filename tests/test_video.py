"""Films in, coloured films out: times, sound, aspect and position kept; faults in one line."""

import os
import re
import signal
import sys
import threading
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest
from conftest import start

from colornet.__main__ import main
from colornet.color import lab
from colornet.data import samples

av = pytest.importorskip("av", reason="the video extra is not installed")
from colornet.inference.colorizer import Colorizer
from colornet.video.film import FilmOrder, colorize_video

NUMBER = 20


def scene(height=96, width=128, number=NUMBER, colour=False):
    """A window that moves over a photo, uint8 RGB."""
    photo = samples.sample("coffee")[:300, :500]
    if not colour:
        photo = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    return [np.ascontiguousarray(photo[2 * i :, 3 * i :][:height, :width]) for i in range(number)]


def film(
    path,
    frames,
    codec="libx264",
    pix_fmt="yuv420p",
    rate=Fraction(25),
    times=None,
    aspect=None,
    turn=0,
    sound=None,
    options=None,
):
    """Writes a film; `times` are in hundredths of a second."""
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times:
            stream.codec_context.time_base = Fraction(1, 100)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn:
            stream.set_display_rotation(turn)
        tone = out.add_stream(sound, rate=48000) if sound else None
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt)
            if times:
                frame.pts, frame.time_base = times[i], Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if sound:
            wave = np.sin(np.arange(48000) * 440 * 2 * np.pi / 48000) * 8000
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts = 48000, 0
            out.mux(tone.encode(frame))
            out.mux(tone.encode())
    return path


def read(path):
    """Pixels of every frame, their times, and the stream's aspect and rotation."""
    with av.open(path) as source:
        frames = list(source.decode(video=0))
        pixels = [frame.to_ndarray(format="rgb24") for frame in frames]
        times = [frame.time for frame in frames]
        return pixels, times, source.streams.video[0].sample_aspect_ratio, frames[0].rotation


def lightness(rgb):
    return np.asarray(lab.rgb_to_lab(np.float32(rgb) / 255))[..., 0]


@pytest.fixture(scope="module")
def colorizer(beginner):
    return Colorizer(beginner)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("films") / "clip.mp4", scene(), sound="aac")


@pytest.mark.parametrize(
    "name, options",
    [
        ("a.mp4", {}),
        ("b.mkv", dict(codec="ffv1", pix_fmt="gray")),
        ("c.mov", dict(codec="mjpeg", pix_fmt="yuvj422p", sound="pcm_s16le")),
        ("d.avi", dict(codec="mpeg4", sound="libmp3lame")),
        ("e.webm", dict(codec="libvpx-vp9", sound="libopus")),
        ("f.mkv", dict(codec="ffv1", pix_fmt="yuv444p", rate=Fraction(24000, 1001))),
    ],
)
def test_kinds_of_films(name, options, colorizer, tmp_path):
    source = film(tmp_path / name, scene(), **options)
    assert colorize_video(colorizer, source, tmp_path / "out.mp4") == NUMBER
    (before, times, *_), (after, new_times, *_) = read(source), read(tmp_path / "out.mp4")
    np.testing.assert_allclose(new_times, times, atol=1.1e-3)  # Matroska rounds to milliseconds
    for one, other in zip(before, after, strict=True):
        assert np.abs(lightness(one) - lightness(other)).mean() < 2
    assert np.ptp(after[0].astype(int), axis=-1).mean() > 3  # coloured
    with av.open(tmp_path / "out.mp4") as out:
        assert len(out.streams.audio) == ("sound" in options)
        if "sound" in options:
            seconds = sum(frame.samples / frame.sample_rate for frame in out.decode(audio=0))
            assert seconds == pytest.approx(1, abs=0.1)


def test_sound_that_mp4_holds_is_left_as_it_is(clip, colorizer, tmp_path):
    def packets(path):
        with av.open(path) as source:
            return [bytes(packet) for packet in source.demux(audio=0) if packet.size]

    colorize_video(colorizer, clip, tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4") == packets(clip) != []


@pytest.mark.parametrize("height, width", [(97, 129), (64, 33), (33, 200)])
def test_odd_sizes_become_even(height, width, colorizer, tmp_path):
    source = film(tmp_path / "a.mkv", scene(height, width, 3), codec="ffv1", pix_fmt="bgr0")
    colorize_video(colorizer, source, tmp_path / "out.mp4")
    pixels = read(tmp_path / "out.mp4")[0]
    assert pixels[0].shape == (height + height % 2, width + width % 2, 3)
    before = lightness(scene(height, width, 1)[0])
    assert np.abs(lightness(pixels[0])[:height, :width] - before).mean() < 2


def test_uneven_times_and_aspect_are_kept(colorizer, tmp_path):
    times = [0, 4, 8, 20, 24, 60, 61, 70]
    source = film(tmp_path / "a.mp4", scene(number=8), times=times, aspect=Fraction(4, 3))
    colorize_video(colorizer, source, tmp_path / "out.mp4")
    _, new_times, aspect, _ = read(tmp_path / "out.mp4")
    np.testing.assert_allclose(new_times, np.array(times) / 100, atol=1e-4)
    assert aspect == Fraction(4, 3)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_films_stand_upright(turn, colorizer, tmp_path):
    frames = scene(number=3)
    source = film(tmp_path / "a.mov", frames, turn=turn)
    colorize_video(colorizer, source, tmp_path / "out.mp4")
    pixels, _, _, rotation = read(tmp_path / "out.mp4")
    assert rotation == 0
    upright = np.rot90(frames[0], turn // 90)  # a display matrix turns counterclockwise
    assert pixels[0].shape == upright.shape
    assert np.abs(lightness(pixels[0]) - lightness(upright)).mean() < 3


def test_interlaced_films_lose_their_combs(colorizer, tmp_path):
    # Two fields of different moments in each frame; flagged, as PAL and NTSC films are.
    moments = scene(number=2 * NUMBER)
    frames = [a.copy() for a in moments[::2]]
    for frame, later in zip(frames, moments[1::2]):
        frame[1::2] = later[1::2]
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1"}
    source = film(tmp_path / "a.mp4", frames, options=options)

    def combs(rgb):
        grey = rgb[..., 1].astype(float)
        return np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean()

    colorize_video(colorizer, source, tmp_path / "out.mp4")
    pixels, whole = read(tmp_path / "out.mp4")[0], np.mean([combs(m) for m in moments])
    assert len(pixels) == NUMBER
    assert np.mean([combs(f) for f in read(source)[0]]) > 1.5 * whole
    assert np.mean([combs(p) for p in pixels]) < 1.1 * whole


def test_raw_streams_without_times_get_even_ones(colorizer, tmp_path):
    source, target = film(tmp_path / "raw.h264", scene()), tmp_path / "out.mp4"
    assert colorize_video(colorizer, source, target) == NUMBER
    _, times, _, _ = read(target)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)


@pytest.mark.parametrize("suffix", ["h264", "ts"])
def test_joined_films_of_two_sizes_become_one(suffix, colorizer, tmp_path):
    parts = [
        film(tmp_path / f"{side}.{suffix}", scene(side, 128)).read_bytes() for side in (96, 160)
    ]
    source, target = tmp_path / f"joined.{suffix}", tmp_path / "out.mp4"
    source.write_bytes(b"".join(parts))
    assert colorize_video(colorizer, source, target) == 2 * NUMBER
    pixels, times, _, _ = read(target)
    assert {frame.shape for frame in pixels} == {(96, 128, 3)}
    assert (np.diff(times) > 0).all()


def test_colours_of_a_film_are_not_seen(colorizer, tmp_path):
    results = []
    for colour in (False, True):
        frames = scene(number=2, colour=colour)
        source = film(tmp_path / f"{colour}.mkv", frames, codec="ffv1", pix_fmt="bgr0")
        colorize_video(colorizer, source, tmp_path / f"{colour}.mp4")
        results.append(read(tmp_path / f"{colour}.mp4")[0][0].astype(int))
    assert np.abs(results[0] - results[1]).mean() < 6  # camera's grey is not quite L


def test_each_frame_on_its_own(clip, colorizer, tmp_path):
    for name, steady in (("steady", True), ("each", False)):
        assert (
            colorize_video(colorizer, clip, tmp_path / f"{name}.mp4", FilmOrder(steady=steady))
            == NUMBER
        )
    steady, each = (
        np.array(read(tmp_path / f"{n}.mp4")[0]).astype(int) for n in ("steady", "each")
    )
    assert np.abs(steady - each).mean() > 0.1


# Sound


def chord(layout, rate, seconds=0.3):
    """A tone for each loudspeaker of a layout, 300 Hz apart, LFE's low: packed s16."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    pitches = [90 if name == "LFE" else 300 * (i + 1) for i, name in enumerate(names)]
    time = np.arange(int(rate * seconds)) / rate
    wave = np.int16(np.sin(2 * np.pi * np.outer(time, pitches)) * 8000)
    frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), "s16", layout)
    frame.sample_rate, frame.pts = rate, 0
    return frame


def talkie(path, sounds, codec="mpeg4", frames=None, **more):
    """A film with a stream of sound for each `(codec, layout, rate)`."""
    frames = frames or scene(48, 64, 5)
    with av.open(path, "w", **more) as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for name, layout, rate in sounds:
            out.add_stream(name, rate=rate).layout = layout
        for rgb in frames:
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=stream.pix_fmt)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        for track, (_, layout, rate) in zip(out.streams.audio, sounds, strict=True):
            out.mux(track.encode(chord(layout, rate)))
            out.mux(track.encode())
    return path


def pitches(path, number):
    """Codec, rate, layout and the loudest pitch of each loudspeaker, Hz, of one stream of sound."""
    with av.open(path) as film:
        sound, packed = film.streams.audio[number], av.AudioResampler("flt")
        count = sound.layout.nb_channels
        blocks = [new for frame in film.decode(sound) for new in packed.resample(frame)]
        wave = np.concatenate([block.to_ndarray().reshape(-1, count) for block in blocks])
        loud = np.abs(np.fft.rfft(wave * np.hanning(len(wave))[:, None], axis=0))
        # A lone loudspeaker with nothing in it has no pitch.
        hertz = np.where(loud.max(0) > 1, loud.argmax(0) * sound.rate / len(wave), 0)
        return sound.codec_context.name, sound.rate, sound.layout.name, hertz


UNNAMED = ["mono", "stereo", "2.1", "4.0", "5.0", "5.1", None, "7.1"]  # FFmpeg's, by their count


@pytest.mark.parametrize(
    "name, codec, sounds",
    [
        ("a.avi", "pcm_s16le", [("mono", 8000), ("2 channels", 8000), ("stereo", 44100)]),
        ("b.avi", "pcm_u8", [("mono", 11025), ("5.1", 48000), ("7.1", 96000)]),
        ("c.mkv", "pcm_s16le", [(f"{n} channels", 48000) for n in (1, 2, 3, 4, 5, 6, 8)]),
        ("d.mov", "pcm_s24le", [("5.1(side)", 48000), ("quad", 32000), ("7.1", 22050)]),
        ("e.mkv", "libmp3lame", [("mono", 8000), ("stereo", 11025)]),
        ("f.mkv", "pcm_f32le", [("stereo", 37800), ("mono", 192000), ("mono", 6000)]),
        ("g.mkv", "wavpack", [("3.1", 48000), ("6.1", 48000), ("hexagonal", 44100)]),
    ],
)
def test_sound_keeps_its_loudspeakers(name, codec, sounds, colorizer, tmp_path):
    source = talkie(tmp_path / name, [(codec, *sound) for sound in sounds])
    target, lines = tmp_path / "out.mp4", []
    assert colorize_video(colorizer, source, target, FilmOrder(steady=False), say=lines.append) == 5
    assert not lines
    for number, (layout, rate) in enumerate(sounds):
        kind, new_rate, new_layout, hertz = pitches(target, number)
        assert kind == "aac" and new_rate >= min(rate, 96000)
        count = av.AudioLayout(layout).nb_channels
        wanted = UNNAMED[count - 1] if "channels" in layout else layout.replace("(side)", "")
        if wanted in ("3.1", "6.1", "hexagonal"):  # which AAC lacks: more loudspeakers, silent
            assert new_layout in ("5.1", "7.1")
            continue
        assert new_layout == wanted
        names = [channel.name for channel in av.AudioLayout(wanted).channels]
        low = "LFE" in names and "channels" not in layout
        told = [90 if low and n == "LFE" else 300 * (i + 1) for i, n in enumerate(names)]
        heard = [n != "LFE" or low for n in names]  # LFE holds no high tone
        np.testing.assert_allclose(hertz[heard], np.array(told)[heard], atol=8)


def test_dv_with_pcm_and_its_wide_pixels(colorizer, tmp_path):
    frames = [np.full((576, 720, 3), 90 + i, np.uint8) for i in range(3)]
    source = talkie(tmp_path / "a.dv", [("pcm_s16le", "stereo", 48000)], "dvvideo", frames)
    assert colorize_video(colorizer, source, tmp_path / "out.mp4", FilmOrder(steady=False)) == 3
    _, times, aspect, _ = read(tmp_path / "out.mp4")
    np.testing.assert_allclose(times, [0, 0.04, 0.08], atol=1e-3)
    assert aspect == Fraction(16, 15)
    assert pitches(tmp_path / "out.mp4", 0)[:3] == ("aac", 48000, "stereo")


# Time


def moved(source, target, seconds, last=None, **more):
    """The same packets at later times; the last picture held for `last` seconds."""
    with av.open(source) as film, av.open(target, "w", **more) as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in film.streams}
        packets = [packet for packet in film.demux() if packet.size]
        for packet in packets:
            shift = int(seconds / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        pictures = [packet for packet in packets if packet.stream.type == "video"]
        if last:
            packet = max(pictures, key=lambda packet: packet.pts)
            packet.duration = int(last / packet.time_base)
        for packet in packets:
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


def lengths(path):
    """Start and end of each stream of pictures, sound and subtitles, seconds."""
    with av.open(path) as film:
        tracks = [s for s in film.streams if s.type != "data"]
        return [
            tuple(float(t * s.time_base) for t in (s.start_time, s.start_time + s.duration))
            for s in tracks
        ]


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4"])
def test_a_late_start_becomes_0(name, colorizer, tmp_path):
    source = talkie(tmp_path / "early.mp4", [("aac", "mono", 48000)], "libx264")
    late = moved(source, tmp_path / name, 36_000)
    assert colorize_video(colorizer, late, tmp_path / "out.mp4", FilmOrder(steady=False)) == 5
    pictures, sound = lengths(tmp_path / "out.mp4")
    assert min(pictures[0], sound[0]) == 0
    assert pictures == pytest.approx((0, 0.2), abs=0.03)
    assert sound == pytest.approx((0, 0.3), abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_a_last_picture_is_held(name, codec, colorizer, tmp_path):
    short = talkie(tmp_path / "short.mp4", [], codec, scene(48, 64))
    source = moved(short, tmp_path / name, 0, last=1)
    assert (
        colorize_video(colorizer, source, tmp_path / "out.mp4", FilmOrder(steady=False)) == NUMBER
    )
    assert lengths(tmp_path / "out.mp4") == [pytest.approx((0, 1.76), abs=2e-3)]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_sound_may_outlast_the_pictures(name, colorizer, tmp_path):
    source = talkie(tmp_path / name, [("libmp3lame", "mono", 44100)])
    assert colorize_video(colorizer, source, tmp_path / "out.mp4", FilmOrder(steady=False)) == 5
    pictures, sound = lengths(tmp_path / "out.mp4")
    assert pictures[1] == pytest.approx(0.2, abs=0.05) and sound[1] == pytest.approx(0.32, abs=0.04)


def test_joined_films_keep_their_sound(colorizer, tmp_path):
    one = talkie(
        tmp_path / "one.ts", [("aac", "mono", 48000), ("mp2", "mono", 48000)], "mpeg2video"
    )
    source = tmp_path / "joined.ts"
    source.write_bytes(one.read_bytes() * 2)
    assert colorize_video(colorizer, source, tmp_path / "out.mp4", FilmOrder(steady=False)) == 10
    pictures, *sounds = lengths(tmp_path / "out.mp4")
    assert pictures[1] == pytest.approx(0.4, abs=0.1)
    assert [end for _, end in sounds] == pytest.approx([0.6, 0.6], abs=0.15)


# What a film carries

SUBTITLES = {  # the same in each form
    "srt": """1
00:00:00,000 --> 00:00:00,400
Guten <i>Tag</i>

2
00:00:00,500 --> 00:00:01,500
Schön war's
""",
    "vtt": """WEBVTT

00:00.000 --> 00:00.400
Guten <i>Tag</i>

00:00.500 --> 00:01.500
Schön war's
""",
    "ass": """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Alignment
Style: Default,Arial,16,&Hffffff,0,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.00,0:00:00.40,Default,,0,0,0,,Guten {\\i1}Tag{\\i0}
Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,Schön war's
""",
}
TAGS = dict(
    title="Ein Film", artist="Wer", comment="so", creation_time="1999-01-02T03:04:05.000000Z"
)


def laden(path, form, folder):
    """A film with two languages, subtitles, chapters, tags, a cover, a font, a tag of its own."""
    (folder / f"said.{form}").write_text(SUBTITLES[form], encoding="utf-8")
    cover = cv2.imencode(".png", scene(48, 64, 1)[0])[1].tobytes()
    with av.open(folder / f"said.{form}") as said, av.open(path, "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for language, title in (("eng", "Narrator"), ("deu", "Erzähler")):
            sound = out.add_stream("aac", rate=48000, layout="mono")
            sound.metadata.update(language=language, title=title)
        text = out.add_stream_from_template(said.streams.subtitles[0], opaque=True)
        text.metadata.update(language="deu", title="Für Gehörlose")
        text.disposition = av.stream.Disposition.hearing_impaired
        out.add_attachment("cover.png", "image/png", cover)
        out.add_attachment("serif.ttf", "application/x-truetype-font", b"not read")
        out.metadata.update(TAGS | dict(DATE_RELEASED="1938-05-01", SHELF="7b"))
        parts = [dict(metadata=dict(title=f"part {i}")) for i in range(2)]
        for i, part in enumerate(parts):
            part.update(id=i, start=100 * i, end=100 * (i + 1), time_base=Fraction(1, 1000))
        out.set_chapters(parts)
        for rgb in scene(48, 64, 5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        out.mux(stream.encode())
        for sound in out.streams.audio:
            out.mux(sound.encode(chord("mono", 48000)))
            out.mux(sound.encode())
        for packet in said.demux():
            if packet.size:
                packet.stream = text
                out.mux(packet)
    return path


@pytest.mark.parametrize("form", SUBTITLES)
def test_what_a_film_carries_is_kept_or_named(form, colorizer, tmp_path):
    source, lines = laden(tmp_path / "a.mkv", form, tmp_path), []
    target = tmp_path / "out.mp4"
    assert colorize_video(colorizer, source, target, FilmOrder(steady=False), say=lines.append) == 5
    (line,) = lines
    assert line.startswith(f"{source}: left out") and line.endswith(
        ": attachment 5 (serif.ttf), tag SHELF"
    )
    with av.open(target) as film:
        assert TAGS.items() | {("date", "1938-05-01")} <= film.metadata.items()
        assert [sound.language for sound in film.streams.audio] == ["eng", "deu"]
        assert [s.metadata["name"] for s in film.streams.audio] == ["Narrator", "Erzähler"]
        told = [(part["start"], part["end"], part["metadata"]["title"]) for part in film.chapters()]
        assert told == [(0, 100, "part 0"), (100, 200, "part 1")]
        (text,) = film.streams.subtitles
        assert text.codec_context.name == "mov_text" and text.language == "deu"
        assert text.disposition & av.stream.Disposition.hearing_impaired
        assert film.streams.video[1].disposition & av.stream.Disposition.attached_pic
        said = [(p.pts, p.duration, bytes(p)) for p in film.demux(text) if p.size > 2]
        assert [(start, length) for start, length, _ in said] == [(0, 400), (500, 1000)]
        assert [text[2 : 2 + text[1]].decode() for *_, text in said] == ["Guten Tag", "Schön war's"]
        assert b"styl" in said[0][2]  # the slant
    # An mp4 again: all of it stays, nothing is left out.
    assert (
        colorize_video(
            colorizer, target, tmp_path / "b.mp4", FilmOrder(steady=False), say=lines.append
        )
        == 5
    )
    assert len(lines) == 1
    with av.open(tmp_path / "b.mp4") as film:
        assert [s.metadata["name"] for s in film.streams.audio] == ["Narrator", "Erzähler"]
        assert len(film.chapters()) == 2 and len(film.streams.video) == 2


def test_timecodes_are_kept(colorizer, tmp_path):
    source, lines = tmp_path / "a.mov", []
    with av.open(source, "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.height, stream.width = 48, 64
        stream.metadata["timecode"] = "10:00:00:00"
        for rgb in scene(48, 64, 5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        out.mux(stream.encode())
    target = tmp_path / "out.mp4"
    assert colorize_video(colorizer, source, target, FilmOrder(steady=False), say=lines.append) == 5
    assert not lines and lengths(target) == [pytest.approx((0, 0.2), abs=1e-3)]
    with av.open(target) as film:
        assert film.streams.video[0].metadata["timecode"] == "10:00:00:00"


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("flips", [dict(), dict(hflip=True), dict(vflip=True)])
def test_wide_pixels_turned_and_mirrored(turn, flips, colorizer, tmp_path):
    rgb = scene(48, 64, 1)[0]
    with av.open(tmp_path / "a.mp4", "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = rgb.shape[:2]
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        stream.set_display_rotation(turn, **flips)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        out.mux(stream.encode())
    colorize_video(colorizer, tmp_path / "a.mp4", tmp_path / "out.mp4", FilmOrder(steady=False))
    (pixels, *_), _, aspect, rotation = read(tmp_path / "out.mp4")
    upright = np.rot90(rgb, turn // 90)  # then it is mirrored
    upright = upright[:, ::-1] if "hflip" in flips else upright
    upright = upright[::-1] if "vflip" in flips else upright
    assert pixels.shape == upright.shape and rotation == 0
    assert np.abs(lightness(pixels) - lightness(upright)).mean() < 3
    assert aspect == (Fraction(15, 16) if turn % 180 else Fraction(16, 15))


@pytest.mark.parametrize("full", [False, True])
def test_the_range_of_greys_is_kept(full, colorizer, tmp_path):
    ramp = np.repeat(np.tile(np.arange(0, 256, 4, np.uint8), (48, 1))[..., None], 3, -1)
    value = 2 if full else 1
    with av.open(tmp_path / "a.mp4", "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = ramp.shape[:2]
        stream.codec_context.color_range = value
        frame = av.VideoFrame.from_ndarray(ramp, "rgb24")
        frame = frame.reformat(format="yuv420p", dst_color_range=value)
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    colorize_video(
        colorizer, tmp_path / "a.mp4", tmp_path / "out.mp4", FilmOrder(vividness=0, steady=False)
    )
    with av.open(tmp_path / "out.mp4") as film:
        frame = next(film.decode(video=0))
        assert (frame.color_range, frame.colorspace) == (1, 1)
        error = lightness(frame.to_ndarray(format="rgb24")) - lightness(ramp)
    assert np.abs(error).mean() < 1.5


def test_depth_that_is_lost_is_named(colorizer, tmp_path):
    source, lines = tmp_path / "a.mkv", []
    film(source, scene(48, 64, 2), codec="ffv1", pix_fmt="yuv420p10le")
    colorize_video(
        colorizer, source, tmp_path / "out.mp4", FilmOrder(steady=False), say=lines.append
    )
    assert len(lines) == 1 and "10 bits a channel" in lines[0]


# Names


@pytest.mark.parametrize(
    "name", ["Film: part 1.mkv", "http:film.mkv", "a%03d.mkv", "file:x, y.mkv"]
)
def test_any_name_is_a_file(name, colorizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    talkie(tmp_path / "a.mkv", []).rename(tmp_path / name)
    target = name.replace(".mkv", ".mp4")
    assert colorize_video(colorizer, name, target, FilmOrder(steady=False)) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, target])


# Faults


def refused(capsys, *arguments):
    assert main([*map(str, ["video", *arguments])]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("colornet: ")
    return line


@pytest.fixture
def model(beginner, monkeypatch):
    monkeypatch.setattr("colornet.models.load", lambda name: beginner)


def test_what_is_no_film_is_named(model, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("no film at all\n" * 99)
    (tmp_path / "empty.mkv").write_bytes(b"")
    out = tmp_path / "out.mp4"
    for name in ("gone.mp4", "text.mp4", "empty.mkv"):
        assert f"{tmp_path / name}: cannot be read as a film" in refused(
            capsys, tmp_path / name, out
        )
    assert "cannot be read" in refused(capsys, tmp_path, out)
    with av.open(tmp_path / "sound.m4a", "w", format="mp4") as sound:
        stream = sound.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "mono")
        frame.sample_rate = 48000
        sound.mux(stream.encode(frame))
        sound.mux(stream.encode())
    assert "has no moving pictures" in refused(capsys, tmp_path / "sound.m4a", out)
    assert not list(tmp_path.glob("*out.mp4"))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_film_cut_off_is_named_and_leaves_nothing(name, share, model, tmp_path, capsys):
    frames = scene(number=60)
    codec = dict(codec="mpeg4") if name.endswith("avi") else {}
    whole = film(tmp_path / name, frames, options=None, **codec).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    line = refused(capsys, tmp_path / name, tmp_path / "out.mp4")
    assert f"{tmp_path / name}: " in line
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_targets_are_refused(clip, model, tmp_path, capsys):
    assert "name it out.mp4" in refused(capsys, clip, tmp_path / "out.avi")
    (tmp_path / "there.mp4").write_text("mine")
    assert "--force replaces it" in refused(capsys, clip, tmp_path / "there.mp4")
    assert (tmp_path / "there.mp4").read_text() == "mine"
    before = clip.read_bytes()
    assert "is the film to be coloured" in refused(capsys, clip, clip, "--force")
    assert clip.read_bytes() == before


FULL = """
import resource, signal, sys
from colornet.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
sys.exit(main(["video", *sys.argv[1:]]))
"""


def test_a_full_disk_leaves_nothing(clip, tmp_path):
    process = start("-c", FULL, clip, tmp_path / "out.mp4")
    output = process.communicate()[0]
    assert process.returncode == 1
    assert f"colornet: {tmp_path / 'out.mp4'}: cannot be written" in output.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_killed_run_leaves_no_film(clip, tmp_path):
    process = start("-m", "colornet", "video", clip, tmp_path / "out.mp4")
    while not list(tmp_path.iterdir()) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130
    target = tmp_path / "out.mp4"
    assert output.splitlines()[-1] == f"colornet: interrupted; {target} was not written"
    ours = re.compile(
        r"(.*(frame/s|s/frame|frame \[|\?frame).*|colornet: .*)?"
    )  # the bar's, and the last
    assert all(ours.fullmatch(line) for line in output.splitlines())
    assert not list(tmp_path.iterdir())


def test_an_error_names_the_film_and_closes_what_is_open(colorizer, tmp_path, monkeypatch):
    # The film is read by a thread of its own: closed under it, the process crashed at times.
    source = talkie(tmp_path / "a.avi", [("pcm_s16le", "stereo", 8000)], "mjpeg", scene(48, 64, 40))
    monkeypatch.setattr(
        "colornet.video.film.X264", {"preset": "none"}
    )  # which no encoder opens with
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="a.avi: cannot be coloured") as held:
        colorize_video(colorizer, source, tmp_path / "out.mp4", FilmOrder(steady=False))
    assert held.tb  # a traceback keeps alive what only the end of its names would close
    new = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in new if "Pool" in name]
    assert [path.name for path in tmp_path.iterdir()] == ["a.avi"]


def test_without_pyav_it_says_what_to_install(clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "colornet.video.film")
    line = refused(capsys, clip, tmp_path / "out.mp4")
    assert "films need av" in line and "pip install" in line


def test_a_replaced_film_and_its_report(clip, model, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    out.write_text("old")
    assert main(["video", str(clip), str(out), "--force", "--each", "--vividness", "1"]) == 0
    assert capsys.readouterr().out.strip() == f"{out}: {NUMBER} frames"
    assert len(read(out)[0]) == NUMBER and [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_what_a_killed_run_had_begun_goes_with_the_next(clip, colorizer, tmp_path):
    names = ".tmp01234567.out.mp4", ".tmp89abcdef.out.mp4", ".tmp01234567.other.mp4"
    old, new, other = (tmp_path / name for name in names)
    for file in (old, new, other):
        file.write_bytes(b"half")
    for file in (old, other):
        os.utime(file, (0, 0))
    colorize_video(colorizer, clip, tmp_path / "out.mp4")
    assert not old.exists() and new.exists() and other.exists()  # others may still be at work
