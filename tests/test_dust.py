"""Dust in films goes, the film stays: a known motion, known specks."""

import av
import cv2
import numpy as np
import pytest

from colornet.__main__ import main
from colornet.data import samples
from colornet.video import dust
from colornet.video.marks import xmp_of_film

HEIGHT, WIDTH, NUMBER = 240, 320, 12


def scene(jitter=2, grain=3, seed=0):
    """A window that moves over a photo by 2 to 5 pixels a frame, with grain: uint8 RGB frames."""
    rng, photo = np.random.default_rng(seed), samples.sample("coffee")
    at = np.cumsum(rng.integers(2, 4 + jitter, (NUMBER, 2)), axis=0)
    for y, x in at.tolist():
        frame = photo[y : y + HEIGHT, x : x + WIDTH] + rng.normal(0, grain, (HEIGHT, WIDTH, 1))
        yield np.clip(frame, 0, 255).astype(np.uint8)


def dusty(frames, seed=1):
    """Frames with specks, hairs and blotches, and where these are seen."""
    rng = np.random.default_rng(seed)
    for frame in frames:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for radius in (1, 2, 3, 5, 8):
            cv2.circle(mask, rng.integers(0, (WIDTH, HEIGHT)).tolist(), radius, 255, -1)
        start = rng.integers(20, (WIDTH - 20, HEIGHT - 60))
        cv2.line(mask, start.tolist(), (start + rng.integers(10, 40, 2)).tolist(), 255, 2)
        damaged = frame.copy()
        damaged[mask > 0] = rng.choice([5, 250])
        yield damaged, (mask > 0) & (np.abs(damaged - frame.astype(int)).max(-1) > 40)


def psnr(one, other):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


def test_dust_goes():
    clean = [*scene()]
    damaged, masks = zip(*dusty(clean))
    inner = slice(1, -1)  # the first and last have one frame beside them only
    made = [*dust.cleaned(damaged)]
    assert len(made) == NUMBER
    gone = sum(
        (np.abs(new.astype(int) - true).max(-1) < 40)[mask].sum()
        for new, true, mask in zip(made[inner], clean[inner], masks[inner])
    )
    assert gone / sum(mask.sum() for mask in masks[inner]) > 0.9
    before, after = (
        np.mean([psnr(one, true) for one, true in zip(these[inner], clean[inner])])
        for these in (damaged, made)
    )
    assert after > before + 8


def test_a_film_without_dust_is_nearly_left_alone():
    clean = [*scene()]
    made = [*dust.cleaned(clean)]
    assert np.mean([(a != b).any(-1).mean() for a, b in zip(made, clean)]) < 0.002
    assert min(psnr(a, b) for a, b in zip(made, clean) if (a != b).any()) > 40


def test_light_that_flickers_is_no_dust():
    light = np.random.default_rng(3).uniform(0.85, 1.0, NUMBER)
    clean = [(frame * gain).astype(np.uint8) for frame, gain in zip(scene(), light)]
    damaged, masks = zip(*dusty(clean))
    made = [*dust.cleaned(damaged)]
    inner = slice(1, -1)
    assert np.mean([psnr(a, b) for a, b in zip(made[inner], clean[inner])]) > 8 + np.mean(
        [psnr(a, b) for a, b in zip(damaged[inner], clean[inner])]
    )


def test_what_stays_is_no_dust():
    frames = [np.full((HEIGHT, WIDTH, 3), 120, np.uint8) for _ in range(6)]
    for frame in frames[2:]:  # comes, and stays
        frame[50:70, 50:70] = 230
    assert all(np.array_equal(a, b) for a, b in zip(dust.cleaned(frames), frames))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_short_films_and_cuts_stay(number):
    frames = [*scene()][:number] + [255 - frame for frame in scene()][:number]
    made = [*dust.cleaned(frames)]
    assert len(made) == 2 * number
    assert all(np.array_equal(a, b) for a, b in zip(made, frames))


def test_as_typed(tmp_path):
    grey = [cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) for x in scene()]
    damaged, masks = zip(*dusty(grey))
    with av.open(tmp_path / "old.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray"
        for frame in damaged:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame[..., 0].copy(), "gray")))
        out.mux(stream.encode())
    new, shares = tmp_path / "new.mp4", {}
    for option in ([], ["--repair"]):
        assert main(["video", f"{tmp_path}/old.mkv", str(new), "--force", *option]) == 0
        with av.open(new) as film:
            light = [frame.to_ndarray(format="gray").astype(int) for frame in film.decode(video=0)]
        assert len(light) == NUMBER
        away = [
            (np.abs(a - b[..., 0]) > 40)[mask].mean()
            for a, b, mask in zip(light[1:-1], grey[1:-1], masks[1:-1])
        ]
        shares[len(option)] = np.mean(away)
        assert (b"repaired: specks" in xmp_of_film(new)) == bool(option)
    assert shares[1] < 0.15 < 0.8 < shares[0]
