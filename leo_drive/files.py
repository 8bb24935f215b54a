"""Folders to write to, tried before any work is done for them, and files that are never half there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leo_drive.errors import InputError


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """The folder `path`, made if it is not there, after a file could be written in it and removed again.

    Raises:
        InputError: it is a file, may not be written to, or lies on a full or read-only disk.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".probe-", dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        raise InputError(f"{folder}: cannot write here ({error.strerror}); choose another folder") from None
    return folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file to that then takes the place of `path`, which is whole at every moment.

    Example:
        >>> with replacing(Path("report.md")) as unfinished:          # doctest: +SKIP
        ...     unfinished.write_text(text)
    """
    # Of this process alone: another one may be writing the same file.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
