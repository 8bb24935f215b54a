"""Several clips in one batch: for those who ask many clips the same questions and need no clip twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from leo_drive.clips.clip import Clip
from leo_drive.errors import LeoDriveError
from leo_drive.inference.answer import Answer
from leo_drive.inference.leo import Leo
from leo_drive.inference.prefix import Prefix, encode_tiles
from leo_drive.model import LeoProcessor
from leo_drive.model.budget import TilePlan


@dataclass(frozen=True)
class PreparedClip:
    """A clip tiled and ready to be encoded.

    Attributes:
        pixels: one (tiles, 3, image_size, image_size) tensor a branch.
    """

    clip: Clip
    plan: TilePlan
    pixels: list[torch.Tensor]


def prepare(processor: LeoProcessor, clip: Clip, plan: TilePlan) -> PreparedClip:
    """Tile a clip: the part that needs no model and may run on a thread of its own."""
    tiles = [tile for frame in processor.tiles(clip.frames, plan.max_tiles) for tile in frame]
    return PreparedClip(clip, plan, processor.pixel_values(tiles))


class ClipBatch:
    """Clips whose frames have the same tiles and names: encoded together, prefilled as one batch.

    Args:
        prepared: at least one.

    Raises:
        LeoDriveError: they do not fit the device's memory.

    Example:
        >>> batch = ClipBatch(leo, [prepare(leo.processor, c, plan) for c in clips])    # doctest: +SKIP
        >>> batch.ask([(0, "Is it raining?"), (1, "Is it raining?")])                   # doctest: +SKIP
    """

    @torch.inference_mode()
    def __init__(self, leo: Leo, prepared: Sequence[PreparedClip]) -> None:
        if len({(p.plan.tiles, p.clip.names) for p in prepared}) != 1:
            raise ValueError("the clips of a batch need the same tiles and names, frame by frame")
        self.leo, self.clips, self.plan = leo, [p.clip for p in prepared], prepared[0].plan
        self._names = self.clips[0].names
        start = time.perf_counter()
        pixels = [torch.cat(branch) for branch in zip(*(p.pixels for p in prepared), strict=True)]
        visual_tokens = encode_tiles(leo.model, pixels)
        encoded = time.perf_counter()
        # The question does not matter here: the prefix ends before it.
        self._ids = leo.processor.prompt("?", self.plan.tiles, names=self._names).prefix
        ids = torch.tensor([self._ids] * len(prepared), device=leo.model.device)
        embeds = leo.model.embed(ids, visual_tokens)
        try:
            cache = leo.model.language_model.get_decoder()(inputs_embeds=embeds, use_cache=True)
        except torch.OutOfMemoryError:
            raise LeoDriveError(
                f"out of memory with {len(prepared)} clips of {len(self._ids)} tokens at once; use a smaller "
                f"batch, or fewer frames or tiles"
            ) from None
        self._keys_values = tuple((layer.keys, layer.values) for layer in cache.past_key_values.layers)
        shares = {"encode": encoded - start, "prefill": time.perf_counter() - encoded}
        self.timings = {name: seconds / len(prepared) for name, seconds in shares.items()}
        """Seconds a clip."""

    @torch.inference_mode()
    def ask(self, asked: Sequence[tuple[int, str]], max_new_tokens: int = 64) -> list[Answer]:
        """Answers to (number of the clip, question), each on its own, in the order asked.

        Raises:
            LeoDriveError: one question alone does not fit the device's memory.
        """
        answers: list[Answer] = []
        tiles, names = self.plan.tiles, self._names
        prompts = [self.leo.processor.prompt(q, tiles, names=names).question for _, q in asked]
        longest = max(map(len, prompts), default=0) + max_new_tokens
        size = max(1, len(asked))
        while len(answers) < len(asked):
            part = slice(len(answers), len(answers) + size)
            rows = self._rows([clip for clip, _ in asked[part]])
            fitting = self.leo._batch_size(rows, longest)
            if size > fitting:
                size = fitting
                continue
            try:
                decoded = self.leo._decode(rows, prompts[part], max_new_tokens, {})
            except torch.OutOfMemoryError:
                if size == 1:
                    raise LeoDriveError(
                        "out of memory with one question; use fewer frames or tiles"
                    ) from None
                size //= 2
                continue
            timings = {**self.timings, "decode": decoded.seconds}
            answers += [
                self.leo._answer(question, ids, logprobs, self.clips[clip], timings)
                for (clip, question), ids, logprobs in zip(
                    asked[part], decoded.ids, decoded.logprobs, strict=True
                )
            ]
        return answers

    def _rows(self, clips: Sequence[int]) -> Prefix:
        """The prefixes of these clips, one a row, in the form of one prefix for as many questions."""
        index = torch.tensor(clips, device=self.leo.model.device)
        picked = tuple((k.index_select(0, index), v.index_select(0, index)) for k, v in self._keys_values)
        return Prefix(self.clips[clips[0]], self.plan, self._ids, picked, self.timings)
