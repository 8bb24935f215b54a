"""Scoring a file without a model, comparing two evaluations, and files that do not fit."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from leo_drive.data.lingoqa import COLUMNS
from leo_drive.errors import InputError
from leo_drive.evaluation.compare import compare
from leo_drive.evaluation.extras import Confidence
from leo_drive.evaluation.judge import LingoJudge
from leo_drive.evaluation.language import PTB, WORDS
from leo_drive.evaluation.lingoqa import evaluate_predictions
from leo_drive.evaluation.table import QUESTIONS, read_table, to_csv
from tests.evaluation.judges import tiny_judge
from tests.evaluation.parts import SEGMENTS, right_answers, write_part

OFFICIAL = "100 segments, 500 questions, 1000 references"
SMALL = (
    "WARNING: not to be compared with published scores: the part has 6 segments, 18 questions, "
    f"24 references, LingoQA's evaluation part {OFFICIAL}"
)


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
        answers.assign(**columns).to_csv(folder / "answers.csv", index=False, lineterminator="\r\n")
        made = evaluate_predictions(part, folder / "answers.csv", folder / "out", extras=[Confidence()])
        return made, folder / "out"

    return run


def test_right_answers(scored):
    report, out = scored("right")
    assert report["closed"]["accuracy"] == 1 and report["closed"]["questions"] == 2 * SEGMENTS
    assert report["scores"]["closed_accuracy"] == {"score": 1.0, "interval": [1.0, 1.0]}
    assert report["scores"]["meteor"]["missing"].startswith("needs Java")
    assert any("without Java" in note for note in report["notes"])
    # Said once, where it is seen: on standard error, and in a box on the page.
    assert report["warnings"] == [SMALL] and report["matching"]["matched"] == 3 * SEGMENTS
    page = (out / "report.html").read_text()
    assert page.count("published scores:") == 1 and "<p class=warning>WARNING: not to be compared" in page
    assert pd.read_csv(out / "predictions.csv").equals(right_answers())
    assert "Made with" in (out / "report.html").read_text()
    assert report["parts"]["scenery"]["interval"] == [1.0, 1.0]
    by_part = (out / "report.html").read_text().split("By part")[1].split("</table>")[0]
    # All right, drawn again as often as one likes, is no interval to go by.
    assert by_part.count("<td class=number>100.0</td><td class=number>–</td>") == by_part.count("<tr>") - 1


def test_wrong_and_empty_answers(scored):
    report, _ = scored("wrong", {0: "Yes.", 1: "", 5: " "}, confidence=0.5)
    assert report["warnings"] == [SMALL, "2 of 18 answers are empty: wrong as closed answers"]
    assert report["closed"]["accuracy"] == pytest.approx(10 / 12)


def test_wrong_answers_are_shown_where_nobody_said_how_sure(scored):
    _, out = scored("unsure", {0: "Yes."})
    page = (out / "report.html").read_text()
    assert "Wrong answers" in page and "Most confident" not in page
    assert "<b>Yes.</b> Right: no" in page


def test_a_part_that_is_not_all_answered_says_so_loudly(part, tmp_path):
    answers = right_answers()
    thrice = pd.concat([answers.iloc[2:], answers.tail(1), answers.tail(1)])
    thrice.to_csv(tmp_path / "answers.csv", index=False)
    report = evaluate_predictions(part, tmp_path / "answers.csv", tmp_path / "out")
    # As many answers as questions, but not to as many.
    assert report["warnings"][0] == "WARNING: 16 of 18 questions of the part are answered, by 18 answers"
    # Where the line has no room for all ids, it says where they are.
    right_answers().iloc[4:].to_csv(tmp_path / "answers.csv", index=False)
    report = evaluate_predictions(part, tmp_path / "answers.csv", tmp_path / "out")
    said = "4 question ids without an answer; the score is over the others: 0-0, 0-1, 0-2, and 1 more"
    assert f"{said} (all in report.json, under matching)" in report["warnings"]
    assert report["matching"]["missing"] == ["0-0", "0-1", "0-2", "1-0"]


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
    assert found["tokenizer"] == WORDS and found["notes"] == []
    # Somebody who had Java made B, and nobody has it here.
    report = json.loads((b / "report.json").read_text())
    report["settings"]["tokenizer"] = PTB
    report["scores"]["gain_over_blind"] = {"score": 0.25, "interval": None}
    for folder in (a, b):
        copy = tmp_path / folder.parent.name
        shutil.copytree(folder, copy)
        (copy / "report.json").write_text(json.dumps(report))
    found = compare(a, tmp_path / b.parent.name, tmp_path)
    (note,) = found["notes"]
    assert note.endswith("with the tokenizer words; B's report has those of PTB.")
    assert note.replace("'", "&#x27;") in (tmp_path / "compare.html").read_text()
    found = compare(tmp_path / a.parent.name, tmp_path / b.parent.name, tmp_path)
    gain = {"a": 0.25, "b": 0.25, "difference": 0, "interval": None}
    theirs = "Gains over grey frames are each over its own questions."
    assert found["scores"]["gain_over_blind"] == gain and theirs not in found["notes"]
    table = read_table(a)
    (tmp_path / a.parent.name / QUESTIONS).write_text(to_csv(table.iloc[:-1]))
    found = compare(tmp_path / a.parent.name, tmp_path / b.parent.name, tmp_path)
    assert theirs in found["notes"]


def test_what_is_no_evaluation_leaves_nothing_behind(run, scored, tmp_path):
    _, a = scored("here")
    (tmp_path / "nothing").mkdir()
    for first, second, named in (
        (tmp_path / "typo", a, "typo"),
        (a, tmp_path / "nothing", "nothing"),
        (a, a / "questions.csv", "questions.csv"),
    ):
        status, _, err = run("evaluate", "compare", first, second)
        assert status == 2 and f"{named}: has no report.json; give the folder that" in err
        assert len(err.splitlines()) == 1
    assert not (a / "compare").exists() and not list((tmp_path / "nothing").iterdir())


def test_kinds_and_confidence_are_compared_over_the_questions_of_both(part, scored, tmp_path):
    last = 3 * SEGMENTS - 3
    report, a = scored("whole", {last: "Perhaps."}, confidence=[0.9] * last + [0.1] * 3)
    answers = right_answers().head(last).assign(confidence=0.5)
    answers.to_csv(tmp_path / "answers.csv", index=False)
    evaluate_predictions(part, tmp_path / "answers.csv", tmp_path / "b", extras=[Confidence()])
    found = compare(a, tmp_path / "b", tmp_path)
    assert found["questions"] == last and found["only_a"] == 3
    assert report["closed"]["kinds"].keys() == found["kinds"].keys() and report["closed"]["accuracy"] < 1
    for score in found["kinds"].values():
        assert score == {"questions": SEGMENTS - 1, "a": 1, "b": 1, "difference": 0, "interval": [0, 0]}
    rows = {row["name"]: row for row in found["extras"]["confidence"]}
    assert rows["mean confidence"]["a"] == pytest.approx(0.9)
    assert rows["accuracy"]["a"] == rows["accuracy"]["b"] == 1
    assert rows["expected calibration error (less is better)"]["b"] == pytest.approx(0.5)


def test_line_breaks_of_every_sort_in_answers(scored, tmp_path):
    _, a = scored("breaks", {0: "Yes.\rNo.", 3: "Yes.\r\nA car.", 6: "\r"})
    said = list(read_table(a)["answer"])
    assert (said[0], said[3], said[6]) == ("Yes.\nNo.", "Yes.\nA car.", "\n")
    assert list(pd.read_csv(a / "predictions.csv")["answer"]) == said
    assert compare(a, a, tmp_path)["changed"] == 0


def test_a_verdict_that_one_side_alone_has_changes_nothing(part, tmp_path):
    right_answers().to_csv(tmp_path / "answers.csv", index=False)
    one, other = (LingoJudge(str(tiny_judge(tmp_path / f"judge{s}", seed=s)), "cpu") for s in (7, 8))
    for name, judge in (("none", None), ("one", one), ("other", other)):
        evaluate_predictions(part, tmp_path / "answers.csv", tmp_path / name, judge=judge)
    for a, b, why in (
        ("one", "none", "B has none"),
        ("one", "other", f"judged by different judges ({one.hash}, {other.hash})"),
    ):
        found = compare(tmp_path / a, tmp_path / b, tmp_path)
        assert found["missing"]["lingo_judge"] == why and found["changed"] == 0


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
    with pytest.raises(InputError, match=r"answers another part, .*evaluate both on the same questions"):
        compare(a, tmp_path / "b", tmp_path)
    kinds = [("0-0", "lead", "no", ["yes", "no"]), ("1-0", "ahead", "yes", ["yes", "no"])]
    names = ["question_id", "kind", "value", "choices"]
    pd.DataFrame(kinds, columns=names).to_parquet(other / "val_kinds.parquet")
    write_part(other)
    evaluate_predictions(other, tmp_path / "answers.csv", tmp_path / "b")
    with pytest.raises(InputError, match=r"answers another part, or one with other kinds"):
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
        ("question_id,segment_id,answer\n", "has columns and no answers"),
        ("question_id,segment_id,answer\n0-0,segment0,Yes, one.\n", "rows have more cells than there are"),
        ("question_id,segment_id,answer\n0-0,segment0,Yes.,\n", "no comma at a row's end"),
        ("question_id;segment_id;answer\n0-0;segment0;Yes, one.\n", "semicolons between the columns; Ling"),
        ("question_id\tsegment_id\tanswer\n0-0\tsegment0\tYes.\n", "tabs between the columns; LingoQA's"),
        ("question_id,segment_id,answer\n0-0,segment0,Yes\0No.\n", "line 2: has a NUL byte; write the file"),
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


def sized_part(folder, segments, questions, references):
    """So many segments, questions to each, and references to each of these; right answers beside it."""
    folder.mkdir()
    asked = [(s, q) for s in range(segments) for q in range(questions)]
    rows = [
        (
            f"{s}-{q}",
            f"segment{s}",
            ["images/val/0.jpg"],
            "Is there a vehicle ahead?",
            "Yes." if s % 2 else "No.",
        )
        for s, q in asked
        for _ in range(references)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.to_parquet(folder / "val.parquet")
    answers = table.drop_duplicates("question_id")[["question_id", "segment_id", "answer"]]
    answers.to_csv(folder / "answers.csv", index=False)
    return answers


@pytest.mark.parametrize(
    "size, of_part",
    [
        ((100, 5, 2), None),
        ((100, 5, 1), "100 segments, 500 questions, 500 references"),
        ((50, 10, 2), "50 segments, 500 questions, 1000 references"),
    ],
)
def test_a_part_of_as_many_questions_is_not_taken_for_lingoqas(tmp_path, size, of_part):
    answers = sized_part(tmp_path / "part", *size)
    file = tmp_path / "part/answers.csv"

    def said():
        report = evaluate_predictions(tmp_path / "part", file, tmp_path / "out")
        lines = [("note", line) for line in report["notes"]]
        lines += [("warning", line.removeprefix(warning)) for line in report["warnings"]]
        (found,) = [line for line in lines if "evaluation part" in line[1] or "one answer" in line[1]]
        return found

    warning = "WARNING: not to be compared with published scores: "
    if of_part:
        assert said() == ("warning", f"the part has {of_part}, LingoQA's evaluation part {OFFICIAL}")
        return
    assert said() == (
        "note",
        f"The part is as large as LingoQA's evaluation part ({OFFICIAL}). Only if it is that part are the "
        f"scores to be compared with published ones.",
    )
    # As many answers, but one question has two of them and one has none.
    pd.concat([answers.head(499), answers.head(1)]).to_csv(file, index=False)
    assert said() == ("warning", "not every question has one answer (500 answers to 500 questions)")


def test_a_kind_of_one_value_is_named(part, scored, tmp_path):
    report, _ = scored("two")
    assert not any("one value alone" in line for line in report["notes"])
    table = pd.read_parquet(part / "val.parquet")
    table.loc[table["question"] == "Is there a vehicle ahead?", "answer"] = "Yes."
    (tmp_path / "part").mkdir()
    table.to_parquet(tmp_path / "part/val.parquet")
    right_answers().to_csv(tmp_path / "answers.csv", index=False)
    report = evaluate_predictions(tmp_path / "part", tmp_path / "answers.csv", tmp_path / "out")
    kinds = report["closed"]["kinds"]
    assert (kinds["yes_no"]["values"], kinds["side"]["values"]) == (1, 2)
    (line,) = [line for line in report["notes"] if "one value alone" in line]
    assert line.endswith("they count like any other: yes_no.")
    # Said, and the scores as they are.
    assert kinds["yes_no"]["balanced_accuracy"] == pytest.approx(4 / 6)
    assert report["closed"]["balanced_accuracy"] == pytest.approx((4 / 6 + 1) / 2)
