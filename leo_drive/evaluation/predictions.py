"""An existing predictions.csv, matched with a part's questions as LingoQA's scorer matches them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from leo_drive.data.example import Example
from leo_drive.errors import SHOWN, InputError, one_line, some
from leo_drive.evaluation.table import Answered, by_question, question_table

COLUMNS = ("question_id", "segment_id", "answer")

_ALL = " (all in report.json, under matching)"

Key = tuple[str, str]
"""Question and segment."""


@dataclass(frozen=True)
class Matching:
    """What fitted, and what did not.

    Attributes:
        table: of the questions that are answered; one answered twice has two rows, as the scorer counts it.
        questions: how many the part has.
        missing, extra, doubled: ids of questions without an answer, of answers to no question of the part (of
            this segment), and of questions with several answers.
        of_doubled: what becomes of several answers.
    """

    table: pd.DataFrame
    questions: int
    missing: list[str]
    extra: list[str]
    doubled: list[str]
    of_doubled: str = "every answer counts"

    @property
    def matched(self) -> int:
        """How many questions have an answer."""
        return self.questions - len(self.missing)

    def warnings(self) -> list[str]:
        """A line for every sort of mismatch."""
        sorts = (
            (self.missing, "without an answer; the score is over the others"),
            (self.extra, "not of this part, or of another segment there; left out"),
            (self.doubled, f"answered more than once; {self.of_doubled}"),
        )
        lines = [
            f"{len(ids)} question ids {what}: {some(ids)}{_ALL if len(ids) > SHOWN else ''}"
            for ids, what in sorts
            if ids
        ]
        if lines:
            counts = f"{self.matched} of {self.questions} questions of the part are answered"
            lines.insert(0, f"WARNING: {counts}, by {len(self.table)} answers")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For report.json."""
        return {
            "matched": self.matched,
            "answers": len(self.table),
            "expected": self.questions,
            "missing": self.missing,
            "extra": self.extra,
            "doubled": self.doubled,
        }


def read_predictions(path: Path) -> dict[Key, list[Answered]]:
    """The answers of a predictions.csv, by question and segment.

    A column `confidence` is read where there is one; it may be empty.

    Raises:
        InputError: no such file, no table, no answers, a column that is missing, a row with more cells than
            columns or without an id, or a confidence that is none.
    """
    _refuse_what_pandas_reads_otherwise(path)
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: is empty; it needs the columns {', '.join(COLUMNS)}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: not a readable table ({one_line(error):.100})") from None
    if lost := [column for column in COLUMNS if column not in rows.columns]:
        has = ", ".join(map(str, rows.columns[:6]))
        raise InputError(f"{path}: the column {', '.join(lost)} is missing; it has {has}")
    if not isinstance(rows.index, pd.RangeIndex):
        # pandas takes the cells before the last ones for names of the rows, and every column moves.
        raise InputError(
            f"{path}: rows have more cells than there are columns; put answers with commas into quotes, "
            f"and no comma at a row's end"
        )
    if rows.empty:
        raise InputError(f"{path}: has columns and no answers")
    answers: dict[Key, list[Answered]] = defaultdict(list)
    said_sure = rows["confidence"] if "confidence" in rows else [""] * len(rows)
    for number, (question, segment, text, sure) in enumerate(
        zip(rows["question_id"], rows["segment_id"], rows["answer"], said_sure, strict=True)
    ):
        if not question.strip() or not segment.strip():
            raise InputError(
                f"{path}: row {number}: there is no {'segment' if question.strip() else 'question'}_id"
            )
        try:
            confidence = _confidence(sure)
        except ValueError:
            raise InputError(
                f"{path}: row {number}: confidence {sure!r:.40} is no number from 0 to 1; leave it empty "
                f"where there is none"
            ) from None
        answers[question, segment].append(Answered(text, confidence))
    return dict(answers)


def _refuse_what_pandas_reads_otherwise(path: Path) -> None:
    with suppress(OSError), path.open("rb") as file:
        header = file.readline()
        for number, line in enumerate(chain([header], file), start=1):
            if b"\0" in line:
                # pandas ends a cell there.
                raise InputError(f"{path}: line {number}: has a NUL byte; write the file as UTF-8 text")
        for separator, name in ((b";", "semicolons"), (b"\t", "tabs")):
            if separator in header and b"," not in header:
                raise InputError(f"{path}: {name} between the columns; LingoQA's scorer reads commas")


def _confidence(text: str) -> float:
    """What a cell says, NaN where it is empty; ValueError where it is no number from 0 to 1."""
    value = float(text) if text.strip() else math.nan
    if value < 0 or value > 1:
        raise ValueError
    return value


def file_hash(path: Path) -> str:
    """A file's bytes as a short fingerprint."""
    return hashlib.blake2s(path.read_bytes()).hexdigest()[:12]


def check_apart(predictions: Path, out: Path, results: Sequence[str]) -> None:
    """Raise InputError if scoring a file into `out` would write over that file, or remove it.

    Args:
        results: names of the files that scoring writes or removes.
    """
    for path in (out / name for name in results):
        if path.exists() and predictions.exists() and path.samefile(predictions):
            raise InputError(
                f"{predictions}: would be written over by the results in {out}; choose another --out"
            )


def match(
    examples: Sequence[Example], answers: dict[Key, list[Answered]], path: Path, **of_table: Any
) -> Matching:
    """Put answers to their questions.

    Args:
        examples: with every reference answer, and kinds.
        path: for messages.
        of_table: more of `question_table`.

    Raises:
        InputError: there is no answer, or not one belongs to a question.
    """
    if not answers:
        raise InputError(f"{path}: has no answers")
    asked = [(id_, example.example_id) for example in examples for id_ in by_question(example.questions)]
    known = set(asked)
    if not any(key in known for key in answers):
        some_id, some_segment = next(iter(answers))
        raise InputError(
            f"{path}: none of its {len(answers)} answers belongs to a question of this part; it has, for "
            f"example, question {some_id!r} of segment {some_segment!r}, the part {asked[0][0]!r} of "
            f"{asked[0][1]!r}"
        )
    tables = []
    for turn in range(max(len(said) for said in answers.values())):
        # The first answers of all questions, then the second ones of those that have two, and so on.
        of_turn = [_answered(example, answers, turn) for example in examples]
        said = [
            [answers[id_, example.example_id][turn] for id_ in by_question(example.questions)]
            for example in of_turn
        ]
        tables.append(question_table(of_turn, said, **of_table))
    return Matching(
        pd.concat([table for table in tables if len(table)], ignore_index=True),
        len(asked),
        missing=[id_ for id_, segment in asked if (id_, segment) not in answers],
        extra=[id_ for id_, segment in answers if (id_, segment) not in known],
        doubled=[key[0] for key in asked if len(answers.get(key, ())) > 1],
    )


def repeated(table: pd.DataFrame) -> list[str]:
    """The ids of questions with several rows."""
    counts = Counter(zip(table["question_id"], table["segment_id"], strict=True))
    return [id_ for (id_, _), count in counts.items() if count > 1]


def _answered(example: Example, answers: dict[Key, list[Answered]], turn: int) -> Example:
    """The example with those of its questions that have so many answers."""
    kept = {
        qa.question_id
        for qa in example.questions
        if len(answers.get((qa.question_id, example.example_id), ())) > turn
    }
    return replace(
        example,
        conversations=tuple(c for c in example.conversations if all(qa.question_id in kept for qa in c)),
    )
