"""The trainer on generated drives: both stages, from the repository's root, as users run it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import leo_drive
from leo_drive.data.lingoqa import read_part
from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from leo_drive.model import LeoForConditionalGeneration
from training.data import QuestionClips
from training.recipe import read_recipe
from training.train import start_model, train

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def part(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drives")
    write_dataset(folder, 6, size=(192, 108), labels=True)
    return folder


def recipe_file(folder: Path, part: Path, **changes) -> Path:
    values = {
        "model": "nano",
        "train": ["branches", "projectors", "language_model"],
        "data": [{"root": str(part), "frames": 1}],
        "output": str(folder / "stage1"),
        "steps": 4,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "dense_weight": 1.0,
        "max_questions": 4,
        "save_steps": 2,
        "workers": 0,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return LeoForConditionalGeneration.from_pretrained(folder).state_dict()


def test_both_stages_run_from_the_root_and_the_result_loads(tmp_path, part):
    command = [sys.executable, "-m", "training.train", str(recipe_file(tmp_path, part))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stage1 = tmp_path / "stage1" / "model"
    assert f"finished model: {stage1}" in done.stdout
    second = recipe_file(
        tmp_path,
        part,
        model=str(stage1),
        train=["projectors", "language_model"],
        data=[{"root": str(part), "frames": 5}],
        dense_weight=0.0,
        vision_cache=True,
        output=str(tmp_path / "stage2"),
    )
    stage2 = train(read_recipe(second))
    before, after = weights(stage1), weights(stage2)
    for name, tensor in before.items():
        moved = not torch.equal(tensor, after[name])
        assert moved == (not name.startswith("branches.")), name
    segment = read_part(part)[0]
    clip = leo_drive.open([part / name for name in segment.images]).clip()
    assert isinstance(leo_drive.load(stage2).ask(clip, "Is it day or night?").text, str)


def test_training_goes_on_where_it_stopped(tmp_path, part):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir(), parted.mkdir()
    train(read_recipe(recipe_file(whole, part)))
    path = recipe_file(parted, part)
    killed = (
        "import os, transformers; from pathlib import Path; from training.recipe import read_recipe\n"
        "import training.train as t\n"
        "save = t.LeoTrainer._save_checkpoint\n"
        "def save_and_die(*a, **k): save(*a, **k); os._exit(9)\n"
        "t.LeoTrainer._save_checkpoint = save_and_die\n"
        f"t.train(read_recipe(Path({str(path)!r})))\n"
    )
    assert subprocess.run([sys.executable, "-c", killed], cwd=ROOT, capture_output=True).returncode == 9
    assert not (parted / "stage1" / "model").exists()
    train(read_recipe(path))
    one, two = weights(whole / "stage1" / "model"), weights(parted / "stage1" / "model")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, msg=name)


def test_the_vision_cache_gives_what_the_encoders_give(tmp_path, part):
    from training.trainer import cache_features

    recipe = read_recipe(recipe_file(tmp_path, part, train=["projectors"], dense_weight=0.0))
    leo, processor = start_model(recipe)
    data = QuestionClips(recipe.data, processor, 4, dense=False)
    plain = data[1]
    cache_features(leo, data, recipe)
    cached = data[1]
    assert cached.pixels is None and plain.pixels is not None
    with torch.inference_mode():
        for ours, theirs in zip(cached.features, leo.branch_features(plain.pixels), strict=True):
            torch.testing.assert_close(ours.float(), theirs, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"learning_rat": 1.0}, "unknown key learning_rat; did you mean learning_rate?"),
        ({"train": ["encoders"]}, "train.0"),
        ({"steps": 0}, "steps"),
        ({"vision_cache": True}, "vision_cache needs frozen branches"),
        ({"data": [{"root": "x", "frame": 2}]}, "unknown key data.0.frame; did you mean frames?"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(tmp_path, part, changes, reason):
    with pytest.raises(InputError) as error:
        read_recipe(recipe_file(tmp_path, part, **changes))
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_missing_recipe_data_and_label_maps(tmp_path, part):
    with pytest.raises(InputError, match=r"nothing\.yaml"):
        read_recipe(tmp_path / "nothing.yaml")
    with pytest.raises(InputError, match=r"neither val\.parquet nor train\.parquet"):
        train(read_recipe(recipe_file(tmp_path, tmp_path)))
    write_dataset(tmp_path / "bare", 2, size=(192, 108))
    with pytest.raises(InputError, match="no label map"):
        train(read_recipe(recipe_file(tmp_path, tmp_path / "bare")))
    with pytest.raises(InputError, match="neither a folder nor one of nano"):
        train(read_recipe(recipe_file(tmp_path, part, model="mano")))
