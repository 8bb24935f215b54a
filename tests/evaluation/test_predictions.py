"""Scoring a file without a model, comparing two evaluations, and files that do not fit."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from leo_drive.errors import InputError
from leo_drive.evaluation.compare import compare
from leo_drive.evaluation.lingoqa import evaluate_predictions
from tests.evaluation.parts import SEGMENTS, right_answers, write_part


@pytest.fixture(autouse=True)
def without_java(monkeypatch):
    """Its start takes seconds each time; test_language.py and test_drivelm.py have it where it is."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    return write_part(tmp_path_factory.mktemp("predictions") / "part")


@pytest.fixture(scope="module")
def scored(part, tmp_path_factory):
    """Evaluates answers: the right ones, with changes by row."""

    def run(name, changes=(), **columns):
        folder = tmp_path_factory.mktemp(name)
        answers = right_answers()
        for row, answer in dict(changes).items():
            answers.loc[row, "answer"] = answer
        answers.assign(**columns).to_csv(folder / "answers.csv", index=False)
        return evaluate_predictions(part, folder / "answers.csv", folder / "out"), folder / "out"

    return run


def test_right_answers(scored):
    report, out = scored("right")
    assert report["closed"]["accuracy"] == 1 and report["closed"]["questions"] == 2 * SEGMENTS
    assert report["scores"]["closed_accuracy"] == {"score": 1.0, "interval": [1.0, 1.0]}
    assert report["scores"]["meteor"]["missing"].startswith("needs Java")
    assert any("without Java" in note for note in report["notes"])
    assert report["warnings"] == [] and report["matching"]["matched"] == 3 * SEGMENTS
    assert pd.read_csv(out / "predictions.csv").equals(right_answers())
    assert "Made with" in (out / "report.html").read_text()


def test_wrong_and_empty_answers(scored):
    report, _ = scored("wrong", {0: "Yes.", 1: "", 5: " "}, confidence=0.5)
    assert report["warnings"] == ["2 of 18 answers are empty: wrong as closed answers"]
    assert report["closed"]["accuracy"] == pytest.approx(10 / 12)


def test_comparing(scored, tmp_path):
    (_, a), (_, b) = scored("a", {0: "Yes.", 3: "No.", 2: "It is red."}), scored("b", {4: "Right."})
    found = compare(a, b, tmp_path)
    closed = found["scores"]["closed_accuracy"]
    assert closed["a"] == pytest.approx(10 / 12) and closed["difference"] == pytest.approx(1 / 12)
    assert (closed["only_a_right"], closed["only_b_right"], closed["mcnemar_p"]) == (1, 2, 1.0)
    low, high = closed["interval"]
    assert low <= closed["difference"] <= high
    assert found == json.loads((tmp_path / "compare.json").read_text())
    changed = pd.read_csv(tmp_path / "changed.csv", keep_default_na=False)
    assert list(zip(changed["change"], changed["question_id"], strict=True)) == [
        *(("worse", "1-1"), ("better", "0-0"), ("better", "1-0"), ("other words", "0-2")),
    ]
    assert "Answers that changed" in (tmp_path / "compare.html").read_text()
    same = compare(a, a, tmp_path)
    assert same["changed"] == 0 and same["scores"]["bleu_4"]["difference"] == 0


def test_what_cannot_be_compared(scored, part, tmp_path):
    _, a = scored("one")
    with pytest.raises(InputError, match=r"has no report\.json"):
        compare(a, tmp_path, tmp_path)
    other = write_part(tmp_path / "other")
    table = pd.read_parquet(other / "val.parquet")
    table.loc[0, "answer"] = "Yes."
    table.to_parquet(other / "val.parquet")
    right_answers().to_csv(tmp_path / "answers.csv", index=False)
    evaluate_predictions(other, tmp_path / "answers.csv", tmp_path / "b")
    with pytest.raises(InputError, match=r"answers another part .*evaluate both on the same questions"):
        compare(a, tmp_path / "b", tmp_path)
    pd.concat([right_answers(), right_answers().head(2)]).to_csv(tmp_path / "twice.csv", index=False)
    evaluate_predictions(part, tmp_path / "twice.csv", tmp_path / "twice")
    with pytest.raises(InputError, match=r"2 question ids have several answers \(0-0, 0-1\)"):
        compare(a, tmp_path / "twice", tmp_path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty; it needs the columns question_id, segment_id, answer"),
        ("question_id,answer\n0-0,Yes.\n", "the column segment_id is missing; it has question_id, answer"),
        (
            "question_id,segment_id,answer\n9,9,Yes.\n",
            "none of its 1 answers belongs.*question '9' of segment '9'",
        ),
        ("question_id,segment_id,answer\n,segment0,Yes.\n", "row 0: there is no question_id"),
        ("question_id,segment_id,answer\n", "none of its 0 answers"),
        *(
            (
                f"question_id,segment_id,answer,confidence\n0-0,segment0,Yes.,{sure}\n",
                f"row 0: confidence '{sure}' is no number from 0 to 1; leave it empty",
            )
            for sure in ("87", "-0.1", "high")
        ),
    ],
)
def test_files_that_are_no_predictions(part, tmp_path, text, message):
    (tmp_path / "answers.csv").write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        evaluate_predictions(part, tmp_path / "answers.csv", tmp_path / "out")
    assert "answers.csv" in str(refused.value) and "\n" not in str(refused.value)


