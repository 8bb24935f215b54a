"""From an image message's bytes to a picture: compressed ones by Pillow, raw ones by their encoding."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from leo_drive.clips.to_rgb import to_rgb

_PLAIN = {
    "rgb8": (3, None),
    "8uc3": (3, "COLOR_BGR2RGB"),
    "bgr8": (3, "COLOR_BGR2RGB"),
    "rgba8": (4, "COLOR_RGBA2RGB"),
    "bgra8": (4, "COLOR_BGRA2RGB"),
    "8uc4": (4, "COLOR_BGRA2RGB"),
    "mono8": (1, "COLOR_GRAY2RGB"),
    "8uc1": (1, "COLOR_GRAY2RGB"),
    # OpenCV names a Bayer pattern by its second row and column.
    "bayer_rggb8": (1, "COLOR_BayerBG2RGB"),
    "bayer_bggr8": (1, "COLOR_BayerRG2RGB"),
    "bayer_gbrg8": (1, "COLOR_BayerGR2RGB"),
    "bayer_grbg8": (1, "COLOR_BayerGB2RGB"),
    "yuv422": (2, "COLOR_YUV2RGB_UYVY"),
    "uyvy": (2, "COLOR_YUV2RGB_UYVY"),
    "yuv422_yuy2": (2, "COLOR_YUV2RGB_YUY2"),
    "yuyv": (2, "COLOR_YUV2RGB_YUY2"),
}
"""Encoding -> bytes a pixel and the OpenCV conversion to RGB. Source: ROS 2, sensor_msgs/image_encodings."""

ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "bayer_*8", "yuv422", "yuv422_yuy2")
"""For messages: the encodings that can be read."""


def compressed_picture(data: bytes | memoryview, form: str = "") -> Image.Image:
    """A JPEG, PNG, WebP or other still as RGB.

    Args:
        data: the file's bytes.
        form: what the message calls it, such as "jpeg" or "bgr8; jpeg compressed bgr8".

    Raises:
        ValueError: it is no still, with what it is; or it is damaged.
    """
    kind = form.lower()
    if any(codec in kind for codec in ("h264", "h265", "hevc", "av1", "vp9")):
        raise ValueError(f"its images are {form} video packets, not stills; record them as jpeg or as mp4")
    try:
        with Image.open(BytesIO(data)) as image:
            return to_rgb(image)
    except Exception as error:  # Pillow's decoders raise nearly every kind there is on damaged bytes
        raise ValueError(
            f"{form or 'compressed'} image that cannot be decoded ({type(error).__name__})"
        ) from None


def raw_picture(
    data: bytes | memoryview | np.ndarray,
    width: int,
    height: int,
    step: int,
    encoding: str,
    big_endian: bool = False,
) -> Image.Image:
    """Rows of pixels as RGB.

    Args:
        data: height rows of `step` bytes.
        width, height: in pixels.
        step: bytes from one row to the next; 0 means rows without padding.
        encoding: as ROS names it: rgb8, bgr8, mono8, bayer_rggb8, yuv422 ...
        big_endian: of encodings with 16 bits.

    Raises:
        ValueError: an encoding that is no picture (depth, labels), fewer bytes than it takes, or a size that
            it cannot have.
    """
    kind = encoding.lower()
    sixteen = kind == "mono16"
    channels, conversion = (2, None) if sixteen else _PLAIN.get(kind, (0, None))
    if not channels:
        raise ValueError(f"images with encoding {encoding!r} are not read, only {', '.join(ENCODINGS)}")
    step = step or width * channels
    if (
        width < 1
        or height < 1
        or step < width * channels
        or len(data) < step * (height - 1) + width * channels
    ):
        raise ValueError(f"{len(data)} bytes are no {encoding} image of {width}x{height} pixels")
    step = min(step, len(data))  # of a single row it may be anything
    flat = np.frombuffer(data, np.uint8)
    flat = np.pad(flat, (0, max(0, step * height - len(flat))))  # the last row may come without its padding
    rows = flat[: step * height].reshape(height, step)[:, : width * channels]
    if sixteen:
        high = 0 if big_endian else 1
        return Image.fromarray(np.ascontiguousarray(rows[:, high::2])).convert("RGB")
    pixels = np.ascontiguousarray(rows).reshape(height, width, channels)
    if conversion is None:
        return Image.fromarray(pixels)
    import cv2

    try:
        return Image.fromarray(cv2.cvtColor(pixels, getattr(cv2, conversion)))
    except cv2.error:  # YUV has two pixels in one, so an odd width is none
        raise ValueError(
            f"{encoding} image of {width}x{height} pixels that cannot be decoded (no such size)"
        ) from None
