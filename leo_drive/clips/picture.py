"""From a decoded frame to the picture a viewer sees: upright, square pixels, 8 bit RGB."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

_HD_HEIGHT = 720
_UNSPECIFIED = 2
"""FFmpeg's AVCOL_SPC_UNSPECIFIED."""


class Picture:
    """Turns the frames of one stream into RGB images, its conversion set up once.

    Args:
        pixel_shape: width of a pixel divided by its height (sample aspect ratio); None means square.
    """

    def __init__(self, pixel_shape: Fraction | None) -> None:
        self._pixel_shape = pixel_shape or Fraction(1)
        self._reformatter = VideoReformatter()

    def of(self, frame: VideoFrame) -> Image.Image:
        """The frame as an RGB image.

        Pixels that are not square are stretched in their shorter direction, so that no detail is lost.
        """
        width, height = frame.width, frame.height
        if self._pixel_shape > 1:
            width = round(width * self._pixel_shape)
        elif self._pixel_shape < 1:
            height = round(height / self._pixel_shape)
        # Untagged video follows the broadcast standard of its size, as players assume.
        untagged_hd = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT
        colorspace = Colorspace.ITU709 if untagged_hd else None
        rgb = self._reformatter.reformat(frame, width, height, "rgb24", src_colorspace=colorspace)
        return Image.fromarray(_upright(rgb.to_ndarray(), frame))


def _upright(pixels: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """Applies the display matrix, rounded to the nearest quarter turn, mirrored or not.

    Args:
        pixels: (height, width, 3).
        frame: it may carry a display matrix as side data: 3x3 integers whose upper left 2x2 [[a, b], [c, d]]
            send a pixel (x, y) to (a x + c y, b x + d y).
    """
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV lists no side data where it does not know one kind of it, such as EXIF
        return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
    if matrix is None:
        return pixels
    (a, b), (c, d) = np.frombuffer(bytes(matrix), dtype=np.int32)[:9].reshape(3, 3)[:2, :2].astype(np.int64)
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        pixels = pixels[:, ::-1]
    if d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
