"""What runs beside the workers of a Ray cluster: a board for their news, and tasks that open logs.

Nothing here imports torch, so that these start in a blink and stay small.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import ray

from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.job import Job
from leo_drive.annotation.shares import split
from leo_drive.annotation.tally import WorkerTally


class Board:
    """A small actor beside the run, on which the workers write how far they are.

    It is asked and told by name, as all actors are; each call takes no time.
    """

    def __init__(self) -> None:
        self._workers: dict[str, WorkerTally] = {}
        self._begun: set[str] = set()
        self._stopped = False

    def begin(self, piece: str) -> bool:
        """Whether a piece should be worked on; False once the run is to stop."""
        if not self._stopped:
            self._begun.add(piece)
        return not self._stopped

    def report(self, worker: WorkerTally) -> bool:
        """Whether to go on after this batch."""
        self._workers[worker.name] = worker
        return not self._stopped

    def look(self) -> tuple[list[WorkerTally], set[str]]:
        """All workers, and the names of all pieces that were begun."""
        return list(self._workers.values()), self._begun

    def stop(self) -> None:
        """From now on begin nothing."""
        self._stopped = True

    def stopped(self) -> bool:
        """Whether nothing is begun any more."""
        return self._stopped


def open_block(row: dict[str, Any], job: Job, windows: int, board: Any) -> Iterator[dict[str, Any]]:
    """A row {number, block} of a dataset to rows {piece}, of at most so many windows each."""
    if ray.get(board.stopped.remote()):
        return
    decoder = Decoder(job.time_limit)
    try:
        for k, piece in enumerate(split(pickle.loads(row["block"]), job, windows, decoder)):
            yield {"piece": pickle.dumps((f"{row['number']}-{k}", piece))}
    finally:
        decoder.close()
