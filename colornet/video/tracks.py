"""Told colours along the motion: where each lies in every frame of its shot, and how surely."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from colornet.color.hints import Hint
from colornet.photos.photo import Photo
from colornet.video.guide import Guide
from colornet.video.reading import Picture
from colornet.video.shots import shots
from colornet.video.steady import flows
from colornet.video.told import Told

BACK = 750  # frames of a shot at most that a colour is carried back
TRUSTED = 0.6  # trust in the flow, see `flows`, from which on nothing is doubted
LOST = 0.3  # confidence under which a place is given up
FADE = 12  # frames in which a colour that is given up goes
PATCH = 2  # pixels about a place whose flow is looked at
HELD, SHIFT = 2.0, 0.25  # levels squared; pixels a frame at most: see `_settle`
ALIKE, LOOKS = 6, 7  # levels of 255; pixels about a place: what it looks like, found again


class Tracks:
    """The places of told colours in each frame, and the palette of each shot."""

    def __init__(self):
        self._told, self._rows, self._ends, self._palettes = [], {}, {}, {}

    def __len__(self) -> int:
        return len(self._told)

    def new(self, hints: Iterable[Hint]) -> np.ndarray:
        """Numbers for further hints."""
        begin = len(self._told)
        self._told += [(hint.ab, hint.reach) for hint in hints]
        return np.arange(begin, len(self._told))

    def put(self, frame: int, numbers: np.ndarray, places: np.ndarray, sure: np.ndarray) -> None:
        """Notes places, shares of width and height `(n, 2)`, of hints in a frame."""
        if len(numbers):
            rows = np.column_stack([numbers, places, sure]).astype(np.float32)
            self._rows.setdefault(frame, []).append(rows)

    def end(self, frame: int, numbers: np.ndarray) -> None:
        """Notes that hints end at a frame, within their shot; their first frame or their last."""
        for number in numbers.tolist():
            self._ends.setdefault(number, []).append(frame)

    def follow(self, frames: range, palette: np.ndarray | None) -> None:
        """Notes the palette of a shot, see `palette.palette`."""
        self._palettes |= dict.fromkeys(frames if palette is not None else (), palette)

    def palette(self, picture: Picture) -> np.ndarray | None:
        """The palette of a frame's shot, or None."""
        return self._palettes.get(picture.number)

    def at(self, picture: Picture) -> tuple[list[Hint], list[float]]:
        """The hints of a frame, in its pixels, and how much each of them counts, in [0, 1]."""
        height, width = picture.pixels.shape[:2]
        hints, weights = [], []
        rows = self._rows.get(picture.number, ())
        for number, x, y, sure in np.concatenate(rows).tolist() if rows else ():
            number = int(number)
            ab, reach = self._told[number]
            left = [abs(end - picture.number) + 1 for end in self._ends.get(number, ())]
            weight = min(1, 2 * (sure - LOST) / (1 - LOST), *(n / FADE for n in left))
            hints.append(Hint(min(x * width, width - 1), min(y * height, height - 1), ab, reach))
            weights.append(max(0, weight))
        order = np.argsort(weights, kind="stable")  # the surest is told last, over the others
        return [hints[i] for i in order], [weights[i] for i in order]


NONE = Tracks()


@dataclass
class _Live:
    """Hints of one frame on their way through the others."""

    numbers: np.ndarray
    places: np.ndarray  # (n, 2): x and y in pixels of the small grey
    sure: np.ndarray
    until: np.ndarray  # of `Moment`s and None
    looks: np.ndarray  # (n, h, w): what each place looked like when it was told

    def only(self, which):
        """Those of them."""
        fields = self.numbers, self.places, self.sure, self.until, self.looks
        return _Live(*(field[which] for field in fields))


def _patches(plane, places, radius):
    """What lies about places, edges repeated: `(n, 2 radius + 1, 2 radius + 1, ...)`."""
    offsets = np.arange(-radius, radius + 1)
    columns, rows = (
        (np.round(places[:, i]).astype(int)[:, None] + offsets).clip(0, plane.shape[1 - i] - 1)
        for i in (0, 1)
    )
    return plane[rows[:, :, None], columns[:, None, :]]


def _moved(live, flow, trust):
    """Moves places along a flow between two frames, and doubts them as far as it is not trusted."""
    trust = np.median(_patches(trust, live.places, PATCH), axis=(1, 2))
    live.places = live.places + np.median(_patches(flow, live.places, PATCH), axis=(1, 2))
    live.sure = live.sure * np.minimum(1, trust / TRUSTED)


def _settle(live, grey):
    """Moves places a little, to where they look most as they did when told, since flows drift.

    A step of Lucas and Kanade's, held back where there is little to go by.
    """
    now = _patches(grey, live.places, LOOKS).astype(np.float32)
    down, right = np.gradient(now, axis=(1, 2))
    slopes = np.stack([right, down], axis=-1).reshape(len(now), -1, 2)
    change = (live.looks - now).reshape(slopes.shape[:2])
    # Places lie between the pixels about which patches are cut out.
    change = change - np.einsum("npi,ni->np", slopes, live.places - np.round(live.places))
    change = change - change.mean(axis=1, keepdims=True)  # light may change
    square = np.einsum("npi,npj->nij", slopes, slopes) + HELD * slopes.shape[1] * np.eye(2)
    shift = np.linalg.solve(square, np.einsum("npi,np->ni", slopes, change)[..., None])
    live.places = live.places + np.clip(shift[..., 0], -SHIFT, SHIFT)


def _alike(live, grey):
    """Which places look as they did when they were told."""
    now = _patches(grey, live.places, LOOKS).astype(np.float32)
    return np.abs(now - live.looks).mean(axis=(1, 2)) < ALIKE


