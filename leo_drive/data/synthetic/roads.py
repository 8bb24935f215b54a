"""Sampling of the main road: lanes, paint, pavements, bends, a junction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_drive.data.synthetic.geometry import path_from_curvature
from leo_drive.data.synthetic.world import Junction, Line, Road, Strip


@dataclass(frozen=True)
class RoadPlan:
    """What the situation asks of the road; distances in metres ahead of where we are now."""

    place: str
    keep: int
    straight: bool
    junction: float | None = None
    zebra: float | None = None
    stop_line: float | None = None
    parking: tuple[bool, bool] = (False, False)
    turning: bool = False


def _curvature(rng: np.random.Generator, plan: RoadPlan) -> tuple[str, np.ndarray | float]:
    if plan.straight or rng.random() < 0.32:
        return "straight", 0.0
    bend = str(rng.choice(["left", "right"]))
    radius = rng.uniform(180, 320) if plan.place == "highway" else rng.uniform(48, 105)
    s = np.arange(-120.0, 260.0 + 1, 1.0)
    start = rng.uniform(-10, 4)
    # The bend eases in and keeps on; after about 80 degrees the road runs straight again.
    ramp = np.clip((s - start) / 12, 0, 1) * (s < start + 1.4 * radius)
    return bend, ramp / radius * (1 if bend == "right" else -1)


def sample_road(rng: np.random.Generator, plan: RoadPlan) -> Road:
    """A road that fits the plan."""
    highway = plan.place == "highway"
    lane = float(rng.uniform(3.4, 3.8) if highway else rng.uniform(2.9, 3.5))
    ours = int(rng.choice([2, 3, 4], p=[0.4, 0.4, 0.2]) if highway else rng.choice([1, 2], p=[0.72, 0.28]))
    theirs = ours if highway else (0 if rng.random() < 0.12 else int(rng.choice([1, 2], p=[0.8, 0.2])))
    if plan.turning:
        ours, theirs = 1, 1
    index = int(rng.integers(ours))
    keep = plan.keep
    bend, curvature = _curvature(rng, plan)

    # Laid out for driving on the right (the middle of the road on the left), mirrored at the end.
    middle = -(index + 0.5) * lane
    kerb = middle + ours * lane
    shoulder = float(rng.uniform(0.3, 3.0)) if highway else float(rng.uniform(0.15, 0.6))
    near_parking, far_parking = (
        2.3 if p else 0.0 for p in (plan.parking[::-1] if keep < 0 else plan.parking)[::-1]
    )
    median = float(rng.uniform(3, 10)) if highway else 0.0
    right = kerb + shoulder + near_parking
    far_kerb = middle - median - theirs * lane
    left = far_kerb - shoulder - far_parking
    lines: list[Line] = []
    wide = float(rng.uniform(0.1, 0.2))
    dash, gap = float(rng.choice([2.0, 3.0, 4.0])), float(rng.choice([3.0, 4.5, 6.0]))
    if highway:
        dash, gap, wide = 3.0, 9.0, 0.18
    for i in range(1, ours):
        lines.append(Line(middle + i * lane, wide, dash, gap))
    for i in range(1, theirs):
        lines.append(Line(middle - median - i * lane, wide, dash, gap))
    if highway:
        yellow = rng.random() < 0.4
        lines += [
            Line(kerb, 0.2),
            Line(middle, 0.2, yellow=yellow),
            Line(middle - median, 0.2, yellow=yellow),
            Line(far_kerb, 0.2),
        ]
    else:
        style = rng.integers(5)
        yellow = rng.random() < 0.3
        if theirs:
            if style == 0:
                lines += [Line(middle - 0.14, wide, yellow=yellow), Line(middle + 0.14, wide, yellow=yellow)]
            elif style == 1:
                lines.append(Line(middle, wide, yellow=yellow))
            elif style < 4:
                lines.append(Line(middle, wide, dash, gap, yellow=yellow))
        edge = rng.integers(4)
        if edge == 0:
            lines += [Line(kerb, 0.12), Line(far_kerb, 0.12)]
        elif edge == 1:
            lines += [Line(kerb + 0.05, 0.1, yellow=True), Line(kerb - 0.15, 0.1, yellow=True)]
    bands = [Strip(middle, right), Strip(left, middle - median)] if highway else [Strip(left, right)]
    pavements = []
    if plan.place in ("city", "suburb"):
        walk = float(rng.uniform(1.8, 4.0))
        pavements = [Strip(left - walk, left), Strip(right, right + walk)]
    lanes = [(middle + (i + 0.5) * lane, 1) for i in range(ours)]
    lanes += [(middle - median - (i + 0.5) * lane, -1) for i in range(theirs)]
    if keep < 0:
        bands = [Strip(-b.right, -b.left) for b in bands]
        pavements = [Strip(-b.right, -b.left) for b in pavements][::-1]
        lines = [Line(-n.d, n.width, n.dash, n.gap, n.yellow) for n in lines]
        lanes = [(-centre, direction) for centre, direction in lanes]
    grey = rng.uniform(62, 128)
    warm = rng.uniform(-6, 8)
    walkway = rng.uniform(120, 190)
    greens = [(98, 120, 62), (84, 104, 52), (140, 132, 84), (170, 146, 92), (112, 112, 96)]
    verge = np.array(greens[int(rng.integers(len(greens)))]) * rng.uniform(0.85, 1.1)
    return Road(
        path=path_from_curvature(-120.0, 260.0, curvature),
        keep=keep,
        carriageways=tuple(bands),
        pavements=tuple(pavements),
        lines=tuple(lines),
        lanes=tuple(lanes),
        bend=bend,
        junction=None if plan.junction is None else Junction(plan.junction, float(rng.uniform(3.2, 5.0))),
        zebra=plan.zebra,
        stop_line=plan.stop_line,
        asphalt=(int(grey + warm), int(grey + warm / 2), int(grey + 4)),
        pavement=(int(walkway), int(walkway - 4 + warm / 2), int(walkway - 10 + warm)),
        verge=tuple(int(c) for c in verge),  # type: ignore[arg-type]
        wear=float(rng.uniform(0, 0.8)),
    )
