"""What is drawn on: the picture and, in the same strokes, which class and which object each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from leo_drive.data.synthetic.appearance import Look
from leo_drive.data.synthetic.camera import View
from leo_drive.data.synthetic.geometry import clip_near

NEAR = 0.6
_SHIFT = 3
_FAR_OUT = 16000.0 * (1 << _SHIFT)

Colour = Sequence[float]


class Canvas:
    """A picture in the making, drawn back to front.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        tags: (H, W) int32, `instance * 32 + class`; one map, so every stroke is drawn only twice.
        glows: lamps to bloom at the end: (u, v, radius in pixels, RGB, tag).
    """

    def __init__(self, view: View, look: Look) -> None:
        width, height = view.size
        self.view = view
        self.look = look
        self.image = np.zeros((height, width, 3), np.uint8)
        self.tags = np.zeros((height, width), np.int32)
        self._scale = view.focal * (1 << _SHIFT)
        self._centre = np.array([width / 2 - 0.5, height / 2 - 0.5]) * (1 << _SHIFT)
        self.glows: list[tuple[float, float, float, Colour, int]] = []

    def shade(self, colour: Colour, depth: float, light: float = 1.0) -> tuple[float, float, float]:
        """A surface's colour under this light, seen through `depth` metres of this air."""
        look = self.look
        beam = look.headlights * 2.718 ** (-max(depth, 0.0) / 16.0)
        haze = 1.0 - 2.718 ** (-look.fog * max(depth, 0.0))
        r, g, b = (
            min(255.0, c * light * (a + beam)) * (1 - haze) + h * haze
            for c, a, h in zip(colour, look.ambient, look.haze_colour, strict=True)
        )
        return r, g, b

    def emit(self, colour: Colour, depth: float) -> tuple[float, float, float]:
        """The colour of something that shines by itself."""
        haze = 0.6 * (1.0 - 2.718 ** (-self.look.fog * max(depth, 0.0)))
        r, g, b = (c * (1 - haze) + h * haze for c, h in zip(colour, self.look.haze_colour, strict=True))
        return r, g, b

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) int32 fixed-point pixels of camera-frame points that all lie beyond NEAR."""
        uv = points[:, :2] * (self._scale / points[:, 2:3])
        uv += self._centre
        np.maximum(uv, -_FAR_OUT, out=uv)
        np.minimum(uv, _FAR_OUT, out=uv)
        return uv.astype(np.int32)

    def card(self, x: float, y: float, outline: np.ndarray, mirror: float = 1.0) -> np.ndarray:
        """(n, 3) camera-frame points of an upright card at x, y that faces the camera.

        `outline` is (n, 2): metres to the right (times `mirror`) and metres above the ground.
        """
        rotation, eye = self.view.rotation, self.view.eye
        base = rotation @ (x - eye[0], y - eye[1], -eye[2])
        points = outline[:, 1:2] * rotation[:, 2] + base
        points[:, 0] += mirror * outline[:, 0]
        return points

    def outlines(self, points: np.ndarray, parts: Sequence[tuple[slice, Colour]], tag: int) -> None:
        """Fill several outlines that were put together, (n, 3), each with its slice and final colour."""
        if points[:, 2].min() < NEAR:
            return
        pixels = self.pixels(points)
        for part, colour in parts:
            cv2.fillPoly(self.image, [pixels[part]], colour, cv2.LINE_AA, _SHIFT)
            cv2.fillPoly(self.tags, [pixels[part]], (tag,), cv2.LINE_8, _SHIFT)

    def polygon(self, points: np.ndarray, colour: Colour, tag: int, smooth: bool = True) -> None:
        """Fill one polygon (n, 3), camera frame, any shape; the colour is final (already shaded)."""
        depths = points[:, 2]
        if depths.min() < NEAR:
            points = clip_near(points, NEAR)
            if len(points) < 3:
                return
        pixels = [self.pixels(points)]
        cv2.fillPoly(self.image, pixels, colour, cv2.LINE_AA if smooth else cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self.tags, pixels, (tag,), cv2.LINE_8, _SHIFT)

    def faces(self, points: np.ndarray, faces: Sequence[tuple[Sequence[int], Colour, int]]) -> None:
        """Fill convex faces, each (indices into points, final colour, tag), in the order given."""
        if points[:, 2].min() < NEAR:
            for index, colour, tag in faces:
                self.polygon(points[list(index)], colour, tag)
            return
        pixels = self.pixels(points)
        for index, colour, tag in faces:
            face = pixels[list(index)]
            cv2.fillConvexPoly(self.image, face, colour, cv2.LINE_AA, _SHIFT)
            cv2.fillConvexPoly(self.tags, face, (tag,), cv2.LINE_8, _SHIFT)

    def quads(self, points: np.ndarray, colour: Colour, tag: int | None = None, smooth: bool = False) -> None:
        """Fill many small quads (n, 4, 3) of one colour in one go; those at the lens are left out."""
        points = points[points[:, :, 2].min(axis=1) > NEAR]
        if not len(points):
            return
        pixels = list(self.pixels(points.reshape(-1, 3)).reshape(-1, 4, 2))
        cv2.fillPoly(self.image, pixels, colour, cv2.LINE_AA if smooth else cv2.LINE_8, _SHIFT)
        if tag is not None:
            cv2.fillPoly(self.tags, pixels, (tag,), cv2.LINE_8, _SHIFT)

    def line(self, points: np.ndarray, colour: Colour, metres: float, tag: int) -> None:
        """A line (n, 3) of a thickness in metres, at least one pixel."""
        if points[:, 2].min() < NEAR:
            return
        thick = max(1, round(metres * self.view.focal / float(points[:, 2].mean())))
        pixels = [self.pixels(points)]
        cv2.polylines(self.image, pixels, False, colour, thick, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self.tags, pixels, False, (tag,), thick, cv2.LINE_8, _SHIFT)

    def glow(self, point: np.ndarray, metres: float, colour: Colour, tag: int) -> None:
        """Remember a lamp (3,), camera frame, that should bloom if it is still seen at the end."""
        if point[2] > NEAR:
            u, v = self.pixels(point[None])[0] / (1 << _SHIFT)
            self.glows.append((float(u), float(v), metres * self.view.focal / float(point[2]), colour, tag))

    @property
    def labels(self) -> np.ndarray:
        """(H, W) uint8 classes."""
        return (self.tags & 31).astype(np.uint8)

    @property
    def instances(self) -> np.ndarray:
        """(H, W) int32 object numbers, 0 where there is no object that could be counted."""
        return self.tags >> 5


def placed(x: float, y: float, heading: float, local: np.ndarray) -> np.ndarray:
    """(n, 3) world points of local ones (right, forward, up) of something at x, y with a heading."""
    cos, sin = np.cos(heading), np.sin(heading)
    return np.stack(
        [x + local[:, 0] * cos + local[:, 1] * sin, y - local[:, 0] * sin + local[:, 1] * cos, local[:, 2]],
        axis=1,
    )
