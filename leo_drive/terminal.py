"""What the command line shows: answers on standard output, everything else on standard error."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.cells import cell_len
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
from rich.table import Table
from rich.text import Text

from leo_drive.errors import InputError, LeoDriveError

if TYPE_CHECKING:
    from leo_drive.inference import Answer

# Text is shown as it is: paths, questions and answers may hold what rich takes for markup or an emoji.
PLAIN: dict[str, Any] = {"emoji": False, "markup": False, "highlight": False}
out = Console(soft_wrap=True, **PLAIN)
err = Console(stderr=True, **PLAIN)

_INTERRUPTED = 130
"""What typer returns after Ctrl-C."""

_WORD = 16
"""Letters that a word of a table has at most, to stay whole wherever it is shown."""


def named_path(text: str) -> Path:
    """A command's argument; an empty one is a shell variable that is not set, not the current folder.

    Raises:
        BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("an empty path; is a shell variable not set? (. is the current folder)")
    return Path(text)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Around an entry point: the user's mistakes and the world's become one line and an exit status.

    Warnings of the library become lines on standard error meanwhile. What escapes is a bug.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names and answers may hold what the terminal's encoding does not.
            stream.reconfigure(errors="backslashreplace")
    # Read when transformers is imported; what matters of its warnings becomes our errors.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logger, handler = logging.getLogger("leo_drive"), _Complaints()
    logger.addHandler(handler)
    try:
        yield
    except LeoDriveError as error:
        complain(str(error))
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader has gone (`| head`): there is nothing to say, and nobody to say it to.
        sys.exit(1)
    except PermissionError as error:
        where = f"{_name_of(error)}: " if error.filename else ""
        complain(f"{where}no permission; choose another place or change its permissions")
        sys.exit(2)
    except OSError as error:
        reason = error.strerror or str(error)
        complain(f"{_name_of(error)}: {reason}" if error.filename else reason)
        sys.exit(1)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
    finally:
        logger.removeHandler(handler)
        _drop_unwritten()


def run_command(command: typer.Typer | Callable[..., Any], name: str, epilog: str | None = None) -> NoReturn:
    """An entry point: runs a command line and ends the process; all that can go wrong is one line.

    Args:
        command: commands, or a function that is the only one.
        name: how people call it, such as `python -m training.train`.
        epilog: of a function's help, such as examples.
    """
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(epilog=epilog)(command)
        command = app
    with one_line_errors():
        try:
            status = command(prog_name=name, standalone_mode=False)
        except typer.TyperException as error:
            if not (message := error.format_message().strip()):
                # No arguments where some are needed: the help has been printed instead.
                sys.exit(error.exit_code)
            context = getattr(error, "ctx", None)
            asked = context.command_path if context else name
            raise InputError(f"{message.rstrip('.')}; see {asked} --help") from None
        except typer.Abort:
            raise LeoDriveError("the input ended where more was expected") from None
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)


class _Complaints(logging.Handler):
    """Log records as lines on standard error, above a spinner or a bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage(), style="")


def _name_of(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, bytes) else str(error.filename)


def _drop_unwritten() -> None:
    """What standard output could not take must not fail a second time, with a traceback, at Python's exit."""
    if sys.__stdout__ is None:
        return
    try:
        sys.__stdout__.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


def print_json(value: Any) -> None:
    """JSON as it is, without the terminal's colours or line breaks; escaped where the encoding needs it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    print(text, flush=True)


def print_table(table: Table, console: Console) -> None:
    """A table for people, as wide as its numbers and common words need: rich would cut them to fit.

    Longer words, as sentences of languages without spaces are to it, are folded.
    """
    for column in table.columns:
        words = (word for cell in (column.header, *column.cells) for word in str(cell).split())
        column.min_width = min(_WORD, max(map(cell_len, words), default=0))
        column.overflow = "fold"
    console.print(table, crop=False)


def print_answers(title: str, answers: Sequence[Answer]) -> None:
    """Questions with their answers, for people. Text from outside is escaped: `[` is markup to rich."""
    out.print(f"[dim]{escape(title)}[/dim]", markup=True)
    for answer in answers:
        out.print(f"[bold]{escape(answer.question)}[/bold]", markup=True)
        cut = "" if answer.complete else " [yellow](cut at the token limit)[/yellow]"
        about = f"[dim]confidence {answer.confidence:.2f}[/dim]"
        out.print(f"  {escape(answer.text)}{cut}  {about}", markup=True)


def complain(message: str, style: str = "red") -> None:
    """What went wrong, as one line on standard error, even where a file's name holds a line break."""
    line = " ".join(message.splitlines())
    err.print(f"leo-drive: {line}", style=style, soft_wrap=True)


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Shows that something is under way, on a terminal only."""
    if not err.is_terminal:
        yield
        return
    with err.status(Text(what)):
        yield


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left; calls of the function it gives say how many are done, of how many."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update
