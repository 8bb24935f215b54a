"""SAM's encoder from transformers' folders and files and segment-anything's: whole, cut and unusual ones."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from leo_drive.model import LeoForConditionalGeneration
from tests.building import checkpoints
from tests.building.checkpoints import SAM, write_segment_anything
from tests.building.harm import cut, edit_config, edit_state, edit_weights


def other_state(file):
    torch.save({"weights": {"a": torch.zeros(1)}}, file)


def segment_anything_without(file, *gone):
    write_segment_anything(file)
    starts = tuple(f"image_encoder.{name}" for name in gone)
    state = torch.load(file, weights_only=True)
    torch.save({k: v for k, v in state.items() if not k.startswith(starts)}, file)


def without_a_layer(file):
    segment_anything_without(file, "blocks.1.mlp")


def of_another_shape(file):
    write_segment_anything(file)
    edit_state(file, lambda s: s.update({"image_encoder.blocks.1.mlp.lin2.weight": torch.zeros(24, 50)}))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda f: f.write_text("not weights"), "not a readable PyTorch file"),
        (lambda f: (write_segment_anything(f), cut(f)), "not a readable PyTorch file"),
        (other_state, "does not hold named weights but weights"),
        (
            lambda f: torch.save({"mask_decoder.a": torch.zeros(1)}, f),
            "image_encoder.patch_embed.proj.weight is missing; is this a segment-anything checkpoint",
        ),
        (without_a_layer, "4 weights missing (image_encoder.blocks.1.mlp.lin1.weight"),
        (lambda f: segment_anything_without(f, "blocks.1."), "14 weights missing (image_encoder.blocks.1."),
        (lambda f: segment_anything_without(f, "blocks.0."), "14 weights missing (image_encoder.blocks.0."),
        (
            lambda f: segment_anything_without(f, "blocks.2.", "neck.3."),
            "image_encoder.blocks.1 attends to windows alone, so it is not a SAM's last layer: the weights "
            "of image_encoder.blocks.2 and",
        ),
        (
            lambda f: segment_anything_without(f, "blocks."),
            "the weight image_encoder.blocks.0.attn.rel_pos_h is missing",
        ),
        (lambda f: segment_anything_without(f, "pos_embed"), "the weight image_encoder.pos_embed is missing"),
        (
            of_another_shape,
            "1 weights of another shape (image_encoder.blocks.1.mlp.lin2.weight: [24, 50], where the other "
            "weights say [24, 48]); the file is not whole",
        ),
    ],
    ids=[
        "text",
        "cut",
        "other content",
        "other weights",
        "mlp",
        "middle",
        "first",
        "last and neck",
        "all layers",
        "positions",
        "shape",
    ],
)
def test_a_wrong_sam_file(build, internvl, tmp_path, make, reason):
    make(tmp_path / "sam.pth")
    status, _, err = build("--internvl", internvl, "--sam", tmp_path / "sam.pth", "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1 and reason in err and "sam.pth" in err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({**SAM, "image_size": 256}, "SAM 16 (16x16, unshuffle 4)"),
        ({**SAM, "image_size": 96}, "6x6 patches do not divide by LEO's unshuffle of 4"),
        ({**SAM, "use_rel_pos": False}, "use_rel_pos=False"),
        ({**SAM, "patch_size": 0}, "a field is not as in a SAM config.json"),
        ({**SAM, "hidden_size": "24"}, "a field is not as in a SAM config.json"),
        (3, "a field is not as in a SAM config.json"),
    ],
)
def test_a_sam_that_does_not_fit(build, internvl, sam, tmp_path, changes, reason):
    other = shutil.copytree(sam, tmp_path / "sam")
    edit_config(other, vision_config=changes)
    status, _, err = build("--internvl", internvl, "--sam", other, "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1 and reason in err and str(other) in err


def test_a_windowed_last_layer_is_built_with_a_warning(build, internvl, tmp_path, monkeypatch):
    """A whole file that ends so cannot be told from one that was cut after a layer."""
    monkeypatch.setitem(checkpoints.SAM, "global_attn_indexes", [0])
    encoder = write_segment_anything(tmp_path / "sam.pth")
    status, _, err = build("--internvl", internvl, "--sam", tmp_path / "sam.pth", "--out", tmp_path / "out")
    assert status == 0 and len(err.splitlines()) == 1
    assert "sam.pth: the last layer attends to windows alone; if the file was cut, layers are missing" in err
    model = LeoForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    pixels = torch.randn(1, 3, 128, 128)
    with torch.inference_mode():
        theirs = encoder(pixels).permute(0, 2, 3, 1)
        torch.testing.assert_close(model.branches[1].grid(pixels), theirs, atol=1e-4, rtol=1e-4)


def test_a_file_of_transformers_is_read_with_the_config_beside_it(build, internvl, sam, tmp_path):
    for name, source in (("a", sam), ("b", sam / "model.safetensors")):
        status, _, err = build("--internvl", internvl, "--sam", source, "--out", tmp_path / name)
        assert (status, err) == (0, "")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    alone = shutil.copy(sam / "model.safetensors", tmp_path / "alone.safetensors")
    status, _, err = build("--internvl", internvl, "--sam", alone, "--out", tmp_path / "c")
    assert status == 2 and len(err.splitlines()) == 1
    assert "alone.safetensors: a SAM of transformers without its config.json; get that too, and name" in err


def test_what_a_transformers_sam_lacks_is_named_as_in_the_file(build, internvl, sam, tmp_path):
    other = shutil.copytree(sam, tmp_path / "sam")
    encoder = [name for name in load_file(sam / "model.safetensors") if name.startswith("vision_encoder.")]
    edit_weights(other, lambda weights: [weights.pop(name) for name in encoder])
    status, _, err = build("--internvl", internvl, "--sam", other, "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1
    assert f"{len(encoder)} weights missing (vision_encoder." in err and ", 0 weights unexpected" in err
