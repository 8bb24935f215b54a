"""LEO-Drive's vision branches for other projects' encoder configurations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from leo_drive.errors import InputError
from leo_drive.model.config import INTERNVIT_300M, SAM_L, BranchConfig

Config = Mapping[str, Any]
Shapes = Mapping[str, Sequence[int]]

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
# The published encoders, base, large and huge.
_SAM_DEPTHS = {768: 12, 1024: 24, 1280: 32}


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


def segment_anything_config(shapes: Shapes, what: str) -> dict[str, Any]:
    """`SamVisionConfig`'s fields for a segment-anything encoder, which comes without a configuration.

    A file may lack weights: whatever of a layer is there counts it, and an encoder of a published width has
    the published depth, so that it is a weight that is missing and not a layer.

    Args:
        shapes: of the encoder's weights, under segment-anything's names without `image_encoder.`.
        what: the file, for messages.

    Raises:
        InputError: the weights that tell the encoder's shape are not all there.
    """
    try:
        width, _, patch, _ = shapes["patch_embed.proj.weight"]
        grid = shapes["pos_embed"][1]
        positions = _by_layer(shapes, "attn.rel_pos_h", "attn.rel_pos_w")
        inner = _by_layer(shapes, "mlp.lin1.weight")
        depth = _SAM_DEPTHS.get(width) or _depth(shapes)
        # A layer's relative positions reach from -(n-1) to n-1 in the n x n patches that it attends to.
        reach = {layer: (length + 1) // 2 for layer, (length, _) in positions.items() if layer < depth}
        windows = [patches for patches in reach.values() if patches != grid]
        fields = {
            "image_size": grid * patch,
            "patch_size": patch,
            "hidden_size": width,
            "output_channels": shapes["neck.0.weight"][0],
            "num_hidden_layers": depth,
            "num_attention_heads": width // positions[min(positions)][1],
            "mlp_dim": inner[min(inner)][0],
            "window_size": windows[0] if windows else 0,
            "global_attn_indexes": sorted(layer for layer, patches in reach.items() if patches == grid),
        }
    except KeyError as missing:
        raise InputError(
            f"{what}: the weight {missing} is missing; is this a segment-anything checkpoint?"
        ) from None
    except (ValueError, IndexError):
        raise InputError(f"{what}: its weights have not the shapes of a SAM image encoder") from None
    if width not in _SAM_DEPTHS and len(windows) < len(reach) and reach.get(depth - 1, grid) != grid:
        # The last layer of every SAM attends to the whole picture.
        raise InputError(
            f"{what}: blocks.{depth - 1} attends to windows alone, so it is not a SAM's last layer: the "
            f"weights of blocks.{depth} and on are missing; download the file again"
        )
    return fields


def _depth(shapes: Shapes) -> int:
    return 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("blocks."))


def _by_layer(shapes: Shapes, *names: str) -> dict[int, Sequence[int]]:
    """The shape of a weight, or of one of several alike, in every layer that has it.

    Raises:
        KeyError: none has.
    """
    found = {}
    for full, shape in shapes.items():
        blocks, _, rest = full.partition(".")
        layer, _, name = rest.partition(".")
        if blocks == "blocks" and name in names:
            found[int(layer)] = shape
    if not found:
        raise KeyError(f"blocks.0.{names[0]}")
    return found
