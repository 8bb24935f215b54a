"""How far a run is: counted from the rows that come in, whoever made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from leo_drive.annotation.store import FAILED, NOT_ASKED, OK, SKIPPED, Row
from leo_drive.errors import some


@dataclass(frozen=True)
class WorkerTally:
    """How far one worker of several is.

    Attributes:
        name: of the worker, with its machine.
        windows, answers, failed: windows asked about, and rows by their status.
        seconds: since it had the model loaded.
    """

    name: str
    windows: int = 0
    answers: int = 0
    failed: int = 0
    seconds: float = 0.0

    def plus(self, rows: Sequence[Row], seconds: float) -> WorkerTally:
        """After some more rows of whole windows, so many seconds since it had the model loaded."""
        statuses = Counter(row["status"] for row in rows)
        return replace(
            self,
            windows=self.windows + sum(index is not None for _, index in _windows_of(rows)),
            answers=self.answers + statuses[OK],
            failed=self.failed + statuses[FAILED],
            seconds=seconds,
        )

    def line(self) -> str:
        """In words."""
        speed = self.answers / self.seconds if self.seconds else 0.0
        failed = f", {self.failed} rows failed" if self.failed else ""
        return f"{self.windows} windows, {speed:.1f} answers/s{failed}"


@dataclass
class Tally:
    """How far a run is.

    Attributes:
        logs: of this run, those that had been done before included.
        ended: those of them with nothing left to ask, answered or not.
        useful: those of which something was answered, passed over or not asked for good reason.
        failures: those that failed in this run, whole or in part, each with its first reason.
        failed_before: those that failed in an earlier run, whole or in part, and were not tried again.
        pending: windows of the logs opened so far that were to be asked about.
        opened, running: logs opened so far, and how many of these are not done.
        windows: asked about, failed, or passed over in this run.
        answers, failed, skipped, not_asked: rows of this run, by their status.
        seconds: since it began.
        workers: each for itself, where there are several.
    """

    logs: int = 0
    ended: set[str] = field(default_factory=set, repr=False)
    useful: set[str] = field(default_factory=set, repr=False)
    failures: dict[str, str] = field(default_factory=dict)
    failed_before: set[str] = field(default_factory=set, repr=False)
    opened: int = 0
    running: int = 0
    pending: int = 0
    windows: int = 0
    answers: int = 0
    failed: int = 0
    skipped: int = 0
    not_asked: int = 0
    seconds: float = 0.0
    workers: list[WorkerTally] = field(default_factory=list)
    _owed: dict[str, int] = field(default_factory=dict, repr=False)

    def log_opened(self, log: str, pending: int) -> bool:
        """Count a log that was opened, with so many windows to be asked about; False if it was before."""
        if log in self._owed or log in self.ended:
            return False
        self.opened += 1
        self.pending += pending
        self._owed[log] = pending
        self._end_if_done(log)
        return True

    def answered(self, rows: Sequence[Row]) -> None:
        """Count the rows of whole windows, and the logs that are done with them."""
        for log, index in _windows_of(rows):
            if index is None:  # the log as a whole
                self.ended.add(log)
                continue
            self.windows += 1
            self._owed[log] -= 1
            self._end_if_done(log)
        self.running = len(self._owed)
        statuses = Counter(row["status"] for row in rows)
        self.answers += statuses[OK]
        self.failed += statuses[FAILED]
        self.skipped += statuses[SKIPPED]
        self.not_asked += statuses[NOT_ASKED]
        for row in rows:
            if row["status"] == FAILED:
                self.failures.setdefault(row["log"], row["error"] or "")
            else:
                self.useful.add(row["log"])

    def _end_if_done(self, log: str) -> None:
        if not self._owed[log]:
            del self._owed[log]
            self.ended.add(log)
        self.running = len(self._owed)

    @property
    def logs_done(self) -> int:
        """Logs with nothing left to ask, less those that only failed."""
        useless = (self.failures.keys() | self.failed_before) - self.useful
        return len(self.ended) - len(self.ended & useless)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to ask."""
        return len(self.ended) == self.logs

    @property
    def expected(self) -> int:
        """Windows that this run will have, going by the logs that it has opened."""
        unopened = self.logs - len(self.ended) - self.running
        return self.pending + round(unopened * self.pending / self.opened) if self.opened else self.windows

    @property
    def seconds_left(self) -> float | None:
        """Until the run ends, if it goes on like this; None before the first window."""
        if not self.windows:
            return None
        return self.seconds / self.windows * max(0, self.expected - self.windows)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the manifest."""
        workers = [{"name": w.name, "windows": w.windows, "answers": w.answers} for w in self.workers]
        return {
            "logs": self.logs,
            "logs_done": self.logs_done,
            "logs_failed": len(self.failures),
            "logs_failed_before": len(self.failed_before - self.failures.keys()),
            "windows": self.windows,
            "answers": self.answers,
            "failed": self.failed,
            "skipped": self.skipped,
            "not_asked": self.not_asked,
            "seconds": round(self.seconds, 1),
            **({"workers": workers} if workers else {}),
        }

    def line(self) -> str:
        """In words."""
        speed = self.answers / self.seconds if self.seconds else 0.0
        counts = [f"{self.windows} windows", f"{self.answers} answers ({speed:.1f} a second)"]
        rows = {"skipped": self.skipped, "failed": self.failed}
        counts += [f"{count} rows {what}" for what, count in rows.items() if count]
        return f"{self.logs_done} of {self.logs} logs done; this run: {', '.join(counts)}"

    def failed_line(self) -> str:
        """Which logs failed in this run and why, and how to try again; "" if none did."""
        if not self.failures:
            return ""
        in_part = len(self.failures.keys() & self.useful)
        partly = f", {in_part} of them in part" if in_part else ""
        # Most reasons name the file already.
        reasons = [why if log in why else f"{log}: {why}" for log, why in self.failures.items()]
        return f"{_logs(len(reasons))} failed{partly}: {some(reasons, '; ')}; --retry-failed tries again"

    def failed_before_line(self) -> str:
        """How many logs stay failed from earlier runs; "" if none does."""
        kept = len(self.failed_before - self.failures.keys())
        if not kept:
            return ""
        return f"not tried again: {_logs(kept)} that failed in an earlier run; --retry-failed does"


def _logs(count: int) -> str:
    return "1 log" if count == 1 else f"{count} logs"


def _windows_of(rows: Sequence[Row]) -> list[tuple[str, int | None]]:
    """Log and number of each window that has rows, which stand together; None for a log as a whole."""
    keys = ((row["log"], row["camera"], row["window_index"]) for row in rows)
    return [(log, index) for (log, _, index), _ in groupby(keys)]
