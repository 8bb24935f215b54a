"""Evaluating a part: the files it writes, closed kinds inferred, and going on after a stop."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from rich.console import Console

from leo_drive.data.example import Example, Picture
from leo_drive.errors import InputError
from leo_drive.evaluation.answering import clip_of
from leo_drive.evaluation.extras import Robustness
from leo_drive.evaluation.lingoqa import PARTIAL, evaluate_part, evaluate_predictions
from leo_drive.evaluation.report import print_report
from leo_drive.evaluation.table import read_table
from leo_drive.files import locked, writable_folder
from leo_drive.inference import Leo
from leo_drive.inference.prefix import compute_prefix
from tests.data.pictures import jpeg, write
from tests.evaluation.challenge_case import write_root
from tests.evaluation.parts import SEGMENTS, right_answers, write_part
from tests.model.tiny import tiny_leo


class StoppedError(Exception):
    """What a test stops an evaluation with."""


class Watched(Leo):
    """A real model that counts what it is asked, and can be stopped after so many clips."""

    clips = 0
    stop_after = None
    seen = ()

    def ask(self, clip, questions, **options):
        if self.clips == self.stop_after:
            raise StoppedError
        self.clips += 1
        self.seen = [*self.seen, clip.frames[-1].getpixel((0, 0))]
        return super().ask(clip, questions, **{**options, "max_new_tokens": 4})


def leo(seed=0, name="tiny") -> Watched:
    return Watched(*tiny_leo(seed=seed), name=name)


@pytest.fixture
def part(tmp_path):
    return write_part(tmp_path / "part")


FILES = ("predictions.csv", "predictions_blind.csv", "questions.csv", "report.json", "report.html")


def results(out):
    """The files as they are, but for the page's date."""
    return {name: re.sub(r"Made \S+ by", "Made by", (out / name).read_text()) for name in FILES}


def test_a_part_without_a_table_of_kinds(part, tmp_path):
    model, steps = leo(), []
    report = evaluate_part(model, part, tmp_path / "out", progress=lambda *at: steps.append(at))
    assert report == json.loads((tmp_path / "out/report.json").read_text())
    assert report["segments"] == SEGMENTS and report["questions"] == 3 * SEGMENTS
    assert report["kinds"] == "inferred from wording and answers"
    # Six of a wording are too few for a kind of their own.
    for score in (report["closed"], report["blind"]):
        assert {kind: s["questions"] for kind, s in score["kinds"].items()} == {"yes_no": 6, "side": 6}
    predictions = pd.read_csv(tmp_path / "out/predictions.csv", keep_default_na=False)
    assert list(predictions.columns) == ["question_id", "segment_id", "answer"]
    assert len(predictions) == 3 * SEGMENTS and predictions.question_id.is_unique
    assert steps == [(i, 2 * SEGMENTS) for i in range(1, 2 * SEGMENTS + 1)] and model.clips == 2 * SEGMENTS
    grey = [pixel == (127, 127, 127) for pixel in model.seen]
    assert grey == [False] * SEGMENTS + [True] * SEGMENTS
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*FILES, "answers.jsonl"}


def test_without_the_blind_pass(part, tmp_path):
    model = leo()
    report = evaluate_part(model, part, tmp_path / "out", blind=False)
    assert "blind" not in report and report["closed"] and model.clips == SEGMENTS
    assert not (tmp_path / "out/predictions_blind.csv").exists()


@pytest.mark.parametrize("stop_after", [0, 2, SEGMENTS + 1])
def test_a_stopped_evaluation_goes_on(part, tmp_path, caplog, stop_after):
    whole = evaluate_part(leo(), part, tmp_path / "whole")
    stopped = leo()
    stopped.stop_after = stop_after
    with pytest.raises(StoppedError):
        evaluate_part(stopped, part, tmp_path / "out")
    assert not (tmp_path / "out/report.json").exists()
    # Cut off in the middle of a line, as a full disk or a power cut leaves it.
    partial = tmp_path / "out" / PARTIAL
    partial.write_bytes(partial.read_bytes() + b'{"pass": "predictions", "clip": 5, "ans')
    goes_on = leo()
    assert evaluate_part(goes_on, part, tmp_path / "out") == whole
    assert goes_on.clips == 2 * SEGMENTS - stop_after
    said = [f"{partial}: going on after {stop_after} of {2 * SEGMENTS} clips"] if stop_after else []
    # The test's model stops after four tokens; each of the evaluations that ended says so.
    short = f"{whole['questions']} of {whole['questions']} answers were cut short; a larger --max-new-tokens"
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("leo_drive")]
    warnings = [whole["warnings"][0], f"{short} lets them end"]
    assert messages == [*warnings, *said, *warnings] and "published scores" in warnings[0]
    assert results(tmp_path / "out") == results(tmp_path / "whole") and not partial.exists()


