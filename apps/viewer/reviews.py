"""Answers to review: the table of an annotation or the predictions of an evaluation, with marks."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leo_drive.annotation.export import export_rows
from leo_drive.annotation.manifest import Manifest
from leo_drive.annotation.pictures import Pictures, entry_of, known_logs, remember_logs
from leo_drive.annotation.store import SCHEMA
from leo_drive.annotation.table import Table
from leo_drive.annotation.values import value_of
from leo_drive.clips.discovery import LogEntry
from leo_drive.clips.lingoqa import RATE
from leo_drive.data.lingoqa import part_table, read_part
from leo_drive.errors import InputError, some
from leo_drive.evaluation import LINGOQA
from leo_drive.evaluation.report import REPORT, read_report
from leo_drive.evaluation.table import read_table
from leo_drive.files import said_in_one_line

from .marks import MARKS, Key, add_mark, key_of, read_marks

RIGHT, WRONG, FIXED = "right", "wrong", "fixed"


@dataclass(frozen=True)
class Filter:
    """Which answers are shown; None and the widest bounds let everything through.

    Attributes:
        question, log: an exact question or log.
        answer: text that the answer holds, capitals ignored.
        lowest, highest: bounds of the confidence; answers without one always pass.
        mark: right, wrong, fixed or "unmarked".
    """

    question: str | None = None
    log: str | None = None
    answer: str = ""
    lowest: float = 0.0
    highest: float = 1.0
    mark: str | None = None


class Review:
    """Answers with their marks. Several people may mark at once.

    Args:
        folder: the OUT of `leo-drive annotate`, or of `leo-drive evaluate lingoqa`.
        name: for people.

    Raises:
        InputError: it is neither, or cannot be read.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.folder, self.name = folder, name or folder.name or str(folder)
        self._lock = threading.Lock()
        self._logs_of: Path = folder
        self._own: Path | None = None
        if (folder / "annotations").is_dir():
            self.rows = Table(folder).rows("status = 'ok'")
            self.rows["reference"] = ""
            questions = Manifest(folder).questions
            self._questions = questions.by_id() if questions is not None else {}
        elif (folder / REPORT).is_file():
            self._questions = {}
            self.rows = self._read_evaluation()
        else:
            raise InputError(
                f"{folder}: nothing to review; give the --out of leo-drive annotate, or of leo-drive evaluate"
            )
        self._keys = [key_of(row) for row in self.rows[list(Key._fields)].to_dict("records")]
        self._marks = self._read_marks()

    @property
    def questions(self) -> list[str]:
        """Every question, in the order of the table."""
        return list(dict.fromkeys(self.rows["question"]))

    @property
    def logs(self) -> list[str]:
        """Every log, in the order of the table."""
        return list(dict.fromkeys(self.rows["log"]))

    def shown(self, wanted: Filter, limit: int) -> tuple[pd.DataFrame, int]:
        """The first rows that pass a filter, with their marks, and how many pass; the index is the row."""
        rows = self.rows.assign(mark=[self.mark_of(i).get("mark", "") for i in range(len(self.rows))])
        rows["corrected"] = [self.mark_of(i).get("corrected", "") for i in range(len(rows))]
        keep = pd.Series(True, index=rows.index)
        if wanted.question:
            keep &= rows["question"] == wanted.question
        if wanted.log:
            keep &= rows["log"] == wanted.log
        if wanted.answer.strip():
            keep &= rows["answer"].str.contains(wanted.answer.strip(), case=False, regex=False)
        sure = rows["confidence"]
        keep &= sure.isna() | ((sure >= wanted.lowest) & (sure <= wanted.highest))
        if wanted.mark:
            keep &= rows["mark"] == ("" if wanted.mark == "unmarked" else wanted.mark)
        found = rows[keep]
        return found.head(limit), len(found)

    def mark_of(self, number: int) -> dict[str, Any]:
        """A row's mark, or nothing."""
        return self._marks.get(self._keys[number], {})

    def mark(self, number: int, mark: str, corrected: str = "", who: str | None = None) -> None:
        """Keep a mark, on the disk before this returns.

        Raises:
            InputError: there is no such row, or a fixed answer without its correction.
            LeoDriveError: the disk is full, or may not be written to.
        """
        if not 0 <= number < len(self.rows):
            raise InputError(f"{self.name}: no row {number}; choose one of the table")
        corrected = " ".join(corrected.split())
        if mark == FIXED and not corrected:
            raise InputError("a fixed answer needs its correction: write the right answer first")
        key = self._keys[number]
        line = {**key._asdict(), "answer": self.rows["answer"].iloc[number], "mark": mark}
        line |= {"corrected": corrected} if mark == FIXED else {}
        line |= {"who": who} if who else {}
        line["when"] = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock, said_in_one_line(self.folder):
            add_mark(self.folder / MARKS, line)
            self._marks[key] = line

    def counts(self) -> dict[str, int]:
        """How many answers have which mark."""
        marks = pd.Series(
            [self.mark_of(i).get("mark", "unmarked") for i in range(len(self.rows))], dtype=object
        )
        return {str(mark): int(count) for mark, count in marks.value_counts().items()}

    def corrected_rows(self) -> pd.DataFrame:
        """The rows marked right, and those fixed with their corrected answers, as a table of annotations."""
        rows = self.rows.copy()
        marks = [self.mark_of(i) for i in range(len(rows))]
        for i, mark in enumerate(marks):
            if mark.get("mark") != FIXED:
                continue
            rows.loc[rows.index[i], "answer"] = mark["corrected"]
            question = self._questions.get(rows["question_id"].iloc[i])
            value = value_of(question, mark["corrected"]) if question is not None else None
            rows.loc[rows.index[i], "value"] = value
        return rows[[mark.get("mark") in (RIGHT, FIXED) for mark in marks]]

    def export(self, to: Path) -> int:
        """Write what was marked right or fixed as a LingoQA part; returns how many rows.

        Raises:
            InputError: nothing was, or a log is not where it was.
        """
        rows = self.corrected_rows()
        if rows.empty:
            raise InputError(f"{self.name}: nothing is marked right or fixed yet; mark some answers first")
        return export_rows("lingoqa", rows, self._logs_of, to)

    def pictures(self) -> Pictures:
        """Reads the frames of rows."""
        return Pictures(self._logs_of)

    def entry(self, number: int) -> LogEntry:
        """The log of a row, to be opened.

        Raises:
            InputError: nobody knows where it lies.
        """
        return entry_of(str(self.rows["log"].iloc[number]), known_logs(self._logs_of))

    def close(self) -> None:
        """Remove what was made for reading."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    def _read_marks(self) -> dict[Key, dict[str, Any]]:
        """The marks of the answers that are in the table: others may have taken their place since."""
        answers = dict(zip(self._keys, self.rows["answer"], strict=True))
        # A mark that does not say which answer it was given to, written by hand, is taken at its word.
        return {
            key: mark
            for key, mark in read_marks(self.folder / MARKS)
            if key in answers and mark.get("answer", answers[key]) == answers[key]
        }

    def _read_evaluation(self) -> pd.DataFrame:
        """An evaluation's answers, of several to a question the last, as a table of annotations has them.

        Keeps where the segments lie, too.
        """
        report = read_report(self.folder)
        if report["benchmark"] != LINGOQA:
            raise InputError(
                f"{self.folder}: evaluated on {report['benchmark']}; only answers on LingoQA can be reviewed"
            )
        part = Path(report["part"])
        times = {s.segment_id: [i / RATE for i in range(len(s.images))] for s in read_part(part)}
        # A mark is a question's: of one that was answered twice it could not tell which answer it is about.
        asked = read_table(self.folder).drop_duplicates(["segment_id", "question_id"], keep="last")
        asked = asked.reset_index(drop=True)
        if lost := set(asked["segment_id"]) - times.keys():
            raise InputError(f"{self.folder}: {part} has no {some(sorted(lost))} any more; evaluate again")
        self._own = self._logs_of = Path(tempfile.mkdtemp(prefix="leo-review-"))
        segments, folder = asked["segment_id"].unique(), part_table(part).parent
        remember_logs(self._own, [LogEntry(name, folder, {"segment": name}) for name in segments])
        table = pd.DataFrame(
            {
                **{name: asked[name] for name in ("question_id", "question", "answer", "confidence")},
                "log": asked["segment_id"],
                "camera": "front",
                "start_s": 0.0,
                "end_s": [times[segment][-1] for segment in asked["segment_id"]],
                "frame_times": [np.array(times[segment]) for segment in asked["segment_id"]],
                "model": str(report["model"]),
                "kind": "free",
                "status": "ok",
                "reference": [references[0] for references in asked["references"]],
            }
        )
        return table.assign(**{name: None for name in SCHEMA.names if name not in table})


def read_reviews(folders: Sequence[Path]) -> dict[str, Review]:
    """The answers of several folders by their names: as much of each path as tells it from the others.

    Raises:
        InputError: as `Review`.
    """
    given = {folder.resolve(): folder for folder in folders}
    names = _told_apart(list(given))
    return {name: Review(folder, name) for name, folder in zip(names, given.values(), strict=True)}


def _told_apart(paths: Sequence[Path]) -> list[str]:
    """The shortest end of each path that no other has.

    Example:
        >>> _told_apart([Path("/mon/night"), Path("/tue/night"), Path("/tue/day")])
        ['mon/night', 'tue/night', 'day']
    """
    ends = [[path.parts[-n:] for n in range(1, len(path.parts) + 1)] for path in paths]
    taken = Counter(end for own in ends for end in own)
    return [str(Path(*next(end for end in own if taken[end] == 1))) for own in ends]
