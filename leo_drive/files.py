"""Folders to write to, tried before any work is done for them."""

from __future__ import annotations

import os
import tempfile
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
