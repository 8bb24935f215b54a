"""The DriveLM challenge: its own scores, its questions, and answers in its format."""

from __future__ import annotations

import json

import pytest

from leo_drive.clips.nuscenes import CAMERAS
from leo_drive.errors import InputError
from leo_drive.evaluation.challenge import read_challenge
from leo_drive.evaluation.challenge_score import centres, matched
from leo_drive.evaluation.drivelm import evaluate_challenge, score_challenge
from leo_drive.inference import Leo
from tests.evaluation.challenge_case import asked, predictions, write_root
from tests.model.tiny import tiny_leo

# What the challenge's evaluation.py (DriveLM commit de71da7) gives for challenge_case.py, its language scores
# by pycocoevalcap with the Java tokenizer; how many questions it counts, by sort.
ACCURACY, MATCH_F1 = 0.75, 0.44999999305
COUNTED = {"accuracy": 4, "chatgpt": 1, "language": 2, "match": 2}
LANGUAGE = {
    "bleu_1": 0.7109061621203524,
    "bleu_2": 0.5875353272622635,
    "bleu_3": 0.492138160773926,
    "bleu_4": 0.38534247038289793,
    "rouge_l": 0.7247073765365124,
    "cider": 3.4847841268901236,
}


@pytest.fixture
def root(tmp_path):
    return write_root(tmp_path)


def test_the_challenges_own_scores(root, tmp_path):
    (tmp_path / "output.json").write_text(json.dumps(predictions()))
    report = score_challenge(read_challenge(root), tmp_path / "output.json", tmp_path / "out")
    scores = report["scores"]
    assert scores["accuracy"]["score"] == ACCURACY
    assert scores["match_f1"]["score"] == pytest.approx(MATCH_F1, abs=1e-12)
    assert {sort: n["counted"] for sort, n in report["sorts"].items()} == COUNTED
    if report["settings"]["tokenizer"] == "PTB":
        assert {name: scores[name]["score"] for name in LANGUAGE} == pytest.approx(LANGUAGE)
    official = report["official"]
    assert official["final_score"] is None and official["most"] == pytest.approx(0.5)
    assert official["known"] == pytest.approx(0.2 * official["language"] + 0.1 * MATCH_F1 + 0.2 * ACCURACY)
    assert scores["chatgpt"] == {"score": None, "missing": "needs ChatGPT"}
    assert any("ChatGPT rates the planning answers" in note for note in report["notes"])


def test_scores_by_kind(root, tmp_path, run):
    (tmp_path / "output.json").write_text(json.dumps(predictions()))
    status, shown, _ = run(
        *("evaluate", "drivelm", "--root", root, "--predictions", tmp_path / "output.json"),
        *("--out", tmp_path / "out"),
    )
    report = json.loads((tmp_path / "out/report.json").read_text())
    stages = report["stages"]
    assert status == 0 and list(stages) == ["perception", "prediction", "planning", "behavior"]
    numbers = [[row[key] for key in ("questions", "counted", "only_chatgpt")] for row in stages.values()]
    # Only the second object is missing in the second frame, so what is asked about it there does not count.
    assert numbers == [[4, 3, 0], [4, 4, 0], [2, 1, 1], [1, 1, 0]]
    scores = {stage: row["scores"] for stage, row in stages.items()}
    assert scores["perception"]["accuracy"]["score"] == 1
    assert scores["prediction"]["accuracy"]["score"] == 0.5
    assert scores["prediction"]["match_f1"] == report["scores"]["match_f1"]
    assert {n: scores["perception"][n] for n in LANGUAGE} == {n: report["scores"][n] for n in LANGUAGE}
    assert scores["planning"] == {} and set(scores["behavior"]) == {"accuracy"}
    assert scores["behavior"]["accuracy"] == {"score": 1.0, "interval": None}
    page = (tmp_path / "out/report.html").read_text()
    assert "Kinds of question" in page and "<td>only ChatGPT</td><td class=number>0</td>" in page
    assert ["match,", "F1", "–", "45.0", "–", "–"] in [
        line.replace("│", " ").split() for line in shown.splitlines()
    ]
    assert all(len(line) <= 80 for line in shown.split("score, times 100")[0].splitlines())


