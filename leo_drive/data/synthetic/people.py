"""Drawing people on foot and on bicycles: cards that face the camera, wheels that stand in the world."""

from __future__ import annotations

import numpy as np

from leo_drive.data.synthetic import labels
from leo_drive.data.synthetic.canvas import NEAR, Canvas, placed
from leo_drive.data.synthetic.world import Actor, generator

SKIN = ((235, 195, 165), (205, 160, 125), (150, 105, 75), (95, 65, 48))
HAIR = ((30, 24, 20), (80, 55, 35), (170, 140, 90), (120, 118, 115), (40, 40, 60))
CLOTHES = (
    (170, 40, 44), (36, 60, 130), (40, 42, 46), (210, 210, 205), (60, 110, 70), (205, 170, 60),
    (110, 70, 120), (80, 130, 160), (225, 110, 40), (140, 120, 95), (30, 34, 60), (95, 96, 100),
)  # fmt: skip
_DISC = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 13)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 13)[:-1])], axis=1
)


def _limb(start: tuple[float, float], end: tuple[float, float], wide: float, narrow: float) -> np.ndarray:
    """A (4, 2) tapering limb from one joint to another."""
    (x0, z0), (x1, z1) = start, end
    length = max(1e-6, np.hypot(x1 - x0, z1 - z0))
    nx, nz = (z1 - z0) / length / 2, -(x1 - x0) / length / 2
    return np.array(
        [(x0 + nx * wide, z0 + nz * wide), (x1 + nx * narrow, z1 + nz * narrow),
         (x1 - nx * narrow, z1 - nz * narrow), (x0 - nx * wide, z0 - nz * wide)]
    )  # fmt: skip


class _Figure:
    """Draws flat parts of a body, given as (right, up) metres, on a card facing the camera."""

    def __init__(self, canvas: Canvas, x: float, y: float, tag: int, mirror: float, light: float) -> None:
        self.canvas, self.x, self.y, self.tag, self.mirror, self.light = canvas, x, y, tag, mirror, light
        self.depth = float(canvas.view.to_camera(np.array([[x, y, 1.0]]))[0, 2])

    def part(self, outline: np.ndarray, colour: tuple, light: float = 1.0) -> None:
        points = self.canvas.card(self.x, self.y, outline, self.mirror)
        final = self.canvas.shade(colour, self.depth, light * self.light)
        self.canvas.polygon(points, final, self.tag)


def draw_pedestrian(canvas: Canvas, actor: Actor, t: float) -> None:
    """Someone on foot: walking across the view, along the road, or standing."""
    x, y, heading = actor.motion.at(t)
    rng = generator(actor.seed, 5)
    tall = actor.size[2] / 1.75
    skin, hair = SKIN[rng.integers(len(SKIN))], HAIR[rng.integers(len(HAIR))]
    top, legs = CLOTHES[rng.integers(len(CLOTHES))], CLOTHES[rng.integers(len(CLOTHES))]
    skirt, bag = rng.random() < 0.2, rng.random() < 0.35
    phase = float(rng.uniform(0, 6.28))
    turned = np.sin(heading - canvas.view.heading)
    mirror = 1.0 if turned >= 0 else -1.0
    profile = abs(turned)
    moving = actor.role != "standing"
    swing = float(np.sin(phase + 6.0 * t)) * (0.24 if moving else 0.03) * (0.35 + 0.65 * profile)
    shoulders = 0.23 - 0.07 * profile
    figure = _Figure(
        canvas, x, y, actor.instance * 32 + labels.PEDESTRIAN, mirror, canvas.look.facing_sun(heading)
    )
    if figure.depth < NEAR + 0.5:
        return

    def part(outline: np.ndarray | list[tuple[float, float]], colour: tuple, light: float = 1.0) -> None:
        figure.part(np.asarray(outline, float) * tall, colour, light)

    stance = 0.09 * (1 - profile)
    part(_limb((shoulders * 0.7, 1.42), (0.02 + shoulders - swing * 1.1, 0.85), 0.12, 0.09), top, 0.75)
    for direction, light in ((-1, 0.8), (1, 1.0)):
        part(_limb((direction * stance, 0.92), (direction * (stance + swing), 0.06), 0.2, 0.12), legs, light)
        part(
            _limb(
                (direction * (stance + swing) - 0.03, 0.04),
                (direction * (stance + swing) + 0.16 * profile, 0.04),
                0.09,
                0.08,
            ),
            (28, 26, 26),
        )
    if skirt:
        part([(-0.2, 0.55), (0.2, 0.55), (0.14, 1.0), (-0.14, 1.0)], top, 0.85)
    part([(-0.15, 0.86), (0.15, 0.86), (shoulders, 1.42), (0.08, 1.5), (-0.08, 1.5), (-shoulders, 1.42)], top)
    part(_limb((-shoulders * 0.8, 1.42), (-0.04 - shoulders + swing * 1.2, 0.84), 0.12, 0.08), top, 0.9)
    if bag:
        part(
            [
                (-shoulders - 0.08, 0.95),
                (-shoulders + 0.06, 0.95),
                (-shoulders + 0.06, 1.35),
                (-shoulders - 0.08, 1.35),
            ],
            hair,
        )
    part(_DISC * (0.055, 0.07) + (0, 1.5), skin)
    part(_DISC * (0.115, 0.145) + (0, 1.64), hair)
    if np.cos(heading - canvas.view.heading) < 0.6:
        part(_DISC * (0.085, 0.11) + (0.03 * profile, 1.615), skin)


