"""Drawing vehicles: two volumes (body and cabin) with glass, wheels, lamps and plates."""

from __future__ import annotations

import numpy as np

from leo_drive.data.synthetic import labels
from leo_drive.data.synthetic.canvas import NEAR, Canvas
from leo_drive.data.synthetic.world import Actor

# Shares of the length (from the rear) and of the height: where the cabin stands on the body.
# (rear foot, rear roof, front roof, front foot, belt line)
PROFILES = {
    "hatchback": (0.0, 0.1, 0.55, 0.76, 0.6),
    "saloon": (0.13, 0.28, 0.6, 0.75, 0.62),
    "suv": (0.0, 0.05, 0.6, 0.74, 0.58),
    "estate": (0.0, 0.06, 0.6, 0.74, 0.6),
    "van": (0.0, 0.0, 0.7, 0.86, 0.52),
}
CAR_STYLES = ("hatchback", "saloon", "suv", "estate")

_CIRCLE = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 11)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 11)[:-1])], axis=1
)


def _inset(quad: np.ndarray, left: float, right: float, low: float, high: float) -> np.ndarray:
    """Part of a (4, 3) face whose corners run low-left, low-right, high-right, high-left."""
    a, b, c, d = quad

    def at(u: float, v: float) -> np.ndarray:
        return (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v

    return np.stack([at(left, low), at(right, low), at(right, high), at(left, high)])


class _Painter:
    """Paints faces of one vehicle, given in its own metres (right, forward, up)."""

    def __init__(self, canvas: Canvas, actor: Actor, t: float) -> None:
        self.canvas, self.actor = canvas, actor
        self.x, self.y, self.heading = actor.motion.at(t)
        view = canvas.view
        dx, dy = view.eye[0] - self.x, view.eye[1] - self.y
        sin, cos = np.sin(self.heading), np.cos(self.heading)
        self.eye = (dx * cos - dy * sin, dx * sin + dy * cos, view.eye[2])
        self.depth = float(np.hypot(dx, dy))
        # The vehicle's own metres straight to the camera's: one product for each face.
        self._turn = view.rotation @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        self._shift = view.rotation @ np.array([-dx, -dy, -view.eye[2]])
        self.detail = self.depth < 60
        self.tag = actor.instance * 32 + labels.PAINTED.get(actor.colour_name, labels.VEHICLE)
        look = canvas.look
        self.sides = {
            "rear": look.facing_sun(self.heading + np.pi),
            "front": look.facing_sun(self.heading),
            "left": look.facing_sun(self.heading - np.pi / 2),
            "right": look.facing_sun(self.heading + np.pi / 2),
        }

    def camera(self, local: np.ndarray) -> np.ndarray:
        return local @ self._turn.T + self._shift

    def face(self, local: np.ndarray, colour: tuple, light: float, tag: int | None = None) -> None:
        points = self.camera(np.asarray(local, float))
        if points[:, 2].max() > NEAR:
            self.canvas.polygon(points, self.canvas.shade(colour, self.depth, light), tag or self.tag)

    def lamp(
        self, local: np.ndarray, colour: tuple, lit: bool, tag: int | None = None, glow: float = 0.3
    ) -> None:
        points = self.camera(np.asarray(local, float))
        if points[:, 2].min() <= NEAR:
            return
        final = self.canvas.emit(colour, self.depth) if lit else self.canvas.shade(colour, self.depth)
        tag = tag or self.tag
        self.canvas.polygon(points, final, tag)
        if lit and glow:
            self.canvas.glow(points.mean(axis=0), glow, colour, tag)


def draw_vehicle(canvas: Canvas, actor: Actor, t: float) -> None:
    """Draw one vehicle as it stands at time t."""
    painter = _Painter(canvas, actor, t)
    if actor.kind == "car":
        _two_volumes(painter, PROFILES[CAR_STYLES[actor.style % len(CAR_STYLES)]], t)
    elif actor.kind == "van":
        _two_volumes(painter, PROFILES["van"], t)
    else:
        _tall_box(painter, t)


def _wheels(p: _Painter, side: int, half: float, length: float, radius: float, at: tuple[float, ...]) -> None:
    for share in at:
        y = (share - 0.5) * length
        ring = np.stack(
            [np.full(10, side * half * 1.005), y + radius * _CIRCLE[:, 0], radius + radius * _CIRCLE[:, 1]], 1
        )
        p.face(ring, (22, 22, 24), 0.9)
        if p.detail:
            hub = ring.copy()
            hub[:, 1:] = (y, radius) + (hub[:, 1:] - (y, radius)) * 0.55
            p.face(hub, (128, 130, 134), 0.9)


def _end_quad(
    half_low: float, half_high: float, y_low: float, y_high: float, z0: float, z1: float
) -> np.ndarray:
    return np.array(
        [[-half_low, y_low, z0], [half_low, y_low, z0], [half_high, y_high, z1], [-half_high, y_high, z1]]
    )


def _side_quad(
    x: float, x_top: float, ys: tuple[float, float], tops: tuple[float, float], z0: float, z1: float
):
    return np.array([[x, ys[0], z0], [x, ys[1], z0], [x_top, tops[1], z1], [x_top, tops[0], z1]])


def _two_volumes(p: _Painter, profile: tuple[float, ...], t: float) -> None:
    width, length, height = p.actor.size
    colour = p.actor.colour
    half, top_half = width / 2, width / 2 * 0.8
    rear, front = -length / 2, length / 2
    foot, roof_rear, roof_front, cowl, belt_share = profile
    ys = [rear + share * length for share in (foot, roof_rear, roof_front, cowl)]
    floor, belt = 0.24, belt_share * height
    glass = tuple(
        0.25 * c * a + 20 for c, a in zip(p.canvas.look.haze_colour, p.canvas.look.ambient, strict=True)
    )
    side = 1 if p.eye[0] > 0 else -1
    name = "right" if side > 0 else "left"
    from_rear, from_front = p.eye[1] < rear, p.eye[1] > front
    beside = abs(p.eye[0]) > half
    if p.eye[2] > belt:
        deck = np.array(
            [[-half, rear, belt], [half, rear, belt], [half, front, belt * 0.94], [-half, front, belt * 0.94]]
        )
        p.face(deck, colour, 1.06)
    if beside:
        x = side * half
        skirt = np.array([[x, rear, floor], [x, front, floor], [x, front, belt * 0.94], [x, rear, belt]])
        p.face(skirt, colour, p.sides[name])
        if p.detail:
            lower = np.array(
                [[x, rear, floor], [x, front, floor], [x, front, floor + 0.12], [x, rear, floor + 0.12]]
            )
            p.face(lower, tuple(0.45 * c for c in colour), 0.8)
        _wheels(p, side, half, length, 0.215 * height, (0.19, 0.81))
        cabin = _side_quad(side * half * 0.98, side * top_half, (ys[0], ys[3]), (ys[1], ys[2]), belt, height)
        p.face(cabin, colour, p.sides[name] * 0.96)
        window = _inset(cabin, 0.07, 0.93, 0.08, 0.84)
        p.face(window, glass, 0.9)
        if p.detail:
            p.face(_inset(cabin, 0.44, 0.47, 0.0, 0.86), colour, p.sides[name] * 0.8)
    if from_rear or from_front:
        sign, y = (-1, rear) if from_rear else (1, front)
        light = p.sides["rear" if from_rear else "front"]
        end = _end_quad(half, half, y, y, floor, belt if from_rear else belt * 0.94)
        p.face(end, colour, light)
        foot_y, roof_y = (ys[0], ys[1]) if from_rear else (ys[3], ys[2])
        pane = _end_quad(
            half * 0.97, top_half, foot_y + 0.01 * sign, roof_y, belt * (1 if from_rear else 0.97), height
        )
        p.face(pane, colour, light * 1.02)
        p.face(_inset(pane, 0.08, 0.92, 0.1, 0.86), glass, 1.0)
        _ends(p, end, y + 0.02 * sign, from_rear, t, pane)
    if p.eye[2] > height:
        top = np.array(
            [
                [-top_half, ys[1], height],
                [top_half, ys[1], height],
                [top_half, ys[2], height],
                [-top_half, ys[2], height],
            ]
        )
        p.face(top, colour, 1.1)


def _ends(p: _Painter, end: np.ndarray, y: float, rear: bool, t: float, pane: np.ndarray) -> None:
    """Bumper, lamps and plate on the rear or front face."""
    face = end.copy()
    face[:, 1] = y
    night = p.canvas.look.time_of_day != "day" or p.canvas.look.weather in ("fog", "rain")
    dark = (48, 48, 52)
    p.face(_inset(face, 0.0, 1.0, 0.0, 0.2), dark, 0.8)
    if rear:
        braking = p.actor.braking(t)
        red = (255, 50, 36) if braking else ((135, 10, 8) if night else (105, 16, 18))
        tag = p.actor.instance * 32 + labels.BRAKE_LAMP if braking else None
        for a, b in ((0.02, 0.2), (0.8, 0.98)):
            p.lamp(_inset(face, a, b, 0.56, 0.9), red, braking or night, tag, 0.34 if braking else 0.0)
            if braking:
                p.lamp(_inset(face, a + 0.04, b - 0.04, 0.64, 0.82), (255, 190, 170), True, tag, 0.0)
        if braking:
            strip = pane.copy()
            strip[:, 1] -= 0.02
            p.lamp(_inset(strip, 0.38, 0.62, 0.86, 0.95), (255, 60, 40), True, tag, 0.2)
        yellow = p.actor.seed % 3 == 0
        p.face(_inset(face, 0.34, 0.66, 0.34, 0.5), (225, 195, 40) if yellow else (225, 225, 225), 0.9)
    else:
        p.face(_inset(face, 0.26, 0.74, 0.42, 0.8), dark, 0.7)
        for a, b in ((0.03, 0.22), (0.78, 0.97)):
            p.lamp(
                _inset(face, a, b, 0.56, 0.84),
                (255, 250, 225) if night else (215, 220, 226),
                night,
                None,
                0.35,
            )
        p.face(_inset(face, 0.34, 0.66, 0.14, 0.3), (225, 225, 225), 0.9)


def _tall_box(p: _Painter, t: float) -> None:
    """Buses and trucks: one tall volume, a truck with a lower cab in front of it."""
    width, length, height = p.actor.size
    half, rear, front = width / 2, -length / 2, length / 2
    colour, floor = p.actor.colour, 0.45
    glass = (38, 44, 52)
    bus = p.actor.kind == "bus"
    side = 1 if p.eye[0] > 0 else -1
    light = p.sides["right" if side > 0 else "left"]
    box_front = front if bus else front - 2.0
    cab = (178, 182, 188) if p.actor.seed % 2 else (60, 84, 130)
    from_rear, from_front = p.eye[1] < rear, p.eye[1] > front
    x = side * half

    def cab_side() -> None:
        p.face(
            np.array(
                [[x, box_front + 0.1, floor], [x, front, floor], [x, front, 2.6], [x, box_front + 0.1, 2.6]]
            ),
            cab,
            light,
        )
        p.face(
            np.array(
                [[x, front - 1.5, 1.5], [x, front - 0.3, 1.5], [x, front - 0.4, 2.3], [x, front - 1.5, 2.3]]
            ),
            glass,
            0.9,
        )

    if abs(p.eye[0]) > half:
        if not bus and not from_front:
            cab_side()
        wall = np.array(
            [[x, rear, floor + 0.1], [x, box_front, floor + 0.1], [x, box_front, height], [x, rear, height]]
        )
        p.face(wall, colour, light)
        if bus:
            p.face(_inset(wall, 0.03, 0.97, 0.42, 0.78), glass, 0.95)
            if p.detail:
                for u in np.linspace(0.12, 0.88, 6):
                    p.face(_inset(wall, u - 0.008, u + 0.008, 0.42, 0.78), colour, light * 0.8)
        else:
            p.face(_inset(wall, 0.12, 0.8, 0.35, 0.62), tuple(0.6 * c for c in colour), light)
        _wheels(p, side, half, length, 0.5, (0.2, 0.32, 0.84) if not bus else (0.22, 0.8))
        if not bus and from_front:
            cab_side()
    if from_rear:
        end = _end_quad(half, half, rear - 0.01, rear - 0.01, floor, height)
        p.face(end, colour, p.sides["rear"])
        if bus:
            p.face(_inset(end, 0.1, 0.9, 0.55, 0.85), glass, 0.95)
            p.face(_inset(end, 0.12, 0.88, 0.08, 0.3), tuple(0.7 * c for c in colour), 0.9)
        else:
            p.face(_inset(end, 0.49, 0.51, 0.06, 0.97), tuple(0.6 * c for c in colour), 0.9)
            p.face(_inset(end, 0.05, 0.95, 0.06, 0.09), tuple(0.5 * c for c in colour), 0.9)
            p.face(_end_quad(half * 0.9, half * 0.9, rear, rear, 0.35, floor + 0.12), (50, 50, 52), 0.8)
        braking = p.actor.braking(t)
        dark = p.canvas.look.time_of_day != "day"
        red = (255, 50, 36) if braking else ((135, 10, 8) if dark else (105, 16, 18))
        tag = p.actor.instance * 32 + labels.BRAKE_LAMP if braking else None
        for a, b in ((0.02, 0.15), (0.85, 0.98)):
            p.lamp(_inset(end, a, b, 0.06, 0.2), red, braking or dark, tag, 0.36 if braking else 0.0)
            if braking:
                p.lamp(_inset(end, a + 0.03, b - 0.03, 0.09, 0.17), (255, 190, 170), True, tag, 0.0)
        p.face(_inset(end, 0.38, 0.62, 0.03, 0.06), (225, 225, 225), 0.9)
    elif from_front:
        top = height if bus else 2.6
        end = _end_quad(half, half, front + 0.01, front + 0.01, floor, top)
        p.face(end, colour if bus else cab, p.sides["front"])
        p.face(_inset(end, 0.05, 0.95, 0.42, 0.84), glass, 0.95)
        if bus:
            p.face(_inset(end, 0.2, 0.8, 0.88, 0.97), (20, 20, 22), 1.0)
            p.lamp(_inset(end, 0.3, 0.7, 0.9, 0.95), (250, 190, 60), True, None, 0.0)
        else:
            p.face(_end_quad(half, half, box_front, box_front, 2.6, height), colour, p.sides["front"])
        night = p.canvas.look.time_of_day != "day" or p.canvas.look.weather in ("fog", "rain")
        for a, b in ((0.05, 0.2), (0.8, 0.95)):
            p.lamp(
                _inset(end, a, b, 0.07, 0.2), (255, 250, 225) if night else (210, 214, 220), night, None, 0.35
            )
        p.face(_inset(end, 0.36, 0.64, 0.05, 0.13), (225, 225, 225), 0.9)
