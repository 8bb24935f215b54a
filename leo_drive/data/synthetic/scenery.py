"""Sampling of what stands along the road: houses, trees, hedges, fences, lamp posts, signs, clutter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_drive.data.synthetic.geometry import Path, path_through
from leo_drive.data.synthetic.world import Road, Thing

FACADES = (
    (150, 84, 66), (168, 112, 84), (196, 176, 146), (214, 206, 190), (232, 230, 224), (132, 128, 122),
    (176, 158, 128), (112, 84, 72), (186, 190, 194), (148, 156, 168), (214, 188, 140), (98, 92, 92),
)  # fmt: skip
LEAVES = (
    (62, 92, 44),
    (78, 108, 52),
    (96, 118, 58),
    (52, 78, 50),
    (122, 124, 62),
    (150, 108, 50),
    (44, 66, 40),
)
SIGN_STYLES = ("stop", "limit", "warning", "no entry", "parking", "direction")


@dataclass(frozen=True)
class SceneryPlan:
    """Which roadside a drive has. Each side: a style of frontage and whether a fence runs along it."""

    place: str
    frontage: tuple[str, str]
    fence: tuple[str | None, str | None]
    trees: float
    lamps: bool
    bare_trees: bool


def sample_scenery_plan(rng: np.random.Generator, place: str) -> SceneryPlan:
    """Choose frontages: "terrace", "houses", "woods", "hedge", "open"."""
    mix = {
        "city": (("terrace", "houses", "open", "woods"), (0.72, 0.12, 0.1, 0.06)),
        "suburb": (("houses", "hedge", "woods", "open", "terrace"), (0.45, 0.15, 0.15, 0.15, 0.1)),
        "rural": (("woods", "hedge", "open", "houses"), (0.36, 0.22, 0.36, 0.06)),
        "highway": (("open", "woods", "houses"), (0.55, 0.35, 0.1)),
    }[place]
    left, right = (str(f) for f in rng.choice(mix[0], 2, p=mix[1]))
    fence: list[str | None] = [None, None]
    if rng.random() < 0.5:
        styles = (
            ("guardrail",)
            if place == "highway"
            else ("brick", "wood", "railing", "railing", "brick", "guardrail")
        )
        for side in {0: (0,), 1: (1,), 2: (0, 1)}[int(rng.integers(3))]:
            fence[side] = str(rng.choice(styles))
    trees = float(rng.choice([0.0, 0.35, 1.0], p=[0.4, 0.35, 0.25]))
    return SceneryPlan(
        place,
        (left, right),
        (fence[0], fence[1]),
        trees,
        place != "rural" and rng.random() < 0.6,
        rng.random() < 0.3,
    )


class _Side:
    """Fills one side of one road."""

    def __init__(
        self, rng: np.random.Generator, path: Path, side: int, gaps: list[tuple[float, float]]
    ) -> None:
        self.rng, self.path, self.side, self.gaps = rng, path, side, gaps
        self.things: list[Thing] = []

    def open(self, start: float, end: float) -> bool:
        return all(end < a or start > b for a, b in self.gaps)

    def put(
        self,
        kind: str,
        s: float,
        d: float,
        turn: float,
        size: tuple[float, float, float],
        colour: tuple,
        style: str = "",
    ) -> None:
        x, y = self.path.point(s, self.side * d)
        heading = float(np.interp(s, self.path.s, self.path.heading)) + turn
        colour = tuple(int(np.clip(c, 0, 255)) for c in colour)
        self.things.append(Thing(kind, x, y, heading, *size, colour, style, int(self.rng.integers(1 << 30))))

    def buildings(self, start: float, end: float, edge: float, terrace: bool) -> None:
        rng, s = self.rng, start
        setback = edge + (rng.uniform(0, 1.5) if terrace else rng.uniform(4, 9))
        tall = rng.uniform(6, 15) if terrace else rng.uniform(5, 7)
        shops = terrace and rng.random() < 0.6
        while s < end:
            wide = float(rng.uniform(7, 15))
            height = float(tall * rng.uniform(0.75, 1.3))
            deep = float(rng.uniform(7, 11))
            base = np.array(FACADES[int(rng.integers(len(FACADES)))]) * rng.uniform(0.8, 1.08)
            style = (
                "shop"
                if shops and rng.random() < 0.7
                else ("pitched" if rng.random() < (0.35 if terrace else 0.85) else "flat")
            )
            if self.open(s, s + wide) and rng.random() < (0.96 if terrace else 0.88):
                d = setback + deep / 2 + (0 if terrace else rng.uniform(-1, 1))
                self.put(
                    "building",
                    s + wide / 2,
                    d,
                    -self.side * np.pi / 2,
                    (wide, deep, height),
                    tuple(base),
                    style,
                )
            s += wide + (0.0 if terrace else float(rng.uniform(3, 9)))

    def trees(self, start: float, end: float, near: float, far: float, every: float, bare: bool) -> None:
        rng, s = self.rng, start
        conifer = rng.random() < 0.25
        while s < end:
            height = float(rng.uniform(4.5, 11))
            style = (
                "bare"
                if bare and rng.random() < 0.85
                else ("conifer" if conifer and rng.random() < 0.7 else "round")
            )
            wide = height * float(rng.uniform(0.35, 0.5) if style == "conifer" else rng.uniform(0.5, 0.85))
            leaf = np.array(LEAVES[int(rng.integers(len(LEAVES)))]) * rng.uniform(0.8, 1.15)
            if self.open(s - 2, s + 2):
                self.put(
                    "tree", s, float(rng.uniform(near, far)), 0.0, (wide, wide, height), tuple(leaf), style
                )
            s += float(rng.uniform(0.5, 1.5)) * every

    def stretches(
        self,
        kind: str,
        start: float,
        end: float,
        d: float,
        height: float,
        colour: tuple,
        style: str,
        thick: float,
    ) -> None:
        for s in np.arange(start, end, 6.0):
            if self.open(s, s + 6):
                self.put(kind, float(s) + 3, d, 0.0, (thick, 6.05, height), colour, style)


FENCE_LOOKS = {
    "brick": (1.5, [(140, 78, 60), (160, 140, 120), (120, 116, 112)]),
    "wood": (1.6, [(130, 96, 64), (100, 82, 66), (160, 140, 110)]),
    "railing": (1.2, [(36, 40, 44), (110, 114, 118), (190, 192, 194)]),
    "guardrail": (0.8, [(176, 180, 184), (150, 154, 158)]),
}


def sample_scenery(rng: np.random.Generator, road: Road, plan: SceneryPlan) -> list[Thing]:
    """Everything that stands along the main road and along the crossing road."""
    left, right = road.edges
    walk = max((p.right - p.left for p in road.pavements), default=0.6)
    things: list[Thing] = []
    gap = [] if road.junction is None else [
        (road.junction.y - road.junction.half_width - 3.0, road.junction.y + road.junction.half_width + 3.0)
    ]  # fmt: skip
    end = 130.0 if plan.place == "highway" else 100.0
    for index, (side, edge) in enumerate(((-1, -left), (1, right))):
        filler = _Side(rng, road.path, side, gap)
        _fill(filler, plan, index, edge + walk, edge, -30.0, end)
        things += filler.things
    if road.junction is not None:
        x = np.arange(road.junction.left, road.junction.right, 1.0)
        cross = path_through(np.stack([x, np.full_like(x, road.junction.y)], axis=1))
        main = (left - walk - 13.0 - road.junction.left, right + walk + 13.0 - road.junction.left)
        for index, side in enumerate((-1, 1)):
            filler = _Side(rng, cross, side, [main])
            _fill(filler, plan, index, road.junction.half_width + 2.6, road.junction.half_width, 15.0, 165.0)
            things += filler.things
    return things


def _fill(
    side: _Side, plan: SceneryPlan, index: int, outer: float, kerb: float, start: float, end: float
) -> None:
    rng, frontage = side.rng, plan.frontage[index]
    if frontage in ("terrace", "houses"):
        side.buildings(start, end, outer, frontage == "terrace")
    if frontage == "woods":
        side.trees(start, end, outer + 4, outer + 14, 3.5, plan.bare_trees)
    if frontage == "hedge":
        leaf = np.array(LEAVES[int(rng.integers(len(LEAVES)))])
        side.stretches("hedge", start, end, outer + 1.2, float(rng.uniform(1.1, 2.4)), tuple(leaf), "", 1.4)
        side.trees(start, end, outer + 4, outer + 12, 16, plan.bare_trees)
    if frontage == "open" and plan.place != "highway":
        side.trees(start, end, outer + 14, outer + 40, 22, plan.bare_trees)
    if plan.trees and frontage != "woods":
        near = outer - 0.3 if frontage == "terrace" else outer + 1.0
        side.trees(start, end, near, near + 0.6, 10 / plan.trees, plan.bare_trees)
    style = plan.fence[index]
    if style:
        height, colours = FENCE_LOOKS[style]
        colour = colours[int(rng.integers(len(colours)))]
        d = outer + (0.2 if frontage != "terrace" else -0.25)
        side.stretches("fence", start, end, d, height * float(rng.uniform(0.8, 1.2)), colour, style, 0.12)
    if plan.lamps:
        tall = float(rng.uniform(6, 9))
        for s in np.arange(start + rng.uniform(0, 20), end, 26.0):
            if side.open(s, s):
                side.put(
                    "pole",
                    float(s),
                    kerb + 0.6,
                    -side.side * np.pi / 2,
                    (0.2, 0.2, tall),
                    (112, 114, 116),
                    "lamp",
                )
    elif rng.random() < 0.4:
        for s in np.arange(start + rng.uniform(0, 20), end, 35.0):
            if side.open(s, s):
                side.put(
                    "pole", float(s), outer, 0.0, (0.2, 0.2, float(rng.uniform(6, 9))), (92, 76, 62), "pole"
                )
