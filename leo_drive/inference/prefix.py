"""The shared prefix: a clip tiled, encoded and read by the language model once, for all questions on it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from leo_drive.clips.clip import Clip
from leo_drive.errors import LeoDriveError
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.model.budget import TilePlan


@dataclass(frozen=True)
class Prefix:
    """Everything before the question.

    Attributes:
        clip, plan: what was shown, and as which tiles.
        ids: its token ids.
        keys_values: one (keys, values) pair a layer, each (1, kv_heads, len(ids), head_dim).
        timings: seconds for `encode` and `prefill`.
    """

    clip: Clip
    plan: TilePlan
    ids: tuple[int, ...]
    keys_values: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    timings: dict[str, float]

    def cache(self, questions: int) -> DynamicCache:
        """A cache for a batch of questions; it grows apart from this prefix, which stays as it is."""
        return DynamicCache(
            [(k.expand(questions, -1, -1, -1), v.expand(questions, -1, -1, -1)) for k, v in self.keys_values]
        )

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
        LeoDriveError: a single tile does not fit the device's memory.
    """
    encoded: list[torch.Tensor] = []
    done, tiles = 0, pixels[0].shape[0]
    while done < tiles:
        try:
            encoded.append(model.visual_tokens([p[done : done + at_once] for p in pixels]))
        except torch.OutOfMemoryError:
            if at_once == 1:
                raise LeoDriveError(
                    "out of memory with a single tile; try dtype bfloat16 or device cpu"
                ) from None
            at_once //= 2
            continue
        done += at_once
    return torch.cat(encoded)


@torch.inference_mode()
def compute_prefix(
    model: LeoForConditionalGeneration, processor: LeoProcessor, clip: Clip, plan: TilePlan
) -> Prefix:
    """Tile and encode the clip and prefill the language model with system message and frames."""
    start = time.perf_counter()
    tiles = [tile for frame in processor.tiles(clip.frames, plan.max_tiles) for tile in frame]
    visual_tokens = encode_tiles(model, processor.pixel_values(tiles))
    encoded = time.perf_counter()
    # The question does not matter here: the prefix ends before it.
    ids = processor.prompt("?", plan.tiles, names=clip.names).prefix
    embeds = model.embed(torch.tensor([ids], device=model.device), visual_tokens)
    cache = model.language_model.get_decoder()(inputs_embeds=embeds, use_cache=True).past_key_values
    keys_values = tuple((layer.keys, layer.values) for layer in cache.layers)
    timings = {"encode": encoded - start, "prefill": time.perf_counter() - encoded}
    return Prefix(clip, plan, ids, keys_values, timings)
