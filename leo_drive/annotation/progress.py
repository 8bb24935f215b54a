"""How a run shows that it is getting on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from leo_drive.annotation.run import Progress as Report
from leo_drive.annotation.tally import Tally
from leo_drive.terminal import err

_LINE_EVERY = 60.0
"""Seconds, where standard error is a file and no terminal."""


@contextmanager
def showing() -> Iterator[Report]:
    """A bar on a terminal, a line a minute anywhere else; call what it gives with the tally.

    Where there are several workers, each has a line of its own.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[about]}", markup=False),
        TimeElapsedColumn(),
    )
    last_line = time.monotonic()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("annotating", total=None, about="")
        of_worker: dict[str, TaskID] = {}

        def update(tally: Tally) -> None:
            nonlocal last_line
            bar.update(task, completed=tally.windows, total=tally.expected, about=_about(tally))
            for worker in tally.workers:
                if worker.name not in of_worker:
                    of_worker[worker.name] = bar.add_task(worker.name, total=None, about="")
                # Its share of the whole, which is why its bar never fills.
                bar.update(
                    of_worker[worker.name],
                    completed=worker.windows,
                    total=tally.expected,
                    about=worker.line(),
                )
            if not err.is_terminal and time.monotonic() - last_line > _LINE_EVERY:
                last_line = time.monotonic()
                for line in (_about(tally), *(f"  {w.name}: {w.line()}" for w in tally.workers)):
                    err.print(line)

        yield update


def _about(tally: Tally) -> str:
    left, failed = tally.seconds_left, len(tally.failures)
    parts = [
        f"{tally.windows}/~{tally.expected} windows",
        f"{tally.logs_done}/{tally.logs} logs" + (f" ({failed} failed)" if failed else ""),
        f"{tally.answers / tally.seconds if tally.seconds else 0:.1f} answers/s",
        f"{timedelta(seconds=round(left))} left" if left is not None else "",
    ]
    return ", ".join(filter(None, parts))
