"""Who does the work of a run: the model in this process, or, in `cluster`, processes on many machines."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

from leo_drive.annotation.answering import answer
from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.feed import BlockDone, Feed, LogOpened, LogTaken, Pending
from leo_drive.annotation.job import Job
from leo_drive.annotation.shares import Share
from leo_drive.annotation.store import Row
from leo_drive.annotation.tally import WorkerTally
from leo_drive.inference import Leo
from leo_drive.model import LeoProcessor


@dataclass(frozen=True)
class Answered:
    """The rows of some windows, each window's all together; or of a log that could not be opened."""

    rows: list[Row]


@dataclass(frozen=True)
class Working:
    """How far each of several workers is."""

    workers: list[WorkerTally]


Event = LogTaken | LogOpened | Answered | BlockDone | Working


class Workers(Protocol):
    """What answers the windows of a run.

    Attributes:
        processor: of the model.
    """

    @property
    def processor(self) -> LeoProcessor: ...

    def work(
        self, job: Job, blocks: Iterable[Sequence[Share]], stop: threading.Event | None = None
    ) -> Generator[Event, None, None]:
        """Ask about blocks of logs.

        Args:
            blocks: lazily, as they are wanted.
            stop: once set, what is at hand is finished, and the iteration ends.

        Yields:
            A log's LogTaken and LogOpened before the rows of its windows; every window's rows exactly once.

        Raises:
            LeoDriveError: the work cannot go on.
        """
        ...


class Local:
    """The model in this process.

    Args:
        turn: held while the model is busy, where others use it too.

    A decoder process is kept from one `work` to the next, until `close`.
    """

    def __init__(self, leo: Leo, turn: threading.Lock | None = None) -> None:
        self._leo = leo
        self._turn = turn or nullcontext()
        self._decoder = Decoder()
        self._decoder.start()

    @property
    def processor(self) -> LeoProcessor:
        return self._leo.processor

    def work(
        self, job: Job, blocks: Iterable[Sequence[Share]], stop: threading.Event | None = None
    ) -> Generator[Event, None, None]:
        """See `Workers`. Batches hold windows of several logs, but never of two blocks."""
        self._decoder.time_limit = job.time_limit
        waiting: list[Pending] = []
        feed = Feed(self.processor, job, blocks, self._decoder, job.batch, stop)
        try:
            for item in feed:
                if isinstance(item, LogTaken | LogOpened):
                    yield item
                elif isinstance(item, Pending):
                    waiting.append(item)
                with_frames = sum(pending.prepared is not None for pending in waiting)
                full = with_frames >= job.batch or len(waiting) >= job.part_rows
                if waiting and (full or isinstance(item, BlockDone)):
                    with self._turn:
                        rows = answer(self._leo, waiting, job)
                    waiting.clear()
                    yield Answered(rows)
                if isinstance(item, BlockDone):
                    yield item
                if stop is not None and stop.is_set():
                    return  # what waits is not answered yet, and asked again by the next run
        finally:
            feed.close()

    def close(self) -> None:
        """Ends the decoder process."""
        self._decoder.close()
