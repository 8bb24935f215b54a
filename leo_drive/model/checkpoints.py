"""Weights under other projects' names, renamed into LEO-Drive's.

The encoders are timm's and the language model is transformers' Llama, so a checkpoint needs no remote code:
everything here is a renaming, but for InternLM2's `wqkv`, whose rows are grouped by key-value head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import LlamaConfig

from leo_drive.errors import InputError
from leo_drive.model.config import INTERNVIT_300M, SAM_L, BranchConfig, LeoConfig
from leo_drive.model.leo import LeoForConditionalGeneration

Weights = Mapping[str, torch.Tensor]
Renaming = tuple[tuple[str, str], ...]

# InternLM2's vocabulary is 92544 tokens; <img>, </img> and <IMG_CONTEXT> are the first three added to it.
_INTERNLM2_IMAGE_TOKEN = 92546

INTERNVIT_NAMES: Renaming = (
    (r"^embeddings\.class_embedding$", "cls_token"),
    (r"^embeddings\.patch_embedding\.", "patch_embed.proj."),
    (r"^embeddings\.position_embedding$", "pos_embed"),
    (r"^encoder\.layers\.(\d+)\.ls([12])$", r"blocks.\1.ls\2.gamma"),
    (r"^encoder\.layers\.(\d+)\.", r"blocks.\1."),
)
# transformers' SamVisionEncoder.
SAM_NAMES: Renaming = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^layers\.(\d+)\.layer_norm([12])\.", r"blocks.\1.norm\2."),
    (r"^layers\.(\d+)\.mlp\.lin([12])\.", r"blocks.\1.mlp.fc\2."),
    (r"^layers\.(\d+)\.", r"blocks.\1."),
    (r"^neck\.conv1\.", "neck.0."),
    (r"^neck\.layer_norm1\.", "neck.1."),
    (r"^neck\.conv2\.", "neck.2."),
    (r"^neck\.layer_norm2\.", "neck.3."),
)
# segment-anything's ImageEncoderViT.
SEGMENT_ANYTHING_NAMES: Renaming = ((r"^(blocks\.\d+\.mlp)\.lin([12])\.", r"\1.fc\2."),)
INTERNLM2_NAMES: Renaming = (
    (r"^model\.tok_embeddings\.", "model.embed_tokens."),
    (r"\.attention\.wo\.", ".self_attn.o_proj."),
    (r"\.feed_forward\.w1\.", ".mlp.gate_proj."),
    (r"\.feed_forward\.w2\.", ".mlp.down_proj."),
    (r"\.feed_forward\.w3\.", ".mlp.up_proj."),
    (r"\.attention_norm\.", ".input_layernorm."),
    (r"\.ffn_norm\.", ".post_attention_layernorm."),
    (r"^output\.", "lm_head."),
)


# The reference's parts: where each goes and how its names change (the language model's later, with wqkv).
_REFERENCE_PARTS: dict[str, tuple[str, Renaming]] = {
    "vision_model_1": ("branches.0.encoder.", INTERNVIT_NAMES),
    "vision_model_2": ("branches.1.encoder.", SAM_NAMES),
    "mlp1": ("projectors.0.", ()),
    "mlp2": ("projectors.1.", ()),
    "language_model": ("language_model.", ()),
}
# What the reference can switch and no published LEO has: refused, as ignoring it would change the answers.
_REFERENCE_FIXED = {"ps_version": "v2", "select_layer": -1, "pad2square": False}


def rename(name: str, renaming: Renaming) -> str:
    """Apply a table's rules to a parameter's name, in order; a name that no rule matches stays."""
    for pattern, replacement in renaming:
        name = re.sub(pattern, replacement, name)
    return name


def split_wqkv(
    wqkv: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """InternLM2's fused projection into Llama's three.

    Args:
        wqkv: (kv_heads * (heads / kv_heads + 2) * head_dim, ...): for each key-value head its query heads,
            then its key, then its value.
        heads, kv_heads: attention heads of queries, and of keys and values.

    Returns:
        q (heads * head_dim, ...), k and v (kv_heads * head_dim, ...)
    """
    group = heads // kv_heads
    grouped = wqkv.unflatten(0, (kv_heads, group + 2, -1))
    q, k, v = grouped[:, :group], grouped[:, group], grouped[:, group + 1]
    return q.flatten(0, 2), k.flatten(0, 1), v.flatten(0, 1)


def internlm2_to_llama(weights: Weights, heads: int, kv_heads: int) -> Iterator[tuple[str, torch.Tensor]]:
    """InternLM2ForCausalLM's weights under the names of transformers' LlamaForCausalLM, one at a time."""
    for name, tensor in weights.items():
        renamed = rename(name, INTERNLM2_NAMES)
        if ".attention.wqkv." in renamed:
            for letter, part in zip("qkv", split_wqkv(tensor, heads, kv_heads), strict=True):
                yield renamed.replace(".attention.wqkv.", f".self_attn.{letter}_proj."), part
        else:
            yield renamed, tensor


def reference_config(config: Mapping[str, Any]) -> LeoConfig:
    """LEO-Drive's configuration for the reference's config.json.

    Raises:
        InputError: a field is missing, or the language model is not InternLM2.
    """
    try:
        vit, sam, llm = config["vision_config_1"], config["vision_config_2"], config["llm_config"]
        if llm["architectures"] != ["InternLM2ForCausalLM"]:
            raise InputError(f"reference config: language model {llm['architectures']} is not InternLM2")
        for field, value in _REFERENCE_FIXED.items():
            if config.get(field, value) != value:
                raise InputError(f"reference config: {field}={config[field]} is not supported, only {value}")
        if vit.get("qk_normalization") or vit.get("norm_type", "layer_norm") != "layer_norm":
            raise InputError(
                "reference config: an InternViT with normalised queries or RMSNorm is not supported"
            )
        image_size = config.get("force_image_size") or vit["image_size"]
        if image_size != vit["image_size"]:
            raise InputError(
                f"reference config: force_image_size={image_size}, but position embeddings for "
                f"{vit['image_size']}"
            )
        vocabulary = llm["vocab_size"]
        return LeoConfig(
            text_config=internlm2_config(llm),
            branches=[
                internvit_branch(vit, image_size, config["downsample_ratio"]),
                sam_branch(sam, int(config["downsample_ratio2"])),
            ],
            tile_size=image_size,
            max_tiles=config.get("max_dynamic_patch", 6),
            use_thumbnail=config.get("use_thumbnail", True),
            image_token_id=config.get("img_context_token_id", min(_INTERNLM2_IMAGE_TOKEN, vocabulary - 1)),
        )
    except KeyError as missing:
        raise InputError(
            f"reference config: the field {missing} is missing; is this a LEO config.json?"
        ) from None


def internvit_branch(vit: Mapping[str, Any], image_size: int, downsample_ratio: float) -> BranchConfig:
    """The branch for InternVL's `vision_config`."""
    return BranchConfig(
        INTERNVIT_300M.encoder,
        image_size=image_size,
        grid=image_size // vit["patch_size"],
        width=vit["hidden_size"],
        unshuffle=round(1 / downsample_ratio),
        encoder_args={
            "patch_size": vit["patch_size"],
            "embed_dim": vit["hidden_size"],
            "depth": vit["num_hidden_layers"],
            "num_heads": vit["num_attention_heads"],
            "mlp_ratio": vit["intermediate_size"] / vit["hidden_size"],
            "qkv_bias": vit["qkv_bias"],
        },
    )


