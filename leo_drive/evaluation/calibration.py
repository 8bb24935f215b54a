"""Whether confidence means what it says: of answers given with 0.8, eight in ten should be right.

Reliability and expected calibration error as in Guo, Pleiss, Sun and Weinberger, "On calibration of modern
neural networks" (2017), with their cure, one temperature. An answer's confidence is the geometric mean of its
tokens' probabilities to the power of 1 / temperature (`leo_drive.inference.answer`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from leo_drive.evaluation.page import (
    BLUE,
    GREY,
    ORANGE,
    Section,
    figure,
    figure_html,
    hundredths,
    table_html,
    text_html,
)
from leo_drive.evaluation.table import counting

BINS = 10
LOWEST, HIGHEST = 0.02, 50.0
"""Temperatures beyond which nothing changes that anybody would notice."""
FOLDS = 5


def reliability(confidences: Sequence[float], correct: Sequence[bool]) -> dict[str, Any]:
    """How well confidence tells right from wrong answers.

    Args:
        confidences: 0 to 1, one an answer.
        correct: whether it was right.

    Returns:
        answers, accuracy, mean confidence; ece, the expected calibration error (the mean distance between a
        bin's accuracy and its mean confidence, weighted by its answers); brier, the mean squared difference;
        bins (low, high, answers, confidence, accuracy), ten of equal width, empty ones left out; coverage,
        the accuracy of the most confident answers at each share from 0.1 to 1 of all.

    Raises:
        ValueError: no answers, or not as many of both.

    Example:
        >>> reliability([0.9, 0.9, 0.9, 0.9, 0.9], [True, True, True, True, False])["ece"]
        0.1
    """
    given, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=bool)
    if not len(given) or len(given) != len(right):
        raise ValueError(f"needs as many confidences as answers, got {len(given)} and {len(right)}")
    number = np.minimum((given * BINS).astype(int), BINS - 1)
    bins = [
        {
            "low": b / BINS,
            "high": (b + 1) / BINS,
            "answers": int((number == b).sum()),
            "confidence": float(given[number == b].mean()),
            "accuracy": float(right[number == b].mean()),
        }
        for b in range(BINS)
        if (number == b).any()
    ]
    gap = sum(b["answers"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / len(given)
    return {
        "answers": len(given),
        "accuracy": float(right.mean()),
        "confidence": float(given.mean()),
        "ece": round(gap, 12),
        "brier": float(((given - right) ** 2).mean()),
        "bins": bins,
        "coverage": coverage(given, right),
    }


def table_reliability(table: pd.DataFrame) -> dict[str, Any] | None:
    """`reliability` of a table's closed questions that count; None where no answer has a confidence."""
    rows = table[table["truth"].notna() & table["confidence"].notna() & counting(table)]
    if not len(rows):
        return None
    return reliability(list(rows["confidence"]), [bool(c) for c in rows["correct"]])


def coverage(confidences: np.ndarray, correct: np.ndarray) -> list[dict[str, float]]:
    """Accuracy when only the most confident answers are given.

    Answers of the same confidence count by their mean, so that their order does not matter.

    Returns:
        For each share from 0.1 to 1: coverage, accuracy, and the confidence from which on answers are given.
    """
    _, group = np.unique(-confidences, return_inverse=True)
    shared = np.bincount(group, weights=correct) / np.bincount(group)
    order = np.argsort(-confidences, kind="stable")
    expected = np.cumsum(shared[group][order])
    rows = []
    for tenth in range(1, 11):
        kept = max(1, round(len(order) * tenth / 10))
        rows.append(
            {
                "coverage": tenth / 10,
                "accuracy": float(expected[kept - 1] / kept),
                "confidence": float(confidences[order[kept - 1]]),
            }
        )
    return rows


def fit_temperature(mean_logprobs: Sequence[float], correct: Sequence[bool]) -> float:
    """The temperature with which confidence predicts best, in likelihood, whether an answer is right.

    The likelihood is concave in 1 / temperature: a search between bounds finds its one maximum.

    Args:
        mean_logprobs: of each answer, the mean of its tokens' log-probabilities (nats), at most 0.
        correct: whether it was right.

    Returns:
        A temperature from `LOWEST` to `HIGHEST`.

    Raises:
        ValueError: all answers are right or all wrong: confidence then has nothing to tell apart.
    """
    # Certainty that float arithmetic rounded to 1 would cost an infinite price when wrong.
    logs = np.minimum(np.asarray(mean_logprobs, dtype=float), -1e-6)
    right = np.asarray(correct, dtype=bool)
    if right.all() or not right.any():
        raise ValueError(f"all {len(right)} answers are {'right' if right.all() else 'wrong'}")

    from scipy.optimize import minimize_scalar

    def cost(log_temperature: float) -> float:
        scaled = logs * math.exp(-log_temperature)
        return -float(scaled[right].sum() + np.log(-np.expm1(scaled[~right])).sum())

    bounds = math.log(LOWEST), math.log(HIGHEST)
    found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return math.exp(found.x)


def held_out_temperatures(
    mean_logprobs: Sequence[float], correct: Sequence[bool], groups: Sequence[int]
) -> np.ndarray:
    """For each answer the temperature that the others give: fitted without its own fold of the groups.

    Args:
        groups: which clip an answer is about; the answers to one clip stay in one fold.

    Returns:
        (answers,) temperatures.
    """
    logs, right = np.asarray(mean_logprobs), np.asarray(correct)
    # By where a group first occurs, so that folds depend on the order of the data alone.
    rank = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    fold = np.array([rank[group] for group in groups]) % FOLDS
    temperatures = np.empty(len(logs))
    for f in np.unique(fold):
        temperatures[fold == f] = fit_temperature(logs[fold != f], right[fold != f])
    return temperatures


def in_a_line(found: Mapping[str, Any]) -> str:
    """What `reliability` found, for the terminal."""
    half = next(row for row in found["coverage"] if row["coverage"] == 0.5)
    return (
        f"expected calibration error {found['ece']:.3f}; the surer half of the closed answers: "
        f"{half['accuracy']:.1%} right, all of them: {found['accuracy']:.1%}"
    )


def confidence_section(found: Mapping[str, Any]) -> Section:
    """The same on a page, with its plot."""
    html = text_html(
        f"Expected calibration error {found['ece']:.3f} over {found['answers']} answers to closed "
        f"questions: mean confidence {found['confidence']:.3f}, accuracy {found['accuracy']:.3f}. "
        f"For a model, leo-drive evaluate calibrate fits the temperature that brings them together."
    )
    html += figure_html(reliability_figure({"confidence": dict(found)}), "reliability and coverage")
    columns = ["questions answered", "accuracy", "from a confidence of"]
    rows = [(f"{r['coverage']:.0%}", hundredths(r["accuracy"]), r["confidence"]) for r in found["coverage"]]
    return Section("Confidence", html + table_html(columns, rows))


def reliability_figure(curves: Mapping[str, dict[str, Any]]) -> Figure:
    """Reliability diagram beside accuracy against coverage.

    Args:
        curves: what `reliability` gives, by name; dots are as large as their bins.
    """
    drawn = figure(9.5, 4.2)
    left, right = drawn.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for (name, curve), color in zip(curves.items(), (BLUE, ORANGE), strict=False):
        given = [b["confidence"] for b in curve["bins"]]
        right_of = [b["accuracy"] for b in curve["bins"]]
        sizes = [200 * b["answers"] / curve["answers"] + 8 for b in curve["bins"]]
        left.plot(given, right_of, color=color, label=f"{name}: error {curve['ece']:.3f}")
        left.scatter(given, right_of, s=sizes, color=color)
    left.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title="reliability")
    left.legend(frameon=False, loc="upper left")
    # One temperature keeps the order of answers, so that there is one curve of coverage.
    rows = next(iter(curves.values()))["coverage"]
    right.plot([r["coverage"] for r in rows], [r["accuracy"] for r in rows], color=BLUE, marker="o", ms=4)
    right.set(xlabel="share of questions answered, most confident first", ylabel="accuracy", xlim=(0, 1.02))
    # Where all answers are right, or wrong, a range of matplotlib's own choice would go beyond them.
    right.set(title="withholding", ylim=(0, 1.02))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return drawn
