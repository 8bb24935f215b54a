"""Closed questions: their answers read into values and scored per kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from leo_drive.data.closed import read_value
from leo_drive.data.example import QuestionAnswer
from leo_drive.evaluation.bootstrap import Metric, ratio

Pairs = Sequence[tuple[str, str | None]]
"""A question's value and what was read from the answer to it."""


def score_closed(
    questions: Sequence[Sequence[QuestionAnswer]], answers: Sequence[Sequence[str]]
) -> dict[str, Any] | None:
    """Accuracy of the answers to closed questions; None when no question's value is known.

    Balanced accuracy is the mean over values of the share of that value's questions answered right, so always
    giving the commonest answer scores 1 / number of values. An answer that cannot be read counts as wrong.

    Args:
        questions: of each clip.
        answers: of each clip, to its questions in their order.

    Returns:
        questions (how many), accuracy, balanced_accuracy (the mean over kinds), unread (the share of answers
        that could not be read) and kinds: the same for each, and how many values occur.
    """
    outcomes: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for asked, texts in zip(questions, answers, strict=True):
        for qa, text in zip(asked, texts, strict=True):
            if qa.kind and qa.value is not None and qa.choices:
                outcomes[qa.kind].append((qa.value, read_value(text, qa.choices, qa.question)))
    if not outcomes:
        return None
    kinds = {kind: _score(pairs) for kind, pairs in sorted(outcomes.items())}
    pairs = [pair for kind in outcomes.values() for pair in kind]
    return {
        "questions": len(pairs),
        "accuracy": _accuracy(pairs),
        "balanced_accuracy": sum(k["balanced_accuracy"] for k in kinds.values()) / len(kinds),
        "unread": _unread(pairs),
        "kinds": kinds,
    }


def _score(pairs: Pairs) -> dict[str, Any]:
    by_value: dict[str, list[bool]] = defaultdict(list)
    for value, read in pairs:
        by_value[value].append(value == read)
    recalls = [sum(hits) / len(hits) for hits in by_value.values()]
    return {
        "questions": len(pairs),
        "values": len(by_value),
        "accuracy": _accuracy(pairs),
        "balanced_accuracy": sum(recalls) / len(recalls),
        "unread": _unread(pairs),
    }


def _accuracy(pairs: Pairs) -> float:
    return sum(value == read for value, read in pairs) / len(pairs)


def _unread(pairs: Pairs) -> float:
    return sum(read is None for _, read in pairs) / len(pairs)


def closed_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of questions that are closed."""
    return table[table["truth"].notna()]


def score_table(table: pd.DataFrame) -> dict[str, Any] | None:
    """As `score_closed`, of a table of questions."""
    rows = closed_rows(table)
    names = ("question_id", "question", "kind", "truth", "choices")
    columns = zip(*(rows[name] for name in names), strict=True)
    asked = [QuestionAnswer(i, q, "", kind, truth, tuple(c)) for i, q, kind, truth, c in columns]
    return score_closed([asked], [list(rows["answer"])])


def balanced_accuracy(table: pd.DataFrame) -> Metric:
    """`score_closed`'s balanced accuracy, of a table's closed questions, as a score that can be resampled.

    A value that a resample happens to lack counts there with its recall over the whole table. Left out of its
    kind's mean, a resample would be the easier the fewer values it has, and score above the table itself.
    """
    rows = list(zip(table["kind"], table["truth"], table["correct"], strict=True))
    cells = sorted({(kind, truth) for kind, truth, correct in rows if kind and correct is not None})
    column = {cell: i for i, cell in enumerate(cells)}
    statistics = np.zeros((len(rows), 2 * len(cells)))
    for i, (kind, truth, correct) in enumerate(rows):
        if (cell := column.get((kind, truth))) is not None:
            statistics[i, cell] = correct
            statistics[i, len(cells) + cell] = 1
    kinds = sorted({kind for kind, _ in cells})
    members = [[i for i, (kind, _) in enumerate(cells) if kind == name] for name in kinds]
    right, asked = np.split(statistics.sum(0), 2)
    whole = right / asked

    def score(sums: np.ndarray) -> np.ndarray:
        recalls = ratio(np.stack([sums[..., : len(cells)], sums[..., len(cells) :]], axis=-1))
        recalls = np.where(np.isnan(recalls), whole, recalls)
        of_kinds = [recalls[..., of_kind].mean(-1) for of_kind in members]
        return np.mean(of_kinds, axis=0) if of_kinds else np.full(sums.shape[:-1], np.nan)

    return Metric(statistics, score)
