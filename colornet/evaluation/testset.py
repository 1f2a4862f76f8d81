"""What is evaluated: photos, and anybody's pictures of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colornet.color import gamut
from colornet.data import dataset, quality
from colornet.errors import PhotoError, say
from colornet.photos import resize
from colornet.photos.photo import find_photos, search
from colornet.photos.read import read_photo
from colornet.storage import AnyPath

MEAN_AB_PHOTOS = 1000  # training photos from which the dataset's mean ab is taken


class TestSet(NamedTuple):
    """The photos to evaluate on.

    names: of the photos; a prepared one's is a hash.
    read: of a number, that photo as uint8 RGB `(size, size, 3)`.
    mean_ab: of the training photos, or of loose photos their own, `(2,)`.
    sources: the names of the files that the photos were in.
    shapes: height and width that these had.
    size: height and width of the photos.
    """

    names: list
    read: Callable
    mean_ab: np.ndarray
    sources: list
    shapes: list
    size: int


def left_out(name: str, why: object) -> None:
    """Tells that a photo is left out of every row."""
    say(f"{name}: left out, {why}")


def _map(function, items):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _mean_ab(photo):
    return gamut.rgb_to_lab(photo)[..., 1:].mean((0, 1))


def _read_prepared_set(folder, size, limit):
    rows = {row["photo"]: row for row in dataset.read_manifest(folder)}
    files, training = dataset.split_files(folder, "test"), dataset.split_files(folder, "train")
    if not files or not training:
        missing = "training" if files else "test"
        raise PhotoError(f"{folder}: no {missing} photos; prepare more photos")

    def square(file):
        return resize.square(dataset.read_prepared(file), size)

    # A prepared photo may have had its colours outside the square.
    grey = _map(lambda file: quality.is_grey(square(file)), files)
    for file in (file for file, is_grey in zip(files, grey) if is_grey):
        left_out(file.stem, "truly grey")
    files = [file for file, is_grey in zip(files, grey) if not is_grey]
    if not files:
        raise PhotoError(f"{folder}: no colour photos to compare with")
    some = training[:: max(1, len(training) // MEAN_AB_PHOTOS)]
    names = [file.stem for file in files][:limit]
    return TestSet(
        names,
        lambda i: square(files[i]),
        np.mean(_map(lambda file: _mean_ab(square(file)), some), axis=0),
        [rows[name]["file"] for name in names],
        [(int(rows[name]["height"]), int(rows[name]["width"])) for name in names],
        size,
    )


def _read_loose(target, size, limit):
    def read(pair):
        file, name = pair
        try:
            pixels = read_photo(file).pixels
        except PhotoError as error:
            say(error)
            return None
        photo = resize.square8(pixels, size)
        if quality.is_grey(photo):
            left_out(name, "truly grey")
            return None
        return name, photo, pixels.shape[:2]

    there = search(target)
    for _, line in there.unopened:
        say(line)
    found = [one for one in _map(read, there.photos) if one]
    if not found:
        raise PhotoError(f"{target[0]}: no colour photos to compare with")
    names, photos, shapes = map(list, zip(*found))
    mean_ab = np.mean([_mean_ab(photo) for photo in photos], axis=0)
    names = names[:limit]
    return TestSet(names, photos.__getitem__, mean_ab, names, shapes, size)


def read_test_set(target: AnyPath | list, size: int = 256, limit: int | None = None) -> TestSet:
    """The photos to evaluate on.

    Args:
        target: one prepared set, of which the test split is taken; or photo files and folders,
            cropped and resized here; one or a list. Truly grey ones, whose PSNR would be infinite,
            and unreadable loose ones are left out and named on stderr.
        size: height and width at which they are compared.
        limit: only so many photos.

    Returns:
        A `TestSet`.

    Raises:
        PhotoError: nothing to evaluate on, or a missing source.
    """
    target = [target] if isinstance(target, (str, os.PathLike)) else target
    if len(target) == 1 and dataset.is_prepared(target[0]):
        return _read_prepared_set(target[0], size, limit)
    return _read_loose(target, size, limit)


class Results:
    """Pictures that some colorizer made of the photos of a `TestSet`.

    A picture belongs to the photo of its name, whatever the suffix; to a prepared photo by the
    name there or by that of the file it came from. A picture is taken if it has the shape of the
    photo, or of its square.

    Raises:
        PhotoError: a missing folder, or no picture for any photo.
    """

    def __init__(self, folder: AnyPath, test: TestSet):
        self._size, self._shapes = test.size, test.shapes
        by_name = {}
        for file, name in find_photos([folder]):
            by_name.setdefault(os.path.splitext(name)[0], []).append(file)
        self._files = []
        for name, source in zip(test.names, test.sources):
            stems = [os.path.splitext(source)[0], Path(name).stem, Path(source).stem]
            self._files.append(next((by_name[stem] for stem in stems if stem in by_name), []))
        if not any(self._files):
            raise PhotoError(
                f"{folder}: no picture has the name of any of the {len(test.names)} photos, "
                f"such as {os.path.splitext(test.sources[0])[0]}.png"
            )

    def read(self, i: int) -> np.ndarray:
        """The picture of photo i, uint8 RGB `(size, size, 3)`.

        Raises:
            PhotoError: none, several, an unreadable one, or one of another shape.
        """
        files = self._files[i]
        if len(files) != 1:
            raise PhotoError(f"{len(files)} results" if files else "no result")
        pixels = read_photo(files[0]).pixels
        (height, width), own = pixels.shape[:2], self._shapes[i]
        same_shape = abs(height * own[1] - width * own[0]) <= max(height, width, *own)
        if height != width and not same_shape:
            raise PhotoError(f"{files[0]}: is {width}x{height}, the photo {own[1]}x{own[0]}")
        if (height, width) not in (own, (self._size, self._size)):
            what = f"is {width}x{height}, resized to {self._size}x{self._size}"
            say(f"{files[0]}: {what}")
        return resize.square8(pixels, self._size)
