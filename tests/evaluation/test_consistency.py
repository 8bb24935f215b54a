"""Paraphrases and negations: what contradicts what, and the table that ships."""

from __future__ import annotations

import pytest
import yaml
from rich.console import Console

from leo_drive.data.closed import read_value
from leo_drive.errors import InputError
from leo_drive.evaluation.consistency import Wordings, consistency, print_consistency, read_wordings
from leo_drive.evaluation.table import Answered

TABLE = Wordings.model_validate(
    {
        "groups": [
            {"name": "car", "ask": ["Is there a car?", "Can you see a car?"], "negated": ["Is it empty?"]},
            {"name": "time", "ask": ["Day or night?", "When is it?"], "choices": ["day", "night"]},
        ]
    }
)


def judged(*clips: list[str]):
    said = [[Answered(text) for text in clip] for clip in clips]
    return consistency(TABLE, [f"clip {i}" for i in range(len(clips))], said)


def test_agreement_and_contradiction():
    sound = judged(["Yes.", "Yes, there is.", "No.", "It is day.", "Day."])
    assert sound["contradictory"] == 0 and sound["examples"] == []
    assert sound["paraphrase"] == {"pairs": 2, "unread": 0, "contradictory": 0, "interval": None}
    assert sound["negation"] == {"pairs": 2, "unread": 0, "contradictory": 0, "interval": None}
    mixed = judged(["Yes.", "No.", "No.", "Day.", "Night."])
    assert mixed["paraphrase"]["contradictory"] == 1 and mixed["negation"]["contradictory"] == 0.5
    assert mixed["contradictory"] == 0.75
    assert (
        mixed["groups"]["time"]["paraphrase"]["contradictory"] == 1
        and "negation" not in mixed["groups"]["time"]
    )
    assert mixed["examples"][0]["answers"] == {"Is there a car?": "Yes.", "Can you see a car?": "No."}


def test_always_yes_is_found_out_by_negations_alone():
    found = judged(*[["Yes."] * 3 + ["Day."] * 2] * 4)
    assert found["paraphrase"]["contradictory"] == 0 and found["negation"]["contradictory"] == 1


def test_answers_that_cannot_be_read_are_no_contradiction():
    found = judged(["Perhaps.", "Yes.", "No.", "?", "?"])
    assert found["paraphrase"] == {"pairs": 2, "unread": 1, "contradictory": None, "interval": None}
    assert found["negation"] == {"pairs": 2, "unread": 0.5, "contradictory": 0, "interval": None}
    assert found["contradictory"] == 0
    console = Console(width=120)
    with console.capture() as shown:
        print_consistency(found, console)
    assert "negations contradict" in shown.get() and "75.0%" in shown.get()


def test_intervals_are_over_clips():
    yes, sound = ["Yes.", "Yes.", "Yes.", "Day.", "?"], ["Yes.", "Yes.", "No.", "Day.", "Day."]
    found = judged(*[yes, sound, sound, sound] * 10)
    assert found == judged(*[yes, sound, sound, sound] * 10)
    assert found["paraphrase"]["interval"] == [0, 0]
    negation = found["negation"]
    assert negation["contradictory"] == 0.25 and negation["pairs"] == 80
    # Both pairs of a clip stand and fall together: 40 clips, so a standard error of 0.068.
    assert negation["interval"] == pytest.approx([0.116, 0.384], abs=0.04)
    assert found["groups"]["car"]["negation"] == negation
    assert found["interval"] == pytest.approx([end / 2 for end in negation["interval"]])
    for width, there in ((120, True), (90, False)):
        console = Console(width=width)
        with console.capture() as shown:
            print_consistency(found, console)
        low, high = negation["interval"]
        assert (f"25.0% ({low:.1%} to {high:.1%})" in shown.get()) == there


def test_one_relation_alone_has_the_mean_of_itself():
    found = judged(*[["Yes.", "?", "Yes.", "?", "?"], ["Yes.", "?", "No.", "?", "?"]] * 5)
    assert found["paraphrase"] == {"pairs": 20, "unread": 1, "contradictory": None, "interval": None}
    assert found["contradictory"] == found["negation"]["contradictory"] == 0.5
    assert found["interval"] == found["negation"]["interval"] and found["interval"][0] > 0


def test_the_table_that_ships():
    table = read_wordings()
    assert len(table.groups) >= 10 and len(set(table.questions)) == len(table.questions)
    assert sum(bool(group.negated) for group in table.groups) >= 6
    for group in table.groups:
        for choice in group.choices:
            assert read_value(f"{choice}.", group.choices) == choice, group.name


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ({"name": "a", "ask": ["One?"]}, "a: needs two or more wordings"),
        ({"name": "a", "ask": ["One?", "One?"]}, "a: needs two or more wordings"),
        ({"name": "a", "ask": ["A?", "B?"], "negated": ["C?"], "choices": ["x", "y"]}, "can be negated"),
        ({"name": "a", "ask": ["A?", "B?"], "negatd": ["C?"]}, "groups.0.negatd"),
    ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path, group, reason):
    path = tmp_path / "wordings.yaml"
    path.write_text(yaml.safe_dump({"groups": [group]}))
    with pytest.raises(InputError) as error:
        read_wordings(path)
    assert reason in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)
    path.write_text("groups: [")
    with pytest.raises(InputError, match="not YAML"):
        read_wordings(path)
