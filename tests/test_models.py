"""Models by name, and what a small one can be asked."""

import pytest

from leo_drive.demo import QUESTIONS
from leo_drive.errors import InputError
from leo_drive.models import find_model, unlearned, unlearned_note


@pytest.mark.parametrize("name", ["foo bar/baz", "foo/bar..baz", "a/-b", "lab/leo.git", f"lab/{'o' * 100}"])
def test_a_name_that_the_hub_would_refuse_is_one_clear_line(name):
    with pytest.raises(InputError, match="no folder, and no hub id: ") as error:
        find_model(name)
    assert str(error.value).startswith(f"model {name}: ") and "\n" not in str(error.value)
    assert find_model("lab/leo-8b.v2_x") == "lab/leo-8b.v2_x"


def test_a_small_model_says_which_questions_it_was_never_taught(tmp_path):
    asked = ["Is there a cyclist?", "is there  a Cyclist", "Is there a fridge?", "Is there a fridge ahead?"]
    assert unlearned("nano", asked) == asked[2:]
    assert unlearned("nano", QUESTIONS) == [] and unlearned_note("nano", QUESTIONS) is None
    note = unlearned_note("nano", asked)
    assert "Is there a fridge? Is there a fridge ahead?" in note and "questions.txt" in note
    # A model with a pretrained language model has no list, and understands other wordings.
    assert unlearned(str(tmp_path), asked) == []


def test_asking_says_so_beside_the_answer(run):
    clip = "apps/viewer/clips/braking_ahead.mp4"
    status, said, note = run("ask", clip, "Is there a fridge?", "--frames", "1")
    assert status == 0 and "Is there a fridge?" in said and "has not learned to answer" in note
    status, _, note = run("ask", clip, "Is there a cyclist?", "--frames", "1")
    assert status == 0 and note == ""
