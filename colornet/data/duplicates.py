"""Which photos are the same, or so alike that they share a split."""

import base64
from hashlib import sha256

import numpy as np

DUPLICATE = 0.9  # likeness of two photos or their mirror images, see _gradients
RELATED = 0.7  # alike enough to have to share a split
TEST_SHARE = 0.1
VALIDATION_SHARE = 0.2  # of what is not test, the paper's validation_split


def _gradients(thumbs):
    """What two photos are compared by: the gradients of 16x16 thumbnails, as unit vectors.

    `(batch, 16, 16)` to float32 `(batch, 480)`. Gradients, because sky above ground makes the
    thumbnails themselves of any two landscapes correlate.
    """
    steps = [np.diff(thumbs.astype(np.float32), axis=axis) for axis in (1, 2)]
    flat = np.concatenate([step.reshape(len(thumbs), -1) for step in steps], axis=1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _split(identity):
    """Test, validation or train by a hash of the photo, whatever other photos there are."""
    digest = sha256(f"split {identity}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    rest = (place - TEST_SHARE) / (1 - TEST_SHARE)
    return "validation" if rest < VALIDATION_SHARE else "train"


class Kept:
    """The photos kept so far, to find a new one's duplicates and relatives among them."""

    def __init__(self):
        self.files, self.splits, self.identities = [], [], {}
        self.gradients = np.empty((1024, 480), np.float32)

    def _add(self, record, gradients, split):
        if len(self.files) == len(self.gradients):
            self.gradients = np.concatenate([self.gradients, np.empty_like(self.gradients)])
        self.gradients[len(self.files)] = gradients
        self.files.append(record["file"])
        self.splits.append(split)
        self.identities[record["photo"]] = record["file"]

    def _judge(self, record, likeness):
        """The record with its reason or its split, by its likeness to each photo kept."""
        if record["photo"] in self.identities:
            twin = self.identities[record["photo"]]
            return record | dict(reason="duplicate", detail=twin)
        if likeness.max(initial=0) > DUPLICATE:
            twin = self.files[int(likeness.argmax())]
            return record | dict(reason="near duplicate", detail=twin)
        splits = {self.splits[i] for i in np.flatnonzero(likeness > RELATED)}
        if len(splits) > 1:
            return record | dict(reason="near duplicate", detail="relatives in several splits")
        return record | dict(split=splits.pop() if splits else _split(record["photo"]))

    def decide(self, records: list[dict]) -> list[dict]:
        """Reasons and splits for records in their order, of which the first of a kind stays."""
        fit = [record for record in records if not record["reason"]]
        thumbs = [np.frombuffer(base64.b64decode(r["thumb"]), np.uint8) for r in fit]
        thumbs = np.array(thumbs).reshape(-1, 16, 16)
        plain, mirrored = _gradients(thumbs), _gradients(thumbs[:, :, ::-1])
        # One product for the whole list: photo by photo it would cost more than reading them.
        before = len(self.files)
        past = np.maximum(plain @ self.gradients[:before].T, mirrored @ self.gradients[:before].T)
        decided, place = [], 0
        for record in records:
            if not record["reason"]:
                present = self.gradients[before : len(self.files)]
                both = np.stack([plain[place], mirrored[place]], axis=1)
                likeness = np.concatenate([past[place], (present @ both).max(1, initial=-1)])
                record = self._judge(record, likeness)
                if not record["reason"]:
                    self._add(record, plain[place], record["split"])
                place += 1
            decided.append(record)
        return decided
