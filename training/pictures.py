"""Pictures and label maps of examples, as arrays."""

from __future__ import annotations

import numpy as np
from PIL import Image

from leo_drive.data.example import Picture
from leo_drive.data.synthetic.labels import LABELS
from leo_drive.errors import InputError


def read_bytes(picture: Picture) -> bytes:
    """The picture's file as it is.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with picture.open() as stream:
            return stream.read()
    except (OSError, KeyError) as error:
        raise InputError(f"{picture}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def read_picture(picture: Picture) -> np.ndarray:
    """(H, W, 3) uint8, RGB.

    Raises:
        InputError: not there, or not a picture.
    """
    return np.array(picture.read())


def read_labels(label_map: Picture) -> np.ndarray:
    """(H, W) uint8 class numbers.

    Raises:
        InputError: not there, not a picture of one channel, or with numbers that are no class.
    """
    try:
        with label_map.open() as stream, Image.open(stream) as image:
            labels = np.array(image)
    except (OSError, KeyError) as error:
        raise InputError(f"{label_map}: no label map; dense_weight needs one beside every frame") from error
    if labels.ndim != 2:
        raise InputError(
            f"{label_map}: a label map has one channel of class numbers, this has {labels.shape}"
        )
    if labels.size and not 0 <= labels.min() <= (highest := labels.max()) < len(LABELS):
        raise InputError(
            f"{label_map}: has the class number {highest}; label maps have 0 to {len(LABELS) - 1}"
        )
    return labels.astype(np.uint8)
