"""The shared prefix: a clip tiled, encoded and read by the language model once, for all questions on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from leo_drive.clips.clip import Clip
from leo_drive.inference.cache import roomy_cache
from leo_drive.inference.memory import in_parts
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.model.budget import TilePlan


@dataclass(frozen=True)
class Prefix:
    """Everything before the question, of one clip or of several whose frames have the same tiles and names.

    Attributes:
        clips, plan: what was shown, and as which tiles.
        ids: its token ids, the same for all clips.
        keys_values: one (keys, values) pair a layer, each (clips, kv_heads, len(ids), head_dim).
        timings: seconds a clip for `encode` and `prefill`.
    """

    clips: tuple[Clip, ...]
    plan: TilePlan
    ids: tuple[int, ...]
    keys_values: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    timings: dict[str, float]

    def cache(self, clips: Sequence[int], room: int) -> DynamicCache:
        """A cache for a batch of questions; it grows apart from this prefix, which stays as it is.

        Args:
            clips: of each question the number of its clip.
            room: most tokens that follow in a row.
        """
        if len(self.clips) == 1:
            size = (len(clips), -1, -1, -1)
            rows = [(k.expand(*size), v.expand(*size)) for k, v in self.keys_values]
        else:
            index = torch.tensor(clips, device=self.keys_values[0][0].device)
            rows = [(k.index_select(0, index), v.index_select(0, index)) for k, v in self.keys_values]
        return roomy_cache(rows, room)

    @property
    def bytes_per_token(self) -> int:
        """Memory that one more cached token of one question takes."""
        return sum(t.element_size() * t.shape[1] * t.shape[3] for pair in self.keys_values for t in pair)


@torch.inference_mode()
def encode_tiles(
    model: LeoForConditionalGeneration, pixels: list[torch.Tensor], at_once: int = 8
) -> torch.Tensor:
    """The visual tokens of all tiles, (tiles, tokens_per_tile, d_llm), encoded so many at once.

    Raises:
        DeviceMemoryError: a single tile does not fit the device's memory.
    """

    def encode(tiles: Sequence[int]) -> torch.Tensor:
        return model.visual_tokens([p[tiles[0] : tiles[-1] + 1] for p in pixels])

    def refusal(tile: int) -> str:
        return "out of memory with a single tile; try dtype bfloat16 or device cpu"

    return torch.cat([part for _, part in in_parts(range(pixels[0].shape[0]), at_once, encode, refusal)])


@torch.inference_mode()
def compute_prefix(
    model: LeoForConditionalGeneration, processor: LeoProcessor, clip: Clip, plan: TilePlan
) -> Prefix:
    """Tile and encode the clip and prefill the language model with system message and frames."""
    start = time.perf_counter()
    tiles = [tile for frame in processor.tiles(clip.frames, plan.max_tiles) for tile in frame]
    visual_tokens = encode_tiles(model, processor.pixel_values(tiles))
    return prefill(model, processor, (clip,), plan, visual_tokens, time.perf_counter() - start)


@torch.inference_mode()
def prefill(
    model: LeoForConditionalGeneration,
    processor: LeoProcessor,
    clips: tuple[Clip, ...],
    plan: TilePlan,
    visual_tokens: torch.Tensor,
    encode_seconds: float,
) -> Prefix:
    """Read system message and frames, those of all clips as one batch.

    Args:
        visual_tokens: (tiles of all clips in order, tokens_per_tile, d_llm).
        encode_seconds: that these took.
    """
    start = time.perf_counter()
    # The question does not matter here: the prefix ends before it.
    ids = processor.prompt("?", plan.tiles, names=clips[0].names).prefix
    embeds = model.embed(torch.tensor([ids] * len(clips), device=model.device), visual_tokens)
    cache = model.language_model.get_decoder()(inputs_embeds=embeds, use_cache=True).past_key_values
    keys_values = tuple((layer.keys, layer.values) for layer in cache.layers)
    seconds = {"encode": encode_seconds, "prefill": time.perf_counter() - start}
    timings = {name: taken / len(clips) for name, taken in seconds.items()}
    return Prefix(clips, plan, ids, keys_values, timings)
