"""InternVL2-8B and SAM-L at their real size: files with real headers and no data, which take no room."""

import json
from math import prod
from pathlib import Path

import pytest
import torch

from leo_drive.building.build import Choice, prepare
from leo_drive.building.estimate import estimate
from leo_drive.building.report import print_estimate

VIT = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 448,
    "qkv_bias": True,
    "qk_normalization": False,
    "norm_type": "layer_norm",
}
INTERNLM2 = {
    "architectures": ["InternLM2ForCausalLM"],
    "vocab_size": 92553,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    "bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
SAM_L = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "mlp_dim": 4096,
    "global_attn_indexes": [5, 11, 17, 23],
}


def linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def internvl_shapes() -> dict[str, tuple[int, ...]]:
    vit, llm = "vision_model.", "language_model."
    shapes = {
        f"{vit}embeddings.class_embedding": (1, 1, 1024),
        f"{vit}embeddings.position_embedding": (1, 1025, 1024),
        f"{vit}embeddings.patch_embedding.weight": (1024, 3, 14, 14),
        f"{vit}embeddings.patch_embedding.bias": (1024,),
        f"{llm}model.tok_embeddings.weight": (92553, 4096),
        f"{llm}model.norm.weight": (4096,),
        f"{llm}output.weight": (92553, 4096),
        **norm("mlp1.0", 4096),
        **linear("mlp1.1", 4096, 4096),
        **linear("mlp1.3", 4096, 4096),
    }
    for i in range(24):
        layer = f"{vit}encoder.layers.{i}."
        shapes |= {f"{layer}ls1": (1024,), f"{layer}ls2": (1024,)}
        shapes |= norm(f"{layer}norm1", 1024) | norm(f"{layer}norm2", 1024)
        shapes |= linear(f"{layer}attn.qkv", 3072, 1024) | linear(f"{layer}attn.proj", 1024, 1024)
        shapes |= linear(f"{layer}mlp.fc1", 4096, 1024) | linear(f"{layer}mlp.fc2", 1024, 4096)
    for i in range(32):
        layer = f"{llm}model.layers.{i}."
        shapes |= {
            f"{layer}attention.wqkv.weight": (6144, 4096),
            f"{layer}attention.wo.weight": (4096, 4096),
            f"{layer}feed_forward.w1.weight": (14336, 4096),
            f"{layer}feed_forward.w2.weight": (4096, 14336),
            f"{layer}feed_forward.w3.weight": (14336, 4096),
            f"{layer}attention_norm.weight": (4096,),
            f"{layer}ffn_norm.weight": (4096,),
        }
    return shapes


def sam_shapes() -> dict[str, tuple[int, ...]]:
    start = "vision_encoder."
    shapes = {
        f"{start}pos_embed": (1, 64, 64, 1024),
        f"{start}patch_embed.projection.weight": (1024, 3, 16, 16),
        f"{start}patch_embed.projection.bias": (1024,),
        f"{start}neck.conv1.weight": (256, 1024, 1, 1),
        f"{start}neck.conv2.weight": (256, 256, 3, 3),
        **norm(f"{start}neck.layer_norm1", 256),
        **norm(f"{start}neck.layer_norm2", 256),
        "mask_decoder.mask_tokens.weight": (4, 256),
    }
    for i in range(24):
        layer, reach = f"{start}layers.{i}.", 127 if i in SAM_L["global_attn_indexes"] else 27
        shapes |= {f"{layer}attn.rel_pos_h": (reach, 64), f"{layer}attn.rel_pos_w": (reach, 64)}
        shapes |= norm(f"{layer}layer_norm1", 1024) | norm(f"{layer}layer_norm2", 1024)
        shapes |= linear(f"{layer}attn.qkv", 3072, 1024) | linear(f"{layer}attn.proj", 1024, 1024)
        shapes |= linear(f"{layer}mlp.lin1", 4096, 1024) | linear(f"{layer}mlp.lin2", 1024, 4096)
    return shapes


def write_without_data(file: Path, shapes: dict[str, tuple[int, ...]], dtype: str, itemsize: int) -> None:
    """A safetensors file whose tensors are a hole that reads as zeros."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + prod(shape) * itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)


def write_full_size(folder: Path) -> tuple[Path, Path]:
    internvl, sam = folder / "internvl", folder / "sam"
    internvl.mkdir()
    sam.mkdir()
    shapes = list(internvl_shapes().items())
    weight_map = {}
    for i in range(4):
        file = f"model-{i + 1:05}-of-00004.safetensors"
        part = dict(shapes[i * len(shapes) // 4 : (i + 1) * len(shapes) // 4])
        write_without_data(internvl / file, part, "BF16", 2)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (internvl / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {
        "architectures": ["InternVLChatModel"],
        "vision_config": VIT,
        "llm_config": INTERNLM2,
        "force_image_size": 448,
        "downsample_ratio": 0.5,
        "template": "internlm2-chat",
        "ps_version": "v2",
        "use_thumbnail": True,
    }
    (internvl / "config.json").write_text(json.dumps(config))
    write_without_data(sam / "model.safetensors", sam_shapes(), "F32", 4)
    (sam / "config.json").write_text(json.dumps({"model_type": "sam", "vision_config": SAM_L}))
    return internvl, sam


def test_headers_alone_make_the_plan_of_leo_8b(tmp_path, capsys):
    internvl, sam = write_full_size(tmp_path)
    plan = prepare(Choice(internvl=str(internvl), sam=str(sam))).plan
    assert plan.config.tokens_per_tile == 512 and plan.config.image_token_id == 92546
    assert plan.dtype == torch.bfloat16
    new = [f"projectors.1.{layer}.{kind}" for layer in (0, 1, 3) for kind in ("weight", "bias")]
    assert sorted(plan.new_weights) == sorted(new)
    assert sum(step.size for step in plan.steps) == pytest.approx(8.42e9, rel=0.01)
    told = estimate(plan, tmp_path)
    assert told.written == 2 * told.parameters == told.gpu_weights
    # Two float32 copies would be 67 GB: the conversion holds a file of 2 GiB and a tensor or two.
    assert told.memory < 5e9
    # Of 7 tiles x 512 tokens, 32 layers, 8 heads of 128, keys and values, 2 bytes.
    assert told.gpu_cache == 3584 * 32 * 8 * 128 * 2 * 2
    # Of 7 tiles, 16 heads, all pairs of 4096 patches, 2 bytes.
    assert told.gpu_attention == 7 * 16 * 4096**2 * 2
    print_estimate(told, plan)
    assert "8,417.2 M parameters in bfloat16" in capsys.readouterr().out