def sam_branch(sam: Mapping[str, Any], unshuffle: int) -> BranchConfig:
    """The branch for transformers' `SamVisionConfig`."""
    return BranchConfig(
        SAM_L.encoder,
        image_size=sam["image_size"],
        grid=sam["image_size"] // sam["patch_size"],
        width=sam["output_channels"],
        unshuffle=unshuffle,
        unshuffle_order="channel",
        resample="bilinear",
        encoder_args={
            "patch_size": sam["patch_size"],
            "embed_dim": sam["hidden_size"],
            "depth": sam["num_hidden_layers"],
            "num_heads": sam["num_attention_heads"],
            "mlp_ratio": sam["mlp_dim"] / sam["hidden_size"],
            "window_size": sam["window_size"],
            "global_attn_indexes": list(sam["global_attn_indexes"]),
            "neck_chans": sam["output_channels"],
        },
    )


def internlm2_config(llm: Mapping[str, Any]) -> LlamaConfig:
    """transformers' Llama with InternLM2's shape."""
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": llm["rope_theta"]}
    if llm.get("rope_scaling"):
        scaling = dict(llm["rope_scaling"])
        rope.update(rope_type=scaling.pop("type", scaling.pop("rope_type", "default")), **scaling)
    return LlamaConfig(
        vocab_size=llm["vocab_size"],
        hidden_size=llm["hidden_size"],
        intermediate_size=llm["intermediate_size"],
        num_hidden_layers=llm["num_hidden_layers"],
        num_attention_heads=llm["num_attention_heads"],
        num_key_value_heads=llm["num_key_value_heads"],
        max_position_embeddings=llm["max_position_embeddings"],
        rms_norm_eps=llm["rms_norm_eps"],
        rope_parameters=rope,
        attention_bias=llm["bias"],
        tie_word_embeddings=False,
        bos_token_id=llm["bos_token_id"],
        eos_token_id=llm["eos_token_id"],
        pad_token_id=llm["pad_token_id"],
    )


