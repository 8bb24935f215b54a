"""A run on a Ray cluster: Ray Data shares the work out to a pool of actors; this process keeps the table."""

from __future__ import annotations

import logging
import os
import pickle
import queue
import threading
import time
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from leo_drive.annotation.job import Job
from leo_drive.annotation.shares import Share
from leo_drive.annotation.workers import Event, Working
from leo_drive.errors import InputError, LeoDriveError
from leo_drive.inference.load import open_processor
from leo_drive.model import LeoProcessor

PIECE_BATCHES = 4
"""Batches that make a piece of the work.

Small, so that every worker gets some of a short run, that the last pieces of a long one are soon done, and
that a machine that dies takes little with it; yet so large that opening a log for each of its pieces costs
little.
"""

_LOOK_EVERY = 0.5
"""Seconds between looks at the board, and at whether to stop."""

_PATIENCE = 120.0
"""Seconds that a run which is to stop waits for the batches at hand."""

_CPUS = 4
"""Of a worker without a GPU, and at most of one with; more threads than that gain little in one batch."""


@dataclass(frozen=True)
class Pool:
    """How many workers, and what each one takes of its machine."""

    workers: int
    cpus: float
    gpus: float


def plan_pool(
    nodes: Sequence[Mapping[str, float]],
    workers: int | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
) -> Pool:
    """The pool for a cluster: as many workers as it has room for, unless told.

    Args:
        nodes: of each machine its "CPU" and "GPU", as Ray counts them.
        workers: more than there is room for wait until the cluster has grown.
        cpus, gpus: of a worker. One GPU where the cluster has any; up to four CPUs.

    Raises:
        InputError: there is room for none, and it was not said how many there should be.

    Example:
        >>> plan_pool([{"CPU": 16}, {"CPU": 32, "GPU": 4}])
        Pool(workers=4, cpus=4, gpus=1)
        >>> plan_pool([{"CPU": 8}, {"CPU": 2}])
        Pool(workers=5, cpus=2, gpus=0)
    """
    if gpus is None:
        gpus = 1 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0
    able = [node for node in nodes if node.get("GPU", 0) >= gpus and node.get("CPU", 0) > 0]
    if cpus is None:
        a_worker = [node["CPU"] / (node["GPU"] // gpus if gpus else 1) for node in able]
        cpus = max(1, min(_CPUS, int(min(a_worker, default=_CPUS))))
    room = sum(int(min(node["CPU"] / cpus, node["GPU"] / gpus if gpus else node["CPU"])) for node in able)
    if workers is None and not room:
        there = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise InputError(
            f"no machine of the cluster has the {cpus:g} CPUs and {gpus:g} GPUs of a worker (there are: "
            f"{there}); change --worker-cpus or --worker-gpus, or give --workers for a cluster that grows"
        )
    return Pool(workers or room, cpus, gpus)


class Cluster:
    """Workers on a Ray cluster; use in a `with`.

    Args:
        address: "auto" for the cluster that this machine belongs to, its HOST:PORT, or "local" for one on
            this machine alone, for as long as the run takes.
        model, device, dtype: as in `leo_drive.load`, on every machine. The device is a worker's GPU if it has
            one.
        workers, cpus, gpus: as in `plan_pool`.

    Raises:
        InputError: ray is not installed, there is no such cluster, or it has no room for a worker.

    Logs are opened by tasks and split into pieces; the pieces are a dataset's rows, which an actor pool turns
    into rows of the table. Ray Data repeats what a machine took with it, and gives this process each piece
    once; only this process writes.
    """

    def __init__(
        self,
        address: str,
        model: str,
        device: str | None = None,
        dtype: str | None = None,
        workers: int | None = None,
        cpus: float | None = None,
        gpus: float | None = None,
    ) -> None:
        self.processor: LeoProcessor = open_processor(model)
        self._ray = _connect(address)
        try:
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self.pool = plan_pool(nodes, workers, cpus, 0 if device == "cpu" else gpus)
        except BaseException:
            self.__exit__()
            raise
        from leo_drive.annotation.cluster_worker import Setup

        self._setup = Setup(model, device or ("cuda" if self.pool.gpus else "cpu"), dtype)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def facts(self) -> dict[str, str]:
        """`model_hash` and `dtype`, from a worker: this machine may be too small to load the model.

        Raises:
            LeoDriveError: the model cannot be loaded there.
        """
        from leo_drive.annotation.cluster_worker import inspect

        ask = self._ray.remote(num_cpus=self.pool.cpus, num_gpus=self.pool.gpus)(inspect)
        try:
            facts = self._ray.get(ask.remote(self._setup))
        except self._ray.exceptions.RayError as error:
            raise LeoDriveError(_broke(error)) from None
        if isinstance(facts, LeoDriveError):
            raise facts
        self._setup = replace(self._setup, dtype=facts["dtype"])
        return facts

    def work(
        self, job: Job, blocks: Iterable[Sequence[Share]], stop: threading.Event | None = None
    ) -> Generator[Event, None, None]:
        """See `leo_drive.annotation.workers.Workers`. A piece's events come when all of it is done."""
        try:
            yield from self._work(job, blocks, stop)
        except self._ray.exceptions.RayError as error:
            raise LeoDriveError(_broke(error)) from None

    def _work(
        self, job: Job, blocks: Iterable[Sequence[Share]], stop: threading.Event | None
    ) -> Generator[Event, None, None]:
        board = self._board()
        results = _Results(self._dataset(job, blocks, board))
        received: set[str] = set()
        ended, last_look, patient_until = False, 0.0, float("inf")
        while not ended:
            with suppress(queue.Empty):
                result = results.next(_LOOK_EVERY)
                ended = result is None
                if result is not None and result.error is not None:
                    raise result.error
                if result is not None and result.piece not in received:
                    yield from result.events
                    received.add(result.piece)
            now = time.monotonic()
            if now - last_look < _LOOK_EVERY and not ended:
                continue
            last_look = now
            if stop is not None and stop.is_set() and patient_until > now + _PATIENCE:
                self._ray.get(board.stop.remote())
                patient_until = now + _PATIENCE
            workers, begun = self._ray.get(board.look.remote())
            yield Working(sorted(workers, key=lambda worker: worker.name))
            if patient_until < float("inf") and (begun <= received or now > patient_until):
                return

    def _board(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from leo_drive.annotation.cluster_opening import Board

        # On this very machine: with any other one, the run would lose it.
        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        return self._ray.remote(num_cpus=0)(Board).options(scheduling_strategy=here).remote()

    def _dataset(self, job: Job, blocks: Iterable[Sequence[Share]], board: Any) -> Any:
        from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy, from_items

        from leo_drive.annotation.cluster_opening import open_block
        from leo_drive.annotation.cluster_worker import PIECES_AT_ONCE, Worker

        items = [{"number": i, "block": pickle.dumps(block)} for i, block in enumerate(blocks)]
        context = DataContext.get_current().copy()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_no_progress_timeout_s = -1  # a piece takes as long as it takes
        context.target_max_block_size = 1  # a piece is a block of its own, so that any worker may have it
        pool = self.pool
        with DataContext.current(context):
            _silence()
            opened: Any = from_items(items, override_num_blocks=max(1, len(items)))
            opened = opened.flat_map(
                open_block,
                fn_kwargs={"job": job, "windows": PIECE_BATCHES * job.batch, "board": board},
                # Light beside answering, and needed even where workers take every CPU.
                num_cpus=0,
                compute=TaskPoolStrategy(size=max(2, pool.workers)),
            )
            return opened.map_batches(
                Worker,
                batch_size=1,
                fn_constructor_kwargs={"setup": self._setup, "job": job, "board": board},
                num_cpus=pool.cpus,
                num_gpus=pool.gpus,
                compute=ActorPoolStrategy(
                    size=pool.workers,
                    max_concurrent_calls_per_actor=PIECES_AT_ONCE,
                    max_tasks_in_flight_per_actor=PIECES_AT_ONCE,
                    enable_true_multi_threading=True,
                ),
            )


class _Results:
    """A dataset's results, pulled on a thread, so that waiting for one can end."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._pull, daemon=True).start()

    def next(self, seconds: float) -> Any:
        """The next one, or None at the end; raises queue.Empty where there is none in time."""
        result = self._queue.get(timeout=seconds)
        if isinstance(result, BaseException):
            raise LeoDriveError(_broke(result)) from None
        return result

    def _pull(self) -> None:
        try:
            for row in self._dataset.iter_rows():
                self._queue.put(pickle.loads(row["result"]))
            self._queue.put(None)
        except BaseException as error:
            self._queue.put(error)


def _connect(address: str) -> Any:
    # Its own complaints go to its log files; what matters of them becomes our errors.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # Nobody who annotates drives has been asked whether Ray's makers may count that.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError("--ray needs Ray, which is not installed: pip install 'leo-drive[ray]'") from None
    if address.startswith("ray://"):
        raise InputError(
            f"--ray {address}: Ray Data does not work through Ray Client; run this on a machine of the "
            f"cluster with --ray auto, or hand it in with ray job submit"
        )
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise InputError(
            f"--ray {address}: no Ray cluster there ({_said(error)}); start one with ray start --head, or "
            f"give --ray local for this machine alone"
        ) from None
    return ray


def _silence() -> None:
    """Ray Data logs to a file, and to standard error, where the progress of the run is shown.

    Only its own handler is silenced: others on that logger may be the caller's, and serve the whole process.
    """
    warnings.filterwarnings("ignore", module=r"ray\.data")
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":
            handler.setLevel(logging.CRITICAL + 1)


def _broke(error: BaseException) -> str:
    return f"the Ray cluster failed ({_said(error)}); once that is mended, the same command goes on"


def _said(error: BaseException) -> str:
    """The last line of what Ray says, where the cause stands."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
