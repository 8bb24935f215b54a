"""The embedded model's own making, in small: drawn, trained in its stages, measured, nothing replaced."""

from pathlib import Path

import pandas as pd

import leo_drive
from leo_drive.clips import open_source
from leo_drive.models import ASSETS, unlearned
from training import nano
from training.nano import Amounts, main, stage_recipe

ROOT = Path(__file__).parents[2]


def test_all_stages_run_one_after_the_other_and_give_a_model_that_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = Amounts(4, 4, 1, 1, validation=1, calibration=0, steps=1, answer_tokens=8)
    monkeypatch.setattr(nano, "REHEARSAL", small)
    embedded = (ASSETS / "nano/model.safetensors").read_bytes()
    main(rehearse=True)
    runs = tmp_path / "runs/nano_rehearsal"
    assert "rehearsed in runs/nano_rehearsal" in capsys.readouterr().out
    assert (runs / "report/report.html").is_file() and sorted(p.name for p in tmp_path.iterdir()) == ["runs"]
    for stage in ("sight", "stage1", "stage2"):
        assert "held-out data, the checkpoint" in (runs / stage / "model/README.md").read_text(), stage
    with open_source(ROOT / "leo_drive/assets/demo.mp4") as source:
        assert leo_drive.load(runs / "model").ask(source.clip(), "Is there a vehicle?").token_logprobs
    assert (ASSETS / "nano/model.safetensors").read_bytes() == embedded
    # It says of which questions it has learned none.
    taught = pd.read_parquet(runs / "data/clips/train.parquet")["question"].tolist()
    assert unlearned(str(runs / "model"), [taught[0], "Is there a fridge?"]) == ["Is there a fridge?"]
    # What is finished is not done again.
    made = (runs / "stage2/model/model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(nano, "measure", lambda *of: None)
    main(rehearse=True)
    assert (runs / "stage2/model/model.safetensors").stat().st_mtime_ns == made


def test_recipes_move_with_their_folder_and_go_without_real_drives():
    runs = Path("elsewhere")
    real, alone = (stage_recipe("nano_stage2", runs, real, steps=7) for real in (True, False))
    assert [s.root.is_relative_to("elsewhere/data/real") for s in real.data] == [False, False, True, True]
    assert alone.data == real.data[:2] and alone.steps == 7
    assert (alone.model, str(alone.output)) == ("elsewhere/stage1/model", "elsewhere/stage2")
    assert [str(s.root) for s in alone.validation] == ["elsewhere/data/validation"]
    assert alone.vision_cache == Path("elsewhere/vision_cache")
    # The first stage starts from no folder, and its steps are its own unless told.
    sight = stage_recipe("nano_sight", runs, True, None)
    assert sight.model == "nano-from-scratch" and sight.steps == 3200 and sight.vision_cache is None
