"""A run: logs and questions in, parts of the table out, on from wherever it stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from leo_drive.annotation.feed import BlockDone, LogOpened, LogTaken
from leo_drive.annotation.job import Job, check_fits
from leo_drive.annotation.manifest import Manifest
from leo_drive.annotation.pictures import known_logs, remember_logs, remember_sizes
from leo_drive.annotation.recognise import recognise
from leo_drive.annotation.shares import Share
from leo_drive.annotation.store import Done, Row, Store
from leo_drive.annotation.tally import Tally
from leo_drive.annotation.workers import Answered, Local, Workers, Working
from leo_drive.clips.discovery import LogEntry
from leo_drive.errors import InputError, some
from leo_drive.files import locked, said_in_one_line, writable_folder
from leo_drive.inference import Leo

logger = logging.getLogger(__name__)

BLOCK_LOGS = 32
"""Logs that are worked through as one: batches mix their windows, but never those of two blocks."""

_PART_SECONDS = 60.0

Progress = Callable[[Tally], None]


def annotate(
    leo: Leo | Workers,
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
        leo: a model to ask in this process, or the workers of a cluster.
        logs: see `leo_drive.clips.discovery.find_logs`.
        out: the folder; made if it is not there. Only this process writes to it.
        add: ask what is new in the question set, and keep the questions that the table has besides.
        retry_failed: ask again what failed in these logs, and all of those whose files have changed.
        command: for the manifest.
        progress: called after every batch.
        stop: once set, what is at hand is finished and kept, and the run returns.

    Raises:
        InputError: the folder holds answers of another model, to other questions, with other settings or of
            another log of the same name, or is being written to; a log has changed since it was answered; or
            frames and questions do not fit the model.
        LeoDriveError: the disk is full, or no worker is left. What was answered before is kept.
    """
    store = Store(writable_folder(out))
    with ExitStack() as stack:
        stack.enter_context(said_in_one_line(store.out))
        stack.enter_context(locked(store.out))
        manifest = Manifest(store.out)
        job = replace(job, questions=manifest.check(job, add))
        check_fits(leo.processor, job)
        # Its decoder starts while the table is read.
        workers = stack.enter_context(closing(Local(leo))) if isinstance(leo, Leo) else leo
        store.clean()
        done = store.done()
        logs, changed = recognise(logs, known_logs(store.out), done)
        if retry_failed:
            store.drop([entry.name for entry in logs], changed)
            done = store.done()
        elif changed:
            raise InputError(
                f"{some(changed)}: of another size than when it was annotated, so that its answers are of "
                f"another recording; give --retry-failed to ask about it again"
            )
        ids = set(job.questions.by_id())
        finished = {entry.name for entry in logs if entry.name in done and done[entry.name].covers(ids)}
        manifest.begin(job, command)
        remember_logs(store.out, logs)
        tally = _begun(logs, finished, done)
        blocks = _blocks(logs, finished, done)
        _work(workers, job, blocks, store, tally, progress, stop)
        manifest.finish({**tally.as_dict(), "complete": tally.complete})
    return tally


def _begun(logs: Sequence[LogEntry], finished: set[str], done: dict[str, Done]) -> Tally:
    """What is done before the run begins."""
    known = [(entry.name, done[entry.name]) for entry in logs if entry.name in done]
    return Tally(
        logs=len(logs),
        ended=set(finished),
        useful={name for name, of_log in known if of_log.any_useful},
        failed_before={name for name, of_log in known if of_log.any_failed},
    )


def _blocks(logs: Sequence[LogEntry], finished: set[str], done: dict[str, Done]) -> Iterator[list[Share]]:
    """Blocks of all logs, finished or not, so that going on makes the batches that one run would have made.

    What the table has of a log is forgotten once its block has been taken.
    """
    for first in range(0, len(logs), BLOCK_LOGS):
        block = logs[first : first + BLOCK_LOGS]
        shares = [Share(entry, done.pop(entry.name, Done())) for entry in block if entry.name not in finished]
        if shares:
            yield shares


def _work(
    workers: Workers,
    job: Job,
    blocks: Iterator[list[Share]],
    store: Store,
    tally: Tally,
    progress: Progress | None,
    stop: threading.Event | None,
) -> None:
    """Commit what the workers make of the blocks. A part that is written twice is the same part."""
    began = last_commit = time.monotonic()
    rows: list[Row] = []
    sizes: dict[str, int | None] = {}

    def commit() -> None:
        nonlocal last_commit
        if rows:
            # Before its first answers: a run that ends in between has none of a recording of another size.
            remember_sizes(store.out, sizes)
            sizes.clear()
            store.write(rows)
            rows.clear()
        last_commit = time.monotonic()

    try:
        with closing(workers.work(job, blocks, stop)) as events:
            for event in events:
                if isinstance(event, LogTaken):
                    sizes[event.log] = event.size
                    continue
                if isinstance(event, LogOpened):
                    if tally.log_opened(event.log, event.pending):
                        for warning in event.warnings:
                            logger.warning("%s", warning)
                    continue
                if isinstance(event, Answered):
                    rows.extend(event.rows)
                    tally.answered(event.rows)
                elif isinstance(event, Working):
                    tally.workers = event.workers
                late = time.monotonic() - last_commit > _PART_SECONDS
                if len(rows) >= job.part_rows or late or isinstance(event, BlockDone):
                    commit()
                tally.seconds = time.monotonic() - began
                if progress is not None:
                    progress(tally)
    finally:
        commit()  # also what had come in when something went wrong
        tally.seconds = time.monotonic() - began
