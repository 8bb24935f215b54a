"""When the images of a sequence were taken: from their names, or from a csv beside them."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path, PurePosixPath

from leo_drive.errors import InputError

logger = logging.getLogger(__name__)

_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
"""Nanoseconds in each."""
MAX_NANOSECONDS = 2**62
"""Times are kept in 64 bits, and so is what lies between any two: until 2116."""
_SPELLED = {"nsec": "ns", "nanoseconds": "ns", "usec": "us", "microseconds": "us", "msec": "ms",
            "milliseconds": "ms", "sec": "s", "secs": "s", "seconds": "s"}  # fmt: skip

_FILE_COLUMNS = (
    "file",
    "filename",
    "file_name",
    "image",
    "image_file",
    "image_path",
    "path",
    "frame",
    "name",
)
_TIME_COLUMNS = ("timestamp", "time", "stamp", "t")

# Since 2001 and until 2286 the seconds of the epoch have ten digits. ROS writes its two numbers, seconds and
# nanoseconds, as 1537291002_100000000.
_STAMP = re.compile(r"(?<!\d)(\d{19}|\d{16}|\d{13}|\d{10})(?:\.(\d{1,9})|(?<=\d{10})[_-](\d{9}))?(?!\d)")
_UNIT_OF_DIGITS = {10: "s", 13: "ms", 16: "us", 19: "ns"}


def stamps_from_names(names: Sequence[str]) -> list[int] | None:
    """Nanoseconds since 1970 of each name, read from the last number in it that is a time of this age.

    Such a number has 10 digits for seconds (which may have a fraction, or after `_` or `-` the 9 digits of
    their nanoseconds), 13 for milliseconds, 16 for microseconds or 19 for nanoseconds, all names alike, and
    begins with 1: 2001 to 2033.

    Returns:
        One a name, or None unless every name holds such a number.

    Raises:
        InputError: what stands before the numbers differs: those are images of several recordings.

    Example:
        >>> stamps_from_names(["n008__CAM_FRONT__1537291002262404.jpg"])
        [1537291002262404000]
    """
    found = [_stamp(PurePosixPath(name).name) for name in names]
    read = [stamp for stamp in found if stamp is not None]
    if len(read) < len(names):
        if len(read) > len(names) / 2:
            odd = names[found.index(None)]
            logger.warning("%s has no time in its name as the others do; none of those times is used", odd)
        return None
    if len({digits for _, digits, _ in read}) > 1:
        return None
    beginnings = sorted({before for before, _, _ in read})
    if len(beginnings) > 1:
        raise InputError(
            f"images of several recordings ({beginnings[0]}..., {beginnings[1]}...); put each in a folder of "
            f"its own, or set rate (--rate) to show them one after another"
        )
    return [nanoseconds for _, _, nanoseconds in read]


def _stamp(name: str) -> tuple[str, int, int] | None:
    """What stands before the time, its digits before the point, and its nanoseconds."""
    matches = [match for match in _STAMP.finditer(name) if match[1].startswith("1")]
    if not matches:
        return None
    whole, fraction, nanoseconds = matches[-1].groups()
    unit = _UNIT_OF_DIGITS[len(whole)]
    # A fraction of anything finer than seconds is the start of a suffix.
    text = f"{whole}.{fraction or nanoseconds or 0}" if unit == "s" else whole
    return name[: matches[-1].start()], len(whole), int(Decimal(text) * _UNITS[unit])


def find_table(folder: Path) -> Path | None:
    """The csv with the times of a folder's images: one in it, or one beside it with the folder's name.

    It has a column for the file (file, filename, image, ...) and one for the time (timestamp, time, ...).

    Raises:
        InputError: several such tables.
    """
    candidates = sorted(
        p for p in folder.iterdir() if p.suffix.lower() == ".csv" and not p.name.startswith(".")
    )
    beside = folder.parent / f"{folder.name}.csv"
    tables = [path for path in (*candidates, beside) if path.is_file() and _columns(path) is not None]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise InputError(f"{folder}: several tables of times ({names}); leave one")
    return tables[0] if tables else None


def stamps_from_table(table: Path, images: Iterable[str]) -> dict[str, int]:
    """The time of each image that the table names, in nanoseconds.

    The unit is the time column's ending (`time_ms`, `timestamp_ns`, ...); without one it is told by size:
    times of the epoch are seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, nanoseconds
    above. Small numbers are seconds.

    Args:
        table: a csv with a heading.
        images: names of the images there are; those the table does not name are left out, with a warning.

    Returns:
        Image to nanoseconds, in the order of time, whatever the order of the rows.

    Raises:
        InputError: a row without its image, a time that is none or too far off, an image or a time named
            twice, or no row.
    """
    columns = _columns(table)
    if columns is None:
        raise InputError(f"{table}: has no column for the file and the time (file, timestamp)")
    file_column, time_column, unit = columns
    there = set(images)
    rows: dict[str, tuple[int, Decimal]] = {}
    for line, file, time in _rows(table, file_column, time_column):
        where = f"{table}: line {line}"
        name = PurePosixPath((file or "").strip().replace("\\", "/")).name
        if name not in there:
            raise InputError(f"{where}: no image {name!r} in the folder; copy it or remove the line")
        if name in rows:
            raise InputError(f"{where}: {name} is named before, in line {rows[name][0]}; remove one")
        rows[name] = (line, _number(where, time))
    if not rows:
        raise InputError(f"{table}: names no image; write a line a file, or remove the table")
    if missing := sorted(there - rows.keys()):
        logger.warning(
            "%s: %d images that it does not name are left out: %s ...", table, len(missing), missing[0]
        )
    scale = _UNITS[unit or _unit_by_size(max(number for _, number in rows.values()))]
    for line, number in rows.values():
        if number.copy_abs() > Decimal(MAX_NANOSECONDS) / scale:
            raise InputError(
                f"{table}: line {line}: {number!s:.40} is too large for a time; correct it, or put its unit "
                f"into the heading (timestamp_ns)"
            )
    stamps = {name: int(number * scale) for name, (_, number) in rows.items()}
    ordered = dict(sorted(stamps.items(), key=lambda item: item[1]))
    check_no_time_twice(str(table), ordered)
    return ordered


def _rows(table: Path, file: str, time: str) -> Iterator[tuple[int, str | None, str | None]]:
    """Line number, file and time of every row."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            for row in reader:
                yield reader.line_num, row[file], row[time]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a readable csv ({error}); write it as UTF-8 text") from None


