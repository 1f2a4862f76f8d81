"""Batches of (L, ab): what is in them, their order, crops, hints and classes."""

from collections import Counter

import cv2
import keras
import numpy as np
import pytest
from conftest import colours, crops
from PIL import Image
from skimage import color

from colornet.color import lab
from colornet.data import dataset
from colornet.data.augment import aged, augmented
from colornet.data.batches import PhotoBatches
from colornet.data.prepare import prepare
from colornet.data.samples import sample
from colornet.models.recipe import Recipe
from colornet.photos import resize


def batches(prepared, **options):
    files = dataset.split_files(prepared, "train")
    given = {key: options.pop(key) for key in ("shuffle", "sets") if key in options}
    recipe = Recipe(size=64, batch_size=4).plain().but(**options)
    return PhotoBatches(files, recipe, **given)


def test_batches_hold_L_and_ab(prepared):
    found = batches(prepared, augment=True)
    assert len(found) == 5  # of 17 photos
    for i in range(len(found)):
        L, ab = found[i]
        count = 4 if i < 4 else 1
        assert L.shape == (count, 64, 64, 1) and ab.shape == (count, 64, 64, 2)
        assert L.dtype == ab.dtype == np.float32
        assert np.abs(L).max() <= 1 + 1e-5 and np.abs(ab).max() <= 1
    assert np.ptp(L) > 0.2 and np.ptp(ab) > 0.05


def test_batches_are_the_photos_in_Lab(prepared):
    found = batches(prepared)
    L, ab = found[1]
    for i, file in enumerate(found.files[4:8]):
        expected = color.rgb2lab(resize.square(np.asarray(Image.open(file)), 64))
        np.testing.assert_allclose(L[i, ..., 0], expected[..., 0] / 50 - 1, atol=1e-4)
        np.testing.assert_allclose(ab[i], expected[..., 1:] / 110, atol=1e-4)


def test_epochs_and_seeds_fix_the_batches(prepared):
    drawn = dict(augment=True, shuffle=True)
    one, same = batches(prepared, **drawn, seed=3), batches(prepared, **drawn, seed=3)
    for i in range(len(one)):
        assert all(map(np.array_equal, one[i], same[i]))
    other = batches(prepared, **drawn, seed=4)
    assert not np.array_equal(one[0][0], other[0][0])
    first = one[0][0]
    one.on_epoch_end()
    later = batches(prepared, **drawn, seed=3)
    later.start(epoch=1)
    assert np.array_equal(one[0][0], later[0][0])
    assert not np.array_equal(one[0][0], first)
    assert sorted(one.order) == list(range(17)) and not np.array_equal(one.order, same.order)


def test_each_epoch_draws_so_many_photos_of_a_set(prepared):
    files = dataset.split_files(prepared, "train")
    sets = {file.stem: int(i >= 5) for i, file in enumerate(files)}
    drawn = dict(shuffle=True, per_set=6, sets=sets, batch_size=4)
    found, seen = batches(prepared, **drawn), Counter()
    for _ in range(12):
        names = [files[i].stem for i in found.order]
        assert len(found) == 3 and len(set(names)) == 11
        assert Counter(sets[name] for name in names) == {0: 5, 1: 6}
        seen.update(names)
        found.on_epoch_end()
    assert set(seen) == set(sets)  # in time, all of a large set have their turn
    later = batches(prepared, **drawn)
    later.start(epoch=12)
    assert np.array_equal(later.order, found.order)


def test_augmented_photos_are_crops_mirrored_half_of_the_time():
    # Red grows to the right and green downwards, so that crops can be measured.
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    photo = np.dstack([across, down, np.full_like(down, 7)])
    rng = np.random.default_rng(0)
    seen = [augmented(photo, 64, rng) for _ in range(200)]
    widths = np.array([int(p[0, -1, 0]) - int(p[0, 0, 0]) for p in seen])
    heights = np.array([int(p[-1, 0, 1]) - int(p[0, 0, 1]) for p in seen])
    assert 70 < (widths < 0).sum() < 130
    assert (heights > 0).all() and np.abs(np.abs(widths) - heights).max() <= 6
    assert 0.55 < heights.min() / 255 < 0.7 and heights.max() / 255 > 0.9


def test_batches_feed_fit(prepared):
    network = keras.Sequential([keras.Input((64, 64, 1)), keras.layers.Conv2D(2, 1)])
    network.compile("sgd", "mse")
    history = network.fit(batches(prepared, augment=True), epochs=2, verbose=0).history
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("size", [128, None])
def test_training_and_inference_see_the_same_L(prepared, size):
    # A network that answers with the L it was given, in place of colours.
    L = keras.Input((size, size, 1))
    echo = keras.Model(L, keras.layers.Concatenate()([L, L]))
    files = dataset.split_files(prepared, "train")[:4]
    trained, _ = PhotoBatches(files, Recipe(size=size or 256).plain())[0]
    for seen, file in zip(trained, files):
        answer = colours(echo, dataset.read_prepared(file)) / lab.AB_SCALE
        np.testing.assert_allclose(answer[..., :1], seen, atol=1e-6)


