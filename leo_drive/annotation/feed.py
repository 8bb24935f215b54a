"""The next windows, decoded and tiled while the model is busy with those before them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.job import Job, plan
from leo_drive.annotation.log import Broken, Cut, Message, Opened, Task
from leo_drive.annotation.recognise import log_size
from leo_drive.annotation.shares import Key, Share
from leo_drive.annotation.store import Done
from leo_drive.annotation.windows import Window
from leo_drive.clips.clip import Clip
from leo_drive.errors import describe
from leo_drive.inference.many import PreparedClip, Preparer
from leo_drive.model import LeoProcessor


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
class LogTaken:
    """A log of which the table has nothing is next; `size` bytes just before it is opened.

    Nothing is said of any other: it is the recording that it was when the table got its first rows.
    """

    log: str
    size: int | None


@dataclass(frozen=True)
class LogOpened:
    """A log was opened.

    Attributes:
        pending: windows of it that have questions to be asked, by this worker or by others.
        warnings: for the user, such as that it was cut off.
    """

    log: str
    pending: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockDone:
    """All logs of a block have been given; no batch goes beyond it."""


_PATIENCE = 0.5
"""Seconds between looks at whether to stop."""

Item = Pending | LogTaken | LogOpened | BlockDone


class Feed:
    """Everything pending in some logs, in order, made on a thread of its own.

    Args:
        blocks: shares of logs in the order in which they are asked.
        decoder: cuts the logs; nobody else uses it meanwhile.
        ahead: windows that may be ready before they are wanted.
        stop: once set, the iteration ends where it would have to wait.

    Iterate once; `close` ends the thread.
    """

    def __init__(
        self,
        processor: LeoProcessor,
        job: Job,
        blocks: Iterable[Sequence[Share]],
        decoder: Decoder,
        ahead: int,
        stop: threading.Event | None = None,
    ) -> None:
        self._stop = stop
        self._processor, self._job, self._blocks, self._decoder = processor, job, blocks, decoder
        self._preparer = Preparer(processor)
        self._items: queue.Queue[Item | BaseException | None] = queue.Queue(max(1, ahead))
        self._closed = threading.Event()
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
                for share in block:
                    for item in self._log(share):
                        self._items.put(item)
                        if self._closed.is_set():
                            return
                self._items.put(BlockDone())
        except BaseException as error:
            self._items.put(error)
        finally:
            self._items.put(None)

    def _log(self, share: Share) -> Iterator[Item]:
        name, total = share.entry.name, share.total
        covered = share.covered(self._job)
        owed: dict[Key, Window] = {}
        if share.done == Done():
            yield LogTaken(name, log_size(share.entry.path) if share.size is None else share.size)
        with closing(self._messages(share, covered)) as messages:
            for message in messages:
                if isinstance(message, Opened):
                    there = {(c, w.index): w for c, windows in message.windows.items() for w in windows}
                    owed = {key: window for key, window in there.items() if key not in covered}
                    total = len(there) if total is None else total
                    pending = len(owed) if share.pending is None else share.pending
                    yield LogOpened(name, pending, message.warnings)
                elif isinstance(message, Cut):
                    owed.pop((message.camera, message.window.index), None)
                    yield self._pending(share, message, total)
                elif isinstance(message, Broken):
                    # Every window that is still owed fails; without any known, the log as a whole.
                    for (camera, _), window in owed.items():
                        yield self._pending(share, Cut(camera, window, error=message.error), total)
                    if total is None:
                        ids = share.to_ask(self._job)
                        yield Pending(name, None, None, None, ids, error=message.error)
                if self._closed.is_set():
                    return

    def _messages(self, share: Share, covered: dict[Key, float | None]) -> Generator[Message, None, None]:
        """As the decoder has them, but for what is known of a log that was opened before."""
        if share.windows is not None:
            yield Opened(share.windows, share.warnings)
        if share.error is not None:
            yield Broken(share.error)
        elif share.windows is None or any(share.windows.values()):
            task = Task(share.entry, self._job.cutting, covered, share.windows)
            with closing(self._decoder.cut(task)) as messages:
                for message in messages:
                    if share.windows is None or not isinstance(message, Opened):
                        yield message

    def _pending(self, share: Share, cut: Cut, total: int | None) -> Pending:
        prepared, error = None, cut.error
        if cut.clip is not None:
            try:
                prepared = self._prepare(cut.clip)
            except Exception as problem:  # frames of a size that no tile plan fits, say
                error = describe(problem)
        known = share.done.windows.get((cut.camera, cut.window.index), {})
        ids = tuple(i for i in share.to_ask(self._job) if i not in known)
        return Pending(
            *(share.entry.name, cut.camera, cut.window, total, ids, known, prepared, error, cut.repeats)
        )

    def _prepare(self, clip: Clip) -> PreparedClip:
        return self._preparer.prepare(clip, plan(self._processor, clip, self._job))
