"""The frames that rows of a table are about, read again from their logs."""

from __future__ import annotations

import json
import logging
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from leo_drive import clips
from leo_drive.annotation.log import View
from leo_drive.annotation.recognise import Place, place
from leo_drive.clips.clip import Clip
from leo_drive.clips.discovery import LogEntry
from leo_drive.clips.source import Source
from leo_drive.errors import InputError
from leo_drive.files import write_whole

_LOGS = "logs.json"


def remember_logs(out: Path, logs: Iterable[LogEntry]) -> None:
    """Write where the logs of a run lie, beside those of earlier runs.

    Raises:
        LeoDriveError: the disk is full, or cannot be written to.
    """
    _write(out, known_logs(out) | {entry.name: place(entry) for entry in logs})


def remember_sizes(out: Path, sizes: Mapping[str, int | None]) -> None:
    """Write how large some of these logs were when they were opened, where that is news.

    Raises:
        LeoDriveError: the disk is full, or cannot be written to.
    """
    known = known_logs(out) if sizes else {}
    news = {name: size for name, size in sizes.items() if known[name]["size"] != size}
    if news:
        _write(out, known | {name: {**known[name], "size": size} for name, size in news.items()})


def _write(out: Path, known: dict[str, Place]) -> None:
    write_whole(out / _LOGS, (json.dumps(known, indent=1, default=str) + "\n").encode(), out)


class Pictures:
    """Clips of a table's rows; keeps the log that was asked for last open.

    Args:
        out: the folder of the run.
    """

    def __init__(self, out: str | Path) -> None:
        self._logs = known_logs(Path(out))
        self._open: tuple[str, Source] | None = None

    def clip(self, log: str, camera: str | None, times: Sequence[float]) -> Clip:
        """The frames of one window.

        Raises:
            InputError: the log is not where it was, or cannot be read there.
        """
        source = self._source(log)
        cameras = (camera,) if camera in source.cameras else tuple((camera or "").split("+"))
        return View(source, cameras).clip(list(times))

    def close(self) -> None:
        """Lets go of the log."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _source(self, log: str) -> Source:
        if self._open is None or self._open[0] != log:
            self.close()
            with _quiet():
                self._open = (log, entry_of(log, self._logs).open())
        return self._open[1]


_is_quiet = ContextVar("is_quiet", default=False)


def _is_said(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or not _is_quiet.get()


# A filter of a package's logger does not see what its modules' loggers say, so each has it.
for _module in pkgutil.iter_modules(clips.__path__, f"{clips.__name__}."):
    logging.getLogger(_module.name).addFilter(_is_said)


@contextmanager
def _quiet() -> Iterator[None]:
    """What there is to say of a log, that it was cut off, say, was said when it was annotated.

    In this thread alone: others may be opening logs that nobody has heard of.
    """
    before = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(before)


def entry_of(log: str, known: Mapping[str, Place]) -> LogEntry:
    """A log of `known_logs`, to be opened.

    Raises:
        InputError: it is none of them.
    """
    if log not in known:
        raise InputError(f"{log}: nobody knows where it lies; annotate it again")
    return LogEntry(log, Path(known[log]["path"]), known[log]["options"])


def known_logs(out: Path) -> dict[str, Place]:
    """Where the logs of a table lie, by name, see `leo_drive.annotation.recognise.place`.

    Raises:
        InputError: what is kept of that cannot be read.
    """
    try:
        return json.loads((out / _LOGS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise InputError(f"{out / _LOGS}: cannot be read; remove it and annotate again") from None
