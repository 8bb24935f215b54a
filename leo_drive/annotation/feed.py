"""The next windows, decoded and tiled while the model is busy with those before them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.job import Job, plan
from leo_drive.annotation.log import Broken, Cut, Opened, Task, describe
from leo_drive.annotation.store import Done
from leo_drive.annotation.windows import Window
from leo_drive.clips.clip import Clip
from leo_drive.clips.discovery import LogEntry
from leo_drive.inference import Leo
from leo_drive.inference.many import PreparedClip, prepare


@dataclass(frozen=True)
class Pending:
    """A window with the questions that the table does not have of it.

    Attributes:
        log: its name.
        camera, window: None for a log that could not be opened.
        windows: how many the log has.
        question_ids: what is to be asked, in order.
        known: values of the window's earlier answers, by question id.
        prepared: the frames, or None with `error` or `repeats`, as in `leo_drive.annotation.log.Cut`.
    """

    log: str
    camera: str | None
    window: Window | None
    windows: int | None
    question_ids: tuple[str, ...]
    known: dict[str, str | None] = field(default_factory=dict)
    prepared: PreparedClip | None = None
    error: str | None = None
    repeats: float | None = None


@dataclass(frozen=True)
class LogOpened:
    """A log was opened; `pending` of its windows have questions to be asked."""

    log: str
    pending: int


@dataclass(frozen=True)
class LogDone:
    """All of a log has been given."""

    log: str


@dataclass(frozen=True)
class BlockDone:
    """All logs of a block have been given; no batch goes beyond it."""


_PATIENCE = 0.5
"""Seconds between looks at whether to stop."""

Item = Pending | LogOpened | LogDone | BlockDone


class Feed:
    """Everything pending in some logs, in order, made on a thread of its own.

    Args:
        blocks: logs in the order in which they are asked.
        done: what the table has already, by log.
        ahead: windows that may be ready before they are wanted.
        stop: once set, the iteration ends where it would have to wait.

    Iterate once; `close` ends the thread and its decoder.
    """

    def __init__(
        self,
        leo: Leo,
        job: Job,
        blocks: Sequence[Sequence[LogEntry]],
        done: dict[str, Done],
        ahead: int,
        stop: threading.Event | None = None,
    ) -> None:
        self._stop = stop
        self._leo, self._job, self._blocks, self._done = leo, job, blocks, done
        self._ids = tuple(job.questions.by_id())
        self._items: queue.Queue[Item | BaseException | None] = queue.Queue(max(1, ahead))
        self._closed = threading.Event()
        self._decoder = Decoder(job.time_limit)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __iter__(self) -> Iterator[Item]:
        self._thread.start()
        while True:
            try:
                item = self._items.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._stop is not None and self._stop.is_set():
                    return  # a log that hangs is not waited for
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Stop; what has been made but not asked for is thrown away."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._items.get(timeout=0.1)
            except queue.Empty:
                self._decoder.kill()  # it may be at a log that hangs

    def _run(self) -> None:
        try:
            for block in self._blocks:
                for entry in block:
                    for item in self._log(entry):
                        self._items.put(item)
                        if self._closed.is_set():
                            return
                self._items.put(BlockDone())
        except BaseException as error:
            self._items.put(error)
        finally:
            self._decoder.close()
            self._items.put(None)

    def _log(self, entry: LogEntry) -> Iterator[Item]:
        done = self._done.pop(entry.name, None) or Done()
        if done.covers(set(self._ids)):
            return
        # What the log as a whole failed at stays failed until --retry-failed asks for it.
        ids = tuple(i for i in self._ids if i not in done.failed)
        covered = {
            key: done.repeats.get(key) for key, values in done.windows.items() if set(ids) <= values.keys()
        }
        windows: dict[tuple[str, int], Window] = {}
        total: int | None = None
        messages = self._decoder.cut(Task(entry, self._job.cutting, covered))
        for message in messages:
            if isinstance(message, Opened):
                windows = {(c, w.index): w for c, ws in message.windows.items() for w in ws}
                total = len(windows)
                windows = {key: window for key, window in windows.items() if key not in covered}
                yield LogOpened(entry.name, len(windows))
            elif isinstance(message, Cut):
                key = (message.camera, message.window.index)
                windows.pop(key, None)
                yield self._pending(entry, message, total, ids, done.windows.get(key, {}))
            elif isinstance(message, Broken):
                # Every window that is still owed fails; without any known, the log as a whole.
                for (camera, _), window in windows.items():
                    cut = Cut(camera, window, error=message.error)
                    yield self._pending(entry, cut, total, ids, done.windows.get((camera, window.index), {}))
                if total is None:
                    yield Pending(entry.name, None, None, None, ids, error=message.error)
            if self._closed.is_set():
                return
        yield LogDone(entry.name)

    def _pending(
        self, entry: LogEntry, cut: Cut, total: int | None, ids: tuple[str, ...], known: dict[str, str | None]
    ) -> Pending:
        prepared, error = None, cut.error
        if cut.clip is not None:
            try:
                prepared = self._prepare(cut.clip)
            except Exception as problem:  # frames of a size that no tile plan fits, say
                error = describe(problem)
        asked = tuple(i for i in ids if i not in known)
        return Pending(entry.name, cut.camera, cut.window, total, asked, known, prepared, error, cut.repeats)

    def _prepare(self, clip: Clip) -> PreparedClip:
        return prepare(self._leo.processor, clip, plan(self._leo, clip, self._job))
