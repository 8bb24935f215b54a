"""From a picture in any of Pillow's modes to 8 bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; of grey with 16 bits a pixel (modes I;16 and I) the high 8 are kept.

    Pillow's own conversion would cut such values off at 255, so that all but the darkest turn white.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).clip(0, 0xFFFF) >> 8
        image = Image.fromarray(grey.astype(np.uint8))
    return image.convert("RGB")
