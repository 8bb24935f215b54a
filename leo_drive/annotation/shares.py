"""Shares of the work: a log, or some windows of one; and how blocks of logs are split into even pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.job import Job
from leo_drive.annotation.log import Broken, Opened, Task
from leo_drive.annotation.recognise import log_size
from leo_drive.annotation.store import Done
from leo_drive.annotation.windows import Window
from leo_drive.clips.discovery import LogEntry

Key = tuple[str, int]
"""Camera and number of a window."""


@dataclass(frozen=True)
class Share:
    """What is to be done of one log.

    Attributes:
        entry: the log.
        done: what the table has of it.
        windows: of each camera, those to be asked about, of a log that has been opened before. None stands
            for all that it turns out to have.
        total: how many windows the log has, and
        pending: how many of them the table lacks something of; both known once the log has been opened.
        error: why it could not be opened.
        warnings: what was said of it when it was opened.
        size: bytes of the log just before it was opened.
    """

    entry: LogEntry
    done: Done = field(default_factory=Done)
    windows: Mapping[str, list[Window]] | None = None
    total: int | None = None
    pending: int | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    size: int | None = None

    def to_ask(self, job: Job) -> tuple[str, ...]:
        """Ids of the questions, without those that the log as a whole failed at.

        These stay failed until --retry-failed asks for them.
        """
        return tuple(i for i in job.questions.by_id() if i not in self.done.failed)

    def covered(self, job: Job) -> dict[Key, float | None]:
        """Windows that have a row for every question, each with the start of the one that it repeats."""
        ids = set(self.to_ask(job))
        return {
            key: self.done.repeats.get(key)
            for key, values in self.done.windows.items()
            if ids <= values.keys()
        }


def split(block: Sequence[Share], job: Job, windows: int, decoder: Decoder) -> Iterator[list[Share]]:
    """Open the logs of a block and share them out.

    A long log is spread over many pieces and short ones are put together in one, so that pieces cost about
    the same. A log whose windows depend on those before them (`skip_similar`) stays whole.

    Args:
        windows: that a piece has at most.
    """
    piece: list[Share] = []
    room = windows
    for share in block:
        for part, size in _parts(_opened(share, job, decoder), job, room, windows):
            if size > room and piece:
                yield piece
                piece, room = [], windows
            piece.append(part)
            room -= size
            if room <= 0:
                yield piece
                piece, room = [], windows
    if piece:
        yield piece


def _opened(share: Share, job: Job, decoder: Decoder) -> Share:
    """The share with its windows, or with the reason why there are none."""
    share = replace(share, size=log_size(share.entry.path))
    for message in decoder.cut(Task(share.entry, job.cutting, only_open=True)):
        if isinstance(message, Opened):
            covered = share.covered(job)
            there = [(camera, w.index) for camera, of_camera in message.windows.items() for w in of_camera]
            pending = sum(key not in covered for key in there)
            share = replace(
                share,
                windows=message.windows,
                total=len(there),
                pending=pending,
                warnings=message.warnings,
            )
        elif isinstance(message, Broken):
            share = replace(share, error=message.error)
    return share


def _parts(share: Share, job: Job, first: int, size: int) -> Iterator[tuple[Share, int]]:
    """The share in parts of `size` pending windows, the first one of `first`, each with how many it has."""
    if share.windows is None or job.cutting.skip_similar is not None:
        yield share, share.pending or 1
        return
    covered = share.covered(job)
    left = [
        (camera, window)
        for camera, of_camera in share.windows.items()
        for window in of_camera
        if (camera, window.index) not in covered
    ]
    # A log with nothing left is said to be done by a part without windows.
    begins = range(first, len(left), size)
    for begin, end in zip((0, *begins), (*begins, len(left)), strict=True):
        windows: dict[str, list[Window]] = {}
        for camera, window in left[begin:end]:
            windows.setdefault(camera, []).append(window)
        yield replace(share, windows=windows), end - begin
