"""Plane geometry of the generated world: paths along roads, and cutting polygons at the lens.

World: x east, y north, z up, metres. A heading is in radians, clockwise from north, so that heading 0
looks along +y and a right turn is positive. Along a path, `s` runs forward and `d` to the right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

STEP = 1.0


def forward(heading: float) -> tuple[float, float]:
    """Unit vector (x, y) of a heading."""
    return float(np.sin(heading)), float(np.cos(heading))


@dataclass(frozen=True)
class Path:
    """A smooth line in the plane, sampled every STEP metres.

    Attributes:
        s: (n,) metres along the line, increasing.
        xy: (n, 2) metres.
        heading: (n,) radians.
    """

    s: np.ndarray = field(repr=False)
    xy: np.ndarray = field(repr=False)
    heading: np.ndarray = field(repr=False)

    def at(self, s: float) -> tuple[float, float, float]:
        """x, y and heading at one distance along the line."""
        x, y = self.point(s, 0.0)
        return x, y, float(np.interp(s, self.s, self.heading))

    def point(self, s: float, d: float) -> tuple[float, float]:
        """x, y of the place `s` along and `d` to the right."""
        x, y = self.points(np.array([s]), d)[0]
        return float(x), float(y)

    def points(self, s: np.ndarray, d: np.ndarray | float) -> np.ndarray:
        """(n, 2) places for n distances along and n (or one) distances to the right."""
        heading = np.interp(s, self.s, self.heading)
        x = np.interp(s, self.s, self.xy[:, 0]) + d * np.cos(heading)
        y = np.interp(s, self.s, self.xy[:, 1]) - d * np.sin(heading)
        return np.stack([x, y], axis=1)


def path_from_curvature(start: float, end: float, curvature: np.ndarray | float) -> Path:
    """The path from `start` to `end` that passes the origin at s = 0 heading north.

    `curvature` is in 1/m, positive to the right: one number or one for each sample.
    """
    s = np.arange(start, end + STEP, STEP)
    turn = np.broadcast_to(np.asarray(curvature, dtype=float), s.shape) * STEP
    heading = np.concatenate([[0.0], np.cumsum(turn)[:-1]])
    heading = heading - np.interp(0.0, s, heading)
    steps = np.stack([np.sin(heading), np.cos(heading)], axis=1) * STEP
    xy = np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)[:-1]])
    xy = xy - np.array([np.interp(0.0, s, xy[:, 0]), np.interp(0.0, s, xy[:, 1])])
    return Path(s, xy, heading)


def path_through(xy: np.ndarray) -> Path:
    """The path through dense points (n, 2); s starts at 0."""
    steps = np.diff(xy, axis=0)
    s = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    heading = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
    return Path(s, xy, np.concatenate([heading, heading[-1:]]))


def smoothstep(x: np.ndarray | float) -> np.ndarray:
    """0 up to x = 0, 1 from x = 1, smooth between."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def clip_near(points: np.ndarray, near: float) -> np.ndarray:
    """The part of a polygon (n, 3), camera frame, that lies beyond z = near (Sutherland-Hodgman)."""
    kept = []
    previous = points[-1]
    for current in points:
        if (current[2] >= near) != (previous[2] >= near):
            share = (near - previous[2]) / (current[2] - previous[2])
            kept.append(previous + share * (current - previous))
        if current[2] >= near:
            kept.append(current)
        previous = current
    return np.array(kept) if len(kept) > 2 else np.empty((0, 3))


def blocked(origin: tuple[float, float], targets: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which boxes stand between the origin and each target.

    Args:
        origin: x, y of the eye.
        targets: (n, 2) places looked at.
        boxes: (m, 5) x, y, heading, half width, half length of each upright box.

    Returns:
        (n, m) booleans; a box that holds its target does not block it.
    """
    sin, cos = np.sin(boxes[:, 2]), np.cos(boxes[:, 2])

    def local(points: np.ndarray) -> np.ndarray:
        dx = points[:, None, 0] - boxes[None, :, 0]
        dy = points[:, None, 1] - boxes[None, :, 1]
        return np.stack([dx * cos - dy * sin, dx * sin + dy * cos], axis=-1)

    start, end = local(np.array([origin])), local(targets)
    step = np.where(np.abs(end - start) < 1e-9, 1e-9, end - start)
    half = boxes[None, :, 3:5]
    first, second = (-half - start) / step, (half - start) / step
    enter = np.minimum(first, second).max(axis=-1)
    leave = np.maximum(first, second).min(axis=-1)
    return (enter < leave) & (enter < 0.999) & (leave > 0) & (leave < 1.0)