def stopped_run(part, out):
    model = leo()
    model.stop_after = 2
    with pytest.raises(StoppedError):
        evaluate_part(model, part, out)
    return (out / PARTIAL).read_bytes()


def test_another_model_is_refused_and_nothing_lost(part, tmp_path):
    kept = stopped_run(part, tmp_path / "out")
    with pytest.raises(InputError, match=r"partial\.jsonl: .* weights \w+, now \w+;.*remove this file"):
        evaluate_part(leo(seed=1), part, tmp_path / "out")
    assert (tmp_path / "out" / PARTIAL).read_bytes() == kept
    # The same weights by another name are the same model.
    assert evaluate_part(leo(name="copy"), part, tmp_path / "out")["model"] == "copy"


def test_other_questions_are_refused(part, tmp_path):
    stopped_run(part, tmp_path / "out")
    table = pd.read_parquet(part / "val.parquet")
    table.loc[0, "question"] = "Is there a vehicle behind?"
    table.to_parquet(part / "val.parquet")
    with pytest.raises(InputError, match=r"with questions \w+, now \w+"):
        evaluate_part(leo(), part, tmp_path / "out")


def test_a_clip_whose_pictures_have_changed_is_asked_about_again(part, tmp_path):
    images = unpack(part)
    stopped_run(part, tmp_path / "out")
    (part / "images/val/0/2.jpg").write_bytes(images["val/5/2.jpg"])
    goes_on = leo()
    report = evaluate_part(goes_on, part, tmp_path / "out")
    assert goes_on.clips == 2 * SEGMENTS - 1
    assert evaluate_part(leo(), part, tmp_path / "whole")["scores"] == report["scores"]
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_the_folder_of_another_benchmark_is_left_alone(part, tmp_path, run):
    answers, out = tmp_path / "answers.csv", tmp_path / "out"
    right_answers().to_csv(answers, index=False)
    evaluate_predictions(part, answers, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    status, _, err = run("evaluate", "drivelm", "--root", write_root(tmp_path), "--out", out)
    assert status == 2 and "has an evaluation on lingoqa; choose another --out for drivelm" in err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    # A report that cannot be read is in nobody's way.
    (out / "report.json").write_text("{")
    evaluate_predictions(part, answers, out)
    assert (out / "report.json").read_bytes() == before["report.json"]


@pytest.mark.parametrize(
    "row, column, other", [(2, "question", "Is it near?"), (1, "images", ["images/val/1/0.jpg"])]
)
def test_questions_that_share_their_ids_are_refused(part, tmp_path, row, column, other):
    table = pd.read_parquet(part / "val.parquet")
    table.at[row, column] = other
    table.to_parquet(part / "val.parquet")
    with pytest.raises(
        InputError, match=r"part: .*: question_id 0-1 of segment_id segment0; give each an id"
    ):
        evaluate_part(leo(), part, tmp_path / "out")


def test_a_damaged_file_of_answers_is_named(part, tmp_path):
    stopped_run(part, tmp_path / "out")
    (tmp_path / "out" / PARTIAL).write_text("oops\n")
    with pytest.raises(InputError, match=r"answers\.partial\.jsonl: damaged; remove it"):
        evaluate_part(leo(), part, tmp_path / "out")


def test_answers_that_were_cut_short_are_told(part, tmp_path, caplog):
    model = Leo(*tiny_leo(seed=0))
    report = evaluate_part(model, part, tmp_path / "out", max_new_tokens=1)
    (line,) = [line for line in report["warnings"] if "short" in line]
    table = read_table(tmp_path / "out")
    assert set(table["cut"]) == {"yes"} and line in caplog.messages
    assert line.startswith(f"{len(table)} of {len(table)} answers were cut short; a larger --max-new-tokens")
    # Answers of another length are other answers.
    stopped_run(part, tmp_path / "stopped")
    with pytest.raises(InputError, match="with decoding greedy, at most 128 tokens, now greedy, at most 1 "):
        evaluate_part(leo(), part, tmp_path / "stopped", max_new_tokens=1)


def test_another_evaluation_in_the_folder_is_left_alone(part, tmp_path):
    out = writable_folder(tmp_path / "out")
    with locked(out), pytest.raises(InputError, match=r"out: another run is writing here \(process \d+ on "):
        evaluate_part(leo(), part, out)
    assert not list(out.iterdir())


def test_a_finished_evaluation_answers_nothing_twice(part, tmp_path, caplog):
    out = tmp_path / "out"
    first = evaluate_part(leo(), part, out)
    again, more, other = leo(), leo(), leo(seed=1)
    assert evaluate_part(again, part, out) == first and again.clips == 0
    assert f"{out}: has all answers already; remove its answers.jsonl to answer again" in caplog.messages
    extras = [Robustness.of(part, "jpeg")]
    robust = evaluate_part(more, part, out, extras=extras)
    # Three strengths and the last frame alone.
    assert more.clips == 4 * SEGMENTS and robust["scores"] == first["scores"]
    assert robust == evaluate_part(leo(), part, tmp_path / "whole", extras=extras)
    # Of another model, or damaged, they are in nobody's way.
    evaluate_part(other, part, out)
    assert other.clips == 2 * SEGMENTS
    for damage in (b"oops", (out / "answers.jsonl").read_bytes()[:-40] + b"\n"):
        (out / "answers.jsonl").write_bytes(damage)
        again = leo()
        assert evaluate_part(again, part, out) == first and again.clips == 2 * SEGMENTS
    # So are those that other words, or another way to put them, led to.
    again = leo()
    again.processor.chat_template += " "
    evaluate_part(again, part, out)
    assert again.clips == 2 * SEGMENTS
    # And those that the model's own way to decode led to, which the report names.
    again = leo()
    again.model.generation_config.repetition_penalty = 5.0
    settings = evaluate_part(again, part, out)["settings"]
    assert again.clips == 2 * SEGMENTS
    assert settings["decoding"] == "greedy, at most 128 tokens, repetition_penalty 5.0"


def test_an_unpacked_part_is_the_same_part(part, tmp_path):
    first = evaluate_part(leo(), part, tmp_path / "out")
    unpack(part)
    again = leo()
    assert evaluate_part(again, part, tmp_path / "out") == first and again.clips == 0


def test_what_an_earlier_evaluation_alone_wrote_is_removed(part, tmp_path):
    model, out = leo(), tmp_path / "out"
    evaluate_part(model, part, out, extras=[Robustness.of(part, "jpeg")])
    (out / "notes.txt").write_text("mine")
    assert (out / "robustness.png").is_file() and (out / "predictions_blind.csv").is_file()
    evaluate_part(model, part, out)
    assert {p.name for p in out.iterdir()} == {*FILES, "answers.jsonl", "notes.txt"}
    right_answers().to_csv(tmp_path / "answers.csv", index=False)
    evaluate_predictions(part, tmp_path / "answers.csv", out)
    assert {p.name for p in out.iterdir()} == {*FILES, "notes.txt"} - {"predictions_blind.csv"}


def unpack(part):
    """The part's images as files, by name, as they would be in its archive."""
    images = {f"val/{s}/{i}.jpg": jpeg(20 * s + 10 * i) for s in range(SEGMENTS) for i in range(3)}
    (part / "images.zip").unlink()
    write(part / "images", images)
    return images


def test_missing_images_are_listed_before_anything_is_answered(part, tmp_path):
    unpack(part)
    model, listed = leo(), tmp_path / "out/missing_pictures.txt"

    def lose(*names):
        for name in names:
            (part / f"images/val/{name}.jpg").unlink()
        with pytest.raises(InputError) as refused:
            evaluate_part(model, part, tmp_path / "out")
        assert model.clips == 0 and "\n" not in str(refused.value)
        return str(refused.value)

    # More than the line can name are in a file, all of them.
    names = ("4/0", "4/1", "4/2", "5/0", "5/1")
    said = lose(*names)
    assert f"5 pictures missing: {part}/images/val/4/0.jpg, " in said
    assert f", and 2 more (all in {listed}); get" in said
    lines = listed.read_text().splitlines()
    assert lines == [f"pictures missing: {part}/images/val/{name}.jpg" for name in names]
    write(part / "images", {f"val/{name}.jpg": jpeg(0) for name in names[:3]})
    assert re.search(r"3 pictures missing: .*0/0\.jpg, .*5/0\.jpg, .*5/1\.jpg; get", lose("0/0"))
    assert not listed.exists()


def test_a_damaged_image_keeps_the_answers_so_far(part, tmp_path):
    images = unpack(part)
    whole = evaluate_part(leo(), part, tmp_path / "whole")
    damaged = part / "images/val/4/2.jpg"
    damaged.write_bytes(b"no")
    with pytest.raises(InputError, match=r"4/2\.jpg: not an image"):
        evaluate_part(leo(), part, tmp_path / "out")
    damaged.write_bytes(images["val/4/2.jpg"])
    goes_on = leo()
    assert evaluate_part(goes_on, part, tmp_path / "out") == whole and goes_on.clips == 2 * SEGMENTS - 4


def test_each_segment_is_encoded_once(part, tmp_path, monkeypatch):
    encoded = []
    monkeypatch.setattr(
        "leo_drive.inference.leo.compute_prefix",
        lambda model, processor, clip, plan: (
            encoded.append(clip.source) or compute_prefix(model, processor, clip, plan)
        ),
    )
    evaluate_part(leo(), part, tmp_path / "out")
    # Grey is the same for all of them.
    assert encoded == [f"part/segment{s}" for s in range(SEGMENTS)] + ["grey"]


def test_the_page_needs_nothing_beside_it(part, tmp_path):
    report = evaluate_part(leo(), part, tmp_path / "out", command="leo-drive evaluate lingoqa <part>")
    page = (tmp_path / "out/report.html").read_text()
    for words in ("Scores", "Closed questions", "Most confident mistakes", "Made with", "95 % interval"):
        assert words in page
    assert "leo-drive evaluate lingoqa &lt;part&gt;" in page
    assert report["part_hash"] in page and report["settings"]["model_hash"] in page
    pictures = re.findall(r'src="([^"]{30})', page)
    assert pictures and all(p.startswith("data:image/") for p in pictures) and "http" not in page


def test_scores_have_intervals_and_what_is_missing_says_so(part, tmp_path):
    report = evaluate_part(leo(), part, tmp_path / "out", no_judge="not measured: no network")
    scores = report["scores"]
    assert scores["lingo_judge"] == {"score": None, "missing": "not measured: no network"}
    for name in ("closed_accuracy", "closed_balanced_accuracy", "bleu_4", "cider", "gain_over_blind"):
        low, high = scores[name]["interval"]
        assert low <= scores[name]["score"] <= high, name
    assert scores["closed_balanced_accuracy"]["score"] == report["closed"]["balanced_accuracy"]
    assert set(report["parts"]) == {"scenery"}
    # A question has all its references, and what was read.
    table = read_table(tmp_path / "out")
    assert table["references"][1] == ["On the right.", "Right"] and table["truth"][1] == "right"
    assert table["correct"][2] is None and table["confidence"].between(0, 1).all()


def test_the_clip_is_the_last_pictures_at_their_times(tmp_path):
    write(tmp_path, {f"{i}.jpg": jpeg(40 * i) for i in range(5)})
    example = Example("e", tuple(Picture(tmp_path / f"{i}.jpg") for i in range(5)), ())
    clip = clip_of(example, 2, "part")
    assert clip.timestamps == (3.0, 4.0) and clip.source == "part/e"
    assert clip_of(example, 9).timestamps == (0.0, 1.0, 2.0, 3.0, 4.0)
    with pytest.raises(InputError, match="part/t: has no pictures"):
        clip_of(Example("t", (), ()), 2, "part")


def test_the_report_for_people(part, tmp_path):
    report = evaluate_part(leo(), part, tmp_path / "out")
    console = Console(width=200)
    with console.capture() as shown:
        print_report(report, console)
    text = shown.get()
    assert "kind" in text and "unread" in text and "blind, balanced" in text
    assert "mean of 2" in text and "times 100; kinds inferred from wording and answers" in text
    blind = report["blind"]["kinds"]
    for kind, score in report["closed"]["kinds"].items():
        row = next(line for line in text.splitlines() if f" {kind} " in line)
        numbers = (score["accuracy"], score["balanced_accuracy"], score["unread"])
        shown_numbers = [f"{100 * n:.1f}" for n in (*numbers, blind[kind]["balanced_accuracy"])]
        assert re.findall(r"\d+\.\d+", row) == shown_numbers, row
    narrow = Console(width=40)
    with narrow.capture() as shown:
        print_report(report, narrow)
    assert set(re.findall(r"\d+\.\d+", shown.get())) == set(re.findall(r"\d+\.\d+", text))
    with console.capture() as shown:
        print_report({**report, "closed": None}, console)
    assert "none of its questions is closed" in shown.get()
