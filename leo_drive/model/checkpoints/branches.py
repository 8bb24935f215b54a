"""LEO-Drive's vision branches for other projects' encoder configurations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from leo_drive.errors import InputError
from leo_drive.model.config import INTERNVIT_300M, SAM_L, BranchConfig

Config = Mapping[str, Any]

# What these configurations can switch and the timm encoders have fixed: another value would change the
# features without a word.
_INTERNVIT_FIXED = {
    "qk_normalization": False,
    "norm_type": "layer_norm",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
}
_SAM_FIXED = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "use_abs_pos": True,
    "use_rel_pos": True,
}


def refuse_other_values(config: Config, fixed: Config, what: str) -> None:
    """Raise InputError where `config` sets a field of `fixed` to another value; a missing one is no harm."""
    for field, value in fixed.items():
        if config.get(field, value) != value:
            raise InputError(f"{what}: {field}={config[field]} is not supported, only {value}")


def internvit_branch(vit: Config, image_size: int, downsample_ratio: float, what: str) -> BranchConfig:
    """The branch for InternVL's `vision_config`, or an InternViT's own configuration.

    Args:
        image_size: of a tile, in pixels; the one that the position embeddings are for.
        downsample_ratio: InternVL's name for 1 / unshuffle.
        what: whose configuration it is, for messages.

    Raises:
        InputError: another kind of InternViT (the 6B ones have normalised queries), or another image size.
    """
    refuse_other_values(vit, _INTERNVIT_FIXED, what)
    if image_size != vit["image_size"]:
        raise InputError(
            f"{what}: force_image_size={image_size}, but position embeddings for {vit['image_size']}"
        )
    unshuffle = round(1 / downsample_ratio)
    if unshuffle * downsample_ratio != 1:
        raise InputError(f"{what}: downsample_ratio={downsample_ratio} is not one over a whole number")
    return BranchConfig(
        INTERNVIT_300M.encoder,
        image_size=image_size,
        grid=image_size // vit["patch_size"],
        width=vit["hidden_size"],
        unshuffle=unshuffle,
        encoder_args={
            "patch_size": vit["patch_size"],
            "embed_dim": vit["hidden_size"],
            "depth": vit["num_hidden_layers"],
            "num_heads": vit["num_attention_heads"],
            "mlp_ratio": _mlp_ratio(vit["hidden_size"], vit["intermediate_size"]),
            "qkv_bias": vit["qkv_bias"],
        },
    )


def sam_branch(sam: Config, unshuffle: int, what: str = "SAM") -> BranchConfig:
    """The branch for transformers' `SamVisionConfig`.

    Raises:
        InputError: an encoder without relative positions, or of another activation.
    """
    refuse_other_values(sam, _SAM_FIXED, what)
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
            "mlp_ratio": _mlp_ratio(sam["hidden_size"], sam["mlp_dim"]),
            "window_size": sam["window_size"],
            "global_attn_indexes": list(sam["global_attn_indexes"]),
            "neck_chans": sam["output_channels"],
        },
    )


def _mlp_ratio(width: int, inner: int) -> float:
    """What timm takes for a hidden layer of `inner`: it rounds width * ratio down, which may be one short."""
    ratio = inner / width
    return ratio if int(width * ratio) == inner else math.nextafter(ratio, math.inf)
