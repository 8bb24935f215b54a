"""How far a score could be off: intervals by resampling segments.

Questions on one clip share what there is to see, so it is clips that are drawn again, with all their
questions. Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, the percentile interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, SEED, LEVEL = 1000, 0, 0.95


@dataclass(frozen=True)
class Metric:
    """A score that is computed from sums over questions, so that it can be computed again for any sample.

    Attributes:
        statistics: (questions, k) float array, what each question adds.
        score: from sums (..., k) to scores (...); NaN where there is nothing to score.

    Example:
        >>> share([True, False, True, True]).value
        0.75
    """

    statistics: np.ndarray
    score: Callable[[np.ndarray], np.ndarray]

    @property
    def value(self) -> float:
        """The score over all questions."""
        return float(self.score(self.statistics.sum(axis=0, keepdims=True))[0])


def share(values: Sequence[bool | float], counted: Sequence[bool] | None = None) -> Metric:
    """The mean of one number a question, over those that are counted; all unless told."""
    numbers = np.asarray(values, dtype=float)
    counts = np.ones_like(numbers) if counted is None else np.asarray(counted, dtype=float)
    return Metric(np.stack([numbers * counts, counts], axis=1), ratio)


def ratio(sums: np.ndarray) -> np.ndarray:
    """First sum over second; NaN over 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1]


def interval(metric: Metric, segments: Sequence[str]) -> list[float] | None:
    """The 95 % interval of a score, [low, high]; None when there are fewer than two segments.

    Args:
        segments: the segment of each question.
    """
    drawn = _drawn(metric, _weights(segments))
    return None if drawn is None else _percentiles(drawn)


def paired(a: Metric, b: Metric, segments: Sequence[str]) -> tuple[float, list[float] | None]:
    """The difference b - a over the same questions, and its 95 % interval.

    Both are scored on the same resampled segments: what is hard for both cancels out.
    """
    weights = _weights(segments)
    drawn_a, drawn_b = _drawn(a, weights), _drawn(b, weights)
    both = None if drawn_a is None or drawn_b is None else _percentiles(drawn_b - drawn_a)
    return b.value - a.value, both


@dataclass(frozen=True)
class _Weights:
    index: np.ndarray  # (questions,) the number of each question's segment
    times: np.ndarray  # (resamples, segments) how often each is drawn


def _weights(segments: Sequence[str]) -> _Weights:
    names, index = np.unique(np.asarray(segments, dtype=str), return_inverse=True)
    count = len(names)
    random = np.random.default_rng(SEED)
    times = random.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) if count else np.empty(0)
    return _Weights(index, times)


def _drawn(metric: Metric, weights: _Weights) -> np.ndarray | None:
    if weights.times.ndim < 2 or weights.times.shape[1] < 2:
        return None
    sums = np.zeros((weights.times.shape[1], metric.statistics.shape[1]))
    np.add.at(sums, weights.index, metric.statistics)
    return metric.score(weights.times @ sums)


def _percentiles(drawn: np.ndarray) -> list[float] | None:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return None
    tail = 100 * (1 - LEVEL) / 2
    return [float(p) for p in np.percentile(known, [tail, 100 - tail])]
