"""Changes to pictures while training, so that a branch does not learn the pictures by heart.

Every change is drawn from the random generator it is given, so that a run which was stopped goes on exactly
as it would have.
"""

from __future__ import annotations

import cv2
import numpy as np

from leo_drive.evaluation.corruptions import jpeg
from training.recipe import Augmentation

Picture = np.ndarray
"""(H, W, 3) uint8, RGB."""


def recolour(picture: Picture, augmentation: Augmentation, rng: np.random.Generator) -> Picture:
    """Brightness, contrast, saturation, tint, blur, noise and JPEG quality; nothing moves.

    Args:
        picture: (H, W, 3) uint8.

    Returns:
        A picture of the same size.
    """
    if strength := augmentation.colour:
        changed = picture.astype(np.float32)
        grey = changed.mean(axis=2, keepdims=True)
        changed = grey + (changed - grey) * _factor(rng, strength)
        level = changed.mean()
        changed = level + (changed - level) * _factor(rng, strength)
        changed *= _factor(rng, strength) * (1 + rng.uniform(-0.2, 0.2, 3).astype(np.float32) * strength)
        if rng.random() < strength / 2:
            changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.3, 1.2))
        if rng.random() < strength / 2:
            changed += rng.normal(0, rng.uniform(1, 10), picture.shape).astype(np.float32)
        picture = changed.clip(0, 255).astype(np.uint8)
    if augmentation.jpeg is not None:
        picture = jpeg(picture, int(rng.integers(augmentation.jpeg[0], augmentation.jpeg[1] + 1)))
    return picture


def move(
    picture: Picture, labels: np.ndarray, side: int, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[Picture, np.ndarray]:
    """Cut a random part, mirror it, and fit it with its label map to a tile.

    Args:
        picture: (H, W, 3) uint8.
        labels: (h, w) class numbers of the same view, in as many pixels or others.
        side: of the tile, in pixels.

    Returns:
        (side, side, 3) and (side, side).
    """
    height, width = picture.shape[:2]
    if labels.shape != (height, width):
        labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    share = rng.uniform(augmentation.crop, 1.0)
    stretch = np.exp(rng.uniform(-0.2, 0.2)) if augmentation.crop < 1 else 1.0
    w = min(width, round(width * np.sqrt(share) * stretch))
    h = min(height, round(height * np.sqrt(share) / stretch))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    smaller = cv2.INTER_AREA if w > side and h > side else cv2.INTER_LINEAR
    fitted = (
        cv2.resize(picture[y : y + h, x : x + w], (side, side), interpolation=smaller),
        cv2.resize(labels[y : y + h, x : x + w], (side, side), interpolation=cv2.INTER_NEAREST),
    )
    if rng.random() < augmentation.mirror:
        return fitted[0][:, ::-1], fitted[1][:, ::-1]
    return fitted


def paste(
    frame: tuple[Picture, np.ndarray], other: tuple[Picture, np.ndarray], there: np.ndarray
) -> tuple[Picture, np.ndarray]:
    """A frame with a part of another one in its place.

    Args:
        frame, other: (H, W, 3) and (H, W) class numbers each.
        there: (H, W) which pixels are the other's.
    """
    return np.where(there[:, :, None], other[0], frame[0]), np.where(there, other[1], frame[1])


def _factor(rng: np.random.Generator, strength: float) -> float:
    """A factor around 1, as likely to halve as to double."""
    return float(np.exp(rng.uniform(-strength, strength)))
