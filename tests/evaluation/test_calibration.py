"""Confidence that means what it says: measures by hand, the fit on known truth, nano on drives."""

from __future__ import annotations

import json
import math
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest

import leo_drive
from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from leo_drive.evaluation.calibrate import PARTIAL, calibrate_model, store_temperature
from leo_drive.evaluation.calibrate_command import calibrate
from leo_drive.evaluation.calibration import (
    HIGHEST,
    LOWEST,
    fit_temperature,
    held_out_temperatures,
    reliability,
    reliability_figure,
)
from leo_drive.evaluation.closed import closed_rows
from leo_drive.evaluation.lingoqa import evaluate_part
from leo_drive.evaluation.table import read_table
from leo_drive.inference import Leo
from leo_drive.models import ASSETS
from tests.model.tiny import tiny_leo


def drawn_answers(temperature: float, count: int = 20000):
    """Answers that are right as often as their probability to the power of 1 / temperature says."""
    rng = np.random.default_rng(0)
    logs = -rng.exponential(0.6, count)
    return logs, rng.random(count) < np.exp(logs / temperature)


def test_reliability_by_hand():
    given = [0.95, 0.95, 0.65, 0.65, 0.65, 1.0]
    found = reliability(given, [True, False, True, True, False, True])
    assert found["answers"] == 6 and found["accuracy"] == 4 / 6
    low, high = found["bins"]
    assert (low["low"], low["high"], low["answers"]) == (0.6, 0.7, 3) and high["answers"] == 3
    assert low["accuracy"] == pytest.approx(2 / 3) and high["confidence"] == pytest.approx(2.9 / 3)
    assert found["ece"] == pytest.approx(0.5 * abs(2 / 3 - 0.65) + 0.5 * abs(2 / 3 - 2.9 / 3))
    squares = [0.05**2, 0.95**2, 0.35**2, 0.35**2, 0.65**2, 0]
    assert found["brier"] == pytest.approx(sum(squares) / 6)
    with pytest.raises(ValueError, match="as many confidences as answers"):
        reliability([0.5], [])


def test_withholding_unsure_answers():
    given = [i / 100 for i in range(1, 101)]
    rows = reliability(given, [g > 0.5 for g in given])["coverage"]
    assert [row["coverage"] for row in rows] == [i / 10 for i in range(1, 11)]
    assert [row["accuracy"] for row in rows[:5]] == [1.0] * 5
    assert rows[-1]["accuracy"] == 0.5 and rows[4]["confidence"] == 0.51
    # Answers of one confidence cannot be told apart, in whatever order they come.
    for right in ([True, False] * 5, [False] * 5 + [True] * 5):
        assert {row["accuracy"] for row in reliability([0.7] * 10, right)["coverage"]} == {0.5}


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_answers_were_drawn_with_is_found(temperature):
    logs, right = drawn_answers(temperature)
    found = fit_temperature(logs, right)
    assert found == pytest.approx(temperature, rel=0.05)

    def likelihood(t):
        p = np.clip(np.exp(logs / t), 0, 1 - 1e-9)
        return float(np.where(right, np.log(p), np.log1p(-p)).mean())

    assert likelihood(found) > max(likelihood(found * 1.02), likelihood(found / 1.02))
    before, after = (reliability(np.exp(logs / t), right)["ece"] for t in (1.0, found))
    assert after < 0.02 and (temperature == 1.0 or before > 0.1)
    groups = list(range(len(logs) // 10)) * 10
    others = held_out_temperatures(logs, right, groups)
    assert len(set(others)) == 5 and others == pytest.approx(temperature, rel=0.1)


def test_answers_that_tell_nothing():
    for right in ([True] * 4, [False] * 4):
        with pytest.raises(ValueError, match=r"all 4 answers are (right|wrong)"):
            fit_temperature([-0.1] * 4, right)
    # Certain and wrong, unsure and right: bounded all the same.
    assert LOWEST <= fit_temperature([0.0, -5.0], [False, True]) <= HIGHEST * 1.001
    # Far apart: neither an overflow nor a warning of one.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_temperature([-0.001, -725.0], [True, False]) == pytest.approx(HIGHEST)


def test_the_plot(tmp_path):
    curve = reliability([0.2, 0.9, 0.9], [False, True, True])
    reliability_figure({"before": curve, "after": curve}).savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    write_dataset(folder, 6, seed=11, size=(192, 108), split="val")
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """nano in a folder of its own, made far too sure of itself."""
    folder = tmp_path_factory.mktemp("models") / "mine"
    shutil.copytree(ASSETS / "nano", folder)
    set_temperature(folder, 4.0)
    return folder


def test_nano_is_calibrated_on_drives_and_says_so(drives, copy, tmp_path):
    leo = leo_drive.load(copy)
    steps = []
    report = calibrate_model(leo, drives, tmp_path, lambda *at: steps.append(at))
    assert json.loads((tmp_path / "calibration.json").read_text()) == report
    assert (tmp_path / "calibration.png").stat().st_size > 1000 and not (tmp_path / PARTIAL).exists()
    assert steps[-1] == (6, 6) and report["clips"] == 6 and report["questions"] > 40
    kinds = pd.read_parquet(drives / "val_kinds.parquet")
    assert report["questions"] == (kinds.choices.map(len) > 0).sum()
    assert report["before"]["accuracy"] == report["after"]["accuracy"] > 0.3
    assert report["temperature_before"] == 4.0 and report["after"]["ece"] < report["before"]["ece"]

    card = (copy / "README.md").read_text()
    for _ in range(2):  # once more changes nothing
        assert store_temperature(copy, report)
        text = (copy / "README.md").read_text()
        assert text.count("## Confidence") == 1 and f"temperature {report['temperature']:.3f}" in text
        assert text.startswith(card.rstrip()[:2000])
    # What is fitted to the same answers again is what the model has: neither worse nor news.
    same = {"temperature_before": report["temperature"], "before": report["after"], "after": report["before"]}
    assert not store_temperature(copy, {**report, **same})
    assert (copy / "README.md").read_text() == text
    again = leo_drive.load(copy)
    assert again.model.config.confidence_temperature == pytest.approx(report["temperature"])
    clip = leo_drive.open(sorted((drives / "images/val").iterdir())[0]).clip()
    before, after = (model.ask(clip, "Is there a vehicle ahead?") for model in (leo, again))
    assert after.text == before.text
    assert math.log(after.confidence) * report["temperature"] == pytest.approx(
        math.log(before.confidence) * 4.0
    )


def set_temperature(folder, temperature):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "confidence_temperature": temperature}))


