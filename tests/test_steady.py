"""Chroma along optical flow: it follows things, holds still, and stops at cuts."""

import cv2
import numpy as np
import pytest
from PIL import Image

from colornet.data import samples
from colornet.video import steady


def grey(name="coffee", size=(160, 240)):
    return np.asarray(Image.fromarray(samples.sample(name)).convert("L").resize(size[::-1]))


def moving(steps, right=3, down=2):
    """A window moving over a photo: uint8 frames of 96x144."""
    photo = grey(size=(96 + down * steps, 144 + right * steps))
    return [
        np.ascontiguousarray(photo[down * i : down * i + 96, right * i : right * i + 144])
        for i in range(steps)
    ]


def constant(shape, *ab):
    return np.broadcast_to(np.float32(ab), (*shape, 2)).copy()


def test_carry_moves_planes_by_the_flow():
    planes = np.random.default_rng(0).normal(size=(20, 30, 3)).astype(np.float32)
    flow = np.broadcast_to(np.float32([4, -3]), (20, 30, 2))
    moved = steady.carry(planes, flow)
    np.testing.assert_allclose(moved[3:, :-4], planes[:-3, 4:], atol=1e-6)
    np.testing.assert_allclose(steady.carry(planes, 0 * flow), planes, atol=1e-6)
    halves = steady.carry(planes, np.full((20, 30, 2), [0.5, 0], np.float32))
    np.testing.assert_allclose(halves[:, :-1], (planes[:, :-1] + planes[:, 1:]) / 2, atol=1e-2)


def test_flows_find_a_known_motion_and_know_where():
    before, after = moving(2, right=5, down=3)
    (back, trusted), (on, _) = steady.flows(before, after)
    # The window moves right and down, so what is seen moves left and up.
    for flow, known in ((back, [5, 3]), (on, [-5, -3])):
        assert np.abs(np.median(flow, axis=(0, 1)) - known).max() < 0.25
    assert trusted.shape == (96, 144) and 0 <= trusted.min() and trusted.max() <= 1
    # What only now came into view is not trusted, the rest is.
    assert np.median(trusted[10:-10, 10:-10]) > 0.8 > 0.4 > trusted[-3:].mean()


def test_other_things_are_not_trusted():
    (_, trusted), _ = steady.flows(grey("coffee"), grey("chelsea"))
    assert trusted.mean() < 0.3


@pytest.mark.parametrize("change", ["none", "motion", "light", "noise"])
def test_no_cut_within_a_shot(change):
    before, after = moving(2, right=6, down=4)
    if change == "none":
        after = before
    if change == "light":
        after = cv2.convertScaleAbs(before, alpha=0.9)
    if change == "noise":
        noise = np.random.default_rng(0).normal(0, 20, before.shape)
        after = np.clip(before + noise, 0, 255).astype(np.uint8)
    assert not steady.is_cut(before, after)


def test_cuts_between_photos():
    photos = [grey(name) for name in samples.SAMPLES]
    for i, before in enumerate(photos):
        for after in photos[:i]:
            assert steady.is_cut(before, after) and steady.is_cut(after, before)


@pytest.mark.parametrize("number", [0, 1, 2, 8, 15, 16, 17, 25, 40])
def test_every_frame_comes_out_once_in_order_and_few_are_held(number):
    taken = 0

    def frames():
        nonlocal taken
        for taken in range(1, number + 1):
            yield taken, moving(1)[0]

    seen = 0
    held = steady.steadied(frames(), lambda frame: constant((24, 36), 10, 20))
    for seen, (frame, ab) in enumerate(held, 1):
        assert frame == seen and taken - seen < steady.CHUNK + steady.AHEAD
        np.testing.assert_allclose(ab, constant(ab.shape[:2], 10, 20), atol=1e-3)
    assert seen == number


def test_flicker_of_a_still_scene_goes():
    rng, frame = np.random.default_rng(0), moving(1)[0]
    true = rng.normal(0, 20, (1, 1, 2)).astype(np.float32)
    flicker = [true + constant((96, 144), *rng.normal(0, 5, 2)) for _ in range(40)]
    each = steady.steadied(((i, frame) for i in range(40)), lambda i: flicker[i], every=1)
    held = np.array([ab for _, ab in each])
    assert held.dtype == np.float32
    before, after = (np.diff(x, axis=0).std() for x in (np.array(flicker), held))
    assert after < 0.2 * before
    assert np.abs(held - true).mean() < 0.5 * np.abs(np.array(flicker) - true).mean()


def test_colours_follow_what_moves():
    frames = moving(24)
    # Colours that the things themselves have, and noise on them.
    rng = np.random.default_rng(0)
    field = cv2.resize(rng.normal(0, 30, (12, 16, 2)).astype(np.float32), (144 + 72, 96 + 48))
    true = [field[2 * i : 2 * i + 96, 3 * i : 3 * i + 144] for i in range(24)]
    noisy = [ab + rng.normal(0, 8, (1, 1, 2)).astype(np.float32) for ab in true]
    held = steady.steadied(zip(range(24), frames), lambda i: noisy[i], every=1)
    held = [cv2.resize(ab, (144, 96)) for _, ab in held]
    before, after = (np.abs(np.array(x) - true).mean() for x in (noisy, held))
    assert after < 0.5 * before


def test_nothing_is_carried_across_a_cut():
    first, second = grey("coffee"), grey("chelsea")
    shots = [(first, constant(first.shape, 40, 0))] * 5 + [
        (second, constant(second.shape, -40, 9))
    ] * 5
    frames = [(i, frame) for i, (frame, _) in enumerate(shots)]
    out = list(steady.steadied(frames, lambda i: shots[i][1]))
    for (_, ab), (_, expected) in zip(out, shots):
        np.testing.assert_allclose(ab, constant(ab.shape[:2], *expected[0, 0]), atol=1e-4)


def test_what_is_not_looked_at_is_carried_there():
    frames, asked = moving(24), []
    rng = np.random.default_rng(0)
    field = cv2.resize(rng.normal(0, 30, (12, 16, 2)).astype(np.float32), (144 + 72, 96 + 48))
    true = [field[2 * i : 2 * i + 96, 3 * i : 3 * i + 144] for i in range(24)]

    def look(i):
        asked.append(i)
        return true[i]

    held = list(steady.steadied(zip(range(24), frames), look, every=3))
    assert asked[0] == 0 and max(np.diff(asked)) == 3 and len(asked) < 12
    errors = [np.abs(cv2.resize(ab, (144, 96)) - true[i]).mean() for i, ab in held]
    still = [np.abs(true[i // 3 * 3] - true[i]).mean() for i in range(24) if i % 3]
    assert np.mean(errors) < 0.5 * np.mean(still)
