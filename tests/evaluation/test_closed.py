"""Closed questions scored per kind."""

from __future__ import annotations

import pytest

from leo_drive.data.example import QuestionAnswer
from leo_drive.evaluation.closed import score_closed


def asked(kind, value, choices=("yes", "no")):
    return QuestionAnswer("q", "?", "!", kind=kind, value=value, choices=choices)


def test_scores():
    questions = [
        [asked("a", "yes")] * 3 + [asked("a", "no")],
        [asked("b", "left", ("left", "right", "both"))],
    ]
    answers = [["Yes.", "yes, it is", "No.", "No, never."], ["I cannot tell."]]
    score = score_closed(questions, answers)
    assert score["questions"] == 5 and score["accuracy"] == 3 / 5 and score["unread"] == 1 / 5
    assert score["kinds"]["a"] == {
        "questions": 4,
        "values": 2,
        "accuracy": 3 / 4,
        "balanced_accuracy": pytest.approx((2 / 3 + 1) / 2),
        "unread": 0.0,
    }
    assert score["kinds"]["b"]["balanced_accuracy"] == 0 and score["kinds"]["b"]["unread"] == 1
    assert score["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 4)


def test_always_the_same_answer_is_worth_one_over_the_values():
    questions = [[asked("a", "yes")] * 9 + [asked("a", "no")]]
    score = score_closed(questions, [["Yes."] * 10])
    assert score["accuracy"] == 0.9 and score["balanced_accuracy"] == 0.5


def test_open_questions_do_not_count():
    open_ones = [QuestionAnswer("q", "Why?", "Because."), asked("description", "", ())]
    assert score_closed([open_ones], [["x", "y"]]) is None
    assert score_closed([[*open_ones, asked("a", "yes")]], [["x", "y", "Yes."]])["questions"] == 1


def test_every_answer_belongs_to_a_question():
    with pytest.raises(ValueError):
        score_closed([[asked("a", "yes")]], [["Yes.", "No."]])
