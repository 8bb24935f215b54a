"""Nothing can be answered well without the picture."""

from collections import Counter, defaultdict

import pytest

from leo_drive.annotation.questions import read_questions, ready_sets
from leo_drive.data.synthetic import CHOICES, wordings
from leo_drive.data.synthetic.balance import Balance
from leo_drive.data.synthetic.questions import Question
from leo_drive.evaluation.consistency import read_wordings


def test_at_least_twelve_questions_a_clip_after_balancing(scenes, balanced):
    assert len(balanced) / len(scenes) >= 12


def test_every_kind_comes_up(balanced):
    assert set(CHOICES) <= set(balanced.kind)


def test_the_commonest_answer_is_not_much_commoner(baseline):
    large = baseline[baseline.n >= 40]
    for row in large.itertuples():
        assert row.majority < 1.3 / row.values + 0.04, row


def test_wordings_are_many_and_do_not_tell_the_answer(scenes):
    for kind in CHOICES:
        subject = {"presence": "cyclist", "side": "vehicle", "count": "pedestrian"}.get(kind, "")
        subject = {"condition": "rain", "absence": "cyclist", "near": "cyclist"}.get(kind, subject)
        assert len(wordings(kind, subject)) >= 8
    for *_, questions in scenes[:10]:
        assert all(q.text in wordings(q.kind, q.subject) for q in questions)


def test_what_ready_sets_and_the_consistency_check_ask_is_among_them(scenes):
    """Those that the drives settle: all but what they never show."""
    keys = {(q.kind, q.subject) for *_, questions in scenes for q in questions}
    known = {text for kind, subject in keys for text in wordings(kind, subject)}
    never_shown = {
        "Is our lane blocked?",
        "Are there roadworks?",
        "What is beside the road?",
        "Is there a junction ahead?",
        "What does the traffic sign say?",
        "Is there a stop sign?",
        "Are there children near the road?",
        "Is our vehicle changing lanes?",
    }
    ready = {q.text for name in ready_sets() for q in read_questions(name).questions}
    checked = {text for group in read_wordings().groups for text in group.wordings}
    assert (ready | checked) - known == never_shown


@pytest.mark.parametrize(
    "text, kind, subject",
    [
        ("Is there a vehicle ahead?", "presence", "vehicle"),
        ("Is there a car ahead of us?", "presence", "car"),
        ("Is there a vehicle directly ahead of us?", "vehicle_ahead", ""),
        ("Is there a cyclist?", "presence", "cyclist"),
        ("What should the driver do?", "what_to_do", ""),
        ("What colour is the traffic light?", "traffic_light", ""),
        ("Describe the scene.", "description", ""),
    ],
)
def test_the_questions_people_ask_first_are_among_them(text, kind, subject):
    assert text in wordings(kind, subject)


def test_the_balance_holds_back_what_is_ahead():
    balance = Balance()
    taken = Counter()
    for value in ["yes"] * 50 + ["no"] * 10:
        if balance.take(Question("crossing", "", "?", ".", value, ("yes", "no"))):
            taken[value] += 1
    assert taken["yes"] <= 4 and abs(taken["yes"] - taken["no"]) <= 5


def test_no_text_is_asked_in_two_meanings(scenes):
    meant = defaultdict(set)
    for kind, subject in {(q.kind, q.subject) for *_, questions in scenes for q in questions}:
        for text in wordings(kind, subject):
            meant[text].add((kind, subject))
    assert {text: keys for text, keys in meant.items() if len(keys) > 1} == {}
