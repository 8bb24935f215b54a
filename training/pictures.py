"""Pictures and label maps of examples, as arrays."""

from __future__ import annotations

import numpy as np

from leo_drive.data.example import Picture
from leo_drive.data.synthetic.labels import LABELS
from leo_drive.errors import InputError


def read_picture(picture: Picture) -> np.ndarray:
    """(H, W, 3) uint8, RGB.

    Raises:
        InputError: not there, or not a picture.
    """
    return np.array(picture.read())


def read_labels(label_map: Picture) -> np.ndarray:
    """(H, W) uint8 class numbers.

    Raises:
        InputError: not there, damaged, not a picture of one channel, or with numbers that are no class.
    """
    if not label_map.exists():
        raise InputError(f"{label_map}: no label map; dense_weight needs one beside every frame")
    labels = label_map.values()
    if labels.ndim != 2:
        raise InputError(
            f"{label_map}: a label map has one channel of class numbers, this has {labels.shape}"
        )
    if labels.size and not 0 <= labels.min() <= (highest := labels.max()) < len(LABELS):
        raise InputError(
            f"{label_map}: has the class number {highest}; label maps have 0 to {len(LABELS) - 1}"
        )
    return labels.astype(np.uint8)