def test_a_model_answers_all_cameras_and_goes_on(root, tmp_path, caplog):
    class Watched(Leo):
        asked, stop_after = 0, None

        def ask(self, clip, questions, **options):
            if self.asked == self.stop_after:
                raise KeyboardInterrupt
            self.asked += 1
            assert clip.names == CAMERAS and len(clip.frames) == 6
            return super().ask(clip, questions, **{**options, "max_new_tokens": 4})

    challenge = read_challenge(root)
    whole = evaluate_challenge(Watched(*tiny_leo(seed=0)), challenge, tmp_path / "whole")
    stopped = Watched(*tiny_leo(seed=0))
    stopped.stop_after = 1
    with pytest.raises(KeyboardInterrupt):
        evaluate_challenge(stopped, challenge, tmp_path / "out")
    again = Watched(*tiny_leo(seed=0))
    assert evaluate_challenge(again, challenge, tmp_path / "out") == whole and again.asked == 3
    output = json.loads((tmp_path / "out/output.json").read_text())
    assert [row["id"] for row in output] == [row["id"] for row in predictions()]
    assert all(
        row["question"].startswith("<image>\n") and set(row) == {"id", "question", "gt_answer", "answer"}
        for row in output
    )
    # What was written can be scored again, with the same result.
    rescored = score_challenge(challenge, tmp_path / "out/output.json", tmp_path / "again")["scores"]
    blind = score_challenge(challenge, tmp_path / "out/output_blind.json", tmp_path / "blind")["scores"]
    for name, score in rescored.items():
        beside = {} if score["score"] is None else {"blind": blind[name]["score"]}
        assert whole["scores"][name] == score | beside
    # Without it, that of the earlier evaluation is gone.
    evaluate_challenge(Watched(*tiny_leo(seed=0)), challenge, tmp_path / "out", blind=False)
    assert not (tmp_path / "out/output_blind.json").exists()


def test_without_answers_there_are_answers_to_send(root, tmp_path):
    file = asked()
    for frame in file["s"]["key_frames"].values():
        for qa in (qa for stage in frame["QA"].values() for qa in stage):
            del qa["A"]
    (root / "test_eval.json").write_text(json.dumps(file))
    challenge = read_challenge(root, cameras=["CAM_FRONT"])
    report = evaluate_challenge(Leo(*tiny_leo(seed=0)), challenge, tmp_path / "out", max_new_tokens=8)
    assert report["scores"] == {} and "server" in report["notes"][0]
    assert len(json.loads((tmp_path / "out/output.json").read_text())) == 11
    with pytest.raises(InputError, match="has no answers to score"):
        score_challenge(challenge, tmp_path / "out/output.json", tmp_path / "scored")


@pytest.mark.parametrize("tagged", [True, False])
def test_a_file_with_some_empty_answers_names_them_before_anything_is_answered(tmp_path, tagged):
    file = asked()
    first, second = (frame["QA"] for frame in file["s"]["key_frames"].values())
    first["prediction"][1]["A"] = " "
    del second["planning"][0]["A"]
    if not tagged:
        for qa in (qa for frame in (first, second) for stage in frame.values() for qa in stage):
            del qa["tag"]
    with pytest.raises(InputError) as refused:
        read_challenge(write_root(tmp_path, file))
    said = (
        "test_eval.json: 2 of 11 questions have no answer (A): s_f1 prediction 1, s_f2 planning 0; give them"
    )
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_without_tags_and_answers_is_asked_whole(tmp_path):
    file = asked()
    for folder in ("tagged", "untold"):
        (tmp_path / folder).mkdir()
    with_tags = read_challenge(write_root(tmp_path / "tagged", file))
    for frame in file["s"]["key_frames"].values():
        for qa in (qa for stage in frame["QA"].values() for qa in stage):
            del qa["A"], qa["tag"]
    challenge = read_challenge(write_root(tmp_path / "untold", file), cameras=["CAM_FRONT"])
    assert list(challenge.stages) == list(with_tags.stages) and set(challenge.sorts.values()) == {"untold"}
    evaluate_challenge(Leo(*tiny_leo(seed=0)), challenge, tmp_path / "out", max_new_tokens=2)
    output = json.loads((tmp_path / "out/output.json").read_text())
    assert [row["id"] for row in output] == list(challenge.stages)


