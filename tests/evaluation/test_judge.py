"""Lingo-Judge: LingoQA's own scores on the same weights, and folders that are no judge."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from safetensors.numpy import load_file, save_file
from transformers import DebertaV2Config, DebertaV2ForMaskedLM

from leo_drive.errors import InputError, LeoDriveError
from leo_drive.evaluation.compare import compare
from leo_drive.evaluation.extras import Robustness, print_extras
from leo_drive.evaluation.judge import LINGO_JUDGE, LingoJudge, as_the_scorer_reads
from leo_drive.evaluation.lingoqa import evaluate_part, evaluate_predictions
from leo_drive.inference import Leo
from tests.evaluation.judge_cases import PREDICTIONS, references
from tests.evaluation.judges import tiny_judge
from tests.evaluation.parts import write_part
from tests.model.tiny import tiny_leo

# What benchmark/judge.py and benchmark/evaluate.py of LingoQA (commit 39d86b1) give for judge_cases.py with
# tiny_judge's weights, on the CPU; the best of the references, question by question in the order of the file.
GOLDEN = {
    "q0": (2.326147, 1.801983),
    "q1": (0.774794,),
    "q2": (-6.035133,),
    "q3": (1.450189,),
    "q4": (-3.614173,),
    "q5": (2.768822,),
    "q6": (-0.640706,),
    "q7": (-2.603562,),
    "q8": (-0.710087,),
}
GOLDEN_SCORE = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def judge(folder):
    return LingoJudge(str(folder), device="cpu", batch=3)


def test_lingoqas_own_scores(judge, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("PATH", "")  # without Java, whose start takes seconds
    (tmp_path / "part").mkdir()
    references().to_parquet(tmp_path / "part/val.parquet")
    predictions = tmp_path / "predictions.csv"
    predictions.write_text(PREDICTIONS)
    report = evaluate_predictions(tmp_path / "part", predictions, tmp_path / "out", judge=judge)
    table = pd.read_csv(tmp_path / "out/questions.csv")
    for question, scores in GOLDEN.items():
        assert sorted(table["judge"][table["question_id"] == question]) == pytest.approx(
            sorted(scores), abs=2e-5
        )
    assert report["scores"]["lingo_judge"]["score"] == GOLDEN_SCORE
    assert report["matching"] == {
        "matched": 9,
        "answers": 10,
        "expected": 10,
        "missing": ["q9"],
        "extra": ["q1", "q99"],
        "doubled": ["q0"],
    }
    said = "\n".join(caplog.messages)
    assert "WARNING: 9 of 10 questions of the part are answered, by 10 answers" in said
    assert "1 question ids without an answer; the score is over the others: q9" in said
    assert "2 question ids not of this part" in said and "1 question ids answered more than once" in said
    assert "1 of 10 answers are empty: wrong as closed answers; judged all the same, 1 of them as" in said
    assert report["settings"]["judge_hash"] == judge.hash
    assert "WARNING: not to be compared with published scores: the part has 3 segments, 10 " in said


def test_empty_answers_may_pass_the_judge(judge, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    part = tmp_path / "part"
    part.mkdir()
    asked = references()
    asked.to_parquet(part / "val.parquet")
    said = asked.drop_duplicates("question_id")[["question_id", "segment_id"]].assign(answer="")
    said.loc[said.index[-1], "answer"] = "  "
    said.to_csv(tmp_path / "empty.csv", index=False)
    report = evaluate_predictions(part, tmp_path / "empty.csv", tmp_path / "out", judge=judge)
    grouped = [group for _, group in asked.groupby("question_id", sort=False)]
    passed = sum(
        judge.scores([group["question"].iloc[0]], [list(group["answer"])], [answer])[0] > 0
        for group, answer in zip(grouped, ["none"] * 9 + ["  "], strict=True)
    )
    assert 0 < passed < 10 and report["scores"]["lingo_judge"]["score"] == passed / 10
    assert report["warnings"][1:] == [
        "10 of 10 answers are empty: wrong as closed answers; judged all the same, 9 of them as "
        f'"none", and {passed} of them passed'
    ]


def test_the_batch_changes_nothing(judge, folder):
    case = references().groupby("question_id")
    questions = [str(group["question"].iloc[0]) for _, group in case]
    refs = [list(group["answer"]) for _, group in case]
    said = ["Yes."] * len(questions)
    done = []
    three = judge.scores(questions, refs, said, progress=lambda *at: done.append(at))
    alone = np.array([judge.scores([q], [r], [a])[0] for q, r, a in zip(questions, refs, said, strict=True)])
    assert three == pytest.approx(alone, abs=2e-5)
    assert done[-1] == (20, 20) and len(done) == 7
    # The best of the references: each alone is no better.
    assert three[0] == pytest.approx(
        max(judge.scores(questions[:1], [[r]], said[:1])[0] for r in refs[0]), abs=2e-5
    )
    # Case and space around do not count.
    assert judge.scores(["?"], [["  YES\n"]], ["No "]) == pytest.approx(
        judge.scores(["?"], [["yes"]], ["no"])
    )
    with pytest.raises(InputError, match="no reference answer to 'Why"):
        judge.scores(["Why?"], [[]], ["So."])


def test_what_pandas_reads_as_missing():
    assert as_the_scorer_reads(["Yes", "", "NA", "null", " ", 'say "no", or\nyes', "nan", "None."]) == [
        *("Yes", "none", "none", "none", " ", 'say "no", or\nyes', "none", "None."),
    ]
    assert as_the_scorer_reads(["Yes\rNo", "a\r\nb"]) == ["Yes\rNo", "a\r\nb"]
    # Where there is nothing but numbers, pandas makes them that.
    assert as_the_scorer_reads(["02", ""]) == ["2.0", "none"]


def copy_of(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_folders_that_are_no_judge(folder, tmp_path):
    with pytest.raises(InputError, match=r"empty: no config\.json"):
        (tmp_path / "empty").mkdir()
        LingoJudge(str(tmp_path / "empty"))
    with pytest.raises(InputError, match="nowhere"):
        LingoJudge(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="has 3 outputs; Lingo-Judge has one"):
        LingoJudge(str(tiny_judge(tmp_path / "three", labels=3)))
    masked = tmp_path / "masked"
    DebertaV2ForMaskedLM(
        DebertaV2Config(
            vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
    ).save_pretrained(masked)
    with pytest.raises(InputError, match="is DebertaV2ForMaskedLM, not a sequence classifier"):
        LingoJudge(str(masked))


def test_a_classifier_that_was_never_trained_as_one(folder, tmp_path):
    copy = copy_of(folder, tmp_path)
    masked = DebertaV2ForMaskedLM(DebertaV2Config.from_pretrained(folder))
    masked.save_pretrained(tmp_path / "masked")
    shutil.copy(tmp_path / "masked/model.safetensors", copy / "model.safetensors")
    with pytest.raises(InputError, match=r"its weights have no classifier\.bias"):
        LingoJudge(str(copy))


def test_judges_that_could_not_judge(folder, tmp_path):
    def refused(name, message, change):
        copy = shutil.copytree(folder, tmp_path / name)
        change(copy)
        with pytest.raises(InputError, match=message):
            LingoJudge(str(copy))

    def no_number(copy):
        weights = load_file(copy / "model.safetensors")
        weights["classifier.bias"][:] = np.nan
        save_file(weights, copy / "model.safetensors", metadata={"format": "np"})

    def edit(name, change):
        def changed(copy):
            values = json.loads((copy / name).read_text())
            change(values)
            (copy / name).write_text(json.dumps(values))

        return changed

    refused("damaged", "its weights are damaged: they give nan", no_number)
    more = edit("tokenizer.json", lambda t: t["model"]["vocab"].append(["▁amber", -1.0]))
    refused("other", r"its tokenizer has \d+ tokens, its weights are for \d+", more)
    no_padding = edit("tokenizer_config.json", lambda t: t.update(pad_token=None))
    refused("unpadded", "cannot judge 128 tokens", no_padding)


@pytest.mark.parametrize("damage", ["weights", "tokenizer", "config", "list"])
def test_damaged_judges_are_one_line(folder, tmp_path, damage):
    copy = copy_of(folder, tmp_path)
    if damage == "weights":
        (copy / "model.safetensors").write_bytes(b"no")
    elif damage == "tokenizer":
        (copy / "tokenizer.json").unlink()
    else:
        (copy / "config.json").write_text({"config": "{", "list": "[]"}[damage])
    with pytest.raises(InputError) as refused:
        LingoJudge(str(copy))
    assert str(copy) in str(refused.value) and "\n" not in str(refused.value)


def test_offline_the_hubs_judge_is_missed_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(LeoDriveError, match=r"wayveai/Lingo-Judge: the hub cannot be reached.*--judge DIR"):
        LingoJudge(LINGO_JUDGE)


def test_config_says_its_outputs(folder):
    # What the check of outputs relies on: transformers writes the labels of one output.
    assert len(json.loads((folder / "config.json").read_text())["id2label"]) == 1


def test_the_answers_from_grey_frames_are_judged_too(judge, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    part = write_part(tmp_path / "part")
    table = pd.read_parquet(part / "val.parquet")
    # Nothing that is closed: the judge alone can say what seeing is worth.
    table["question"], table["answer"] = "Describe the scene.", "A street with cars."
    table.to_parquet(part / "val.parquet")
    out, extras = tmp_path / "out", [Robustness.of(part, "blank", judged=True)]
    report = evaluate_part(Leo(*tiny_leo(seed=0)), part, out, judge=judge, extras=extras, max_new_tokens=8)
    alone = evaluate_predictions(part, tmp_path / "out/predictions_blind.csv", tmp_path / "b", judge=judge)
    scores, blind = report["scores"], alone["scores"]
    assert report["closed"] is None and "gain_over_blind" not in scores
    for name in ("lingo_judge", "bleu_4", "cider"):
        assert scores[name]["blind"] == blind[name]["score"]
    gain = scores["lingo_judge"]["score"] - scores["lingo_judge"]["blind"]
    assert scores["judge_gain_over_blind"]["score"] == pytest.approx(gain)
    page = (tmp_path / "out/report.html").read_text()
    assert "grey frames" in page and "Lingo-Judge, gain over blind" in page
    # What corruption costs too.
    found = report["robustness"]
    assert list(found) == ["lingo_judge", "unchanged", "same"]
    assert found["lingo_judge"]["corruptions"]["blank"]["3"]["lingo_judge"] == scores["lingo_judge"]["blind"]
    assert "<th>Lingo-Judge</th><th>strength 1</th>" in page and "balanced accuracy</th>" not in page
    rows = compare(out, out, tmp_path / "compare")["extras"]["robustness"]
    assert rows and all(row["name"].startswith("Lingo-Judge, ") for row in rows)


def test_answers_to_corrupted_clips_are_judged_too_and_compared(judge, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    part = write_part(tmp_path / "part")
    extras = [Robustness.of(part, "noise")]

    def evaluated(seed, name, judge):
        leo, out = Leo(*tiny_leo(seed=seed)), tmp_path / name
        return evaluate_part(leo, part, out, extras=extras, judge=judge, max_new_tokens=8), out

    (report, a), (_, b) = evaluated(0, "a", judge), evaluated(1, "b", judge)
    found = report["robustness"]["lingo_judge"]
    lingo = report["scores"]["lingo_judge"]
    assert [found["lingo_judge"][name] for name in ("plain", "blind")] == [lingo["score"], lingo["blind"]]
    assert found["intervals"]["plain"] == lingo["interval"]
    assert found["gain_over_blind"] == report["scores"]["judge_gain_over_blind"]["score"]
    # The same answers in a file of their own, judged by themselves.
    asked = pd.read_csv(a / "predictions.csv", keep_default_na=False)
    lines = map(json.loads, (a / "answers.jsonl").read_text().splitlines())
    of_pass = sorted((line["clip"], line["answers"]) for line in lines if line.get("pass") == "noise_2")
    asked["answer"] = [text for _, answers in of_pass for text, _, _ in answers]
    asked.to_csv(tmp_path / "noisy.csv", index=False)
    alone = evaluate_predictions(part, tmp_path / "noisy.csv", tmp_path / "noisy", judge=judge)
    cell = found["corruptions"]["noise"]["2"]
    assert (cell["lingo_judge"], cell["interval"]) == tuple(alone["scores"]["lingo_judge"].values())
    page = (a / "report.html").read_text()
    assert "<th>Lingo-Judge</th><th>strength 1</th>" in page
    console = Console(width=120)
    with console.capture() as shown:
        print_extras(report, console)
    assert "Lingo-Judge" in shown.get() and f"{cell['lingo_judge']:.3f}" in shown.get()

    rows = {row["name"]: row for row in compare(a, b, tmp_path)["extras"]["robustness"]}
    assert rows["Lingo-Judge, noise, strength 2"]["a"] == cell["lingo_judge"]
    (_, other) = evaluated(1, "other", LingoJudge(str(tiny_judge(tmp_path / "judge", seed=8)), "cpu"))
    found = compare(a, other, tmp_path)
    assert not [r for r in found["extras"]["robustness"] if "Judge" in r["name"]]
    for name in ("lingo_judge", "judge_gain_over_blind"):
        assert found["missing"][name].startswith("judged by different judges") and name not in found["scores"]


def test_a_device_that_is_not_there_is_no_reason_to_go_on_without_a_judge(run, tmp_path):
    part = write_part(tmp_path / "part")
    given = ("--root", part, "--out", tmp_path / "out", "--judge-device", "cudaa")
    status, _, err = run("evaluate", "lingoqa", *given)
    assert status == 2 and "device cudaa" in err and not list((tmp_path / "out").glob("*"))
