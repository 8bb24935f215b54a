"""Question sets: what they may hold, and what is said of those that are wrong."""

import pytest
import yaml

from leo_drive.annotation.questions import read_questions, ready_sets
from leo_drive.errors import InputError

GOOD = """
questions:
  - {id: light, text: "Is there a traffic light?", kind: yes_no}
  - id: colour
    text: What colour is it?
    kind: choice
    choices: [red, amber, off]
    ask_if: {light: yes}
  - {id: count, text: "How many?", kind: number, ask_if: {colour: off}}
every: 2.5
frames: 4
"""


def read(tmp_path, text):
    path = tmp_path / "set.yaml"
    path.write_text(text)
    return read_questions(path)


def test_words_stay_words(tmp_path):
    asked = read(tmp_path, GOOD)
    assert [q.id for q in asked.questions] == ["light", "colour", "count"]
    assert asked.by_id()["colour"].ask_if == {"light": "yes"}
    assert asked.by_id()["colour"].choices == ("red", "amber", "off")
    assert asked.by_id()["count"].ask_if == {"colour": "off"}
    assert (asked.every, asked.frames, asked.seconds, asked.name) == (2.5, 4, None, "set")


def test_true_is_yes(tmp_path):
    assert read(tmp_path, GOOD.replace("light: yes", "light: True")).by_id()["colour"].ask_if == {
        "light": "yes"
    }


def test_numbers_are_compared_with_as_they_are_written(tmp_path):
    long = "12345678901234567890123.4567890123456789"
    for value, digits in (
        *(("1234567", "1234567"), ("3.0", "3"), ("1e3", "1000"), ("-0", "0"), (long, long)),
        *(("1e-3", "0.001"), ("0e9999999", "0")),
    ):
        text = GOOD.replace("light: yes", f"far: {value}").replace(
            "questions:", 'questions:\n  - {id: far, text: "How far?", kind: number}'
        )
        assert read(tmp_path, text).by_id()["colour"].ask_if == {"far": digits}
    for value in ("nan", "-inf", "1e999999", "1e9999999", "1e-9999999", "1e" + 30 * "9", "1" * 101):
        with pytest.raises(InputError, match=f"'{value}' is not a number"):
            read(tmp_path, text.replace("far: 0e9999999", f"far: {value}"))


def test_the_hash_tells_sets_apart(tmp_path):
    first = read(tmp_path, GOOD).hash
    assert first == read(tmp_path, GOOD + "name: other\n").hash
    assert first != read(tmp_path, GOOD.replace("How many?", "How many cars?")).hash


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: number", "kind: nubmer", "line 9: questions.2.kind: 'nubmer' is unknown; did you mean num"),
        ("text: What colour", "txt: What colour", "line 5: questions.1.txt: unknown; did you mean text?"),
        ("frames: 4", "frame: 4", "line 11: frame: unknown; did you mean frames?"),
        ("id: colour", "id: light", "line 4: questions.1.id: 'light' is the id of an earlier question"),
        ("light: yes", "lihgt: yes", "line 8: questions.1.ask_if.lihgt: no earlier question has the id"
         " 'lihgt'; "
         "did you mean light?"),
        ("light: yes", "count: 3", "line 8: questions.1.ask_if.count: no earlier question"),
        ("light: yes", "light: red", "'red' is not a value of light: yes or no"),
        ("colour: off", "colour: of", "'of' is not a value of colour; did you mean off?"),
        ("[red, amber, off]", "[red]", "line 7: questions.1.choices: a question of kind choice needs"),
        ("[red, amber, off]", "[red, Red]", "'red' is there twice"),
        ("kind: yes_no}", "kind: yes_no, choices: [a, b]}", "a question of kind yes_no has no choices"),
        ("every: 2.5", "every: soon", "line 10: every: "),
        ("every: 2.5", "every: -1", "line 10: every: "),
        ("frames: 4", "frames: 1.5", "line 11: frames: "),
        ('text: "How many?", ', "", "line 9: questions.2: text is missing"),
        ("id: count", "id: 2 x", "'2 x' must be letters"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_line_and_field(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(InputError) as error:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert str(error.value).startswith(f"{tmp_path / 'set.yaml'}: ") and message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "questions: 3", "questions: []", "a: [", "- x", "questions: [3]", "1: 2"]
)
def test_what_is_no_set_is_one_line(tmp_path, text):
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert str(tmp_path / "set.yaml") in str(error.value) and "\n" not in str(error.value)


def test_a_list_that_is_none_is_said_so(tmp_path):
    with pytest.raises(InputError, match="questions: a list is needed; found '3'"):
        read(tmp_path, "questions: 3")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- Is it wet?", "a question set is a mapping of names to values such as EXAMPLE, and this is a"
         " list"),
        ("", "a question set is a mapping of names to values such as EXAMPLE, and this is nothing"),
        ("questions: ['Is it wet?']", "line 1: questions.0: a mapping of names to values is needed; found"
         " 'Is it wet?', such as EXAMPLE"),
    ],
)  # fmt: skip
def test_plain_questions_are_shown_how_to_be_written(tmp_path, text, says):
    example = 'questions: [{id: ahead, text: "Is there a vehicle ahead?", kind: yes_no}]'
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert str(error.value) == f"{tmp_path / 'set.yaml'}: {says.replace('EXAMPLE', example)}"
    assert read(tmp_path, example).by_id()["ahead"].kind == "yes_no"


def test_ready_sets_by_name(tmp_path):
    assert {
        "scenery",
        "hazards",
        "vulnerable_road_users",
        "traffic_lights_and_signs",
        "ego_behaviour",
    } <= set(ready_sets())
    for name in ready_sets():
        asked = read_questions(name)
        assert asked.name == name and asked.frames and asked.seconds and asked.every
    with pytest.raises(InputError, match="did you mean scenery"):
        read_questions("scenry")
    with pytest.raises(InputError, match="no such question file"):
        read_questions(tmp_path / "none.yaml")


def test_a_folder_does_not_hide_a_ready_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hazards").mkdir()
    (tmp_path / "mine").mkdir()
    assert read_questions("hazards").name == "hazards"
    with pytest.raises(InputError, match="mine: no such question file"):
        read_questions("mine")


def test_a_set_written_by_a_program_is_read(tmp_path):
    made = {"questions": [{"id": "a", "text": "Is it wet?", "kind": "yes_no", "ask_if": {}}], "seconds": 3}
    asked = read(tmp_path, yaml.safe_dump(made))
    assert asked.seconds == 3 and asked.questions[0].kind == "yes_no"
