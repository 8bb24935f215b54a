"""Small real images for the tests of readers."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

from PIL import Image

SIZE = (32, 18)


def jpeg(shade: int, size: tuple[int, int] = SIZE) -> bytes:
    """A JPEG of one grey, told by its shade (0 to 255)."""
    stream = BytesIO()
    Image.new("RGB", size, (shade,) * 3).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def shade(image: Image.Image) -> int:
    """The grey in the middle, to the nearest ten."""
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return round(pixel[0], -1)


def write(folder: Path, images: dict[str, bytes]) -> None:
    """Images as files, by their names relative to the folder."""
    for name, data in images.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def pack(archive: Path, images: dict[str, bytes]) -> None:
    """Images as members of a zip archive."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in images.items():
            file.writestr(name, data)