def best_temperature(folder, drives, out):
    """The one with the least calibration error on these very answers, which no fit on others can beat."""
    evaluate_part(leo_drive.load(folder), drives, out, blind=False)
    rows = closed_rows(read_table(out))
    logs, right = np.log(rows["confidence"]), list(rows["correct"])
    return min(np.geomspace(0.3, 3, 60), key=lambda t: reliability(np.exp(logs / t), right)["ece"])


def test_a_temperature_that_makes_it_worse_is_not_stored(run, drives, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # without Java, whose start takes seconds
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(ASSETS / "nano", model)
    set_temperature(model, 1.0)
    set_temperature(model, best_temperature(model, drives, tmp_path / "answers"))
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    options = ["--model", model, "--root", drives, "--out", out]
    status, said, err = run("evaluate", "calibrate", *options)
    report = json.loads((out / "calibration.json").read_text())
    assert report["after"]["ece"] > report["before"]["ece"]
    assert status == 1 and err.startswith(f"leo-drive: {model}: the temperature is not stored")
    assert len(err.splitlines()) == 1 and "stored in" not in said
    assert "expected calibration error" in said
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    # To measure is no failure.
    status, said, _ = run("evaluate", "calibrate", *options, "--no-write", "--json")
    assert status == 0 and json.loads(said) == json.loads((out / "calibration.json").read_text())


def test_missing_pictures_are_listed_before_anything_is_answered(drives, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(drives, part)
    for segment in sorted((part / "images/val").iterdir())[:2]:
        (segment / "0.jpg").unlink()
    leo = Leo(*tiny_leo(max_tiles=1, context=1024), name="tiny")
    with pytest.raises(InputError, match=r"2 pictures missing: .*0\.jpg, .*0\.jpg; get") as refused:
        calibrate_model(leo, part, tmp_path)
    assert str(part) in str(refused.value) and not (tmp_path / PARTIAL).exists()


def test_only_a_folder_that_was_named_is_written(copy, drives, tmp_path):
    with pytest.raises(InputError, match=r"nano: it comes with the package.*--no-write"):
        calibrate(drives, tmp_path, model="nano")
    with pytest.raises(InputError, match="no model folder to store"):
        calibrate(drives, tmp_path, model="somebody/leo")
    assert list(tmp_path.iterdir()) == []


def test_parts_that_cannot_calibrate(drives, tmp_path):
    hopeless = Leo(*tiny_leo(max_tiles=1, context=1024), name="tiny")
    with pytest.raises(InputError, match=r"answers are wrong: no temperature can be fitted"):
        calibrate_model(hopeless, drives, tmp_path)
    few = tmp_path / "few"
    write_dataset(few, 2, size=(192, 108))
    with pytest.raises(InputError, match="2 clips with closed questions, calibration needs 5"):
        calibrate_model(hopeless, few, tmp_path)