def check_no_time_twice(where: str, stamps: dict[str, int]) -> None:
    """Refuses two images at one time: which of them showed cannot be known.

    Args:
        where: for the message.
        stamps: image to nanoseconds, in the order of time.
    """
    names = list(stamps)
    for before, after in pairwise(names):
        if stamps[before] == stamps[after]:
            raise InputError(f"{where}: {before} and {after} have the same time; correct or remove one")


def _columns(table: Path) -> tuple[str, str, str | None] | None:
    """The file's and the time's column and the time's unit if its name ends in one; None without both."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            heading = next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        logger.warning("%s: not a readable csv (%s); times in it are not used", table, error)
        return None
    lower = {column.strip().lower(): column for column in reversed(heading)}
    file = next((lower[name] for name in _FILE_COLUMNS if name in lower), None)
    times: dict[str, tuple[str, str | None]] = {}
    for name, column in lower.items():
        base, _, ending = name.replace("[", "_").replace("(", "_").rstrip("])").rpartition("_")
        unit = _SPELLED.get(ending, ending)
        if name in _TIME_COLUMNS:
            times[name] = (column, None)
        elif unit in _UNITS and base.strip("_ ") in _TIME_COLUMNS:
            times[base.strip("_ ")] = (column, unit)
    time = next((times[name] for name in _TIME_COLUMNS if name in times), None)
    return None if file is None or time is None else (file, *time)


def _number(where: str, text: str | None) -> Decimal:
    try:
        number = Decimal((text or "").strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise InputError(f"{where}: {text!r} is not a time in numbers")
    return number


def _unit_by_size(largest: Decimal) -> str:
    sizes = (("s", 10**11), ("ms", 10**14), ("us", 10**17))
    return next((unit for unit, below in sizes if largest < below), "ns")
