"""Which questions are closed, told from wording and answers."""

from __future__ import annotations

import pytest

from leo_drive.data.closed import read_value
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.data.kinds import FREQUENT, closed_questions, infer_kinds, options_in
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.data.synthetic import write_dataset


@pytest.mark.parametrize(
    "question, answers, kind, value",
    [
        ("Are you stopping?", ["Yes, I am stopping because the light is red.", "Yes."], "yes_no", "yes"),
        ("Is there traffic in your lane? If so, what?", ["No.", "There is no traffic."], "yes_no", "no"),
        ("Is any vehicle at the crossing?", ["No vehicle is at the crossing."], "yes_no", "no"),
        ("Can you turn left or right here?", ["Yes.", "Yes, both are allowed."], "yes_no", "yes"),
        ("Which side is the truck parked on?", ["Left.", "It is on the left hand side."], "side", "left"),
        ("Where are they, left or right?", ["On both sides."], "side", "both"),
        ("How many cyclists can you see?", ["2", "I can see two cyclists."], "count", "two"),
        ("How many pedestrians are there?", ["0", "None."], "count", "none"),
        ("How many cars are there?", ["There are twelve cars."], "count", "four or more"),
        ("Are there pedestrians? If yes, how many?", ["1", "Yes, there is one."], "count", "one"),
        ("Is the road open or crowded?", ["Open.", "The road is open."], "choice", "open"),
        ("What is most of it: buildings, trees or the sky?", ["Mostly the sky."], "choice", "sky"),
        ("Is the traffic accelerating or decelerating?", ["Accelerating."], "choice", "accelerating"),
    ],
)
def test_closed(question, answers, kind, value):
    (closed,) = closed_questions([(question, answers)])
    assert closed is not None and (closed.kind, closed.value) == (kind, value)
    assert closed.value in closed.choices


@pytest.mark.parametrize(
    "question, answers",
    [
        ("Are you stopping?", ["Yes.", "No, I am turning."]),
        ("Can you enter the intersection?", ["No.", "I must wait for the others."]),
        ("What does the sign say?", ["No parking.", "No parking here."]),
        ("How many lanes are there?", ["Two.", "Three."]),
        ("How many cars and vans are there?", ["Two cars and one van."]),
        ("What colour is the car or van?", ["The car is red."]),
        ("Which side is it on?", ["In the middle."]),
        ("What should the driver pay attention to?", ["The pedestrian and the vehicle ahead."]),
        ("Why are you stopping?", ["Because the light is red."]),
        ("Is the road open or crowded?", ["Open.", "Crowded."]),
    ],
)
def test_open(question, answers):
    assert closed_questions([(question, answers)]) == [None]


@pytest.mark.parametrize(
    "question, options",
    [
        ("Is the road ahead open or crowded?", ("open", "crowded")),
        ("What is it: a car, a truck, or the bus?", ("car", "truck", "bus")),
        ("Is it red, amber or green?", ("red", "amber", "green")),
        ("Are we speeding up or slowing down?", ("speeding up", "slowing down")),
        ("Is there a light? If so, is it red or green?", None),
        ("Is there a light? Is it red or green?", ("red", "green")),
        ("Is there a car or not?", None),
        ("What colour is the car or van?", None),
        ("What is that?", None),
        ("", None),
    ],
)
def test_options(question, options):
    assert options_in(question) == options


def many(question, answers, count=FREQUENT):
    return [(question, [answers[i % len(answers)]]) for i in range(count)]


def test_frequent_wordings_are_kinds_of_their_own_and_the_others_are_pooled():
    fence = many("Is there a fence?", ["Yes.", "No."])
    rare = many("Is there a bus?", ["Yes.", "No."], FREQUENT - 1)
    # Nothing to balance where only one value occurs.
    one_sided = many("Is it night?", ["No."], 2 * FREQUENT)
    found = closed_questions([*fence, *rare, *one_sided])
    assert [c.kind for c in found] == ["yes_no: Is there a fence?"] * len(fence) + ["yes_no"] * (
        len(rare) + len(one_sided)
    )


def test_tagged_objects_make_one_wording():
    tagged = [
        (f"Is <c{i},CAM_FRONT,{i}.0,5.0> a sign?", ["Yes." if i % 2 else "No."]) for i in range(FREQUENT)
    ]
    assert {c.kind for c in closed_questions(tagged)} == {"yes_no: Is <object> a sign?"}


def example(*questions):
    return Example("s", (), tuple((qa,) for qa in questions))


def test_two_reference_answers_are_judged_together():
    agreeing = [QuestionAnswer("a", "Is it night?", answer) for answer in ("No.", "No, it is day.")]
    disagreeing = [QuestionAnswer("b", "Is it wet?", answer) for answer in ("No.", "Yes, a little.")]
    (inferred,) = infer_kinds([example(*agreeing, *disagreeing)])
    assert [qa.value for qa in inferred.questions] == ["no", "no", None, None]
    assert [qa.kind for qa in inferred.questions] == ["yes_no", "yes_no", None, None]


def test_a_question_of_another_segment_is_another_question():
    first = Example("s", (), ((QuestionAnswer("0", "Is it night?", "No."),),))
    second = Example("t", (), ((QuestionAnswer("0", "Is it night?", "Yes."),),))
    assert [e.questions[0].value for e in infer_kinds([first, second])] == ["no", "yes"]


def test_what_a_part_says_is_not_inferred(tmp_path):
    write_dataset(tmp_path / "drives", 1, size=(96, 64))
    examples = read_lingoqa(tmp_path / "drives")
    assert infer_kinds(examples) == examples


def test_camvid_has_nine_closed_kinds(shared):
    part = shared / "data/lingoqa_camvid/scenery"
    if not part.is_dir():
        pytest.skip("no lingoqa_camvid beside the repository")
    questions = [qa for e in infer_kinds(read_lingoqa(part)) for qa in e.questions]
    kinds = {qa.kind for qa in questions if qa.kind}
    assert len(kinds) == 9 and all(": " in kind for kind in kinds)
    open_ones = {qa.question for qa in questions if not qa.kind}
    assert open_ones == {"What should the driver pay attention to?"}
    for kind in kinds:
        of_kind = [qa for qa in questions if qa.kind == kind]
        assert {qa.question for qa in of_kind} == {kind.split(": ", 1)[1]}
        assert all(read_value(qa.answer, qa.choices) == qa.value for qa in of_kind)
        expected = {"yes_no": 2, "side": 3, "choice": len(of_kind[0].choices)}[kind.split(":")[0]]
        assert len({qa.value for qa in of_kind}) == expected
