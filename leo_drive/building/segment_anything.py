"""A segment-anything encoder's configuration, which its file has not: the shapes of its weights tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leo_drive.errors import InputError

Shapes = Mapping[str, Sequence[int]]

# The published encoders, base, large and huge: width -> layers.
_DEPTHS = {768: 12, 1024: 24, 1280: 32}
# How the encoder's names begin in a whole file, and which they are.
_PREFIX = "image_encoder."
_NAMES = ("patch_embed.", "pos_embed", "blocks.", "neck.")
# The last of an encoder's weights: where a file was cut they are not there.
_LAST = "neck.3.weight"


def prefix_of(names: Iterable[str]) -> str:
    """How the encoder's names begin in a file: `image_encoder.`, but for a file of the encoder alone.

    Example:
        >>> prefix_of(["image_encoder.pos_embed", "mask_decoder.x"]), prefix_of(["blocks.0.norm1.bias"])
        ('image_encoder.', '')
    """
    known = list(names)
    alone = any(name.startswith(_NAMES) for name in known)
    return "" if alone and not any(name.startswith(_PREFIX) for name in known) else _PREFIX


def segment_anything_config(shapes: Shapes, what: str, prefix: str = "") -> dict[str, Any]:
    """`SamVisionConfig`'s fields for a segment-anything encoder.

    A file may lack weights: whatever of a layer is there counts it, and an encoder of a published width has
    the published depth, so that it is a weight that is missing and not a layer.

    Args:
        shapes: of the encoder's weights, under segment-anything's names without `prefix`.
        what: the file, for messages.
        prefix: how the encoder's names begin in the file, for messages.

    Raises:
        InputError: the weights that tell the encoder's shape are not all there.
    """
    try:
        width, _, patch, _ = shapes["patch_embed.proj.weight"]
        grid = shapes["pos_embed"][1]
        positions = _by_layer(shapes, "attn.rel_pos_h", "attn.rel_pos_w")
        inner = _by_layer(shapes, "mlp.lin1.weight")
        layers = {int(name.split(".")[1]) for name in shapes if name.startswith("blocks.")}
        depth = _DEPTHS.get(width) or 1 + max(layers)
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
            f"{what}: the weight {prefix}{missing.args[0]} is missing; is this a segment-anything checkpoint?"
        ) from None
    except (ValueError, IndexError):
        raise InputError(f"{what}: its weights have not the shapes of a SAM image encoder") from None
    whole = layers == set(range(depth)) and _LAST in shapes
    windowed = width not in _DEPTHS and reach.get(depth - 1, grid) != grid
    if windowed and not whole and fields["global_attn_indexes"]:
        # The last layer of every published SAM attends to the whole picture.
        raise InputError(
            f"{what}: {prefix}blocks.{depth - 1} attends to windows alone, so it is not a SAM's last layer: "
            f"the weights of {prefix}blocks.{depth} and on are missing; download the file again"
        )
    return fields


def doubts_about(fields: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """What is unusual in a file that lacks nothing that can be known of: lines for the user.

    Args:
        fields: as `segment_anything_config` gives them.
        what: the file.
    """
    last_is_global = fields["num_hidden_layers"] - 1 in fields["global_attn_indexes"]
    if fields["hidden_size"] in _DEPTHS or last_is_global:
        return ()
    return (f"{what}: the last layer attends to windows alone; if the file was cut, layers are missing",)


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
