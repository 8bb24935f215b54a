"""Images as a recording: a folder, a list of files, or a single still."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from leo_drive.clips.cutting import SourceMixin
from leo_drive.clips.image_file import ImageFile
from leo_drive.clips.samplers import check_positive
from leo_drive.clips.source import TIME_TOLERANCE, Frame, check_camera, check_times
from leo_drive.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


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
        return Frame(self._files[index].read(), index / self._rate)


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
    first = files[0].size()
    for file in files[1:]:
        size = file.size()
        if size != first:
            raise InputError(
                f"{name}: images of different sizes: {files[0]} is {first[0]}x{first[1]} but "
                f"{file} is {size[0]}x{size[1]}; resize them or put them in folders of their own"
            )
