"""The table of questions: what was asked, what is right, what was answered, one row a question.

Everything that is measured is computed from this table, and `questions.csv` keeps it, so that an evaluation
can be compared with another one, or looked at, without a model.

Columns:
    question_id, segment_id: the data set's ids.
    part: of LingoQA, scenery or action; of DriveLM, the stage.
    kind, subject: of question, None where nobody has said; see `leo_drive.data.kinds`.
    question, references: as asked, and a list of reference answers.
    choices, truth: of a closed question, the values that it allows and the right one; of open ones [], None.
    answer, confidence: the model's words, and 0 to 1; NaN where answers came without.
    cut: yes or no, whether the limit of tokens ended the answer.
    value: what was read from the answer to a closed question; None where it could not be told.
    correct: whether value is truth; None of an open question.
    judge: Lingo-Judge's logit, above 0 for a right answer; NaN where nobody judged.
    counts, points: of DriveLM; see `leo_drive.evaluation.challenge_score`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from leo_drive.clips.image_file import open_archive
from leo_drive.data.closed import read_value
from leo_drive.data.example import Example, Picture, QuestionAnswer
from leo_drive.errors import InputError, one_line

QUESTIONS = "questions.csv"
_LISTS = ("references", "choices")
_NUMBERS = {"confidence", "judge", "points"}
COLUMNS = (
    *("question_id", "segment_id", "part", "kind", "subject", "question", "references", "choices", "truth"),
    *("answer", "cut", "value", "correct", "confidence", "judge"),
)

# Scenery asks what is there; action asks what the ego vehicle does, why, and what is to be done or watched.
_ABOUT_EGO = re.compile(
    r"\b(?:we|us|our vehicle|our car|our speed|you|your|ego(?: vehicle| car)?|the driver|the car doing)\b",
    re.I,
)
_ASKS_ACTION = re.compile(
    r"\b(?:why|what (?:is|are) (?:you|we|our vehicle|the ego vehicle|the driver)|doing|do|should|action|next|"
    r"stop\w*|slow\w*|speed\w*|accelerat\w*|brak\w*|turn\w*|mov\w*|proceed\w*|steer\w*|lane change|manoeuvre|"
    r"attention|paying|reason|drive|driving|wait\w*|yield\w*)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What is kept of an answer: its text, how sure the model was, 0 to 1, and whether it was cut short."""

    text: str
    confidence: float = math.nan
    cut: bool = False


