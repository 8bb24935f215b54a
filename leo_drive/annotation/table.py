"""Reading a table of annotations: filters in SQL, and what it says on the whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from leo_drive.annotation.manifest import Manifest
from leo_drive.annotation.store import SCHEMA, Store
from leo_drive.errors import InputError

_ORDER = "log, camera, window_index, question_number, position"
_OWN = "question_number, position"
"""Columns of the view alone, for the order."""

COLUMNS = tuple(SCHEMA.names)

_MARKS = {"failed": "x", "skipped": "=", "not_asked": "-"}


@dataclass(frozen=True)
class Field:
    """What one window's row says of a closed question.

    Attributes:
        start, end: of the window, in seconds.
        value: None where the answer could not be read, or there is none.
    """

    question_id: str
    kind: str
    start: float
    end: float
    status: str
    value: str | None

    @property
    def lacks(self) -> str | None:
        """Why there is no value: failed, skipped, not_asked or unreadable; None if there is one."""
        return self.status if self.status in _MARKS else "unreadable" if self.value is None else None

    @property
    def sign(self) -> str:
        """A letter for it: the value's first, or what happened."""
        return _MARKS.get(self.status) or (self.value or "?")[0]


class Table:
    """The rows of OUT/annotations.

    Args:
        out: the folder of a run.

    Raises:
        InputError: there is no table in it, or its manifest cannot be read.

    Example:
        >>> Table("night").rows("value = 'yes' and confidence < 0.6")       # doctest: +SKIP
    """

    def __init__(self, out: str | Path) -> None:
        parts = Store(out).parts()
        if not parts:
            raise InputError(f"{out}: no annotations in this folder; give the --out of leo-drive annotate")
        questions = Manifest(Path(out)).questions
        ids = [question.id for question in questions.questions] if questions is not None else []
        self._database = duckdb.connect()
        self._database.execute("SET enable_progress_bar = false")
        names = [str(part) for part in parts]
        try:
            quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
            self._database.execute(
                f"CREATE VIEW annotations AS SELECT * EXCLUDE file_row_number, file_row_number AS position, "
                f"list_position({ids}::VARCHAR[], question_id) AS question_number "
                f"FROM read_parquet([{quoted}], file_row_number = true)"
            )
            self._database.execute("SELECT count(*) FROM annotations")
        except duckdb.Error as error:
            raise InputError(f"{out}: its parts cannot be read: {_one_line(error)}") from None

    def rows(self, where: str | None = None, limit: int | None = None, order: str = _ORDER) -> pd.DataFrame:
        """Rows for which a condition holds, by log, camera and time, in the questions' order.

        Args:
            where: a condition in DuckDB's SQL over the columns.

        Raises:
            InputError: the condition is no SQL, or names a column that is not there.
        """
        sql = f"SELECT * EXCLUDE ({_OWN}) FROM annotations"
        if where is not None:
            sql += f" WHERE ({where})"
        sql += f" ORDER BY {order}"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        try:
            return self._database.execute(sql).df()
        except duckdb.Error as error:
            raise InputError(
                f"--where {where!r}: {_one_line(error)}; columns are {', '.join(COLUMNS)}"
            ) from None

    def count(self, where: str | None = None) -> int:
        """How many rows a condition holds for.

        Raises:
            InputError: as `rows`.
        """
        sql = "SELECT count(*) FROM annotations" + (f" WHERE ({where})" if where is not None else "")
        try:
            return self._database.execute(sql).fetchall()[0][0]
        except duckdb.Error as error:
            raise InputError(
                f"--where {where!r}: {_one_line(error)}; columns are {', '.join(COLUMNS)}"
            ) from None

    def summary(self, lowest: int = 5) -> dict[str, Any]:
        """What the table says on the whole.

        Args:
            lowest: how many of the least confident answers.

        Returns:
            logs, windows, rows and statuses (counts); questions, a list of {question_id, question, kind,
            answers, confidence (mean), unreadable, shares {value: share}}; failures, a list of {error, rows,
            logs}; lowest, the least confident answers; timelines {log: {question_id: a sign a window}}.
        """
        one = self._all(
            "SELECT count(DISTINCT log) AS logs, count(*) AS rows, "
            "count(DISTINCT (log, camera, window_index)) FILTER (window_index IS NOT NULL) AS windows "
            "FROM annotations"
        )[0]
        statuses = self._all("SELECT status, count(*) AS n FROM annotations GROUP BY 1 ORDER BY 2 DESC, 1")
        return {
            **one,
            "statuses": {row["status"]: row["n"] for row in statuses},
            "questions": self._questions(),
            "failures": self._all(
                "SELECT error, count(*) AS rows, count(DISTINCT log) AS logs FROM annotations "
                "WHERE status = 'failed' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20"
            ),
            "lowest": self._all(
                "SELECT log, camera, start_s, end_s, frame_times, question, answer, value, confidence "
                "FROM annotations WHERE status = 'ok' "
                f"ORDER BY confidence, log, start_s, {_OWN} LIMIT {int(lowest)}"
            ),
            "timelines": {
                log: {name: "".join(field.sign for field in line) for name, line in of_log.items()}
                for log, of_log in self.timelines().items()
            },
        }

    def _questions(self) -> list[dict[str, Any]]:
        found = self._all(
            "SELECT question_id, any_value(question) AS question, any_value(kind) AS kind, "
            "count(*) FILTER (status = 'ok') AS answers, "
            "avg(confidence) FILTER (status = 'ok') AS confidence, "
            "count(*) FILTER (readable = false) AS unreadable "
            "FROM annotations GROUP BY 1 ORDER BY min(question_number), min(position), 1"
        )
        shares = self._all(
            "WITH counts AS (SELECT question_id, coalesce(value, answer) AS value, count(*) AS n "
            "FROM annotations WHERE status = 'ok' AND coalesce(readable, true) GROUP BY ALL) "
            "SELECT * FROM counts "
            "QUALIFY row_number() OVER (PARTITION BY question_id ORDER BY n DESC, value) <= 12 "
            "ORDER BY n DESC, value"
        )
        for question in found:
            total = max(1, question["answers"])
            question["shares"] = {
                row["value"]: row["n"] / total
                for row in shares
                if row["question_id"] == question["question_id"]
            }
        return found

    def timelines(self, most: int = 200) -> dict[str, dict[str, list[Field]]]:
        """Of the first logs' closed questions a field a window, by log and by question (and camera)."""
        rows = self._all(
            "SELECT log, camera, question_id, kind, value, status, start_s, end_s FROM annotations "
            "WHERE kind <> 'free' AND window_index IS NOT NULL AND "
            f"log IN (SELECT DISTINCT log FROM annotations ORDER BY log LIMIT {int(most)}) "
            "ORDER BY log, camera, question_number, question_id, window_index"
        )
        cameras: dict[str, set[str]] = {}
        for row in rows:
            cameras.setdefault(row["log"], set()).add(row["camera"])
        lines: dict[str, dict[str, list[Field]]] = {}
        for row in rows:
            log, question_id = row["log"], row["question_id"]
            name = f"{row['camera']} {question_id}" if len(cameras[log]) > 1 else question_id
            field = Field(question_id, row["kind"], row["start_s"], row["end_s"], row["status"], row["value"])
            lines.setdefault(log, {}).setdefault(name, []).append(field)
        return lines

    def _all(self, sql: str) -> list[dict[str, Any]]:
        result = self._database.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _one_line(error: Exception) -> str:
    return str(error).split("\n\n")[0].replace("\n", " ")[:200]
