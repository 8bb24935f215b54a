"""Two evaluations' robustness, confidence and consistency beside each other."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch

from leo_drive.data.synthetic import write_dataset
from leo_drive.evaluation.compare import compare
from leo_drive.evaluation.consistency import Wordings
from leo_drive.evaluation.extras import Confidence, Consistency, Robustness
from leo_drive.evaluation.lingoqa import evaluate_part
from leo_drive.inference import Leo
from leo_drive.inference.load import open_model

WORDINGS = {"name": "night", "ask": ["Is it night?", "Is it dark?"], "negated": ["Is it light?"]}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Evaluates a part of two clips; what is asked besides can be chosen."""
    part = tmp_path_factory.mktemp("part")
    table = write_dataset(part, 2, seed=3, size=(192, 108), split="val", frames=2)
    pd.read_parquet(table).groupby("segment_id").head(6).to_parquet(table)

    def run(network, corruptions="", **wordings):
        leo, out = Leo(*network), tmp_path_factory.mktemp("out")
        extras = [Confidence()]
        if corruptions:
            asked = Wordings.model_validate({"groups": [WORDINGS | wordings]})
            extras += [Robustness.of(part, corruptions), Consistency(asked)]
        return evaluate_part(leo, part, out, blind=False, extras=extras), out

    return run


def blinded_nano():
    """nano with one encoder's tokens all alike: it answers as briefly, and otherwise."""
    leo, processor = open_model("nano", torch.float32)
    leo.projectors[0][-1].weight.data.zero_()
    return leo, processor


def test_what_both_measured_stands_side_by_side(evaluated, tmp_path):
    of_a, a = evaluated(blinded_nano(), "blank,jpeg")
    of_b, b = evaluated(open_model("nano", torch.float32), "jpeg", ask=["Night?", "Is it dark?", "Dark?"])
    found = compare(a, b, tmp_path)
    assert found == json.loads((tmp_path / "compare.json").read_text())
    rows = {name: {row["name"]: row for row in rows} for name, rows in found["extras"].items()}
    assert list(rows) == ["robustness", "confidence", "consistency"]
    robust = rows["robustness"]
    for strength in "123":
        cells = [report["robustness"]["corruptions"]["jpeg"][strength] for report in (of_a, of_b)]
        row = robust[f"jpeg, strength {strength}"]
        assert [row["a"], row["b"]] == [cell["balanced_accuracy"] for cell in cells]
        assert [row["interval_a"], row["interval_b"]] == [cell["interval"] for cell in cells]
    # What only one has, or over something else, is not compared.
    assert not [name for name in robust if "blank" in name or "kept" in name]
    kind = next(iter(of_a["robustness"]["kinds"]))
    assert robust[f"temporal gain: {kind}"]["b"] == of_b["robustness"]["kinds"][kind]["temporal_gain"]
    error = rows["confidence"]["expected calibration error (less is better)"]
    assert (error["a"], error["b"]) == (of_a["confidence"]["ece"], of_b["confidence"]["ece"])
    # A clip has one pair of paraphrases in A and three in B: other wordings.
    assert of_a["consistency"]["paraphrase"]["pairs"] == 2 and of_b["consistency"]["paraphrase"]["pairs"] == 6
    assert rows["consistency"] == {}
    page = (tmp_path / "compare.html").read_text()
    assert "Beside the scores" in page and "jpeg, strength 3" in page and "temporal gain" in page
    assert "no two numbers can be compared" in page

    same = compare(b, b, tmp_path / "same")["extras"]
    negations = next(row for row in same["consistency"] if row["name"] == "night, negations (6 pairs)")
    assert negations["a"] == of_b["consistency"]["groups"]["night"]["negation"]["contradictory"]
    assert any(row["name"].endswith("kept (jpeg)") for row in same["robustness"])


def test_what_one_alone_measured_is_said(evaluated, tmp_path):
    network = blinded_nano()
    (_, a), (_, b) = evaluated(network, "jpeg"), evaluated(network)
    assert list(compare(a, b, tmp_path)["extras"]) == ["confidence"]
    page = (tmp_path / "compare.html").read_text()
    assert "Only A has measured robustness." in page and "Only A has measured consistency." in page