def _over(live, picture):
    """Which have come to the end that was told."""
    ends = [until and until.passed(picture.number, picture.seconds) for until in live.until]
    return np.array(ends, bool)


class Carrier:
    """Carries told colours through one shot, forward and back, as its frames come."""

    def __init__(self, tracks: Tracks):
        self._tracks, self._held, self._first = tracks, deque(maxlen=BACK), None
        self._live, self._lost = [], []

    def add(self, picture: Picture) -> None:
        """Takes the shot's next frame."""
        self._first = picture.number if self._first is None else self._first
        # Pixels are large and not looked at again.
        self._held.append(picture._replace(pixels=None))
        steps = []
        if self._live:
            before, after = self._held[-2], self._held[-1]
            _, on = flows(before.grey, after.grey)
            steps = [self._step(live, before, after, on) for live in self._live]
        self._live = [stays for stays, _ in steps]
        self._lost = [self._again(live, picture) for live in self._lost]
        self._lost += [lost for _, lost in steps]
        self._live, self._lost = (
            [live for live in some if len(live.numbers)] for some in (self._live, self._lost)
        )

    def _step(self, live, here, there, link):
        """From one frame to its neighbour: what stays, and what is lost but may be found again."""
        where = live.places
        _moved(live, *link)
        if len(live.numbers):
            _settle(live, there.grey)
        height, width = there.grey.shape
        (x, y), over = live.places.T, _over(live, there)
        inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        doubted = live.sure < LOST
        live.sure[doubted & _alike(live, there.grey)] = 1
        lost = inside & ~over & (live.sure < LOST)
        stays = inside & ~over & ~lost
        self._tracks.end(here.number, live.numbers[~stays])
        staying = live.only(stays)
        self._note(staying, there)
        live.places = where
        return staying, live.only(lost)

    def _again(self, live, picture):
        """Takes up what was covered and is seen again where it was; returns what is still lost."""
        live = live.only(~_over(live, picture))
        found = _alike(live, picture.grey)
        again = live.only(found)
        if len(again.numbers):
            again.sure[:] = 1
            self._tracks.end(picture.number, again.numbers)
            self._note(again, picture)
            self._live.append(again)
        return live.only(~found)

    def _note(self, live, picture):
        shares = (live.places + 0.5) / picture.grey.shape[::-1]
        self._tracks.put(picture.number, live.numbers, shares, live.sure)

    def tell(self, number: int, size: tuple[int, int], told: list) -> None:
        """Takes colours told of a frame that was added.

        Args:
            number: of the frame.
            size: the height and width in whose pixels the hints lie.
            told: pairs of `Hint` and its `until`.
        """
        if not told:
            return
        held = list(self._held)
        at = number - held[0].number
        shape = held[at].grey.shape
        places = np.array([hint[:2] for hint, _ in told], np.float64)
        places = (places + 0.5) * np.divide(shape[::-1], size[::-1]) - 0.5
        numbers = self._tracks.new(hint for hint, _ in told)
        looks = _patches(held[at].grey, places, LOOKS).astype(np.float32)

        def begin(until):
            until = np.fromiter(until, object)
            return _Live(numbers, places, np.ones(len(told)), until, looks)

        live = begin(until for _, until in told)
        self._note(live, held[at])
        for before, after in zip(held[at:], held[at + 1 :]):
            live, _ = self._step(live, before, after, flows(before.grey, after.grey)[1])
        self._live.append(live)
        live = begin(None for _ in told)
        for before, after in zip(held[at - 1 :: -1] if at else (), held[at:0:-1]):
            if not len(live.numbers):
                break
            live, _ = self._step(live, after, before, flows(before.grey, after.grey)[0])
        if held[0].number > self._first:
            self._tracks.end(held[0].number, live.numbers)


def track(pictures: Iterable[Picture], told: Iterable[Told | Guide], guides: Iterable) -> Tracks:
    """Carries all that is told of a film through its shots.

    Args:
        pictures: the film's.
        told: `told.Told` colours and `guide.Guide` pictures.
        guides: each a `inference.guide.Guide`, asked at the first good frame of every shot; of what
            they find the first palette is that of the shot.

    Raises:
        ValueError: a colour told of a frame or place that the film has not; names where.
    """
    waiting, tracks, last = list(told), Tracks(), None
    for shot, frames in shots(pictures):
        carrier, asked, first, palette = Carrier(tracks), not guides, None, None
        for last in frames:
            carrier.add(last)
            first = last.number if first is None else first
            now = [one for one in waiting if one.at.reached(last.number, last.seconds)]
            if now:
                waiting = [one for one in waiting if one not in now]
                pairs = [(hint, one.until) for one in now for hint in one.hints(last)]
                carrier.tell(last.number, last.pixels.shape[:2], pairs)
            if not asked and shot.settled():
                palette, asked = _ask(guides, shot, carrier), True
        palette = palette if asked else _ask(guides, shot, carrier)
        if first is not None:
            tracks.follow(range(first, last.number + 1), palette)
    if waiting and last:
        end = f"the film ends with frame {last.number}, at {last.seconds:.2f} s"
        raise ValueError(f"{waiting[0].where}: there is no {waiting[0].at}; {end}")
    return tracks


def _ask(guides, shot, carrier):
    """Tells a shot what guides find; returns the palette that they find for it, or None."""
    if shot.black():
        return None
    photo = Photo(shot.good.pixels)
    found = [guide.find(photo) for guide in guides]
    told = [(hint, None) for one in found for hint in one.hints]
    carrier.tell(shot.good.number, photo.pixels.shape[:2], told)
    return next((one.palette for one in found if one.palette is not None), None)
