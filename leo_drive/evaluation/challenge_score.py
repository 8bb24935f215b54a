"""How the DriveLM challenge scores answers, as far as that goes without ChatGPT.

Source: the challenge's evaluation (GitHub OpenDriveLab/DriveLM): multiple choice and yes or no by exact
match; language by BLEU-1 to 4, ROUGE-L and CIDEr; match by the F1 of the object centres that an answer
names, right within 16 pixels in x and y together. Questions follow a graph: the first of a key frame asks
for its objects, and a later one counts only when every object that it names was found there. ChatGPT rates
planning, and half of match.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

NEAR = 16.0
"""Pixels of nuScenes' 1600 x 900 pictures, |dx| + |dy|, below which two centres are the same object."""

WEIGHTS = {"chatgpt": 0.4, "language": 0.2, "match": 0.2, "accuracy": 0.2}
"""Of the challenge's final score."""

WITHOUT_CHATGPT = (
    "The challenge's final score is 0.4 ChatGPT + 0.2 language + 0.2 match + 0.2 accuracy. ChatGPT rates the "
    "planning answers, and half of match is its rating too. Nothing stands in for it here: {share:.0%} of "
    "the final score can be computed without it, and gives {known:.1f} of those {most:.0f} points."
)

_NUMBER = re.compile(r"\d+\.\d+")
_EPSILON = 1e-8


def scored(table: pd.DataFrame, firsts: Container[str]) -> pd.DataFrame:
    """The table with `counts` (yes or no: whether the graph leads to the question) and `points`.

    Points are 0 or 1 for accuracy, F1 for match, NaN for the others.

    Args:
        table: of the challenge's questions, `kind` one of SORTS, key frame by key frame in its order.
        firsts: ids of the questions that ask for a key frame's objects; where one is not answered, nothing
            was found there.
    """
    table = table.copy()
    counts, points = [], []
    for _, frame in table.groupby("segment_id", sort=False):
        found: list[tuple[float, float]] = []
        for _, row in frame.iterrows():
            if first := row["question_id"] in firsts:
                found = matched(row["answer"], row["references"][0])[0]
            led = first or all(centre in found for centre in centres(row["question"]))
            counts.append("yes" if led else "no")
            points.append(_points(row))
    table["counts"], table["points"] = counts, points
    return table


def matched(answer: str, reference: str) -> tuple[list[tuple[float, float]], float]:
    """The reference's centres that an answer names, and the F1 of its naming.

    Example:
        >>> matched("<c1,CAM_FRONT,500.0,300.0>", "<c1,CAM_FRONT,505.0,309.0>")[0]
        [(505.0, 309.0)]
    """
    left = centres(reference)
    count, found = len(left), []
    said = centres(answer)
    for x, y in said:
        distances = [abs(x - a) + abs(y - b) for a, b in left]
        if distances and min(distances) < NEAR:
            found.append(left.pop(distances.index(min(distances))))
    precision = len(found) / (len(said) + _EPSILON)
    recall = len(found) / (count + _EPSILON)
    return found, 2 * precision * recall / (precision + recall + _EPSILON)


def centres(text: str) -> list[tuple[float, float]]:
    """Object centres in a text: its numbers with a decimal point, two by two; a last one alone is none."""
    numbers = [float(number) for number in _NUMBER.findall(text)]
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def known_part(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the final score has without ChatGPT: language (0 to 1), the points known, the most they can be."""

    def of(name: str) -> float | None:
        return scores.get(name, {}).get("score")

    bleus = [of(f"bleu_{order}") for order in (1, 2, 3, 4)]
    parts: Sequence[float | None] = [*bleus, of("rouge_l"), of("cider")]
    language = None
    if all(part is not None for part in parts):
        *four, rouge, cider = [float(part) for part in parts if part is not None]
        language = (sum(four) / 4 + rouge + cider / 10) / 3
    terms = (
        (language, WEIGHTS["language"]),
        (of("match_f1"), WEIGHTS["match"] / 2),
        (of("accuracy"), WEIGHTS["accuracy"]),
    )
    known = [(score, weight) for score, weight in terms if score is not None]
    return {
        "language": language,
        "known": sum(score * weight for score, weight in known),
        "most": sum(weight for _, weight in known),
        "final_score": None,
        "missing": "ChatGPT's ratings",
    }


def _points(row: pd.Series) -> float:
    if row["kind"] == "accuracy":
        return float(row["answer"] == row["references"][0])
    return matched(row["answer"], row["references"][0])[1] if row["kind"] == "match" else math.nan


def shares(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Of each sort, how many questions there are and how many count."""
    return {
        str(sort): {"questions": len(rows), "counted": int(np.sum(rows["counts"] == "yes"))}
        for sort, rows in table.groupby("kind", sort=False)
    }
