"""The reference implementation's values, computed once with its own code on tiny random weights."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from leo_drive.errors import InputError
from leo_drive.model.checkpoints import from_reference
from leo_drive.model.config import INTERNVIT_300M, SAM_L
from leo_drive.model.preprocess import branch_pixels
from leo_drive.model.tiling import tile, tile_count


def golden_image(width: int, height: int, seed: int) -> Image.Image:
    """The image the golden values were computed on, from its formula."""
    p = np.random.default_rng(seed).uniform(0.5, 4.0, (3, 2))
    q = np.random.default_rng(seed + 1).uniform(0, 6.283, 3)
    y, x = np.mgrid[0:height, 0:width]
    channels = [
        np.round(127.5 + 127.5 * np.sin(2 * np.pi * (p[c, 0] * x / width + p[c, 1] * y / height) + q[c]))
        for c in range(3)
    ]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def block_means(array: np.ndarray, blocks: int) -> np.ndarray:
    height, width = array.shape[:2]
    return array.reshape(blocks, height // blocks, blocks, width // blocks, -1).mean((1, 3))


def test_tiler_counts_and_pixels(golden):
    rows = json.loads((golden / "tiler.json").read_text())
    images: dict[tuple, Image.Image] = {}
    for row in rows:
        tiling = (448, row["min_num"], row["max_num"], row["use_thumbnail"])
        assert tile_count(row["width"], row["height"], *tiling) == row["total"], row
        if row["block_means"] is not None:
            key = (row["width"], row["height"], row["image_seed"])
            if key not in images:
                images[key] = golden_image(*key)
            tiles = tile(images[key], *tiling)
            assert len(tiles) == row["total"], row
            means = np.stack([block_means(np.asarray(t, dtype=float), 4) for t in tiles])
            assert np.abs(means - np.array(row["block_means"])).max() < 0.6, key


def test_preprocessing(golden):
    expected = load_file(golden / "preprocess.safetensors")
    image = golden_image(448, 448, 177)
    for branch, name, blocks in (
        (INTERNVIT_300M, "internvit_pixel_values_8x8mean", 8),
        (SAM_L, "sam_pixel_values_16x16mean", 16),
    ):
        pixels = branch_pixels([image], branch)[0]
        means = block_means(pixels.permute(1, 2, 0).numpy(), blocks)
        # 0.6 of 255 grey levels, in units of the smallest standard deviation.
        assert np.abs(means.transpose(2, 0, 1) - expected[name].numpy()).max() < 0.6 / 255 / 0.224


@pytest.fixture(scope="module")
def reference(golden):
    return from_reference(
        golden / "reference_leo_tiny.safetensors", golden / "reference_leo_tiny_config.json"
    )


@pytest.mark.parametrize("case", ["five_frames_1_tile", "one_image_3_tiles", "two_frames_2_tiles"])
def test_whole_model(golden, reference, case):
    values = load_file(golden / f"case_{case}.safetensors")
    pixels = [values["pixel_values"], values["pixel_values_sam"]]
    ids = values["input_ids"]
    with torch.inference_mode():
        for ours, name in zip(
            reference.branch_tokens(pixels), ("branch1_tokens", "branch2_tokens"), strict=True
        ):
            torch.testing.assert_close(ours, values[name], atol=1e-4, rtol=0)
        output = reference(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, labels=values["labels"]
        )
        torch.testing.assert_close(output.logits, values["logits"], atol=1e-4, rtol=0)
        torch.testing.assert_close(output.loss, values["loss"][0], atol=1e-4, rtol=0)
    expected = values["generated_ids"][0, 1:].tolist()
    new = reference.generate(ids, pixel_values=pixels, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    assert new.tolist()[: len(expected)] == expected


def test_a_partial_reference_checkpoint_names_what_is_missing(golden):
    weights = load_file(golden / "reference_leo_tiny.safetensors")
    del weights["mlp2.1.weight"]
    weights["vision_model_1.stray"] = weights["mlp3.stray"] = torch.zeros(1)
    with pytest.raises(InputError, match=r"1 weights missing \(projectors\.1\.1\.weight\), 2 unexpected"):
        from_reference(weights, golden / "reference_leo_tiny_config.json")


WQKV = "language_model.model.layers.0.attention.wqkv.weight"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({WQKV: torch.zeros(127, 64)}, "configuration and weights give no model"),
        ({"branches.0.encoder.cls_token": torch.zeros(1, 1, 64)}, r"1 unexpected \(branches\.0\.encoder"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(golden, changed, reason):
    weights = {**load_file(golden / "reference_leo_tiny.safetensors"), **changed}
    with pytest.raises(InputError, match=reason) as error:
        from_reference(weights, golden / "reference_leo_tiny_config.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"downsample_ratio": 0},
        {"downsample_ratio2": "x"},
        {"downsample_ratio2": 3},
        {"downsample_ratio2": 0},
        {"llm_config": {"num_key_value_heads": 3}},
        {"llm_config": {"num_attention_heads": 0}},
        {"llm_config": {"num_attention_heads": 3}},
        {"llm_config": {"hidden_act": "nope"}},
        {"llm_config": {"rope_scaling": "x"}},
        {"llm_config": {"rope_scaling": {"type": "weird", "factor": 2}}},
        {"vision_config_1": {"patch_size": 0}},
        {"vision_config_1": {"num_attention_heads": 3}},
    ],
    ids=str,
)
def test_damaged_configurations_are_one_line(golden, change):
    config = json.loads((golden / "reference_leo_tiny_config.json").read_text())
    weights = load_file(golden / "reference_leo_tiny.safetensors")
    for name, value in change.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) else value
    with pytest.raises(InputError) as error:
        from_reference(weights, config)
    assert "\n" not in str(error.value)


def test_half_precision_weights_keep_exact_positions(golden):
    """Rotary frequencies in bfloat16 would put the thousandth token in the wrong place."""
    weights = {k: v.bfloat16() for k, v in load_file(golden / "reference_leo_tiny.safetensors").items()}
    model = from_reference(weights, golden / "reference_leo_tiny_config.json")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.language_model.model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ps_version": "v1"}, "ps_version=v1"),
        ({"select_layer": -2}, "select_layer=-2"),
        ({"force_image_size": 112}, "position embeddings for 56"),
        ({"vision_config_2": {}}, "image_size"),
    ],
)
def test_what_the_reference_can_switch_and_we_cannot_is_refused(golden, change, reason):
    config = json.loads((golden / "reference_leo_tiny_config.json").read_text())
    with pytest.raises(InputError, match=reason):
        from_reference({}, {**config, **change})


def test_unreadable_files_are_one_line(golden, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.json"):
        from_reference({}, tmp_path / "nothing.json")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((golden / "reference_leo_tiny.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        from_reference(cut, golden / "reference_leo_tiny_config.json")


def test_a_config_of_another_model_is_refused(golden):
    with pytest.raises(InputError, match="vision_config_1"):
        from_reference({}, golden / "internvl_tiny" / "config.json")