def question_table(
    examples: Sequence[Example],
    answers: Sequence[Sequence[Answered]],
    part: str = "",
    subjects: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The table of a part's questions with the answers to them, in their order.

    Args:
        examples: with every reference answer, so with a question again for each further one, and the kinds of
            closed questions, told or inferred.
        answers: of each example, to its questions in their order, each asked once.
        part: the part's name: scenery or action, anything else and it is told from a question's wording.
        subjects: of questions, by id.
    """
    rows = [
        _row(example.example_id, qas, answered, part, subjects or {})
        for example, of_example in zip(examples, answers, strict=True)
        for qas, answered in zip(by_question(example.questions).values(), of_example, strict=True)
    ]
    return _typed(pd.DataFrame(rows, columns=list(COLUMNS)))


def by_question(questions: Iterable[QuestionAnswer]) -> dict[str, list[QuestionAnswer]]:
    """An example's questions by id, in order: LingoQA's evaluation part has a row for each reference."""
    found: dict[str, list[QuestionAnswer]] = {}
    for qa in questions:
        found.setdefault(qa.question_id, []).append(qa)
    return found


def part_of(question: str) -> str:
    """Whether a question is of LingoQA's scenery or action, told from its wording.

    Example:
        >>> part_of("Why are we stopping?"), part_of("Are there any pedestrians in view?")
        ('action', 'scenery')
    """
    reason = question.lower().startswith("why")
    return (
        "action" if reason or (_ABOUT_EGO.search(question) and _ASKS_ACTION.search(question)) else "scenery"
    )


def fingerprint(examples: Sequence[Example], pictures: bool = False) -> str:
    """A part's questions with their references and kinds, as a short hash.

    Args:
        pictures: these too, see `_picture`: a part asks the same of other cameras, but what is learned from
            it is something else.
    """
    made = hashlib.blake2s()
    for example in examples:
        shown = [_picture(picture) for picture in example.pictures] if pictures else []
        lines: list[Sequence[str]] = [[example.example_id, *shown]]
        for qa in example.questions:
            closed = (qa.kind or "", qa.value or "", *(qa.choices or ()))
            lines.append([qa.question_id, qa.question, qa.answer, *closed])
        made.update(json.dumps(lines).encode())
    return made.hexdigest()[:12]


def _picture(picture: Picture) -> str:
    """A picture's own name and its size in bytes, the same in a folder and in an archive.

    The folders before its name are not: an archive may have been packed from further up or down.
    """
    if picture.member is not None:
        entry = open_archive(picture.path).NameToInfo.get(picture.member)
        size = entry.file_size if entry else None
    else:
        size = picture.path.stat().st_size if picture.exists() else None
    return f"{PurePosixPath(picture.member or picture.path).name} {size}"


def subjects_of(table: Path) -> dict[str, str]:
    """What each question is about, by id, where the part's table of kinds says so."""
    path = table.with_name(f"{table.stem}_kinds.parquet")
    if not path.is_file():
        return {}
    rows = pd.read_parquet(path)
    if not {"question_id", "subject"} <= set(rows.columns):
        return {}
    subjects = zip(rows["question_id"], rows["subject"], strict=True)
    return {str(i): subject for i, subject in subjects if isinstance(subject, str) and subject}


def counting(table: pd.DataFrame) -> pd.Series:
    """Which questions the scores are over: all, but of DriveLM, where answers decide what counts."""
    return table.get("counts", pd.Series("yes", index=table.index)) == "yes"


def to_csv(table: pd.DataFrame) -> str:
    """The table as text; lists are JSON in it, confidence has six digits."""
    written = table.copy()
    for column in _LISTS:
        written[column] = [json.dumps(items, ensure_ascii=False) for items in table[column]]
    written["correct"] = [{True: "yes", False: "no"}.get(c, "") for c in table["correct"]]
    return csv_text(written)


def csv_text(table: pd.DataFrame) -> str:
    """Any table as CSV, numbers with six digits; every line break in a cell is a line feed.

    A carriage return is not quoted by Python's writer, and readers take it for the end of a row.
    """
    return table.replace("\r\n?", "\n", regex=True).to_csv(index=False, float_format="%.6f")


def read_table(folder: str | Path) -> pd.DataFrame:
    """The table of an evaluation's folder.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = Path(folder) / QUESTIONS
    try:
        rows = pd.read_csv(io.StringIO(path.read_text(encoding="utf-8")), dtype=str, keep_default_na=False)
        for column in _LISTS:
            rows[column] = [json.loads(text) for text in rows[column]]
        rows["correct"] = [{"yes": True, "no": False}.get(text) for text in rows["correct"]]
        for column in _NUMBERS & set(rows.columns):
            rows[column] = [float(text or "nan") for text in rows[column]]
        for column in ("kind", "subject", "truth", "value"):
            rows[column] = [text or None for text in rows[column]]
        # Evaluations of the first version do not say what was cut.
        if lost := set(COLUMNS) - {"cut"} - set(rows.columns):
            raise KeyError(f"no column {lost.pop()}")
    except FileNotFoundError:
        raise InputError(
            f"{folder}: has no {QUESTIONS}; give the folder that leo-drive evaluate wrote"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        reason = one_line(error)
        raise InputError(f"{path}: cannot be read ({reason:.80}); evaluate again") from None
    return _typed(rows)


def _row(
    segment: str, qas: Sequence[QuestionAnswer], answered: Answered, part: str, subjects: Mapping[str, str]
) -> dict[str, Any]:
    qa = qas[0]
    closed = bool(qa.kind and qa.choices) and qa.value is not None
    value = read_value(answered.text, qa.choices or (), qa.question) if closed else None
    return {
        "question_id": qa.question_id,
        "segment_id": segment,
        "part": part if part in ("scenery", "action") else part_of(qa.question),
        "kind": qa.kind,
        "subject": subjects.get(qa.question_id),
        "question": qa.question,
        "references": [other.answer for other in qas],
        "choices": list(qa.choices or ()) if closed else [],
        "truth": qa.value if closed else None,
        "answer": answered.text,
        "cut": "yes" if answered.cut else "no",
        "value": value,
        "correct": value == qa.value if closed else None,
        "confidence": answered.confidence,
        "judge": math.nan,
    }


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """None stays None: pandas' own type for text would make it NaN."""
    kept = {column: table[column].astype(float) for column in _NUMBERS & set(table.columns)}
    texts = {
        column: pd.Series(
            [None if _missing(v) else v for v in table[column]], dtype=object, index=table.index
        )
        for column in table.columns
        if column not in _NUMBERS
    }
    return pd.DataFrame({column: kept.get(column, texts.get(column)) for column in table.columns})


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