def test_ids_that_do_not_fit(root, tmp_path, caplog):
    rows = predictions()
    rows = [*rows[1:], rows[3], {"id": "s_f9_0", "answer": "?"}]
    (tmp_path / "output.json").write_text(json.dumps(rows))
    report = score_challenge(read_challenge(root), tmp_path / "output.json", tmp_path / "out")
    matching = report["matching"]
    assert (matching["missing"], matching["extra"], matching["doubled"]) == (
        ["s_f1_0"],
        ["s_f9_0"],
        ["s_f1_3"],
    )
    assert any("server refuses" in line for line in caplog.messages)


def test_answers_to_other_questions_under_the_same_ids_are_refused(root, tmp_path):
    """As from a training file of which somebody numbered all questions, where the challenge draws some."""
    file = asked()
    for frame in file["s"]["key_frames"].values():
        for qa in (qa for stage in frame["QA"].values() for qa in stage):
            del qa["tag"]
    (root / "test_eval.json").write_text(json.dumps(file))
    challenge = read_challenge(root)
    assert challenge.drawn
    every = [qa for example in challenge.examples for qa in example.questions]
    choice = next(qa for qa in every if " options: A. " in qa.question)

    def scored(**changed):
        rows = [
            {"id": qa.question_id, "question": f"<image>\n{qa.question}", "answer": qa.answer} for qa in every
        ]
        for row in rows:
            row["question"] = changed.get(row["id"], row["question"])
        (tmp_path / "output.json").write_text(json.dumps(rows))
        return score_challenge(challenge, tmp_path / "output.json", tmp_path / "out")["scores"]["accuracy"]

    first = choice.question.partition(" Please select")[0]
    # What is the same but for placeholders, spaces and our options; and where nothing was said.
    for same in (f"<image>\n<image> {first.replace(' ', '  ')}", choice.question, "", "<image>\n", None):
        assert scored(**{choice.question_id: same})["score"] == 1
    moved = choice.question.replace(" options: A. ", " options: A. Flying. ")
    other = {choice.question_id: moved, every[0].question_id: "<image>\nWhere to?"}
    with pytest.raises(InputError) as refused:
        scored(**other)
    said = str(refused.value)
    assert f"output.json: 2 of {len(every)} answers are to other questions than {challenge.path}" in said
    assert f"{every[0].question_id} is 'Where to?', and not 'What are the important objects?'; " in said
    assert said.endswith("numbered anew: leo-drive evaluate drivelm --model nano lists them in output.json")
    with pytest.raises(
        InputError, match=r" is '\.\.\. .*options: A\. Flying\. .*, and not '\.\.\. .*options: A"
    ):
        scored(**{choice.question_id: moved})


def test_of_an_id_that_is_there_twice_the_last_answer_counts(root, tmp_path, caplog):
    rows = predictions()
    assert rows[5]["id"] == "s_f1_5"
    (tmp_path / "output.json").write_text(json.dumps([{"id": "s_f1_5", "answer": "C"}, *rows]))
    report = score_challenge(read_challenge(root), tmp_path / "output.json", tmp_path / "out")
    assert report["scores"]["accuracy"]["score"] == ACCURACY
    (loud, line) = report["warnings"]
    assert (
        loud
        == f"WARNING: {len(rows)} of {len(rows)} questions of the part are answered, by {len(rows)} answers"
    )
    assert line == "1 question ids answered more than once; the last counts: s_f1_5"
    assert "the last counts" in caplog.text
    (tmp_path / "output.json").write_text(json.dumps([*rows, {"id": "s_f1_5", "answer": "C"}]))
    report = score_challenge(read_challenge(root), tmp_path / "output.json", tmp_path / "out")
    assert report["scores"]["accuracy"]["score"] == 0.5 and report["matching"]["doubled"] == ["s_f1_5"]