# What makes batches harder: age, hints, mixed sizes


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_aged_photos_are_recognisable(name):
    photo = np.asarray(Image.fromarray(resize.square(sample(name), 128)).convert("L"))
    before, seen = photo.copy(), set()
    for seed in range(60):
        old = aged(photo, np.random.default_rng(seed))
        assert old.dtype == np.uint8 and old.shape == photo.shape
        assert np.array_equal(old, aged(photo, np.random.default_rng(seed)))
        assert np.corrcoef(old.ravel(), photo.ravel())[0, 1] > 0.8
        seen.add(old.tobytes())
    assert len(seen) == 60 and np.array_equal(photo, before)


def test_age_changes_L_alone(prepared):
    L, ab = batches(prepared)[0]
    same, _ = batches(prepared, age=0.0)[0]
    old, colours = batches(prepared, age=1.0)[0]
    assert np.array_equal(same, L) and np.array_equal(colours, ab)
    assert old.shape == L.shape and old.dtype == np.float32 and np.abs(old).max() <= 1 + 1e-5
    assert (np.abs(old - L).max((1, 2, 3)) > 0.01).all()


def test_age_is_the_share_of_grey_photos_half_of_them_aged(prepared):
    counts = Counter()
    for seed in range(30):
        found = batches(prepared, age=0.5, seed=seed, size=32, batch_size=17)
        for L, pixels in zip(found[0][0], found.photos(0)):
            grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
            plain = color.rgb2lab(np.dstack([grey] * 3))[..., :1] / 50 - 1
            own = color.rgb2lab(pixels)[..., :1] / 50 - 1
            near = [np.abs(L - x).max() < 1e-4 for x in (own, plain)]
            counts["own" if near[0] else "grey" if near[1] else "aged"] += 1
    shares = [counts[kind] / (30 * 17) for kind in ("own", "grey", "aged")]
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.07)


def test_hints_lie_beside_L_and_are_true(prepared):
    plain, hinted = batches(prepared), batches(prepared, hints=True)
    shares, as_before = [], []
    for i in range(len(plain)):
        (L, ab), (x, colours) = plain[i], hinted[i]
        assert x.shape == (*L.shape[:3], 4) and x.dtype == colours.dtype == np.float32
        assert np.array_equal(x[..., :1], L)
        as_before += [np.allclose(*pair, atol=1e-6) for pair in zip(ab, colours)]
        mask = x[..., 3]
        assert np.isin(mask, (0, 1)).all() and (x[mask == 0][:, 1:] == 0).all()
        for hints, true in zip(x[..., 1:], colours):
            shares.append(hints[..., 2].mean())
            where = hints[..., 2] == 1
            if where.any():  # patches of means: near the truth, though not the truth itself
                assert np.abs(hints[where][:, :2] - true[where]).mean() < 0.2 * np.ptp(true)
    assert 0 < np.mean(np.array(shares) == 0) < 1 and max(shares) < 0.5
    assert 0.5 < np.mean(as_before) < 1  # the others are dyed


def test_mixed_sizes_come_in_turn(prepared):
    found = batches(prepared, mixed=True, hints=True)
    for epoch in range(3):
        for i in range(len(found)):
            size = (32, 64, 96)[(i + epoch) % 3]
            x, ab = found[i]
            assert x.shape[1:] == (size, size, 4) and ab.shape[1:] == (size, size, 2)
        found.on_epoch_end()


def test_classes_are_folders_or_sets(tmp_path):
    groups = [("sea/1.png", "sea/2.png"), ("wood/1.png",), ("pets-cat-1.png", "pets-cat-2.png")]
    names = [name for group in groups for name in group]
    for name, tile in zip(names, crops(len(names), 96)):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tile).save(file)
    prepare([tmp_path / "photos"], tmp_path / "set", size=64)
    labels = dataset.labels(tmp_path / "set")
    of = {row["file"]: labels[row["photo"]] for row in dataset.read_manifest(tmp_path / "set")}
    assert len({of[group[0]] for group in groups}) == len(groups) == max(of.values()) + 1
    assert all(of[name] == of[group[0]] for group in groups for name in group)
    files = [tmp_path / "set" / "photos" / f"{photo}.png" for photo in labels]
    recipe = Recipe(size=64, batch_size=4).plain()
    batches = PhotoBatches(files, recipe, shuffle=True, labels=labels)
    L, (ab, numbers) = batches[0]
    assert numbers.dtype == np.int32
    assert numbers.tolist() == [labels[files[i].stem] for i in batches.order[:4]]
    plain = PhotoBatches(files, recipe, shuffle=True)
    assert all(map(np.array_equal, (L, ab), plain[0]))


def test_start_gives_an_epochs_batches_again(prepared):
    everything = dict(augment=True, hints=True, age=0.5, mixed=True, shuffle=True, seed=2)
    one, other = batches(prepared, **everything), batches(prepared, **everything)
    for _ in range(3):
        one.on_epoch_end()
    other.start(3)
    for i in range(len(one)):
        assert all(map(np.array_equal, one[i], other[i]))
    other.start(2)
    assert not np.array_equal(one.order, other.order)
    # Crops and order are the same without hints.
    young, plain = (
        batches(prepared, **everything | dict(hints=hints, age=0.0)) for hints in (True, False)
    )
    assert np.array_equal(young[1][0][..., :1], plain[1][0])
