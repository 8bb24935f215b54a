"""Loading a model, and every way in which a model folder can be wrong."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from leo_drive.errors import InputError
from leo_drive.inference import Leo, load
from leo_drive.inference.load import configured_frames
from tests.model.tiny import noise_clip, tiny_leo


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model, processor = tiny_leo()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder, Leo(model, processor)


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "copy")


def test_a_folder_answers_as_before_saving(saved):
    clip = noise_clip(2)
    assert load(saved[0]).ask(clip, "What?").tokens == saved[1].ask(clip, "What?").tokens
    assert load(str(saved[0]), dtype="bfloat16").model.dtype == torch.bfloat16


def damage_config(folder):
    (folder / "config.json").write_text("{")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def other_architecture(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def scribble_on_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def drop_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("projectors.0.1.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def add_a_weight(folder):
    weights = {**load_file(folder / "model.safetensors"), "stray": torch.zeros(1)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def change_a_shape(folder):
    weights = {**load_file(folder / "model.safetensors"), "projectors.0.1.bias": torch.zeros(3)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (
            lambda f: [(f / n).unlink() for n in ("tokenizer.json", "tokenizer_config.json")],
            "no tokenizer.json",
        ),
        (damage_config, "not readable as JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "describes None, not a LEO"),
        (lambda f: edit_config(f, fusion="sum"), "fusion='sum'"),
        (lambda f: edit_config(f, branches=[{"encoder": "x"}]), "cannot be loaded"),
        (lambda f: edit_config(f, image_token_id=3), "image token is 3"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (other_architecture, "describes 'llama', not a LEO"),
        (cut_weights, "damaged weights"),
        (scribble_on_weights, "damaged weights"),
        (drop_a_weight, "1 missing keys in its weights, first projectors.0.1.weight"),
        (add_a_weight, "1 unexpected keys in its weights, first stray"),
        (change_a_shape, "projectors.0.1.bias"),
    ],
)
def test_a_wrong_folder_is_one_clear_line(folder, harm, reason):
    harm(folder)
    with pytest.raises(InputError, match=reason) as error:
        load(folder)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_the_models_own_configuration_wins(folder, saved):
    (folder / "processor_config.json").unlink()
    clip = noise_clip(2)
    assert load(folder).ask(clip, "What?").tokens == saved[1].ask(clip, "What?").tokens


def test_a_model_of_the_hubs_cache_says_its_frames_without_a_network(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert configured_frames("lab/leo") == 5  # nothing is here: the default
    cached, commit = tmp_path / "models--lab--leo", "c" * 40
    shutil.copytree(saved[0], cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    config = cached / "snapshots" / commit / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"trained_frames": 2}))
    assert configured_frames("lab/leo") == 2


def test_unknown_models_devices_and_precisions():
    with pytest.raises(InputError, match="neither an embedded model"):
        load("nanoo")
    with pytest.raises(InputError, match="nobody/nothing"):
        load("nobody/nothing")
    with pytest.raises(InputError, match="device cuda:99: not available"):
        load("nano", device="cuda:99")
    with pytest.raises(InputError, match="dtype float8"):
        load("nano", dtype="float8")
