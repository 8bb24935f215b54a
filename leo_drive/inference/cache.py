"""Keys and values with room for what follows, so that a new token does not cost a copy of all before it."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """One layer's keys and values of a batch, at the start of memory that has room for more tokens.

    transformers' own layer grows by concatenation: with a long prefix every step copies it, and that, not the
    arithmetic, is then what a step takes.

    Args:
        keys, values: (batch, kv_heads, tokens, head_dim); copied.
        room: tokens that follow. More are taken, at the cost of a copy.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> None:
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._settle(keys, values, room)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the keys and values of new tokens; returns all."""
        assert self.keys is not None and self.values is not None
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        moved = self.keys.data_ptr() != self._all_keys.data_ptr()  # rows were picked or put in another order
        if moved or end > self._all_keys.shape[-2]:
            self._settle(self.keys, self.values, end)
        self._all_keys[:, :, start:end] = key_states
        self._all_values[:, :, start:end] = value_states
        self.keys, self.values = self._all_keys[:, :, :end], self._all_values[:, :, :end]
        return self.keys, self.values

    def _settle(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> None:
        batch, heads, tokens, _ = keys.shape
        self._all_keys = keys.new_empty(batch, heads, tokens + room, keys.shape[-1])
        self._all_values = values.new_empty(batch, heads, tokens + room, values.shape[-1])
        self._all_keys[:, :, :tokens], self._all_values[:, :, :tokens] = keys, values
        self.keys, self.values = self._all_keys[:, :, :tokens], self._all_values[:, :, :tokens]


def roomy_cache(keys_values: list[tuple[torch.Tensor, torch.Tensor]], room: int) -> DynamicCache:
    """A cache for `generate` that begins with these keys and values, a pair a layer."""
    cache = DynamicCache()
    cache.layers = [RoomyLayer(keys, values, room) for keys, values in keys_values]
    return cache
