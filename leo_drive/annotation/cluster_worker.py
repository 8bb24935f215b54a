"""What answers pieces of the work in the processes of a Ray cluster."""

from __future__ import annotations

import os
import pickle
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray

from leo_drive.annotation.feed import LogOpened, LogTaken
from leo_drive.annotation.job import Job, model_facts
from leo_drive.annotation.tally import WorkerTally
from leo_drive.annotation.workers import Answered, Local
from leo_drive.errors import InputError, LeoDriveError
from leo_drive.inference import Leo, load

PIECES_AT_ONCE = 2
"""Of a worker: one decodes its first windows while the model is busy with the other."""


@dataclass(frozen=True)
class Setup:
    """How a worker loads the model; as in `leo_drive.load`."""

    model: str
    device: str
    dtype: str | None


@dataclass(frozen=True)
class Result:
    """What became of a piece.

    Attributes:
        piece: its name.
        events: in order; none when the run was to stop.
        error: why there is no more, if it is the user's to mend.
    """

    piece: str
    events: list[LogTaken | LogOpened | Answered] = field(default_factory=list)
    error: LeoDriveError | None = None


def inspect(setup: Setup) -> dict[str, str] | LeoDriveError:
    """What only the loaded model can tell: `model_hash` and `dtype`."""
    try:
        return model_facts(load(setup.model, device=setup.device, dtype=setup.dtype))
    except LeoDriveError as error:
        return error


class Worker:
    """An actor of the pool: holds the model, and turns rows {piece} into rows {result}.

    Ray Data calls it from several threads. What goes wrong and is the user's to mend comes back in a Result:
    Ray would take the process for broken and start another one.
    """

    def __init__(self, setup: Setup, job: Job, board: Any) -> None:
        self._setup, self._job, self._board = setup, job, board
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._leo: Leo | None = None
        self._idle: queue.SimpleQueue[Local] = queue.SimpleQueue()
        self._tally = WorkerTally(f"{ray.util.get_node_ip_address()} process {os.getpid()}")
        self._since = 0.0

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One piece."""
        name, piece = pickle.loads(batch["piece"][0])
        try:
            result = self._work(name, piece)
        except LeoDriveError as error:
            result = Result(name, error=error)
        return {"result": np.array([pickle.dumps(result)], dtype=object)}

    def _work(self, name: str, piece: list[Any]) -> Result:
        if not ray.get(self._board.begin.remote(name)):
            return Result(name)
        local, stop = self._local(), threading.Event()
        events: list[LogTaken | LogOpened | Answered] = []
        try:
            for event in local.work(self._job, [piece], stop):
                if isinstance(event, LogTaken | LogOpened | Answered):
                    events.append(event)
                if isinstance(event, Answered) and not ray.get(self._board.report.remote(self._count(event))):
                    stop.set()
        finally:
            self._idle.put(local)
        return Result(name, events)

    def _local(self) -> Local:
        """One that is idle, or another one with the same model."""
        with self._lock:
            if self._leo is None:
                self._leo = self._load()
                self._since = time.monotonic()
            return Local(self._leo, self._turn) if self._idle.empty() else self._idle.get()

    def _load(self) -> Leo:
        leo = load(self._setup.model, device=self._setup.device, dtype=self._setup.dtype)
        found = model_facts(leo)["model_hash"]
        if found != self._job.model_hash:
            raise InputError(
                f"model {self._setup.model}: another one on {ray.util.get_node_ip_address()} ({found}) than "
                f"where the run began ({self._job.model_hash}); put the same model on every machine"
            )
        return leo

    def _count(self, event: Answered) -> WorkerTally:
        with self._lock:
            self._tally = self._tally.plus(event.rows, time.monotonic() - self._since)
            return self._tally