def test_the_file_of_answers_is_not_written_over(root, tmp_path, run):
    folder = tmp_path / "mine"
    folder.mkdir()
    text = json.dumps(predictions())
    (folder / "output.json").write_text(text)
    (tmp_path / "link.json").symlink_to(folder / "output.json")
    for given in (folder / "output.json", tmp_path / "mine/../link.json"):
        status, _, said = run(
            "evaluate", "drivelm", "--root", root, "--predictions", given, "--out", tmp_path / "mine"
        )
        assert status == 2 and "json: would be written over by the results in" in said
        assert (folder / "output.json").read_text() == text
        assert [path.name for path in folder.iterdir()] == ["output.json"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("{}", "not the challenge's output"),
        ('[{"id": "x"}]', "0.answer: Field required"),
        ("[", "not JSON"),
        ("[]", r"output\.json: has no answers$"),
    ],
)
def test_files_that_are_no_output(root, tmp_path, text, message):
    (tmp_path / "output.json").write_text(text)
    with pytest.raises(InputError, match=message):
        score_challenge(read_challenge(root), tmp_path / "output.json", tmp_path / "out")


def test_a_file_that_begins_with_the_mark_of_utf_8(root, tmp_path):
    for file, what in ((tmp_path / "output.json", predictions()), (root / "test_eval.json", asked())):
        file.write_text(json.dumps(what), encoding="utf-8-sig")
    report = score_challenge(read_challenge(root), tmp_path / "output.json", tmp_path / "out")
    assert report["scores"]["accuracy"]["score"] == ACCURACY


def test_centres_and_matches():
    assert centres("<c1,CAM_BACK,1.5,2.0> and 3.25") == [(1.5, 2.0)]
    found, f1 = matched("10.0 10.0 10.0 10.0", "10.0 25.9")
    assert found == [(10.0, 25.9)] and f1 == pytest.approx(2 / 3, abs=1e-6)
    assert matched("10.0 10.0", "10.0 26.0") == ([], 0.0) and matched("none", "1.0 2.0") == ([], 0.0)


def test_the_sample_is_drawn_as_the_challenge_draws_it(shared):
    sample = shared / "data/drivelm_sample"
    if not sample.is_dir():
        pytest.skip("no drivelm_sample beside the repository")
    challenge = read_challenge(sample)
    assert challenge.drawn and challenge.answered and len(challenge.examples) == 9
    # As in the challenge's own test file of the sample: 66 questions.
    counts = {sort: list(challenge.sorts.values()).count(sort) for sort in set(challenge.sorts.values())}
    assert counts == {"accuracy": 26, "chatgpt": 27, "language": 9, "match": 4}
    first = challenge.examples[0].questions
    assert [challenge.stages[qa.question_id] for qa in first] == [
        *(
            "perception",
            "perception",
            "prediction",
            "prediction",
            "planning",
            "planning",
            "planning",
            "behavior",
        ),
    ]
    assert first[1].answer in "ABCD" and "options: A. " in first[1].question
    assert read_challenge(sample).examples[0].questions == first


def test_a_model_for_answers_that_are_there_already_is_refused(root, tmp_path, run):
    (tmp_path / "output.json").write_text(json.dumps(predictions()))
    given = ("--root", root, "--predictions", tmp_path / "output.json", "--out", tmp_path / "out")
    status, _, err = run("evaluate", "drivelm", *given, "--model", "nano")
    assert status == 2 and "--model: needs a model, and --predictions has the answers already" in err
    assert not (tmp_path / "out").exists()
