"""The frames that rows of a table are about, read again from their logs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from leo_drive.annotation.log import View
from leo_drive.annotation.recognise import place
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
    known = known_logs(out) | {entry.name: place(entry) for entry in logs}
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
            if log not in self._logs:
                raise InputError(f"{log}: nobody knows where it lies; annotate it again with this version")
            where = self._logs[log]
            self._open = (log, LogEntry(log, Path(where["path"]), where["options"]).open())
        return self._open[1]


def known_logs(out: Path) -> dict[str, dict[str, Any]]:
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
