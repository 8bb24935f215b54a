"""DriveLM: a question that the score leaves out is neither right nor wrong, also in a comparison."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from rich.console import Console

from leo_drive.errors import InputError
from leo_drive.evaluation.challenge import read_challenge
from leo_drive.evaluation.compare import compare, print_comparison
from leo_drive.evaluation.drivelm import evaluate_challenge, score_challenge
from leo_drive.inference import Leo
from tests.evaluation.challenge_case import asked, write_root
from tests.model.tiny import tiny_leo


def right_answers() -> dict[str, str]:
    """The reference of every question, by id."""
    return {
        f"s_{name}_{i}": qa["A"]
        for name, frame in asked()["s"]["key_frames"].items()
        for i, qa in enumerate(qa for stage in frame["QA"].values() for qa in stage)
    }


def evaluated(root, folder, answers):
    folder.mkdir()
    path = folder / "answers.json"
    path.write_text(json.dumps([{"id": id_, "answer": answer} for id_, answer in answers.items()]))
    return score_challenge(read_challenge(root), path, folder / "out"), folder / "out"


def test_questions_that_one_score_leaves_out_are_not_worse(tmp_path):
    root = write_root(tmp_path)
    right = right_answers()
    # Nothing is found in the first frame: of its questions only those that name no object count.
    blind = right | {"s_f1_0": "Nothing.", "s_f1_1": "A", "s_f1_3": "Yes."}
    (of_a, a), (of_b, b) = (evaluated(root, tmp_path / n, s) for n, s in (("a", right), ("b", blind)))
    assert of_a["scores"]["accuracy"]["score"] == of_b["scores"]["accuracy"]["score"] == 1
    found = compare(a, b, tmp_path / "compare")
    accuracy = found["scores"]["accuracy"]
    assert (accuracy["only_a_right"], accuracy["only_b_right"], accuracy["mcnemar_p"]) == (0, 0, 1.0)
    assert found["counted"] == {"both": 9, "a": 2, "b": 0}
    changed = pd.read_csv(tmp_path / "compare" / "changed.csv")
    assert list(zip(changed["change"], changed["question_id"], strict=True)) == [
        ("counts in A alone", "s_f1_1"),
        ("counts in A alone", "s_f1_3"),
        ("other words", "s_f1_0"),
    ]
    console = Console(width=200)
    with console.capture() as shown:
        print_comparison(found, console)
    assert "9 count in both" in shown.get() and "2 count in A alone" in shown.get()
    # The other way round, and a question that counts in both and is wrong in one.
    back = compare(b, evaluated(root, tmp_path / "c", right | {"s_f1_5": "C"})[1], tmp_path / "back")
    assert back["scores"]["accuracy"]["only_a_right"] == 1 and back["counted"]["b"] == 2
    changed = pd.read_csv(tmp_path / "back" / "changed.csv")
    assert list(changed["change"]) == ["worse", *["counts in B alone"] * 2, "other words"]


def test_of_one_language_question_cider_is_the_challenges(tmp_path):
    file = asked()
    del file["s"]["key_frames"]["f2"]
    right = {id_: answer for id_, answer in right_answers().items() if id_.startswith("s_f1")}
    report, _ = evaluated(write_root(tmp_path, file), tmp_path / "a", right)
    assert report["sorts"]["language"]["counted"] == 1
    # Its scorer gives 0 where nothing tells what is rare, and counts that.
    assert report["scores"]["cider"]["score"] == 0
    assert report["official"]["language"] == pytest.approx(2 / 3)


def test_the_page_shows_no_mistake_that_does_not_count(tmp_path):
    challenge = read_challenge(write_root(tmp_path))
    evaluate_challenge(Leo(*tiny_leo(seed=0)), challenge, tmp_path / "out", max_new_tokens=8)
    # The model knows nothing: every answer is wrong, and no object is found.
    mistakes = (tmp_path / "out/report.html").read_text().split("Most confident mistakes")[1]
    assert "s_f1_5" in mistakes  # names no object, so it counts
    assert not [id_ for id_ in ("s_f1_1", "s_f1_3", "s_f2_1", "s_f2_3") if id_ in mistakes]


def test_confidence_is_weighed_over_what_counts(tmp_path):
    challenge = read_challenge(write_root(tmp_path))
    out = tmp_path / "out"
    report = evaluate_challenge(Leo(*tiny_leo(seed=0)), challenge, out, max_new_tokens=8)
    table = pd.read_csv(out / "questions.csv")
    rows = table[(table["kind"] == "accuracy") & (table["counts"] == "yes")]
    found = report["confidence"]
    assert 0 < found["answers"] == len(rows) < (table["kind"] == "accuracy").sum()
    assert found["confidence"] == pytest.approx(rows["confidence"].mean()) and found["accuracy"] == 0
    assert "<h2>Confidence</h2>" in (out / "report.html").read_text()
    assert compare(out, out, tmp_path / "compare")["extras"]["confidence"][0]["a"] == found["ece"]
    # Answers from a file come without.
    report = score_challenge(challenge, out / "output.json", tmp_path / "scored")
    assert "confidence" not in report
    assert "Confidence</h2>" not in (tmp_path / "scored/report.html").read_text()


def test_answers_without_scores_are_not_compared(tmp_path):
    file = asked()
    for frame in file["s"]["key_frames"].values():
        for qa in (qa for stage in frame["QA"].values() for qa in stage):
            del qa["A"]
    challenge = read_challenge(write_root(tmp_path, file), cameras=["CAM_FRONT"])
    evaluate_challenge(Leo(*tiny_leo(seed=0)), challenge, tmp_path / "out", max_new_tokens=8)
    with pytest.raises(
        InputError, match="out: has no scores to compare; evaluate on a file that has answers"
    ):
        compare(tmp_path / "out", tmp_path / "out", tmp_path / "compare")


def test_where_a_frames_first_question_is_not_answered_nothing_was_found(tmp_path):
    answers = {id_: answer for id_, answer in right_answers().items() if id_ != "s_f1_0"}
    _, out = evaluated(write_root(tmp_path), tmp_path / "some", answers)
    table = pd.read_csv(out / "questions.csv").set_index("question_id")["counts"]
    # Of its other questions those that name an object do not count, the first of them neither.
    assert dict(table[:5]) == {
        "s_f1_1": "no",
        "s_f1_2": "yes",
        "s_f1_3": "no",
        "s_f1_4": "yes",
        "s_f1_5": "yes",
    }
    assert set(table[5:]) == {"yes"}


def test_files_without_a_question_of_the_challenge_or_with_several_tags(tmp_path):
    file = asked()
    file["s"]["key_frames"]["f2"]["QA"]["prediction"][0]["tag"] = [2, 3]
    root = write_root(tmp_path, file)
    with pytest.raises(InputError, match=r"s_f2: prediction: not one tag of 0 to 3, found \[2, 3\]"):
        read_challenge(root)
    for frame in file["s"]["key_frames"].values():
        frame["QA"] = {"planning": [{"Q": "Where to?", "A": "Home."}]}
    (root / "test_eval.json").write_text(json.dumps(file))
    with pytest.raises(InputError, match="none of its 2 questions is one that the challenge asks"):
        read_challenge(root)
