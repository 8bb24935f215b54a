"""Closed questions: their answers read into values and scored per kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from leo_drive.data.closed import read_value
from leo_drive.data.example import QuestionAnswer

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
                outcomes[qa.kind].append((qa.value, read_value(text, qa.choices)))
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
