"""How a run shows that it is getting on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from leo_drive.annotation.run import Progress as Report
from leo_drive.annotation.run import Tally
from leo_drive.terminal import err

_LINE_EVERY = 60.0
"""Seconds, where standard error is a file and no terminal."""


@contextmanager
def showing() -> Iterator[Report]:
    """A bar on a terminal, a line a minute anywhere else; call what it gives with the tally."""
    columns = (
        TextColumn("annotating"),
        BarColumn(),
        TextColumn("{task.fields[about]}"),
        TimeElapsedColumn(),
    )
    last_line = time.monotonic()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=None, about="")

        def update(tally: Tally) -> None:
            nonlocal last_line
            bar.update(task, completed=tally.windows, total=tally.expected, about=_about(tally))
            if not err.is_terminal and time.monotonic() - last_line > _LINE_EVERY:
                last_line = time.monotonic()
                err.print(_about(tally), highlight=False, markup=False)

        yield update


def _about(tally: Tally) -> str:
    left = tally.seconds_left
    parts = [
        f"{tally.windows}/~{tally.expected} windows",
        f"{tally.logs_done}/{tally.logs} logs",
        f"{tally.answers / tally.seconds if tally.seconds else 0:.1f} answers/s",
        f"{tally.failed} failed",
        f"{timedelta(seconds=round(left))} left" if left is not None else "",
    ]
    return ", ".join(filter(None, parts))
