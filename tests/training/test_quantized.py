"""Low-rank additions to a language model in four bits; bitsandbytes has a CPU backend for it."""

import pytest
import torch
from safetensors import safe_open

import leo_drive
from leo_drive.inference.load import open_model
from training.recipe import read_recipe
from training.train import train

bitsandbytes = pytest.importorskip("bitsandbytes", reason="pip install 'leo-drive[quantize]'")


def test_additions_learned_in_four_bits_are_merged_into_the_weights_as_they_were(recipe_file, tiny):
    path = recipe_file(
        train=["projectors", "language_model"],
        dense_weight=0.0,
        lora={"rank": 4, "alpha": 8},
        quantize=True,
        learning_rate=1e-2,
        settings={"trained_frames": 2, "system_message": "changed"},
    )
    finished = train(read_recipe(path))
    config = leo_drive.load(str(finished)).model.config
    assert (config.trained_frames, config.system_message) == (2, "changed")
    (weights, *_) = sorted(finished.parent.glob("checkpoints/*/model.safetensors"))
    with safe_open(weights, "pt") as kept:
        assert all("lora_" in name or ".projectors." in name for name in kept.keys())  # noqa: SIM118
    before, _ = open_model(str(tiny), torch.float32)
    after, _ = open_model(str(finished), torch.float32)
    old, new = before.state_dict(), after.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert any(name.startswith("projectors.") for name in moved)
    layers = [name for name in moved if name.startswith("language_model.")]
    assert layers and all("_proj" in name for name in layers)
    for name in layers:
        assert int(torch.linalg.matrix_rank(new[name] - old[name], rtol=1e-3)) <= 4, name
