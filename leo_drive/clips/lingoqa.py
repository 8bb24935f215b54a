"""A segment of LingoQA: five images at 1 Hz, as files beside the part's table or inside its images.zip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leo_drive.clips.image_file import ARCHIVE, ImageFile, ImageFolder, names_in
from leo_drive.clips.images import ImageSource
from leo_drive.errors import InputError, one_line, some

RATE = 1.0
"""Images per second in LingoQA."""

_UNREADABLE = (pa.ArrowException, OSError, ValueError)
"""What pyarrow raises where a table is damaged; the last for names that are no text."""

_MISSING = {"segment_id": "there is no segment_id", "images": "there are no images"}


class LingoQASegment(ImageSource):
    """One segment of a LingoQA part, oldest image first.

    Args:
        part_dir: the part's folder, with `train.parquet` or `val.parquet` and either `images/` or
            `images.zip`, which is read in place.
        segment_id: looked up in the part's tables, unless `images` says which they are.
        images: the segment's images, relative to `part_dir`, as in the tables' column `images`. Readers
            that walk a table pass them, which spares the look-up.

    Raises:
        InputError: no table in the folder, an unknown segment, or a missing image.

    Example:
        >>> LingoQASegment("scenery", "02453a16").clip().timestamps         # doctest: +SKIP
        (0.0, 1.0, 2.0, 3.0, 4.0)
    """

    def __init__(
        self, part_dir: str | os.PathLike[str], segment_id: str, images: Sequence[str] | None = None
    ) -> None:
        part = Path(part_dir)
        self.segment_id = segment_id
        relative = images_of_segment(part, segment_id) if images is None else images
        folder = ImageFolder(part)
        super().__init__([_locate(folder, str(name)) for name in relative], RATE, f"{part.name}/{segment_id}")


def is_part(path: Path) -> bool:
    """Whether `path` is the folder of a LingoQA part: it holds a table with the columns of one."""
    return path.is_dir() and bool(_tables(path))


def images_of_segment(part: Path, segment_id: str) -> list[str]:
    """The images of a segment, relative to the part's folder.

    Raises:
        InputError: the folder has no LingoQA table, one that cannot be read or has rows without segment or
            images, or none that has the segment.
    """
    tables = _tables(part)
    if not tables:
        raise InputError(f"{part}: no LingoQA table (.parquet with segment_id and images) in this folder")
    for table in tables:
        images = _images_by_segment(table, table.stat().st_mtime_ns).get(segment_id)
        if images is not None:
            return images
    examples = ", ".join(_some_segments(tables[0]))
    raise InputError(f"{part}: no segment {segment_id!r}; it has, for example, {examples}")


def segments_of(part: Path) -> list[str]:
    """The ids of a part's segments, in the order of its tables, each once.

    Raises:
        InputError: a table cannot be read, or has rows without a segment.
    """
    segments: dict[str, None] = {}
    for table in _tables(part):
        column = _read(table, ["segment_id"])["segment_id"]
        segments |= dict.fromkeys(str(segment) for segment in column.unique().to_pylist())
    return list(segments)


def _tables(part: Path) -> list[Path]:
    return [
        path for path in sorted(part.glob("*.parquet")) if {"segment_id", "images"} <= set(_columns(path))
    ]


@lru_cache(maxsize=2)
def _images_by_segment(table: Path, changed: int) -> dict[str, list[str]]:
    """The images of every segment, from its first row; kept, since annotation opens segment by segment."""
    rows = _read(table, ["segment_id", "images"])
    segments = rows["segment_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    numbers = np.unique(segments, return_index=True)[1]
    first = rows.take(numbers)
    found = {}
    for number, segment, images in zip(
        numbers, first["segment_id"].to_pylist(), first["images"].to_pylist(), strict=True
    ):
        if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
            raise InputError(f"{table}: row {number}: images is no list of paths; found {images!r:.60}")
        found[str(segment)] = images
    return found


def _columns(table: Path) -> list[str]:
    try:
        return list(pq.read_schema(table).names)
    except _UNREADABLE as error:
        raise _unreadable(table, error) from None


def _some_segments(table: Path) -> list[str]:
    column = _read(table, ["segment_id"])["segment_id"]
    return [str(segment) for segment in column.unique().to_pylist()[:3]]


def _read(table: Path, columns: list[str]) -> pa.Table:
    """Columns of a table, every row of which has something in each."""
    try:
        rows = pq.read_table(table, columns=columns)
        rows.validate(full=True)  # damage may leave a table that can be read, of text that is none
    except _UNREADABLE as error:
        raise _unreadable(table, error) from None
    wrong = [
        f"row {number}: {_MISSING[column]}"
        for column in columns
        for number in np.flatnonzero(rows[column].is_null().to_numpy())
    ]
    if wrong:
        raise InputError(f"{table}: {some(wrong, '; ')}; fill in what is missing or remove the row")
    return rows


def _unreadable(table: Path, error: Exception) -> InputError:
    return InputError(f"{table}: not a readable parquet table ({one_line(error)}); download it again")


def _locate(images: ImageFolder, name: str) -> ImageFile:
    image = images.find(name)
    if image.exists():
        return image
    if images.archives:
        archive = images.archives[0]
        raise InputError(f"{archive}: has no {name}, it has {names_in(archive)}; download it again")
    raise InputError(f"{image}: no such image, and no {ARCHIVE} in {images.folder}; get the part's {ARCHIVE}")
