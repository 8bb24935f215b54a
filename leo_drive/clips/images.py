"""Images as a recording: a folder, a list of files, or a single still."""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps

from leo_drive.clips.cutting import SourceMixin
from leo_drive.clips.samplers import check_positive
from leo_drive.clips.source import TIME_TOLERANCE, Frame, check_camera, check_times
from leo_drive.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""


@dataclass(frozen=True)
class ImageFile:
    """Where one image lies: a file, or a member of a zip archive that need not be unpacked."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def open(self) -> IO[bytes]:
        """The image's bytes, to be closed by the caller."""
        if self.member is None:
            return self.path.open("rb")
        return open_archive(self.path).open(self.member)


def open_archive(path: Path) -> zipfile.ZipFile:
    """The archive, its table of contents read once: LingoQA's has more than 100,000 entries.

    Raises:
        InputError: it cannot be read or is no zip archive.
    """
    # A forked worker must not share the parent's file position, hence one archive a process.
    return _open_archive(path, os.getpid())


@lru_cache(maxsize=4)
def _open_archive(path: Path, process: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise InputError(f"{path}: not a zip archive, or cut off; download or copy it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


class ImageSource(SourceMixin):
    """Images of one size as a recording at a steady rate; image `i` shows from `i / rate` seconds.

    Opening reads the images' headers only; the pictures are read when frames are asked for, turned
    upright by their EXIF orientation.

    Args:
        images: a folder (its jpg, png, webp and bmp in natural order: 2.jpg before 10.jpg), one image, or
            a list of images in the order of time.
        rate: images per second; LingoQA's 1 by default.
        name: for messages; by default that of the folder or of the first image.
        camera: what the one camera is called.

    Raises:
        InputError: a folder without images, a missing or damaged image, or images of different sizes.

    Example:
        >>> source = ImageSource("drive/frames", rate=2.0)              # doctest: +SKIP
        >>> source.clip(at=4.0, seconds=2.0, frames=4).timestamps       # doctest: +SKIP
        (2.5, 3.0, 3.5, 4.0)
    """

    def __init__(
        self,
        images: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | ImageFile],
        rate: float = 1.0,
        name: str | None = None,
        camera: str = "front",
    ) -> None:
        if isinstance(images, str | os.PathLike):
            path = Path(images)
            files = _images_in(path) if path.is_dir() else [ImageFile(path)]
            self._name = name or path.name or str(path.resolve())
        else:
            files = [image if isinstance(image, ImageFile) else ImageFile(Path(image)) for image in images]
            if not files:
                raise InputError(f"{name or 'images'}: the list of images is empty")
            self._name = name or Path(files[0].member or files[0].path).name
        check_positive(f"{self._name}: rate", rate)
        self._files = tuple(files)
        self._rate = float(rate)
        self._cameras = (camera,)
        _check_one_size(self._name, self._files)

    @property
    def name(self) -> str:
        return self._name

    @property
    def cameras(self) -> tuple[str, ...]:
        return self._cameras

    @property
    def rate(self) -> float:
        """Images per second."""
        return self._rate

    @property
    def duration(self) -> float:
        """Seconds; each image shows for `1 / rate` of them, the last one too."""
        return len(self._files) / self._rate

    @property
    def last_time(self) -> float:
        """Seconds at which the last image begins to show."""
        return (len(self._files) - 1) / self._rate

    def frames_at(self, times: Sequence[float], camera: str | None = None) -> list[Frame]:
        """The image that shows at each of `times` (seconds), in the order asked.

        Raises:
            InputError: a time outside the recording, an unknown camera, or a damaged image.
        """
        check_camera(self._name, self._cameras, camera)
        check_times(self._name, times, self.duration)
        return [self._frame(math.floor((float(time) + TIME_TOLERANCE) * self._rate)) for time in times]

    def _frame(self, index: int) -> Frame:
        index = min(max(index, 0), len(self._files) - 1)
        return Frame(read_image(self._files[index]), index / self._rate)


def read_image(file: ImageFile) -> Image.Image:
    """The picture in `file`: RGB, upright.

    Raises:
        InputError: it is missing, damaged or no image; names it.
    """
    with _naming(file), file.open() as stream, Image.open(stream) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _size(file: ImageFile) -> tuple[int, int]:
    """Width and height once upright, from the header alone."""
    with _naming(file), file.open() as stream, Image.open(stream) as image:
        width, height = image.size
        exif = Image.Exif()  # image.getexif() would read the whole picture of a PNG
        exif.load(image.info.get("exif", b""))
        sideways = exif.get(_EXIF_ORIENTATION) in _SIDEWAYS
        return (height, width) if sideways else (width, height)


@contextmanager
def _naming(file: ImageFile) -> Iterator[None]:
    """Turns what Pillow and the file system raise into an InputError that names the image."""
    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{file}: no such image") from None
    except PermissionError:
        raise InputError(f"{file}: no permission to read it; change its mode or run as its owner") from None
    except Exception as error:  # Pillow's decoders raise nearly every kind there is on damaged bytes
        if not _has_bytes(file):
            raise InputError(f"{file}: is empty (0 bytes); copy it again") from None
        kind = type(error).__name__
        raise InputError(
            f"{file}: not an image, or a damaged one ({kind}); copy it again or leave it out"
        ) from None


def _has_bytes(file: ImageFile) -> bool:
    with file.open() as stream:
        return bool(stream.read(1))


def _images_in(folder: Path) -> list[ImageFile]:
    try:
        entries = list(folder.iterdir())
    except PermissionError:
        raise InputError(f"{folder}: no permission to list this folder") from None
    paths = [
        path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not paths:
        kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise InputError(
            f"{folder}: a folder without images ({kinds}); name a video or a folder that has some"
        )
    return [ImageFile(path) for path in sorted(paths, key=_natural)]


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """Sorts frame2 before frame10."""
    parts: Iterable[str] = re.split(r"(\d+)", path.name)
    return [
        (0, int(part)) if part.isdecimal() and part.isascii() else (1, part.lower()) for part in parts if part
    ]


def _check_one_size(name: str, files: tuple[ImageFile, ...]) -> None:
    first = _size(files[0])
    for file in files[1:]:
        size = _size(file)
        if size != first:
            raise InputError(
                f"{name}: images of different sizes: {files[0]} is {first[0]}x{first[1]} but "
                f"{file} is {size[0]}x{size[1]}; resize them or put them in folders of their own"
            )