def from_reference(
    weights: Weights | str | Path, config: Mapping[str, Any] | str | Path
) -> LeoForConditionalGeneration:
    """A LEO from the reference implementation's own checkpoint.

    Args:
        weights: tensors under the reference's names (`vision_model_1.`, `vision_model_2.`, `mlp1.`, `mlp2.`,
            `language_model.`), or a safetensors file with them.
        config: the reference's config.json, read or as a path. Its image token is `img_context_token_id`
            where it says one, otherwise InternLM2's 92546, or the last token of a smaller vocabulary.

    Returns:
        The model in evaluation mode, in the weights' precision.

    Raises:
        InputError: files that cannot be read, missing or unexpected weights (named), or a configuration that
            is not LEO's.
    """
    source = str(weights) if isinstance(weights, str | Path) else "reference checkpoint"
    leo_config = reference_config(_read_json(config) if isinstance(config, str | Path) else config)
    if isinstance(weights, str | Path):
        try:
            weights = load_file(weights)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{weights}: weights cannot be read ({error})") from None
    parts: dict[str, dict[str, torch.Tensor]] = {prefix: {} for prefix in _REFERENCE_PARTS}
    state: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        prefix, _, rest = name.partition(".")
        # A name of no part is kept as it is, to be reported as unexpected.
        parts.get(prefix, state)[rest if prefix in parts else name] = tensor
    for prefix, (new_prefix, renaming) in _REFERENCE_PARTS.items():
        state |= {new_prefix + rename(name, renaming): tensor for name, tensor in parts[prefix].items()}
    language = {
        name.removeprefix("language_model."): state.pop(name)
        for name in list(state)
        if name.startswith("language_model.")
    }
    llm = leo_config.llm
    for name, tensor in internlm2_to_llama(language, llm.num_attention_heads, llm.num_key_value_heads):
        state[f"language_model.{name}"] = tensor
    # Parameters come from the checkpoint, in its precision; buffers (rotary frequencies) stay as made.
    with init_empty_weights(include_buffers=False):
        model = LeoForConditionalGeneration(leo_config)
    load_exactly(model, state, source)
    return model.eval()


def load_exactly(model: torch.nn.Module, state: Weights, source: str) -> None:
    """Load weights of which none may be missing or left over; the model takes over their precision.

    Raises:
        InputError: naming the first missing and unexpected keys, or the shapes that differ.
    """
    try:
        missing, unexpected = model.load_state_dict(dict(state), strict=False, assign=True)
    except RuntimeError as error:
        raise InputError(f"{source}: {' '.join(str(error).split())}") from None
    if missing or unexpected:
        raise InputError(
            f"{source}: {len(missing)} weights missing ({', '.join(missing[:5]) or 'none'}), "
            f"{len(unexpected)} unexpected ({', '.join(unexpected[:5]) or 'none'})"
        )


def _read_json(path: str | Path) -> Mapping[str, Any]:
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: not the configuration of a model")
    return value
