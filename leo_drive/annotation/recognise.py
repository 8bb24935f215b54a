"""Which logs of a run a table has already: told by where they lie, as names may be alike."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leo_drive.clips.discovery import LOG_SUFFIXES, LogEntry
from leo_drive.clips.images import IMAGE_SUFFIXES
from leo_drive.errors import InputError

Place = dict[str, Any]
"""Where a log lies, as plain values: path, real, size and options."""


def place(entry: LogEntry) -> Place:
    """Where a log lies and how large it is now.

    `path` is what it is opened by: a link's name may say what it is, where that of the file says nothing.
    `real` is the file itself, and `size` its bytes; of a folder those of the images and recordings that lie
    in it, and null where there is none.
    """
    return {
        "path": str(entry.path.absolute()),
        "real": os.path.realpath(entry.path),
        "size": log_size(entry.path),
        "options": entry.options,
    }


def recognise(
    logs: Sequence[LogEntry], known: Mapping[str, Place], done: Container[str]
) -> tuple[list[LogEntry], list[str]]:
    """The logs by the names under which a table has them, and the names of those that changed since.

    A log that lies where one of the table does is that one, whatever it is called now. One that was moved is
    known by its name and size.

    Args:
        logs: of a run.
        known: where the logs of earlier runs lie.
        done: names of the logs that the table has something of; others may be called anything.

    Raises:
        InputError: the table has another log of that name.
    """
    known = {name: there for name, there in known.items() if name in done}
    names = {(_real(there), _which(there["options"])): name for name, there in known.items()}
    found: list[LogEntry] = []
    changed: list[str] = []
    for entry in logs:
        there = known.get(entry.name)
        if there is None or not _same_file(_real(there), entry.path):
            name = names.get((os.path.realpath(entry.path), _which(entry.options)), entry.name)
            entry = replace(entry, name=name)
        found.append(entry)
    often = Counter(entry.name for entry in found)
    for entry in found:
        there = known.get(entry.name)
        if there is None:
            continue
        other_size = not _same_size(there, entry.path)
        if _same_file(_real(there), entry.path):
            if other_size:
                changed.append(entry.name)
        elif other_size or often[entry.name] > 1 or os.path.lexists(_real(there)):
            raise InputError(
                f"{entry.name}: the table has another log of that name, {there['path']}; choose another "
                f"--out folder"
            )
    return found, changed


def _real(there: Place) -> str:
    return there.get("real") or os.path.realpath(there["path"])  # tables of the first version have no `real`


def _which(options: Any) -> str:
    """Of the logs that one path holds."""
    return json.dumps(options, sort_keys=True, default=str)


def _same_file(real: str, path: Path) -> bool:
    try:
        return real == os.path.realpath(path) or path.samefile(real)  # the same disk, mounted elsewhere
    except OSError:
        return False


def _same_size(there: Place, path: Path) -> bool:
    before, now = there.get("size"), log_size(path)
    return before is None or now is None or before == now


def log_size(path: Path) -> int | None:
    """Bytes of a log, as `place` has them."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as listing:
            media = [entry for entry in listing if _is_media(entry.name)]
            return sum(entry.stat().st_size for entry in media) if media else None
    except OSError:
        return None


def _is_media(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES | LOG_SUFFIXES