def draw_cyclist(canvas: Canvas, actor: Actor, t: float) -> None:
    """A bicycle, with its rider unless it is parked."""
    x, y, heading = actor.motion.at(t)
    rng = generator(actor.seed, 6)
    frame, top, legs = (CLOTHES[rng.integers(len(CLOTHES))] for _ in range(3))
    skin, helmet = SKIN[rng.integers(len(SKIN))], CLOTHES[rng.integers(len(CLOTHES))]
    if rng.random() < 0.3:
        top = (205, 225, 60)
    view = canvas.view
    tag = actor.instance * 32 + labels.CYCLIST
    depth = float(view.to_camera(np.array([[x, y, 1.0]]))[0, 2])
    if depth < NEAR + 1.0:
        return

    def world(points: list[tuple[float, float]]) -> np.ndarray:
        local = np.array([(0.0, forward, up) for forward, up in points])
        return view.to_camera(placed(x, y, heading, local))

    rubber = canvas.shade((30, 30, 32), depth)
    paint = canvas.shade(frame, depth)
    for hub in (-0.52, 0.52):
        wheel = [(hub + 0.34 * a, 0.34 + 0.34 * b) for a, b in np.append(_DISC, _DISC[:1], axis=0)]
        canvas.line(world(wheel), rubber, 0.07, tag)
    canvas.line(
        world([(-0.52, 0.34), (-0.1, 0.3), (0.42, 0.85), (-0.2, 0.85), (-0.52, 0.34)]), paint, 0.06, tag
    )
    canvas.line(world([(-0.1, 0.3), (-0.25, 0.95)]), paint, 0.06, tag)
    canvas.line(world([(0.52, 0.34), (0.4, 1.02), (0.5, 1.05)]), paint, 0.06, tag)
    bar = np.array([(-0.26, 0.42, 1.02), (0.26, 0.42, 1.02)])
    canvas.line(view.to_camera(placed(x, y, heading, bar)), rubber, 0.05, tag)
    if actor.kind == "bicycle":
        return
    turned = np.sin(heading - view.heading)
    profile, mirror = abs(turned), 1.0 if turned >= 0 else -1.0
    figure = _Figure(canvas, x, y, tag, mirror, canvas.look.facing_sun(heading))
    swing = float(np.sin(7.0 * t + actor.seed % 7)) * 0.13
    lean = 0.32 * profile
    wide = 0.22 - 0.05 * profile
    hip = -0.2 * profile
    for direction, light in ((-1, 0.8), (1, 1.0)):
        knee = (hip + 0.36 * profile + direction * 0.1 * (1 - profile), 0.72 + direction * swing)
        figure.part(_limb((hip + direction * 0.08 * (1 - profile), 0.98), knee, 0.19, 0.14), legs, light)
        figure.part(
            _limb(
                knee, (-0.08 * profile + direction * 0.11 * (1 - profile), 0.3 + direction * swing), 0.13, 0.1
            ),
            legs,
            light,
        )
    back = np.array(
        [(hip - 0.16, 0.95), (hip + 0.16, 0.95), (hip + lean + wide, 1.42), (hip + lean - wide, 1.46)]
    )
    figure.part(back, top)
    for direction in (-1, 1):
        shoulder = (hip + lean + direction * wide * 0.9 * (1 - profile), 1.4)
        figure.part(
            _limb(shoulder, (0.4 * profile + direction * 0.26 * (1 - profile), 1.05), 0.11, 0.08), top, 0.9
        )
    head = (hip + lean + 0.1 * profile, 1.6)
    figure.part(_DISC * (0.11, 0.14) + head, skin)
    figure.part(_DISC * (0.14, 0.11) + (head[0] - 0.02, head[1] + 0.06), helmet)
