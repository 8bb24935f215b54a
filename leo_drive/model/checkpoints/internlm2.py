"""InternLM2 as transformers' Llama: the same computation, with queries, keys and values in one weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from leo_drive.model.checkpoints.names import INTERNLM2_NAMES, rename

WQKV = ".attention.wqkv."


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


def internlm2_to_llama(
    weights: Mapping[str, torch.Tensor], heads: int, kv_heads: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """InternLM2ForCausalLM's weights under the names of transformers' LlamaForCausalLM, one at a time."""
    for name, tensor in weights.items():
        if WQKV in name:
            for letter, part in zip("qkv", split_wqkv(tensor, heads, kv_heads), strict=True):
                yield name.replace(WQKV, f".self_attn.{letter}_proj."), part
        else:
            yield rename(name, INTERNLM2_NAMES), tensor
