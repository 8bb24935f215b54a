"""Casting of road users: who is where NOW, and how each of them came there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_drive.data.synthetic.camera import Camera
from leo_drive.data.synthetic.ego import NOW, TIMES, Motion, distance_from_speed
from leo_drive.data.synthetic.geometry import Path, path_through
from leo_drive.data.synthetic.world import Actor, Road

PAINTS = {
    "white": [(236, 236, 234), (224, 226, 228)],
    "black": [(26, 26, 29), (36, 36, 40)],
    "grey": [(128, 131, 135), (150, 153, 157), (108, 111, 116)],
    "red": [(186, 24, 30), (158, 18, 28)],
    "blue": [(28, 66, 160), (40, 92, 178), (24, 48, 128)],
    "green": [(30, 112, 62), (44, 128, 72)],
    "yellow": [(232, 186, 32), (240, 204, 50)],
}
COLOURS = tuple(PAINTS)
SIZES = {"car": (1.8, 4.3, 1.5), "van": (2.0, 5.4, 2.3), "truck": (2.5, 8.5, 3.4), "bus": (2.55, 10.8, 3.1)}


@dataclass(frozen=True)
class Stage:
    """What the cast needs to know. `guide` is the line that places are measured along, `base` our s on it."""

    road: Road
    guide: Path
    base: float
    camera: Camera
    ego: Motion
    speed: np.ndarray
    place: str
    situation: str
    way: str
    parking: tuple[bool, bool]

    @property
    def turning(self) -> bool:
        """Whether we turn off the main road."""
        return self.situation[:4] == "turn"


class Cast:
    """The road users of one drive, added one by one where there is room."""

    def __init__(self, rng: np.random.Generator, stage: Stage) -> None:
        self.rng, self.stage = rng, stage
        self.actors: list[Actor] = []
        self._taken: list[tuple[float, float, float, float]] = []

    def _room(self, s: float, d: float, length: float, width: float) -> bool:
        for other_s, other_d, other_length, other_width in self._taken:
            if (
                abs(s - other_s) < (length + other_length) / 2 + 1.2
                and abs(d - other_d) < (width + other_width) / 2 + 0.35
            ):
                return False
        self._taken.append((s, d, length, width))
        return True

    def _add(
        self,
        kind: str,
        role: str,
        motion: Motion,
        size: tuple[float, float, float],
        brakes: tuple[float, float] | None = None,
    ) -> None:
        number = len(self.actors) + 1
        paint = str(self.rng.choice(COLOURS, p=(0.17, 0.16, 0.17, 0.14, 0.16, 0.1, 0.1)))
        shades = PAINTS[paint]
        colour = shades[int(self.rng.integers(len(shades)))]
        seed, style = int(self.rng.integers(1 << 30)), int(self.rng.integers(4))
        self.actors.append(Actor(number, kind, role, motion, size, colour, paint, brakes, style, seed))

    def _vehicle(self, heavy: float) -> tuple[str, tuple[float, float, float]]:
        rng = self.rng
        kind = "car"
        if rng.random() < heavy:
            kind = str(rng.choice(["truck", "bus"]))
        elif rng.random() < 0.16:
            kind = "van"
        width, length, height = SIZES[kind]
        scale = rng.uniform(0.94, 1.07)
        wide, tall = float(rng.uniform(0.96, 1.04)), float(rng.uniform(0.96, 1.1))
        return kind, (width * wide, length * float(scale), height * tall)

    def lead(self) -> None:
        """The vehicle ahead of us in our lane."""
        rng, stage = self.rng, self.stage
        kind, size = self._vehicle(0.22)
        way, speed = stage.way, stage.speed
        brakes: tuple[float, float] | None = None
        gap = float(
            rng.choice(
                [rng.uniform(5.5, 9), rng.uniform(9, 14.5), rng.uniform(15, 24), rng.uniform(30, 46)],
                p=[0.2, 0.16, 0.24, 0.4],
            )
        )
        if stage.turning:
            gap = float(rng.uniform(12, 24))
        own = speed.copy()
        if way == "stopped":
            gap = float(rng.uniform(4.5, 8.5))
            own = np.zeros_like(TIMES)
            brakes = (-9.0, 99.0) if rng.random() < 0.55 else None
        elif way == "starting":
            gap = float(rng.uniform(9, 18))
            own = np.clip(np.interp(TIMES, TIMES - 0.7, speed) * 1.25, 0, 40)
        elif way == "braking":
            remaining = float(np.interp(TIMES[-1], TIMES, distance_from_speed(speed)))
            gap = remaining + float(rng.uniform(4.5, 8))
            lag = rng.uniform(0.3, 0.9)
            own = np.interp(TIMES + lag, TIMES, speed)
            brakes = (-9.0, 99.0)
        else:
            change = str(rng.choice(["closing", "same", "leaving"], p=[0.45, 0.27, 0.28]))
            cruise = float(speed.mean())
            rate = {"closing": rng.uniform(0.25, 0.6), "same": 0.0, "leaving": -rng.uniform(0.2, 0.5)}[
                change
            ] * min(cruise, 14.0)
            if change == "closing":
                gap = float(rng.uniform(6, 17))
            if change == "leaving":
                gap = max(gap, 5.5 - 4 * rate)
            own = np.maximum(speed - rate, 0)
            if stage.situation == "lead_brakes" or (change == "closing" and rng.random() < 0.5):
                gap = min(gap, 20.0)
                brakes = (NOW - float(rng.uniform(0.3, 2.5)), 99.0)
        s = stage.base + gap + size[1] / 2 + distance_from_speed(own)
        self._taken.append((gap + size[1] / 2, 0.0, size[1], size[0]))
        self._add(
            kind,
            "lead",
            Motion(stage.guide, s, np.full_like(TIMES, float(rng.normal(0, 0.12)))),
            size,
            brakes=brakes,
        )

    def _lane(self, direction: int) -> float | None:
        stage = self.stage
        if stage.turning:
            return (
                None
                if direction > 0
                else -stage.road.keep * (stage.road.junction.half_width if stage.road.junction else 3.2)
            )
        lanes = [c for c, way in stage.road.lanes if way == direction and abs(c) > 1.5]
        return float(self.rng.choice(lanes)) if lanes else None

    def _held(self, s: float, direction: int) -> bool | None:
        """Whether red light or people on the road hold traffic there; None where nobody may be."""
        stage = self.stage
        road = stage.road
        if stage.situation not in ("red", "crossing", "amber"):
            return False
        line = road.stop_line if road.stop_line is not None else 5.0
        far = (road.junction.y + road.junction.half_width + 3) if road.junction else (road.zebra or line) + 9
        if direction > 0:
            return True if s < line - 3.5 else (False if s > far + 6 else None)
        return True if s > far + 4 else None

    def oncoming(self) -> None:
        """Someone coming towards us in the other half of the road."""
        rng, stage = self.rng, self.stage
        lane = self._lane(-1)
        if lane is None:
            return
        kind, size = self._vehicle(0.2)
        low = max(10.0, abs(lane) / 0.5)
        s = float(rng.uniform(low, max(low + 8, 30 if rng.random() < 0.5 else 50)))
        s = max(s, low) + (8 if stage.turning else 0)
        held = self._held(s, -1)
        if held is None or not self._room(s, lane, size[1] + 2, size[0]):
            return
        speed = (
            0.0 if held else float(rng.uniform(6, 13) if stage.place != "highway" else rng.uniform(18, 30))
        )
        along = stage.base + s - speed * (TIMES - NOW)
        self._add(kind, "oncoming", Motion(stage.guide, along, np.full_like(TIMES, lane), 2), size)

    def beside(self) -> None:
        """Someone going our way in another lane."""
        rng, stage = self.rng, self.stage
        lane = self._lane(1)
        if lane is None:
            return self.oncoming()
        kind, size = self._vehicle(0.25)
        s = float(rng.uniform(9, 46))
        held = self._held(s, 1)
        if held is None or not self._room(s, lane, size[1] + 2, size[0]):
            return None
        speed = np.zeros_like(TIMES) if held else np.maximum(stage.speed * float(rng.uniform(0.8, 1.2)), 0)
        along = stage.base + s + distance_from_speed(speed)
        brakes = (-9.0, 99.0) if held and rng.random() < 0.7 else None
        self._add(kind, "beside", Motion(stage.guide, along, np.full_like(TIMES, lane)), size, brakes=brakes)
        return None

    def parked(self, few: bool) -> None:
        """Cars along the kerb where the road has room for them."""
        rng, stage = self.rng, self.stage
        left, right = stage.road.edges
        for has, d, side in zip(stage.parking, (left + 1.1, right - 1.1), (-1, 1), strict=True):
            if not has:
                continue
            s = float(rng.uniform(6, 14))
            count = int(rng.integers(1, 3)) if few else int(rng.integers(3, 7))
            for _ in range(count):
                kind, size = self._vehicle(0.04)
                away = [
                    abs(s - x)
                    for x in (
                        stage.road.zebra,
                        stage.road.junction.y if stage.road.junction else None,
                        stage.road.stop_line,
                    )
                    if x is not None
                ]
                if min(away, default=99) > 8 and self._room(s, d, size[1], size[0]):
                    ours = side == stage.road.keep
                    fixed = Motion(
                        stage.guide,
                        np.full_like(TIMES, stage.base + s),
                        np.full_like(TIMES, d),
                        0 if ours else 2,
                    )
                    self._add(kind, "parked", fixed, size)
                s += float(rng.uniform(5.8, 9))

    def cross_traffic(self) -> None:
        """Someone on the crossing road, where we and our lane are not."""
        rng, road = self.rng, self.stage.road
        if road.junction is None or self.stage.turning:
            return
        x = np.arange(-80.0, 80.0, 1.0)
        flip = 1 if rng.random() < 0.5 else -1
        y = road.junction.y - flip * road.keep * road.junction.half_width / 2
        path = path_through(np.stack([flip * x, np.full_like(x, y)], axis=1))
        kind, size = self._vehicle(0.15)
        if self.stage.situation == "red":
            speed, place = float(rng.uniform(4, 8)), 80 + float(rng.uniform(-12, 12))
        else:
            left, right = road.edges
            speed, place = 0.0, 80 - float(rng.uniform(4, 10)) - (-left if flip > 0 else right)
        along = place + speed * (TIMES - NOW)
        self._add(kind, "cross", Motion(path, along, np.zeros_like(TIMES)), size)

    def kerbside(
        self, rng: np.random.Generator, beyond: float, far: float = 26.0
    ) -> tuple[float, float, float] | None:
        """A free place beside the road, in view now: x, y and the heading of the road there."""
        stage = self.stage
        left, right = stage.road.edges
        side = 1 if rng.random() < 0.5 else -1
        edge = (right if side > 0 else -left) + beyond
        if stage.turning and stage.road.junction:
            edge = stage.road.junction.half_width * (1.5 if side != stage.road.keep else 0.5) + beyond
        # Far enough ahead that the place is well inside the picture.
        low = max(6.5, edge / (0.72 * np.tan(stage.camera.fov / 2)))
        s = float(rng.uniform(low, max(far, low + 6))) + (6 if stage.turning else 0)
        junction = stage.road.junction
        if junction is not None and not stage.turning and abs(s - junction.y) < junction.half_width + 1.5:
            return None
        if not self._room(s, side * edge, 0.5, 0.4):
            return None
        x, y = stage.guide.point(stage.base + s, side * edge)
        return x, y, float(np.interp(stage.base + s, stage.guide.s, stage.guide.heading))

    def walker(self) -> None:
        """Someone on foot beside the road, walking along it or standing."""
        rng, stage = self.rng, self.stage
        walk = max((p.right - p.left for p in stage.road.pavements), default=1.4)
        spot = self.kerbside(rng, float(rng.uniform(0.4, max(0.6, walk - 0.4))), far=22.0)
        if spot is None:
            return
        x, y, heading = spot
        standing = rng.random() < 0.3
        way = 1 if rng.random() < 0.5 else -1
        speed = 0.0 if standing else float(rng.uniform(0.9, 1.6))
        s = np.arange(-30.0, 30.5, 0.5)
        line = np.stack([x + way * s * np.sin(heading), y + way * s * np.cos(heading)], axis=1)
        along = 30.0 + speed * (TIMES - NOW)
        turn = int(rng.choice([-1, 0, 1, 2])) if standing else 0
        size = (0.5, 0.4, float(rng.uniform(1.55, 1.92)))
        self._add(
            "pedestrian",
            "standing" if standing else "walking",
            Motion(path_through(line), along, np.zeros_like(TIMES), turn),
            size,
        )

    def crossing(self, ahead: float) -> None:
        """One to three people walking across the road in front of us."""
        rng, stage = self.rng, self.stage
        way = 1 if rng.random() < 0.5 else -1
        middle = float(rng.uniform(-1.3, 1.3))
        for number in range(int(rng.choice([1, 2, 3], p=[0.65, 0.25, 0.1]))):
            speed = float(rng.uniform(0.9, 1.4))
            d = middle + number * float(rng.uniform(0.6, 1.0)) * (1 if rng.random() < 0.5 else -1)
            s = stage.base + ahead + float(rng.uniform(-0.7, 0.7))
            motion = Motion(stage.guide, np.full_like(TIMES, s), d + way * speed * (TIMES - NOW), way)
            self._taken.append((ahead, d, 2.0, 1.0))
            self._add("pedestrian", "crossing", motion, (0.5, 0.4, float(rng.uniform(1.55, 1.92))))

    def cyclist(self) -> None:
        """Someone cycling near the kerb, our way or towards us, or a bicycle left standing."""
        rng, stage = self.rng, self.stage
        if rng.random() < 0.16:
            spot = self.kerbside(rng, 0.8, far=16.0)
            if spot is None:
                return
            path = path_through(
                np.array([spot[:2], (spot[0] + 5 * np.sin(spot[2]), spot[1] + 5 * np.cos(spot[2]))])
            )
            turn = int(rng.choice([-1, 0, 1]))
            fixed = Motion(path, np.zeros_like(TIMES), np.zeros_like(TIMES), turn)
            self._add("bicycle", "parked", fixed, (0.5, 1.75, 1.1))
            return
        left, right = stage.road.edges
        ours = rng.random() < 0.62
        side = stage.road.keep if ours else -stage.road.keep
        edge = (right if side > 0 else -left) - 0.6 - (2.2 if stage.parking[int(side > 0)] else 0.0)
        if stage.turning and stage.road.junction:
            edge = stage.road.junction.half_width * (0.5 if ours else 1.5) - 0.5
        low = max(6.5, edge / (0.72 * np.tan(stage.camera.fov / 2)))
        s = float(rng.uniform(low, max(20.0, low + 7))) + (6 if stage.turning else 0)
        held = self._held(s, 1 if ours else -1)
        if held is None or not self._room(s, side * edge, 1.9, 0.7):
            return
        own = float(np.interp(NOW, TIMES, stage.speed))
        speed = (
            0.0
            if held
            else float(rng.uniform(3.0, 6.0))
            if own > 2 or not ours
            else float(rng.uniform(1.5, 5))
        )
        along = stage.base + s + (1 if ours else -1) * speed * (TIMES - NOW)
        motion = Motion(stage.guide, along, np.full_like(TIMES, side * edge), 0 if ours else 2)
        self._add("cyclist", "riding", motion, (0.6, 1.75, 1.75))
