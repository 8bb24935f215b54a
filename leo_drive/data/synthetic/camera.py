"""The camera behind the windscreen: a pinhole, and where it sits in the vehicle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Where the camera sits and how it looks.

    Attributes:
        fov: horizontal field of view, radians.
        height: metres over the road.
        pitch: radians, positive looks down.
        yaw: radians off the vehicle's heading, positive to the right.
        offset: metres right of the vehicle's middle.
        bonnet: share of the picture's height that the bonnet takes up; 0 for none.
        bonnet_colour: RGB.
    """

    fov: float = 1.05
    height: float = 1.4
    pitch: float = 0.03
    yaw: float = 0.0
    offset: float = 0.0
    bonnet: float = 0.0
    bonnet_colour: tuple[int, int, int] = (40, 40, 45)


def sample_camera(rng: np.random.Generator) -> Camera:
    """A dashcam mounted somewhere plausible."""
    bonnet = float(rng.uniform(0.04, 0.12)) if rng.random() < 0.35 else 0.0
    grey = int(rng.integers(12, 90))
    return Camera(
        fov=float(np.radians(rng.uniform(48, 72))),
        height=float(rng.uniform(1.2, 1.85)),
        pitch=float(rng.uniform(-0.03, 0.09)),
        yaw=float(rng.normal(0, 0.012)),
        offset=float(rng.uniform(-0.3, 0.3)),
        bonnet=bonnet,
        bonnet_colour=(grey, grey + int(rng.integers(0, 8)), grey + int(rng.integers(0, 14))),
    )


@dataclass(frozen=True)
class View:
    """A camera at one moment, ready to project.

    Attributes:
        eye: x, y, z of the lens, metres.
        heading: where it looks, radians.
        rotation: (3, 3) world to camera (x right, y down, z forward).
        focal: focal length, pixels.
        size: width and height, pixels.
    """

    eye: tuple[float, float, float]
    heading: float
    rotation: np.ndarray
    focal: float
    size: tuple[int, int]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) world points in the camera's frame, metres."""
        return (points - np.array(self.eye)) @ self.rotation.T

    @property
    def horizon(self) -> float:
        """Row of the horizon, pixels from the top."""
        forward = self.rotation[2]
        level = np.hypot(forward[0], forward[1])
        return self.size[1] / 2 + self.focal * forward[2] / level

    def ground_from_image(self) -> np.ndarray:
        """(3, 3) homography from pixels (u, v, 1) to the ground's world x, y (homogeneous)."""
        width, height = self.size
        f = self.focal
        pixel = np.array([[1 / f, 0, -width / 2 / f], [0, 1 / f, -height / 2 / f], [0, 0, 1]])
        ray = self.rotation.T @ pixel
        ex, ey, ez = self.eye
        # On the ground ez + k * ray_z = 0, so k = -ez / ray_z.
        return np.stack([ex * ray[2] - ez * ray[0], ey * ray[2] - ez * ray[1], ray[2]])


def view_from(camera: Camera, x: float, y: float, heading: float, size: tuple[int, int]) -> View:
    """The view of a camera in a vehicle at x, y with a heading."""
    eye = (x + camera.offset * np.cos(heading), y - camera.offset * np.sin(heading), camera.height)
    look = heading + camera.yaw
    sin, cos, down, level = np.sin(look), np.cos(look), np.sin(camera.pitch), np.cos(camera.pitch)
    rotation = np.array(
        [[cos, -sin, 0.0], [-sin * down, -cos * down, -level], [sin * level, cos * level, -down]]
    )
    focal = size[0] / 2 / np.tan(camera.fov / 2)
    return View(eye, look, rotation, float(focal), size)
