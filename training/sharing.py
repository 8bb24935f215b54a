"""Several runs in one folder: what one makes the others wait for, what all read the last one removes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from leo_drive.terminal import out


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process is in here for the same path. The system lets go when a process ends.

    Args:
        path: FOLDER/what/name, of the folder that runs share; locks lie in FOLDER/.locks.
    """
    lock = FileLock(_beside(path, ".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        out.print(f"waiting for another run that is making {path}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class Shared:
    """A folder that is there as long as a run uses it, or is to go on with it after it was stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.users = folder, _beside(folder, ".users")
        with alone(folder):
            self.users.mkdir(parents=True, exist_ok=True)
            self._used = FileLock(self.users / f"{uuid4().hex}.lock")
            self._used.acquire()

    def leave(self) -> None:
        """Remove the folder, unless another process uses it."""
        with alone(self.folder):
            self._used.release()
            if all(_is_free(FileLock(path)) for path in self.users.glob("*.lock")):
                shutil.rmtree(self.users)
                shutil.rmtree(self.folder, ignore_errors=True)


def _beside(path: Path, ending: str) -> Path:
    locks = path.parent.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locks / f"{path.parent.name}-{path.name}{ending}"


def _is_free(lock: FileLock) -> bool:
    try:
        with lock.acquire(blocking=False):
            return True
    except Timeout:
        return False
