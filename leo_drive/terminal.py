"""What the command line shows: answers on standard output, everything else on standard error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from leo_drive.inference import Answer

out = Console(soft_wrap=True)
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """JSON as it is, without the terminal's colours or line breaks."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_answers(title: str, answers: Sequence[Answer]) -> None:
    """Questions with their answers, for people. Text from outside is escaped: `[` is markup to rich."""
    out.print(f"[dim]{escape(title)}[/dim]", highlight=False)
    for answer in answers:
        out.print(f"[bold]{escape(answer.question)}[/bold]", highlight=False)
        cut = "" if answer.complete else " [yellow](cut at the token limit)[/yellow]"
        about = f"[dim]confidence {answer.confidence:.2f}[/dim]"
        out.print(f"  {escape(answer.text)}{cut}  {about}", highlight=False)


def complain(message: str) -> None:
    """What went wrong, as one line on standard error."""
    err.print(f"leo-drive: {message}", style="red", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Shows that something is under way, on a terminal only."""
    if not err.is_terminal:
        yield
        return
    with err.status(what):
        yield


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left; calls of the function it gives say how many are done, of how many."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update
