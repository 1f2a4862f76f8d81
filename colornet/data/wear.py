"""Damage as old photos have it, put on a clean grey one, and where it lies.

What damage replaces is lost and has to be filled. Two kinds lie over a photo like a veil, through
which it still shows: fading and halftone. They are made too, so that a network learns to leave
them alone: what is filled there would be worse than what is there.
"""

from collections.abc import Callable

import cv2
import numpy as np

VISIBLE = 12 / 255  # a change of grey that counts as damage; what is fainter is left alone
FINE = 4  # strokes are drawn so many times as large, then averaged: edges as a scan has them

Wear = tuple[np.ndarray, np.ndarray]  # the photo with damage, and what of it is lost


def _clouds(shape, rng, cell):
    """Smooth noise in [0, 1], whose waves are about `cell` pixels long; float32 `(H, W)`."""
    grid = rng.random([max(2, round(side / cell) + 1) for side in shape]).astype(np.float32)
    return np.clip(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


class _Layer:
    """Strokes and shapes in fractions of a pixel; what of each pixel they cover, in [0, 1]."""

    def __init__(self, shape):
        self.shape = shape
        self.scale = int(np.clip(4096 // max(shape), 1, FINE))
        self._canvas = np.zeros([side * self.scale for side in shape], np.uint8)

    def stroke(self, points, widths, strengths):
        """A line through points `(n, 2)` of x and y, its width and strength given at each."""
        places = np.round(points * self.scale).astype(int)
        for start, end, width, strength in zip(places, places[1:], widths, strengths):
            # Thinner than the finest line is fainter.
            thickness = max(1, round(width * self.scale))
            grey = 255 * strength * min(1, width * self.scale / thickness)
            if grey >= 1:
                cv2.line(self._canvas, start.tolist(), end.tolist(), grey, thickness, cv2.LINE_AA)

    def shape_of(self, corners, strength=1.0):
        """A filled polygon of corners `(n, 2)`."""
        places = np.round(corners * self.scale).astype(np.int32)
        cv2.fillPoly(self._canvas, [places], 255 * strength, cv2.LINE_AA)

    def cover(self):
        size = self.shape[::-1]
        return cv2.resize(self._canvas, size, interpolation=cv2.INTER_AREA) / np.float32(255)


def _place(shape, rng):
    """A random place, x and y."""
    return rng.random(2) * shape[::-1]


def _path(start, heading, steps, stride, bend, rng):
    """A line that changes its heading at each step; its points `(steps, 2)`."""
    turns = np.cumsum(rng.normal(0, bend, steps)) + heading
    return start + np.cumsum(stride * np.stack([np.cos(turns), np.sin(turns)], axis=-1), axis=0)


def _uneven(count, rng, low, high):
    """So many values between two bounds, which change smoothly along a line."""
    knots = rng.uniform(low, high, 2 + count // 8)
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(knots)), knots)


def _round(radius, rng, rough):
    """Corners about the origin of an uneven disc `(n, 2)`."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radii = np.ones_like(angles)
    for wave in range(1, 6):
        radii += rough * rng.normal() / wave * np.cos(wave * angles + rng.uniform(0, 2 * np.pi))
    flat = rng.uniform(0.6, 1)
    points = np.stack([np.cos(angles), flat * np.sin(angles)], axis=-1) * radii[:, None] * radius
    turn = rng.uniform(0, np.pi)
    sine, cosine = np.sin(turn), np.cos(turn)
    return points @ np.float64([[cosine, sine], [-sine, cosine]])


def _tone(rng):
    """Near white or near black."""
    return rng.uniform(0.8, 1) if rng.random() < 0.6 else rng.uniform(0, 0.2)


def _painted(x, cover, tone):
    """The photo with a tone over it, and where that is seen."""
    after = x + cover * (tone - x)
    return after, np.abs(after - x) > VISIBLE


def scratch(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """Scratches: hair-thin to wide, straight or curved, some broken, alone or side by side."""
    layer, side = _Layer(x.shape), min(x.shape)
    film = rng.random() < 0.2  # as a projector makes them: upright, all along
    for _ in range(rng.integers(1, 6)):
        width = np.exp(rng.uniform(np.log(0.5), np.log(5 if rng.random() < 0.3 else 1.8)))
        length, bend = side * rng.uniform(0.1, 1.2), rng.choice([0, 0.01, 0.05, 0.15])
        heading, start = rng.uniform(0, 2 * np.pi), _place(x.shape, rng)
        if film:
            heading, length, bend = np.pi / 2 + rng.normal(0, 0.01), 3 * side, 0
            start[1] = -side
        steps = max(4, int(length / 4))
        points = _path(start, heading, steps, 4.0, bend, rng)
        strengths = _uneven(steps, rng, *((-0.6, 1) if rng.random() < 0.4 else (0.4, 1)))
        widths = width * _uneven(steps, rng, 0.6, 1.3)
        for i in range(rng.choice([1, 1, 1, 2, 3])):
            beside = i * rng.uniform(2, 6) * np.float64([-np.sin(heading), np.cos(heading)])
            layer.stroke(points + beside, widths, np.clip(strengths, 0, 1))
    return _painted(x, layer.cover() * rng.uniform(0.4, 1), _tone(rng))


def dust(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """Specks, mostly tiny, and fibres."""
    layer = _Layer(x.shape)
    many = x.size / 256**2 * np.exp(rng.uniform(np.log(4), np.log(80)))
    for _ in range(1 + rng.poisson(many)):
        radius = min(8, 0.5 + rng.exponential(0.9))
        corners = _place(x.shape, rng) + _round(radius, rng, 0.35)
        layer.shape_of(corners, rng.uniform(0.5, 1))
    for _ in range(1 + rng.poisson(many / 8)):
        steps = int(rng.integers(4, 20))
        points = _path(
            _place(x.shape, rng), rng.uniform(0, 2 * np.pi), steps, 2.5, rng.uniform(0, 0.5), rng
        )
        layer.stroke(points, _uneven(steps, rng, 0.5, 1.6), _uneven(steps, rng, 0.5, 1))
    return _painted(x, layer.cover() * rng.uniform(0.6, 1), _tone(rng))


def crack(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """Jagged cracks of the emulsion that branch, with a lighter or darker side."""
    layer, side = _Layer(x.shape), min(x.shape)
    width = rng.uniform(0.6, 2.5)
    ends = [(_place(x.shape, rng), rng.uniform(0, 2 * np.pi), side * rng.uniform(0.3, 1.2))]
    while ends:
        start, heading, length = ends.pop()
        steps = max(3, int(length / 5))
        points = _path(start, heading, steps, 5.0, 0.35, rng) + rng.normal(0, 0.8, (steps, 2))
        layer.stroke(points, width * _uneven(steps, rng, 0.5, 1.4), _uneven(steps, rng, 0.6, 1))
        for _ in range(rng.poisson(min(2, length / 80))):
            if length > 20:
                fork = points[rng.integers(steps)]
                ends.append((fork, heading + rng.normal(0, 0.9), length * rng.uniform(0.2, 0.5)))
    cover, tone = layer.cover(), _tone(rng)
    after, lost = _painted(x, cover, tone)
    if rng.random() < 0.5:  # the edge of the emulsion stands up and casts a shadow
        moved = np.roll(cover, (1, 1), (0, 1))
        after, lost = _painted(after, 0.6 * moved * (1 - cover), 1 - tone)
        lost |= np.abs(after - x) > VISIBLE
    return after, lost


def fold(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """A crease from edge to edge: shaded on both sides, broken open along its middle."""
    layer, (height, width) = _Layer(x.shape), x.shape
    middle, slope = rng.uniform(0.1, 0.9), rng.normal(0, 0.12)
    upright = rng.random() < 0.5
    along = np.linspace(-4, (height if upright else width) + 4, 60)
    across = middle * (width if upright else height) + slope * (along - along.mean())
    across = across + np.cumsum(rng.normal(0, 0.15, 60))
    points = np.stack([across, along] if upright else [along, across], axis=-1)
    strengths = np.clip(_uneven(60, rng, -0.3, 1.2), 0, 1)
    layer.stroke(points, rng.uniform(0.7, 4) * _uneven(60, rng, 0.4, 1.5), strengths)
    shade = _Layer(x.shape)
    shade.stroke(points, np.full(60, rng.uniform(3, 9)), np.ones(60))
    shade = cv2.GaussianBlur(shade.cover(), (0, 0), rng.uniform(1, 2.5))
    after, _ = _painted(x, shade * rng.uniform(0.1, 0.5), _tone(rng))
    after, _ = _painted(after, layer.cover() * rng.uniform(0.6, 1), _tone(rng))
    return after, np.abs(after - x) > VISIBLE


def stain(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """A drop or a splash that dried, perhaps with a rim; the photo shows through it a little."""
    layer, side = _Layer(x.shape), min(x.shape)
    for _ in range(rng.integers(1, 4)):
        corners = _round(side * np.exp(rng.uniform(np.log(0.02), np.log(0.16))), rng, 0.25)
        layer.shape_of(_place(x.shape, rng) + corners)
    cover = cv2.GaussianBlur(layer.cover(), (0, 0), rng.uniform(0.5, 1.5))
    opacity = rng.uniform(0.35, 1) * (0.7 + 0.3 * _clouds(x.shape, rng, side / 8))
    after = x + cover * opacity * (_tone(rng) - x)
    if rng.random() < 0.5:
        rim = cover - cv2.erode(cover, np.ones((3, 3), np.uint8))
        after = after + rim * rng.uniform(0.3, 0.9) * (_tone(rng) - after)
    return after, (cover > 0.5) | (np.abs(after - x) > VISIBLE)


def tear(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """A corner or a piece of an edge that is gone, with a fringe of torn paper."""
    height, width = x.shape
    reach = min(x.shape) * rng.uniform(0.05, 0.35, 2)
    if rng.random() < 0.6:  # a corner
        base = np.float64([[0, reach[1]], [reach[0], 0]])
        outside = np.float64([[reach[0], -9], [-9, -9], [-9, reach[1]]])
    else:  # out of an edge
        at = rng.uniform(0, width)
        base = np.float64([[at, -1], [at + reach[0] / 2, reach[1] / 2], [at + reach[0], -1]])
        outside = np.float64([[at + reach[0], -9], [at, -9]])
    t = np.linspace(0, 1, 24)
    line = np.stack([np.interp(t, np.linspace(0, 1, len(base)), base[:, i]) for i in (0, 1)], -1)
    line[1:-1] += rng.normal(0, rng.uniform(0.3, 3), (22, 2))
    corners = np.concatenate([line, outside])
    if rng.random() < 0.5:
        corners[:, 0] = width - corners[:, 0]
    if rng.random() < 0.5:
        corners[:, 1] = height - corners[:, 1]
    layer, fringe = _Layer(x.shape), _Layer(x.shape)
    layer.shape_of(corners)
    fringe.shape_of(corners)
    fringe.stroke(corners[:24], rng.uniform(1, 8) * _uneven(24, rng, 0.2, 1), np.ones(24))
    gone, torn = layer.cover(), fringe.cover()
    paper = rng.uniform(0.75, 1) - 0.15 * _clouds(x.shape, rng, 3)
    after = x + torn * (paper - x)
    after = after + gone * (rng.choice([0.0, 1.0, rng.random()]) - after)
    return after, (torn > 0.5) | (np.abs(after - x) > VISIBLE)


def tape(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """A strip of adhesive tape, or the glue that it left: the photo shows through it."""
    side = min(x.shape)
    length, wide = side * rng.uniform(0.25, 1.2), side * rng.uniform(0.05, 0.14)
    turn = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.25)
    ends = np.linspace(-wide / 2, wide / 2, 9)
    left = np.stack([-length / 2 + rng.normal(0, 1, 9), ends], axis=-1)
    right = np.stack([length / 2 + rng.normal(0, 1, 9), ends[::-1]], axis=-1)
    sine, cosine = np.sin(turn), np.cos(turn)
    corners = np.concatenate([left, right]) @ np.float64([[cosine, sine], [-sine, cosine]])
    layer = _Layer(x.shape)
    layer.shape_of(_place(x.shape, rng) + corners)
    cover = layer.cover()
    opacity = rng.uniform(0.35, 0.85) * (0.8 + 0.2 * _clouds(x.shape, rng, side / 10))
    after = x + cover * opacity * (rng.uniform(0.3, 0.95) - x)
    edge = cover - cv2.erode(cover, np.ones((3, 3), np.uint8))
    after = after + edge * rng.uniform(0, 0.6) * (_tone(rng) - after)
    return after, (cover > 0.5) | (np.abs(after - x) > VISIBLE)


def mildew(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """Colonies of soft spots."""
    layer, side = _Layer(x.shape), min(x.shape)
    for _ in range(rng.integers(1, 5)):
        centre, spread = _place(x.shape, rng), side * rng.uniform(0.03, 0.15)
        for _ in range(rng.integers(8, 60)):
            corners = centre + rng.normal(0, spread, 2)
            corners = corners + _round(0.7 + rng.exponential(1.2), rng, 0.3)
            layer.shape_of(corners, rng.uniform(0.4, 1))
    cover = cv2.GaussianBlur(layer.cover(), (0, 0), rng.uniform(0.4, 1.2))
    return _painted(x, cover * rng.uniform(0.5, 1), _tone(rng))


def fading(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """Patches where the photo paled or darkened softly; none of it is lost."""
    soft = np.clip(3 * _clouds(x.shape, rng, min(x.shape) * rng.uniform(0.3, 0.8)) - 1.2, 0, 1)
    return x + soft * rng.uniform(0.2, 0.7) * (rng.uniform(0.3, 0.9) - x), np.zeros(x.shape, bool)


def halftone(x: np.ndarray, rng: np.random.Generator) -> Wear:
    """The dots of a printed page; none of it is lost."""
    rows, columns = np.indices(x.shape, np.float32)
    turn, period = rng.uniform(0, np.pi / 2), rng.uniform(2.5, 6)
    u = (columns * np.cos(turn) + rows * np.sin(turn)) * 2 * np.pi / period
    v = (rows * np.cos(turn) - columns * np.sin(turn)) * 2 * np.pi / period
    screen = 0.5 + 0.25 * (np.cos(u) + np.cos(v))
    dots = np.clip(0.5 + rng.uniform(1.5, 4) * (x - screen), 0, 1)
    after = x + rng.uniform(0.3, 0.9) * (dots - x)
    return after.astype(np.float32), np.zeros(x.shape, bool)


# In the order in which they come over a photo; how often each comes.
KINDS: dict[str, tuple[Callable, float]] = dict(
    fading=(fading, 0.15),
    halftone=(halftone, 0.08),
    stain=(stain, 0.25),
    mildew=(mildew, 0.25),
    dust=(dust, 0.5),
    scratch=(scratch, 0.55),
    crack=(crack, 0.25),
    fold=(fold, 0.2),
    tape=(tape, 0.15),
    tear=(tear, 0.2),
)
VEILS = ("fading", "halftone")  # of which nothing is lost


def worn(
    grey: np.ndarray, rng: np.random.Generator, kinds: tuple[str, ...] | None = None
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A photo with damage.

    Args:
        grey: uint8 `(H, W)`, both at least 32.
        rng: fixes what is made.
        kinds: names out of `KINDS`; None for some at random.

    Returns:
        The damaged photo, uint8 `(H, W)`; what of it is lost, bool `(H, W)`: elsewhere no pixel
        differs by more than `VISIBLE`, but under a veil; and the same by kind.
    """
    if kinds is None:
        kinds = [name for name, (_, often) in KINDS.items() if rng.random() < often]
    x, masks = grey.astype(np.float32) / 255, {}
    for name in [name for name in KINDS if name in kinds]:
        x, masks[name] = KINDS[name][0](x, rng)
    lost = np.any([*masks.values(), np.zeros(grey.shape, bool)], axis=0)
    return np.round(np.clip(x, 0, 1) * 255).astype(np.uint8), lost, masks
