"""Images as a recording: a folder, a list of files, or a single still."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from leo_drive.clips.image_file import ImageFile
from leo_drive.clips.indexed import IndexedSource
from leo_drive.clips.samplers import check_positive
from leo_drive.clips.stamps import (
    MAX_NANOSECONDS,
    check_no_time_twice,
    find_table,
    stamps_from_names,
    stamps_from_table,
)
from leo_drive.errors import InputError, some

DEFAULT_RATE = 1.0
"""Images per second where nothing says when they were taken: LingoQA's."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


class ImageSource(IndexedSource):
    """Images of one size as a recording, each shown until the next.

    The images of a folder show at their times where those are known: from a csv in the folder or beside it,
    otherwise from their names (`leo_drive.clips.stamps` says which). Where they are not, where `rate` is
    given, and in a list, image `i` shows from `i / rate` seconds.

    Opening reads the images' headers only; the pictures are read when frames are asked for, turned
    upright by their EXIF orientation.

    Args:
        images: a folder (its jpg, png, webp and bmp in natural order: 2.jpg before 10.jpg), one image, or
            a list of images in the order of time.
        rate: images per second, whatever times there are; without times LingoQA's 1 unless told.
        name: for messages; by default that of the folder or of the first image.
        camera: what the one camera is called.

    Raises:
        InputError: a folder without images, a missing or damaged image, images of different sizes, or a csv
            that does not fit them.

    Example:
        >>> source = ImageSource("drive/frames", rate=2.0)              # doctest: +SKIP
        >>> source.clip(at=4.0, seconds=2.0, frames=4).timestamps       # doctest: +SKIP
        (2.5, 3.0, 3.5, 4.0)
    """

    def __init__(
        self,
        images: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | ImageFile],
        rate: float | None = None,
        name: str | None = None,
        camera: str = "front",
    ) -> None:
        stamps: list[int] | None = None
        if isinstance(images, str | os.PathLike):
            path = Path(images)
            files = _images_in(path) if path.is_dir() else [ImageFile(path)]
            name = name or path.name or str(path.resolve())
            if path.is_dir() and rate is None:
                files, stamps = _timed(path, files)
        else:
            files = [image if isinstance(image, ImageFile) else ImageFile(Path(image)) for image in images]
            if not files:
                raise InputError(f"{name or 'images'}: the list of images is empty")
            name = name or Path(files[0].member or files[0].path).name
        self._rate: float | None = None
        if stamps is None:
            rate = DEFAULT_RATE if rate is None else rate
            check_positive(f"{name}: rate", rate)
            self._rate = float(rate)
            if len(files) * 1e9 / self._rate > MAX_NANOSECONDS:
                raise InputError(
                    f"{name}: rate {rate!r} is too small, {len(files)} images would show for centuries; give "
                    f"images per second"
                )
            stamps = [round(i * 1e9 / self._rate) for i in range(len(files))]
        super().__init__(name, {camera: np.array(stamps, dtype=np.int64)})
        self._files = tuple(files)
        _check_one_size(name, self._files)

    @property
    def rate(self) -> float:
        """Images per second, on average."""
        return self._rate if self._rate is not None else super().rate

    @property
    def duration(self) -> float:
        """Seconds; the last image shows as long as they usually do."""
        return len(self._files) / self._rate if self._rate is not None else super().duration

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """Every image that frames are read from."""
        return self._files

    def _read(self, camera: str, indices: Sequence[int]) -> Iterator[Image.Image]:
        return (self._files[index].read() for index in indices)


def _timed(folder: Path, files: list[ImageFile]) -> tuple[list[ImageFile], list[int] | None]:
    """The images of a folder in the order of time, and their times in nanoseconds if they are known."""
    by_name = {file.path.name: file for file in files}
    table = find_table(folder)
    if table is not None:
        stamps = stamps_from_table(table, by_name)
    else:
        try:
            read = stamps_from_names(list(by_name))
        except InputError as error:
            raise InputError(f"{folder}: {error}") from None
        if read is None:
            return files, None
        stamps = dict(sorted(zip(by_name, read, strict=True), key=lambda item: item[1]))
        check_no_time_twice(str(folder), stamps)
    return [by_name[name] for name in stamps], list(stamps.values())


def _images_in(folder: Path) -> list[ImageFile]:
    try:
        entries = list(folder.iterdir())
    except PermissionError:
        raise InputError(f"{folder}: no permission to list this folder") from None
    paths = [
        path
        for path in entries
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]
    broken = next((path for path in paths if path.is_symlink() and not path.exists()), None)
    if broken is not None:
        raise InputError(f"{broken}: a link to a file that is gone; mend the link or delete it")
    if not paths:
        raise InputError(f"{folder}: a folder without images{_what_instead(entries)}")
    return [ImageFile(path) for path in sorted(paths, key=lambda path: natural_order(path.name))]


def _what_instead(entries: Sequence[Path]) -> str:
    """What to name in place of a folder that holds no images."""
    from leo_drive.clips.discovery import LOG_SUFFIXES  # which reads folders of images by this very module

    logs = [path.name for path in entries if path.suffix.lower() in LOG_SUFFIXES and path.name[0] != "."]
    if logs:
        logs.sort(key=natural_order)
        kinds = "1 log" if len(logs) == 1 else f"{len(logs)} logs"
        return f"; it holds {kinds}: {some(logs)}; name one, or use leo-drive annotate for all"
    suffixes = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
    return f" ({suffixes}); name a video or a folder that has some"


def natural_order(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts frame2 before frame10."""
    parts: Iterable[str] = re.split(r"(\d+)", name)
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
