"""Weights sharded over processes: the same training, and a finished model that is whole."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from leo_drive.errors import InputError
from leo_drive.model import LeoForConditionalGeneration
from tests.processes import run_ranks
from tests.training.conftest import losses
from training.recipe import read_recipe
from training.train import train

ROOT = Path(__file__).parents[2]


FSDP = {"version": 2, "reshard_after_forward": True, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP"}


def launch(module: str, recipe: Path) -> None:
    for done in run_ranks(["-m", module, recipe]):
        assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(params=["fsdp", "deepspeed"])
def sharded(request) -> tuple[str, dict]:
    """What is launched, and the recipe's options for it."""
    if request.param == "fsdp":
        return "tests.training.fsdp_on_cpu", {"fsdp": FSDP}
    pytest.importorskip("deepspeed", reason="pip install 'leo-drive[deepspeed]'; it needs a C++ compiler")
    return "training.train", {"deepspeed": str(ROOT / "training/recipes/zero3.json")}


def close(found: Path, expected: Path) -> None:
    """Two runs have the same losses at the same steps."""
    found_losses, expected_losses = losses(found), losses(expected)
    assert [step for step, *_ in found_losses] == [step for step, *_ in expected_losses]
    for (_, ours, _), (_, theirs, _) in zip(found_losses, expected_losses, strict=True):
        if ours and theirs:
            assert abs(float(ours) - float(theirs)) < 1e-3


def test_it_trains_as_one_process_does_and_goes_on_where_it_stopped(tmp_path, recipe_file, sharded):
    module, sharding = sharded
    options = {"batch_size": 4, "dense_weight": 0, "train": ["projectors", "language_model"]}
    train(read_recipe(recipe_file(tmp_path / "one", **options)))
    recipe = recipe_file(tmp_path / "sharded", **sharding, **options)
    run = tmp_path / "sharded" / "run"
    launch(module, recipe)
    # As if it had been stopped after its first checkpoint.
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "checkpoints" / "checkpoint-4")
    launch(module, recipe)
    close(run, tmp_path / "one" / "run")
    expected = LeoForConditionalGeneration.from_pretrained(tmp_path / "one" / "run" / "model").state_dict()
    found = LeoForConditionalGeneration.from_pretrained(run / "model").state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-4, rtol=1e-3, msg=name)


def test_a_process_with_text_alone_keeps_step_with_one_that_has_pictures(
    tmp_path, recipe_file, drives, sharded
):
    module, sharding = sharded
    turns = [{"from": "human", "value": "Stop?"}, {"from": "gpt", "value": "A vehicle."}]
    (tmp_path / "chat.json").write_text(json.dumps([{"id": "text", "conversations": turns}]))
    # One clip a process and step; the language model is frozen, so text alone has nothing to learn from.
    data = [{"root": str(drives), "frames": 1}, {"root": str(tmp_path), "format": "llava"}]
    options = {"data": data, "batch_size": 2, "steps": 6, "dense_weight": 0, "train": ["projectors"]}
    train(read_recipe(recipe_file(tmp_path / "one", **options)))
    launch(module, recipe_file(tmp_path / "sharded", **sharding, **options))
    close(tmp_path / "sharded" / "run", tmp_path / "one" / "run")


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="DeepSpeed is installed")
def test_without_deepspeed_a_recipe_that_needs_it_says_what_to_install(recipe_file):
    with pytest.raises(InputError, match=r"pip install 'leo-drive\[deepspeed\]'"):
        train(read_recipe(recipe_file(deepspeed=str(ROOT / "training/recipes/zero3.json"))))
