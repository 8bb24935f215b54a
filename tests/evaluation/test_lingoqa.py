"""Evaluating a part: the files it writes, closed kinds inferred, and going on after a stop."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from rich.console import Console

from leo_drive.data.example import Example, Picture
from leo_drive.errors import InputError
from leo_drive.evaluation.lingoqa import PARTIAL, clip_of, evaluate_part
from leo_drive.evaluation.report import print_report
from leo_drive.inference import Leo
from tests.data.pictures import jpeg, pack, write
from tests.model.tiny import tiny_leo

SEGMENTS = 6


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
        return super().ask(clip, questions, max_new_tokens=4, **options)


def leo(seed=0, name="tiny") -> Watched:
    return Watched(*tiny_leo(seed=seed), name=name)


@pytest.fixture
def part(tmp_path):
    """Two closed questions a segment, the second with two reference answers, and an open one."""
    rows = []
    for s in range(SEGMENTS):
        images = [f"images/val/{s}/{i}.jpg" for i in range(3)]
        side = "left" if s % 2 else "right"
        for q, question, answer in (
            (0, "Is there a vehicle ahead?", "Yes." if s % 3 else "No."),
            (1, "Which side is it on?", f"On the {side}."),
            (1, "Which side is it on?", side.capitalize()),
            (2, "Why do we stop?", "The light is red."),
        ):
            rows.append((f"{s}-{q}", f"segment{s}", images, question, answer))
    folder = tmp_path / "part"
    pack(
        folder / "images.zip",
        {f"val/{s}/{i}.jpg": jpeg(20 * s + 10 * i) for s in range(SEGMENTS) for i in range(3)},
    )
    columns = ["question_id", "segment_id", "images", "question", "answer"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "val.parquet")
    return folder


def results(out):
    return {
        name: (out / name).read_text() for name in ("predictions.csv", "predictions_blind.csv", "report.json")
    }


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
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(results(tmp_path / "out"))


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
    assert caplog.messages == said
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


def test_a_damaged_file_of_answers_is_named(part, tmp_path):
    stopped_run(part, tmp_path / "out")
    (tmp_path / "out" / PARTIAL).write_text("oops\n")
    with pytest.raises(InputError, match=r"answers\.partial\.jsonl: damaged; remove it"):
        evaluate_part(leo(), part, tmp_path / "out")


def test_a_finished_evaluation_is_made_anew(part, tmp_path):
    first = evaluate_part(leo(), part, tmp_path / "out")
    again, other = leo(), leo(seed=1)
    assert evaluate_part(again, part, tmp_path / "out") == first and again.clips == 2 * SEGMENTS
    evaluate_part(other, part, tmp_path / "out")
    assert other.clips == 2 * SEGMENTS


def test_a_missing_image_keeps_the_answers_so_far(part, tmp_path):
    images = {f"val/{s}/{i}.jpg": jpeg(20 * s + 10 * i) for s in range(SEGMENTS) for i in range(3)}
    (part / "images.zip").unlink()
    write(part / "images", images)
    whole = evaluate_part(leo(), part, tmp_path / "whole")
    lost = part / "images/val/4/2.jpg"
    lost.unlink()
    with pytest.raises(InputError, match=r"4/2\.jpg: no such image"):
        evaluate_part(leo(), part, tmp_path / "out")
    lost.write_bytes(images["val/4/2.jpg"])
    goes_on = leo()
    assert evaluate_part(goes_on, part, tmp_path / "out") == whole and goes_on.clips == 2 * SEGMENTS - 4


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
    assert "mean of 2" in text and "kinds inferred from wording and answers" in text
    with console.capture() as shown:
        print_report({**report, "closed": None}, console)
    assert "none of its questions is closed" in shown.get()
