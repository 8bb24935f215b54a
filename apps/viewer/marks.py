"""The file of marks beside a table: a line a mark, written at once, by several people and over power cuts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from leo_drive.errors import InputError

MARKS = "marks.jsonl"
"""Beside the table: a line a mark, the last one of an answer holds."""


class Key(NamedTuple):
    """Which question of a table a mark is about."""

    log: str
    camera: str
    start_s: float
    question_id: str


def key_of(row: dict[str, Any]) -> Key:
    """The key of a table's row or of a mark; KeyError, TypeError or ValueError where it is something else."""
    return Key(str(row["log"]), str(row["camera"]), round(float(row["start_s"]), 3), str(row["question_id"]))


def read_marks(path: Path) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The marks in a file, oldest first; none if it is not there. A last line that was cut off is no mark.

    Raises:
        InputError: it cannot be read, or a line is no mark.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError:
        raise InputError(f"{path}: cannot be read; move it away to begin anew") from None
    for number, line in enumerate(lines, 1):
        try:
            mark = json.loads(line)
            key = key_of(mark)
        except (ValueError, KeyError, TypeError):
            if number == len(lines):
                return  # nothing after the last line's end, or the power went while it was written
            raise InputError(f"{path}: line {number} is no mark; mend or remove it") from None
        yield key, mark


def add_mark(path: Path, mark: dict[str, Any]) -> None:
    """Append a mark, on the disk before this returns; OSError where the disk refuses it."""
    _end_last_line(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(mark, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _end_last_line(path: Path) -> None:
    """Drop a last line that was cut off: it would spoil the next. One that only lacks its end is given it."""
    content = path.read_bytes() if path.is_file() else b""
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return
    try:
        key_of(json.loads(content[whole:]))
    except (ValueError, KeyError, TypeError):
        os.truncate(path, whole)
    else:
        with path.open("ab") as file:
            file.write(b"\n")
