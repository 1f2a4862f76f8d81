"""Films in, coloured films out: times, sound, aspect and position kept; faults in one line."""

import signal
import sys
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest
from conftest import start

from colornet import lab, samples
from colornet.__main__ import main

av = pytest.importorskip("av", reason="the video extra is not installed")
from colornet.video import colorize_video  # noqa: E402

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
def test_kinds_of_films(name, options, beginner, tmp_path):
    source = film(tmp_path / name, scene(), **options)
    assert colorize_video(beginner, source, tmp_path / "out.mp4") == NUMBER
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


def test_sound_that_mp4_holds_is_left_as_it_is(clip, beginner, tmp_path):
    def packets(path):
        with av.open(path) as source:
            return [bytes(packet) for packet in source.demux(audio=0) if packet.size]

    colorize_video(beginner, clip, tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4") == packets(clip) != []


@pytest.mark.parametrize("height, width", [(97, 129), (64, 33), (33, 200)])
def test_odd_sizes_become_even(height, width, beginner, tmp_path):
    source = film(tmp_path / "a.mkv", scene(height, width, 3), codec="ffv1", pix_fmt="bgr0")
    colorize_video(beginner, source, tmp_path / "out.mp4")
    pixels = read(tmp_path / "out.mp4")[0]
    assert pixels[0].shape == (height + height % 2, width + width % 2, 3)
    before = lightness(scene(height, width, 1)[0])
    assert np.abs(lightness(pixels[0])[:height, :width] - before).mean() < 2


def test_uneven_times_and_aspect_are_kept(beginner, tmp_path):
    times = [0, 4, 8, 20, 24, 60, 61, 70]
    source = film(tmp_path / "a.mp4", scene(number=8), times=times, aspect=Fraction(4, 3))
    colorize_video(beginner, source, tmp_path / "out.mp4")
    _, new_times, aspect, _ = read(tmp_path / "out.mp4")
    np.testing.assert_allclose(new_times, np.array(times) / 100, atol=1e-4)
    assert aspect == Fraction(4, 3)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_films_stand_upright(turn, beginner, tmp_path):
    frames = scene(number=3)
    source = film(tmp_path / "a.mov", frames, turn=turn)
    colorize_video(beginner, source, tmp_path / "out.mp4")
    pixels, _, _, rotation = read(tmp_path / "out.mp4")
    assert rotation == 0
    upright = np.rot90(frames[0], turn // 90)  # a display matrix turns counterclockwise
    assert pixels[0].shape == upright.shape
    assert np.abs(lightness(pixels[0]) - lightness(upright)).mean() < 3


def test_interlaced_films_lose_their_combs(beginner, tmp_path):
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

    colorize_video(beginner, source, tmp_path / "out.mp4")
    pixels, whole = read(tmp_path / "out.mp4")[0], np.mean([combs(m) for m in moments])
    assert len(pixels) == NUMBER
    assert np.mean([combs(f) for f in read(source)[0]]) > 1.5 * whole
    assert np.mean([combs(p) for p in pixels]) < 1.1 * whole


def test_raw_streams_without_times_get_even_ones(beginner, tmp_path):
    source, target = film(tmp_path / "raw.h264", scene()), tmp_path / "out.mp4"
    assert colorize_video(beginner, source, target) == NUMBER
    _, times, _, _ = read(target)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)


@pytest.mark.parametrize("suffix", ["h264", "ts"])
def test_joined_films_of_two_sizes_become_one(suffix, beginner, tmp_path):
    parts = [
        film(tmp_path / f"{side}.{suffix}", scene(side, 128)).read_bytes() for side in (96, 160)
    ]
    source, target = tmp_path / f"joined.{suffix}", tmp_path / "out.mp4"
    source.write_bytes(b"".join(parts))
    assert colorize_video(beginner, source, target) == 2 * NUMBER
    pixels, times, _, _ = read(target)
    assert {frame.shape for frame in pixels} == {(96, 128, 3)}
    assert (np.diff(times) > 0).all()


def test_colours_of_a_film_are_not_seen(beginner, tmp_path):
    results = []
    for colour in (False, True):
        frames = scene(number=2, colour=colour)
        source = film(tmp_path / f"{colour}.mkv", frames, codec="ffv1", pix_fmt="bgr0")
        colorize_video(beginner, source, tmp_path / f"{colour}.mp4")
        results.append(read(tmp_path / f"{colour}.mp4")[0][0].astype(int))
    assert np.abs(results[0] - results[1]).mean() < 6  # camera's grey is not quite L


def test_each_frame_on_its_own(clip, beginner, tmp_path):
    for name, steady in (("steady", True), ("each", False)):
        assert colorize_video(beginner, clip, tmp_path / f"{name}.mp4", steady=steady) == NUMBER
    steady, each = (np.array(read(tmp_path / f"{n}.mp4")[0]).astype(int) for n in ("steady", "each"))
    assert np.abs(steady - each).mean() > 0.1


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
        assert f"{tmp_path / name}: cannot be read as a film" in refused(capsys, tmp_path / name, out)
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
    assert process.returncode == 130 and "interrupted" in output.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_without_pyav_it_says_what_to_install(clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "colornet.video")
    line = refused(capsys, clip, tmp_path / "out.mp4")
    assert "films need av" in line and "pip install" in line


def test_a_replaced_film_and_its_report(clip, model, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    out.write_text("old")
    assert main(["video", str(clip), str(out), "--force", "--each", "--vividness", "1"]) == 0
    assert capsys.readouterr().out.strip() == f"{out}: {NUMBER} frames"
    assert len(read(out)[0]) == NUMBER and [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
