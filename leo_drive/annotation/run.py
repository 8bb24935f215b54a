"""A run: logs and questions in, parts of the table out, on from wherever it stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leo_drive.annotation.answering import FAILED, NOT_ASKED, OK, SKIPPED, answer
from leo_drive.annotation.feed import BlockDone, Feed, LogDone, LogOpened, Pending
from leo_drive.annotation.job import Job, check_fits
from leo_drive.annotation.manifest import Manifest
from leo_drive.annotation.pictures import remember_logs
from leo_drive.annotation.store import Done, Row, Store, locked
from leo_drive.clips.discovery import LogEntry
from leo_drive.files import writable_folder
from leo_drive.inference import Leo

BLOCK_LOGS = 32
"""Logs that are worked through as one: batches mix their windows, but never those of two blocks."""

_PART_SECONDS = 60.0


@dataclass
class Tally:
    """How far a run is.

    Attributes:
        logs, logs_done: of this run, those that had been done before included.
        pending: windows of the logs opened so far that were to be asked about.
        opened, running: logs opened so far, and how many of these are not done.
        windows: asked about, failed, or passed over in this run.
        answers, failed, skipped, not_asked: rows of this run, by their status.
        seconds: since it began.
    """

    logs: int = 0
    logs_done: int = 0
    opened: int = 0
    running: int = 0
    pending: int = 0
    windows: int = 0
    answers: int = 0
    failed: int = 0
    skipped: int = 0
    not_asked: int = 0
    seconds: float = 0.0

    @property
    def expected(self) -> int:
        """Windows that this run will have, going by the logs that it has opened."""
        unopened = self.logs - self.logs_done - self.running
        return self.pending + round(unopened * self.pending / self.opened) if self.opened else self.windows

    @property
    def seconds_left(self) -> float | None:
        """Until the run ends, if it goes on like this; None before the first window."""
        if not self.windows:
            return None
        return self.seconds / self.windows * max(0, self.expected - self.windows)

    def as_dict(self) -> dict[str, float]:
        """Plain values, for JSON and the manifest."""
        return {
            "logs": self.logs,
            "logs_done": self.logs_done,
            "windows": self.windows,
            "answers": self.answers,
            "failed": self.failed,
            "skipped": self.skipped,
            "not_asked": self.not_asked,
            "seconds": round(self.seconds, 1),
        }

    def line(self) -> str:
        """In words."""
        speed = self.answers / self.seconds if self.seconds else 0.0
        counts = [f"{self.windows} windows", f"{self.answers} answers ({speed:.1f} a second)"]
        counts += [f"{n} {what}" for n, what in ((self.skipped, "skipped"), (self.failed, "failed")) if n]
        return f"{self.logs_done} of {self.logs} logs done; this run: {', '.join(counts)}"


Progress = Callable[[Tally], None]


def annotate(
    leo: Leo,
    logs: Sequence[LogEntry],
    job: Job,
    out: str | Path,
    add: bool = False,
    retry_failed: bool = False,
    command: str = "",
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Tally:
    """Ask every question of every window of the logs that OUT/annotations does not have yet.

    Args:
        logs: see `leo_drive.clips.discovery.find_logs`.
        out: the folder; made if it is not there.
        add: ask what is new in the question set, and keep the questions that the table has besides.
        retry_failed: ask again what failed in these logs.
        command: for the manifest.
        progress: called after every batch.
        stop: once set, the batch at hand is finished and kept, and the run returns.

    Raises:
        InputError: the folder holds answers of another model, to other questions or with other settings, or
            is being written to; or frames and questions do not fit the model.
        LeoDriveError: the disk is full. What was answered before is kept.
    """
    store = Store(writable_folder(out))
    with locked(store.out):
        manifest = Manifest(store.out)
        job = replace(job, questions=manifest.check(job, add))
        check_fits(leo, job)
        store.clean()
        if retry_failed:
            store.drop_failed(entry.name for entry in logs)
        done = store.done()
        ids = set(job.questions.by_id())
        finished = {entry.name for entry in logs if entry.name in done and done[entry.name].covers(ids)}
        manifest.begin(job, command)
        remember_logs(store.out, logs)
        tally = Tally(logs=len(logs), logs_done=len(finished))
        # Blocks of all logs, done or not, so that going on makes the batches that one run would have made.
        blocks = [
            [entry for entry in logs[first : first + BLOCK_LOGS] if entry.name not in finished]
            for first in range(0, len(logs), BLOCK_LOGS)
        ]
        annotate_blocks(leo, job, blocks, done, store, tally, progress, stop)
        manifest.finish({**tally.as_dict(), "complete": tally.logs_done == tally.logs})
    return tally


def annotate_blocks(
    leo: Leo,
    job: Job,
    blocks: Iterable[Sequence[LogEntry]],
    done: dict[str, Done],
    store: Store,
    tally: Tally,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> None:
    """A worker's share: ask and commit some blocks of logs. Doing it twice commits the same parts twice.

    Args:
        blocks: logs in order; those that are done are left out.
        done: what the table has of them; emptied on the way.
        tally: counted up.
    """
    began = last_commit = time.monotonic()
    waiting: list[Pending] = []
    rows: list[Row] = []
    feed = Feed(leo, job, [block for block in blocks if block], done, job.batch, stop)

    def commit() -> None:
        nonlocal last_commit
        if rows:
            store.write(rows)
            rows.clear()
        last_commit = time.monotonic()

    def ask() -> None:
        made = answer(leo, waiting, job)
        rows.extend(made)
        tally.windows += sum(pending.window is not None for pending in waiting)
        waiting.clear()
        _count(tally, made)
        tally.seconds = time.monotonic() - began
        if progress is not None:
            progress(tally)

    try:
        for item in feed:
            if isinstance(item, LogOpened):
                tally.opened += 1
                tally.running = 1
                tally.pending += item.pending
            elif isinstance(item, LogDone):
                tally.logs_done += 1
                tally.running = 0
            elif isinstance(item, Pending):
                waiting.append(item)
            frames_waiting = sum(pending.prepared is not None for pending in waiting)
            full = frames_waiting >= job.batch or len(waiting) >= job.part_rows
            if waiting and (full or isinstance(item, BlockDone)):
                ask()
                late = time.monotonic() - last_commit > _PART_SECONDS
                if len(rows) >= job.part_rows or late:
                    commit()
            if isinstance(item, BlockDone):
                commit()
            if stop is not None and stop.is_set():
                break  # what waits is not answered yet, and asked again by the next run
    finally:
        feed.close()
    commit()
    tally.seconds = time.monotonic() - began


def _count(tally: Tally, rows: Sequence[Row]) -> None:
    for row in rows:
        if row["status"] == OK:
            tally.answers += 1
        elif row["status"] == FAILED:
            tally.failed += 1
        elif row["status"] == SKIPPED:
            tally.skipped += 1
        elif row["status"] == NOT_ASKED:
            tally.not_asked += 1
