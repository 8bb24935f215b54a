"""Folders to write to, tried before any work is done for them, and files that are never half there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from leo_drive.errors import InputError, LeoDriveError

_UNFINISHED, _LOCK, _OWNER = ".unfinished", ".lock", ".owner"
"""Names in a folder that is being written to; whoever was killed there leaves them behind."""


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


def write(path: Path, content: str | bytes) -> None:
    """Write beside its place and move there, so that an earlier result is whole until this one is."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A path to make a folder at that then takes the place of `folder`; what a stopped run left there goes.

    Only one process may do so at a time.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    yield unfinished
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


@contextmanager
def filling(folder: Path, last: str) -> Iterator[Path]:
    """A folder to make files in that then move to `folder`, a new or an empty one, if the block ends well.

    What a run that was killed left there goes. `folder` itself stays: it may be the current one, or a disk's.

    Args:
        last: the file that moves after all others: where it is, the folder is whole.

    Raises:
        InputError: `folder` is a file, holds something, may not be written to, or another run is filling it.
        LeoDriveError: the disk is full, or cannot be written to.
    """
    made = not folder.exists()
    unfinished = writable_folder(folder) / _UNFINISHED
    try:
        with locked(folder):
            there = {path.name for path in folder.iterdir()} - {_UNFINISHED, _LOCK, _OWNER}
            if there:
                held = last if last in there else min(there)
                raise InputError(f"{folder}: already holds {held}; choose a new or an empty folder")
            try:
                with said_in_one_line(folder):
                    shutil.rmtree(unfinished, ignore_errors=True)
                    unfinished.mkdir()
                yield unfinished
                with said_in_one_line(folder):
                    for file in sorted(unfinished.iterdir(), key=lambda path: path.name == last):
                        file.rename(folder / file.name)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()  # goes only while nothing is in it


def write_whole(path: Path, content: bytes, out: Path) -> None:
    """Write a file so that it is there as a whole or not at all, also after a power cut.

    Args:
        out: the folder of the run, for the message.

    Raises:
        LeoDriveError: the disk is full, or cannot be written to.
    """
    with said_in_one_line(out):
        with replacing(path) as begun, begun.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def said_in_one_line(out: Path) -> Iterator[None]:
    """What a disk can refuse, with the cure."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LeoDriveError(
                f"{out}: the disk is full; make room and run the same command again: it goes on from here"
            ) from None
        raise LeoDriveError(
            f"{out}: cannot be written to ({error.strerror}); mend that and run the same command again"
        ) from None


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keeps other runs out of a folder. The system lets go of the lock when a run ends, however it ends.

    Raises:
        InputError: another run is in there.
    """
    lock, owner = FileLock(out / _LOCK), out / _OWNER
    with said_in_one_line(out):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            who = owner.read_text(encoding="utf-8").strip() if owner.is_file() else "a process"
            raise InputError(
                f"{out}: another run is writing here ({who}); wait for it, or choose another folder"
            ) from None
    try:
        write_whole(owner, f"process {os.getpid()} on {os.uname().nodename}".encode(), out)
        yield
    finally:
        # While it is still held: whoever opened the file before sees that it is gone, and is refused.
        for path in (owner, Path(lock.lock_file)):
            path.unlink(missing_ok=True)
        lock.release()


def require_room(path: Path, needed: float, what: str, cure: str) -> None:
    """See that a disk has room before anything is written to it.

    Args:
        path: what is to be written, or a folder for it; it need not be there yet.
        needed: bytes.
        what: that takes them, for the message.

    Raises:
        InputError: there is less room.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if (free := shutil.disk_usage(there).free) < needed:
        raise InputError(f"{path}: {what} takes {size(needed)} and {size(free)} are free; {cure}")


def size(count: float) -> str:
    """Bytes for people.

    Example:
        >>> size(16_260_000_000)
        '16.3 GB'
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}"
