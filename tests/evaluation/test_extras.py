"""Robustness, confidence and consistency inside an evaluation: nano on drawn drives, stopped on the way."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from rich.console import Console

from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from leo_drive.evaluation.compare import compare
from leo_drive.evaluation.consistency import Wordings
from leo_drive.evaluation.extras import Confidence, Consistency, Robustness, print_extras
from leo_drive.evaluation.lingoqa import PARTIAL, evaluate_part
from leo_drive.inference import Leo
from leo_drive.inference.load import open_model
from leo_drive.inference.prefix import compute_prefix

CLIPS = 2
FILES = ("report.json", "questions.csv", "predictions.csv", "predictions_blind.csv", "robustness.png")
WORDINGS = Wordings.model_validate(
    {"groups": [{"name": "night", "ask": ["Is it night?", "Is it dark?"], "negated": ["Is it light?"]}]}
)


class StoppedError(Exception):
    """What a test stops an evaluation with."""


class Watched(Leo):
    """A real model that can be stopped after so many clips."""

    clips = 0
    stop_after = None

    def ask(self, clip, questions, **options):
        if self.clips == self.stop_after:
            raise StoppedError
        self.clips += 1
        return super().ask(clip, questions, **options)


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    folder = tmp_path_factory.mktemp("part")
    table = write_dataset(folder, CLIPS, seed=3, size=(192, 108), split="val", frames=2)
    pd.read_parquet(table).groupby("segment_id").head(6).to_parquet(table)
    return folder


@pytest.fixture(scope="module")
def network():
    return open_model("nano", torch.float32)


def run(network, part, out, stop_after=None):
    leo = Watched(*network, name="nano")
    leo.stop_after = stop_after
    extras = [Confidence(), Robustness.of(part, "jpeg"), Consistency(WORDINGS)]
    return leo, evaluate_part(leo, part, out, blind=False, extras=extras)


def test_everything_in_one_report_also_after_a_stop(network, part, tmp_path):
    leo, report = run(network, part, tmp_path / "whole")
    # As it is, grey, last frame, a corruption at three strengths, other wordings.
    assert leo.clips == CLIPS * (1 + 1 + 1 + 3 + 1)
    assert {p.name for p in (tmp_path / "whole").iterdir()} == {*FILES, "report.html", "answers.jsonl"}
    assert json.loads((tmp_path / "whole" / "report.json").read_text()) == report
    found = report["robustness"]
    assert set(found["corruptions"]) == {"jpeg"}
    assert found["balanced_accuracy"]["plain"] == pytest.approx(report["closed"]["balanced_accuracy"])
    assert found["balanced_accuracy"]["blind"] == pytest.approx(report["blind"]["balanced_accuracy"])
    assert set(found["kinds"]) == set(report["closed"]["kinds"])
    # The intervals are those of the other scores: the same clips are drawn.
    assert found["intervals"]["plain"] == report["closed"]["interval"]
    assert found["intervals"]["gain_over_blind"] == report["scores"]["gain_over_blind"]["interval"]
    for kind, row in found["kinds"].items():
        assert row["intervals"]["plain"] == report["closed"]["kinds"][kind]["interval"], kind
    assert report["confidence"]["answers"] == report["closed"]["questions"]
    assert report["confidence"]["accuracy"] == pytest.approx(report["closed"]["accuracy"])
    assert report["consistency"]["clips"] == CLIPS
    assert report["consistency"]["negation"]["pairs"] == CLIPS * 2
    page = (tmp_path / "whole" / "report.html").read_text()
    for heading in ("Robustness", "Confidence", "Consistency", "temporal gain"):
        assert heading in page

    # Stopped at a clip's other wordings, when its own questions are answered, and at the last corruption.
    for stop_after in (1, leo.clips - 1):
        parted = tmp_path / f"parted{stop_after}"
        with pytest.raises(StoppedError):
            run(network, part, parted, stop_after=stop_after)
        assert (parted / PARTIAL).is_file()
        goes_on, again = run(network, part, parted)
        assert goes_on.clips == leo.clips - stop_after and again == report
        for name in FILES:
            assert (parted / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name

    console = Console(width=160)
    with console.capture() as shown:
        print_extras(report, console)
    for words in ("strength 3", "gain over blind", "negations contradict", "expected calibration error"):
        assert words in shown.get()


def test_other_wordings_cost_no_encoding_and_change_no_answer(network, part, tmp_path, monkeypatch):
    encoded = []
    monkeypatch.setattr(
        "leo_drive.inference.leo.compute_prefix",
        lambda model, processor, clip, plan: (
            encoded.append(clip.source) or compute_prefix(model, processor, clip, plan)
        ),
    )
    steps = []
    for name, extras in (("plain", []), ("besides", [Consistency(WORDINGS)])):
        leo = Leo(*network, name="nano")
        report = evaluate_part(leo, part, tmp_path / name, False, lambda *at: steps.append(at), extras=extras)
    assert len(encoded) == 2 * CLIPS and encoded[:CLIPS] == encoded[CLIPS:]
    assert steps[CLIPS:] == [(i, 2 * CLIPS) for i in range(1, 2 * CLIPS + 1)]
    assert report["consistency"]["paraphrase"]["pairs"] == CLIPS
    for name in ("questions.csv", "predictions.csv"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "besides" / name).read_bytes()


def test_a_part_without_closed_questions_has_nothing_to_lose(part, tmp_path):
    table = pd.read_parquet(part / "val.parquet").head(3)
    table["question"], table["answer"] = "Describe the scene.", "A street."
    table.to_parquet(tmp_path / "val.parquet")
    with pytest.raises(InputError, match="none of its questions is closed, and there is no judge: --corrupt"):
        Robustness.of(tmp_path, "fog")
    assert Robustness.of(tmp_path, "fog", judged=True).corruptions == ("fog",)
    with pytest.raises(InputError, match="--corrupt dropped,shuffled: changes nothing in 1 frames"):
        Robustness.of(part, "dropped,shuffled").passes(1)
    with pytest.raises(InputError, match="--corrupt snow"):
        Robustness.of(part, "snow")


def test_a_corruption_that_changes_no_clip_is_left_out_and_said_to_be(network, part, tmp_path):
    # The part has two frames a clip: one to drop, none to shuffle.
    model = Watched(*network, name="nano")
    report = evaluate_part(
        model, part, tmp_path, extras=[Robustness.of(part, "dropped,shuffled")], max_new_tokens=8
    )
    assert list(report["robustness"]["corruptions"]) == ["dropped"]
    assert report["robustness"]["unchanged"] == ["shuffled"]
    # Of the two the last stays, so that one is all that can be dropped.
    assert list(report["robustness"]["corruptions"]["dropped"]) == ["1"]
    assert report["robustness"]["same"] == {"dropped": [2, 3]} and model.clips == CLIPS * 4
    console = Console(width=100)
    with console.capture() as shown:
        print_extras(report, console)
    page = (tmp_path / "report.html").read_text()
    for said in (
        "Left out: shuffled. So few frames stay as they are.",
        "Left out: dropped at 2 and 3. Of so few frames it makes the same as at 1.",
    ):
        assert said in shown.get() and said in page
    extras = compare(tmp_path, tmp_path, tmp_path / "compare")["extras"]["robustness"]
    assert any(row["name"].endswith("kept (dropped at 1)") for row in extras)
