"""What the tests change in a checkpoint."""

import json

import torch
from safetensors.torch import load_file, save_file


def edit_config(folder, part=None, **changes):
    """Set fields of config.json, or of one of its parts; `...` takes a field away."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    fields = config[part] if part else config
    fields.update(changes)
    for name in [name for name, value in changes.items() if value is ...]:
        del fields[name]
    path.write_text(json.dumps(config))


def edit_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def edit_state(file, change):
    state = torch.load(file, weights_only=True)
    change(state)
    torch.save(state, file)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def as_bin_shards(folder, shards):
    """As repositories were before safetensors."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for i in range(shards):
        file = f"pytorch_model-{i + 1:05}-of-{shards:05}.bin"
        part = dict(list(weights.items())[i::shards])
        torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