def test_no_such_file(part, tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: No such file"):
        evaluate_predictions(part, tmp_path / "none.csv", tmp_path / "out")


@pytest.mark.parametrize("name", ["predictions.csv", "predictions_blind.csv", "questions.csv"])
@pytest.mark.parametrize("link", [False, True])
def test_the_file_that_is_scored_is_not_written_over(run, part, tmp_path, name, link):
    out = tmp_path / "out"
    out.mkdir()
    right_answers().assign(mine="kept").to_csv(out / name, index=False)
    before = (out / name).read_bytes()
    file = out / name
    if link:
        file = tmp_path / "link.csv"
        file.symlink_to(out / name)
    with pytest.raises(InputError, match="would be written over"):
        evaluate_predictions(part, file, out)
    status, _, err = run(
        "evaluate", "lingoqa", "--root", part, "--predictions", file, "--out", out, "--judge", "none"
    )
    assert (status, err) == (
        2,
        f"leo-drive: {file}: would be written over by the results in {out}; choose another --out\n",
    )
    assert [p.name for p in out.iterdir()] == [name] and file.read_bytes() == before


def test_a_file_with_confidence_is_told_how_much_it_means(run, part, tmp_path):
    answers = right_answers()
    answers["confidence"] = [0.9, 0.9, 0.9] * SEGMENTS
    answers.loc[0, ["answer", "confidence"]] = "Yes.", 0.2
    answers.loc[1, "confidence"] = float("nan")
    answers.to_csv(tmp_path / "sure.csv", index=False)
    scored = ["evaluate", "lingoqa", "--root", part, "--judge", "none"]
    status, out, err = run(*scored, "--predictions", tmp_path / "sure.csv", "--out", tmp_path / "out")
    assert status == 0, err
    found = json.loads((tmp_path / "out/report.json").read_text())["confidence"]
    # Eleven closed answers that came with one: ten right with 0.9, one wrong with 0.2.
    assert found["answers"] == 11 and found["accuracy"] == pytest.approx(10 / 11)
    assert found["ece"] == pytest.approx((10 * 0.1 + 0.2) / 11)
    assert "Expected calibration error" in (tmp_path / "out/report.html").read_text()
    assert "the surer half of the closed answers: 100.0% right, all of them: 90.9%" in out

    right_answers().to_csv(tmp_path / "plain.csv", index=False)
    status, out, err = run(*scored, "--predictions", tmp_path / "plain.csv", "--out", tmp_path / "plain")
    assert status == 0 and "calibration" not in out + (tmp_path / "plain/report.html").read_text()


@pytest.mark.parametrize(
    "options, named",
    [
        (["--model", "nano"], "--model"),
        (["-m", "nano"], "--model"),
        (["--corrupt", "fog"], "--corrupt"),
        (["--consistency", "--corrupt", "fog"], "--corrupt and --consistency"),
        (["--blind"], "--blind"),
        (["--dtype", "float32"], "--dtype"),
        (["--no-blind"], None),
    ],
)
def test_what_needs_a_model_is_refused_beside_a_file(run, part, tmp_path, options, named):
    right_answers().to_csv(tmp_path / "answers.csv", index=False)
    scored = ["evaluate", "lingoqa", "--root", part, "--predictions", tmp_path / "answers.csv"]
    status, _, err = run(*scored, "--judge", "none", "--out", tmp_path / "out", *options)
    if named is None:
        assert status == 0, err
        return
    assert status == 2 and not (tmp_path / "out").exists()
    assert err.startswith(f"leo-drive: {named}: needs a model, and --predictions has the answers already")
    assert len(err.splitlines()) == 1


def test_a_file_is_told_by_what_is_in_it(part, tmp_path):
    def hash_of(answers, name):
        answers.to_csv(tmp_path / name, index=False)
        return evaluate_predictions(part, tmp_path / name, tmp_path / "out")["settings"]["predictions_hash"]

    first = hash_of(right_answers(), "a.csv")
    assert hash_of(right_answers(), "b.csv") == first != hash_of(right_answers().head(9), "a.csv")
