"""Ablations: what is measured on is looked at before anything is trained."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from tests.training.test_ablate import FROZEN_OR_NOT, TINY
from training.ablate import main


def checked(tmp_path, evaluate, **changes):
    """What --check does with a plan that measures on these parts."""
    frozen = {**FROZEN_OR_NOT, "variants": FROZEN_OR_NOT["variants"][:1]}
    for name, content in (("plan", {**TINY, **changes, "evaluate": evaluate}), ("ablation", frozen)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    main(
        str(tmp_path / "ablation.yaml"),
        recipe=str(tmp_path / "plan.yaml"),
        seeds=1,
        out_dir=tmp_path / "out",
        steps=None,
        real=None,
        check=True,
    )


def test_a_part_of_ones_own_alone(tmp_path, capsys):
    write_dataset(tmp_path / "mine", 2, size=(128, 72), split="val")
    draw = {name: drawn for name, drawn in TINY["draw"].items() if name != "val"}
    checked(tmp_path, {"mine": str(tmp_path / "mine")}, draw=draw)
    assert "frozen, seed 0: about" in capsys.readouterr().out


def open_questions_alone(tmp_path):
    write_dataset(tmp_path / "open", 1, size=(128, 72), split="val")
    kinds = pd.read_parquet(tmp_path / "open/val_kinds.parquet")
    kinds.assign(value="", choices=[[]] * len(kinds)).to_parquet(tmp_path / "open/val_kinds.parquet")
    return tmp_path / "open"


@pytest.mark.parametrize(
    "part, reason",
    [
        ("data/real/val", "ablation: there is nothing to measure on but real drives; give --real"),
        ("/nowhere/part", "/nowhere/part: no such folder"),
        (None, "open: none of its questions is closed"),
    ],
)
def test_parts_that_cannot_be_measured_on_are_told_at_once(tmp_path, part, reason):
    evaluate = {"mine": part or str(open_questions_alone(tmp_path))}
    if part != "data/real/val":
        evaluate["generated"] = "data/val"
    with pytest.raises(InputError, match=reason):
        checked(tmp_path, evaluate)
    assert not list((tmp_path / "out").iterdir())
