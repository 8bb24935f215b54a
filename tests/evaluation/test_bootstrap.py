"""Intervals that mean what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from leo_drive.evaluation.bootstrap import interval, paired, share
from leo_drive.evaluation.closed import balanced_accuracy, score_table
from leo_drive.evaluation.compare import mcnemar


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random, covered = np.random.default_rng(1), 0
    for _ in range(200):
        hits = random.random(120) < 0.7
        low, high = interval(share(hits), [str(i) for i in range(120)])
        covered += low <= 0.7 <= high
    assert 180 <= covered <= 198


def test_questions_of_a_segment_stand_and_fall_together():
    # 10 segments of 20 questions that are all right or all wrong: no more is known than from 10 questions.
    hits = np.repeat([1, 0] * 5, 20)
    low, high = interval(share(hits), np.repeat(range(10), 20).astype(str))
    alone = interval(share(hits), [str(i) for i in range(200)])
    assert high - low > 3 * (alone[1] - alone[0])
    assert interval(share([1, 0]), ["a", "a"]) is None


def test_what_is_hard_for_both_cancels_out():
    random = np.random.default_rng(2)
    hard = random.random(300)
    a, b = share(hard < 0.5), share(hard < 0.55)
    difference, (low, high) = paired(a, b, [str(i) for i in range(300)])
    assert difference == pytest.approx(b.value - a.value) and 0 < low <= difference <= high
    assert paired(a, a, [str(i) for i in range(300)]) == (0.0, [0.0, 0.0])


def test_balanced_accuracy_is_score_closeds():
    rows = []
    for i, (kind, truth, answer) in enumerate(
        [
            ("a", "yes", "Yes."),
            ("a", "yes", "No."),
            ("a", "no", "No."),
            ("b", "left", "Left"),
            ("b", "right", "?"),
        ]
    ):
        choices = ["yes", "no"] if kind == "a" else ["left", "right"]
        right = answer.lower().strip(".") == truth
        rows.append((str(i), str(i), kind, "?", choices, truth, answer, right))
    rows.append(("9", "9", None, "?", [], None, "So.", None))
    columns = ["question_id", "segment_id", "kind", "question", "choices", "truth", "answer", "correct"]
    table = pd.DataFrame(rows, columns=columns).astype({"kind": object, "truth": object})
    table = table.where(table.notna(), None)
    assert balanced_accuracy(table).value == pytest.approx((0.75 + 0.5) / 2)
    assert score_table(table)["balanced_accuracy"] == balanced_accuracy(table).value


def test_the_common_answer_gains_nothing_where_a_rare_value_is_not_drawn():
    # Ten kinds, of each one "no" among a hundred, and always "yes" for an answer.
    rows = [(f"{i}", f"kind{k}", "no" if i == k else "yes", i != k) for i in range(100) for k in range(10)]
    table = pd.DataFrame(rows, columns=["segment_id", "kind", "truth", "correct"])
    metric = balanced_accuracy(table)
    assert metric.value == 0.5
    assert interval(metric, list(table["segment_id"])) == [0.5, 0.5]


def test_mcnemar_by_hand():
    # Where the two differ, a fair coin says which one is right; both sides count.
    assert mcnemar(0, 6) == mcnemar(6, 0) == pytest.approx(2 / 2**6)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(5, 5) == mcnemar(0, 0) == 1
