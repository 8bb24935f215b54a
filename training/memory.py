"""What training takes of a device's memory, counted before anything is computed.

For activations, passes are run on the meta device, where tensors have shapes and no numbers, and autograd
tells what it keeps for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from leo_drive.model import LeoForConditionalGeneration
from leo_drive.model.branch import Branch
from training.recipe import Recipe


def state_bytes(leo: LeoForConditionalGeneration, recipe: Recipe) -> int:
    """Weights, and for those that learn, which have 32 bits, gradients and AdamW's two moments.

    Args:
        leo: with the recipe's low-rank additions, if it has them.
    """
    size = 4 if recipe.weights == "float32" else 2
    total = 0.0
    for name, parameter in leo.named_parameters():
        each = 4.0 if parameter.requires_grad else size
        if recipe.quantize and name.startswith("language_model.") and "_proj.base_layer." in name:
            each = 0.5
        total += parameter.numel() * each * (4 if parameter.requires_grad else 1)
    return round(total)


def activation_bytes(
    leo: LeoForConditionalGeneration,
    clips: int,
    tiles: int,
    tokens: int,
    dtype: torch.dtype = torch.bfloat16,
    checkpointing: bool = False,
    encoded: bool = False,
) -> int:
    """Estimate the most that one pass holds, forward and backward.

    Attention maps of the language model and of plain ViTs are taken to be never whole in memory, as PyTorch's
    attention has it on GPUs; those of encoders with relative positions are.

    Args:
        leo: on the meta device, its frozen parts without gradient; it is left in `dtype`.
        clips: that a pass takes at once.
        tiles, tokens: of one clip; tokens of frames and text, 0 where the language model is not run.
        checkpointing: layers keep their inputs only.
        encoded: frames come from a vision cache.
    """
    cast(nn.Module, leo).to(dtype)
    shown = clips * max(1, tiles)
    learning = [any(p.requires_grad for p in branch.parameters()) for branch in leo.vision_branches]
    kept = 0
    for branch, learns in zip(leo.vision_branches, learning, strict=True):
        if learns:
            kept += _of_branch(branch, shown, dtype, checkpointing)
    if tokens:
        kept += _of_language(leo, clips, shown, tokens, checkpointing, any(learning))
    # Frozen encoders keep nothing, but have a layer's maps while they run, before the rest begins.
    passing = 0 if encoded or all(learning) else max(_map_bytes(b, shown, dtype) for b in leo.vision_branches)
    return max(kept, passing)


def _of_branch(branch: Branch, tiles: int, dtype: torch.dtype, checkpointing: bool) -> int:
    size, layers = branch.config.image_size, len(branch.encoder.blocks)
    pixels = torch.empty(tiles, 3, size, size, device="meta", dtype=dtype)
    whole = kept_for_backward(lambda: branch(pixels), branch, maps=_has_whole_maps(branch))
    if not checkpointing:
        return whole
    width = branch.encoder.embed_dim
    # Computed again, the layers with whole maps need most.
    again = max(whole // layers, 2 * _map_bytes(branch, tiles, dtype))
    return layers * tiles * branch.config.grid**2 * width * dtype.itemsize + again


def _of_language(
    leo: LeoForConditionalGeneration, clips: int, tiles: int, tokens: int, checkpointing: bool, seen: bool
) -> int:
    """Projectors and language model. `seen`: gradients go on into an encoder."""

    def new(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta", dtype=leo.dtype)

    configs = [branch.config for branch in leo.vision_branches]
    features = [new(tiles, c.tokens, c.token_width).requires_grad_(seen) for c in configs]
    kept = kept_for_backward(lambda: leo.project(features), leo.projectors)
    llm = leo.config.llm
    embeds = new(clips, tokens, llm.hidden_size).requires_grad_()
    inputs = {
        "inputs_embeds": embeds,
        "attention_mask": new(clips, 1, tokens, tokens),
        "position_ids": torch.arange(tokens, device="meta").expand(clips, -1),
    }
    last = torch.arange(1, device="meta")
    body = kept_for_backward(lambda: leo(**inputs, logits_to_keep=last, use_cache=False).logits, leo)
    if checkpointing:
        layers = llm.num_hidden_layers
        body = layers * embeds.numel() * embeds.itemsize + body // layers
    # At most all of the text is answers: logits, in float32 too, and their softmax.
    text = max(1, clips * tokens - tiles * leo.config.tokens_per_tile)
    return kept + body + text * llm.vocab_size * (leo.dtype.itemsize + 8)


def kept_for_backward(run: Callable[[], torch.Tensor], module: nn.Module, maps: bool = False) -> int:
    """Bytes of what autograd keeps of a pass, beside the module's weights.

    Args:
        maps: whether whole attention maps (square matrices, one a head) count.
    """
    weights = {w.untyped_storage()._cdata for w in (*module.parameters(), *module.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        square = tensor.ndim > 2 and tensor.shape[-1] == tensor.shape[-2] and tensor.shape[-3] > 1
        if storage._cdata not in weights and (maps or not square):
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return sum(storage.nbytes() for storage in kept.values())


def _has_whole_maps(branch: Branch) -> bool:
    return bool(branch.config.encoder_args.get("global_attn_indexes"))


def _map_bytes(branch: Branch, tiles: int, dtype: torch.dtype) -> int:
    """Of one layer that looks at the whole tile; encoders without relative positions need none."""
    if not _has_whole_maps(branch):
        return 0
    return tiles * int(branch.config.encoder_args["num_heads"]) * branch.config.grid**4 * dtype.itemsize
