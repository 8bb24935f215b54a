"""What an answer depends on: grey out one patch of the frames at a time and measure the same answer again.

Source: occlusion sensitivity, Zeiler and Fergus 2014 (arXiv 1311.2901), with the log-probability of a whole
answer in the place of a class score. It says which parts of the picture the answer would not have survived
without; it does not say how the model came to it, and what two patches tell alike shows in neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.clips.samplers import check_count
from leo_drive.errors import InputError
from leo_drive.inference.leo import Leo
from leo_drive.inference.memory import in_parts
from leo_drive.inference.prefix import encode_tiles
from leo_drive.model.budget import Policy, TilePlan
from leo_drive.model.processor import Turn

GREY = (127, 127, 127)
"""Of the patch that covers: the grey of the blind baseline (`leo_drive.evaluation.lingoqa.grey_clip`)."""


@dataclass(frozen=True)
class OcclusionMap:
    """How much less likely an answer becomes when a patch is greyed.

    Attributes:
        drops: (maps, rows, columns), in nats: log-probability of the whole answer with all to see, less that
            with the patch greyed. Above 0 the answer rests on the patch; 0.7 halves its probability. Below 0
            the patch spoke against it. NaN where it has not been measured yet. One map a frame, or a single
            one when a patch is greyed in every frame at once.
        logprob: natural logarithm of the answer's probability with all to see, its end token included.
        done, total: patches measured, and all.
    """

    drops: np.ndarray
    logprob: float
    done: int
    total: int


def occlusion(
    leo: Leo,
    clip: Clip,
    question: str,
    answer: str,
    history: Sequence[Turn] = (),
    rows: int = 5,
    columns: int = 8,
    per_frame: bool = False,
    batch: int = 8,
    policy: Policy = "equal",
    max_tiles: int | None = None,
) -> Iterator[OcclusionMap]:
    """Measure an answer's dependence on every patch of a grid; the map grows as it goes.

    Args:
        answer: the text whose probability is measured: the model's own answer, or any other.
        history: earlier questions and answers, as when the question was asked.
        rows, columns: of the grid that a frame is divided into.
        per_frame: grey a patch in one frame at a time, which costs one measurement a frame and patch, instead
            of in every frame at once.
        batch: greyed clips measured together.
        policy, max_tiles: the tile budget, as when the question was asked.

    Yields:
        The map after every batch; the last one is complete. Stop iterating to stop measuring.

    Raises:
        InputError: a grid without patches, or frames and text that do not fit the context.
        DeviceMemoryError: one greyed clip alone does not fit the device's memory.

    Example:
        >>> *_, whole = occlusion(leo, clip, "What colour is the light?", "Red.")   # doctest: +SKIP
        >>> np.unravel_index(whole.drops.argmax(), whole.drops.shape)               # doctest: +SKIP
        (0, 1, 5)
    """
    for name, value in (("rows", rows), ("columns", columns), ("batch", batch)):
        check_count(name, value)
    for size in set(clip.sizes):
        if columns > size[0] or rows > size[1]:
            raise InputError(
                f"a grid of {columns}x{rows} patches is finer than frames of {size[0]}x{size[1]}"
            )
    room = len(leo.processor.tokenizer(answer)["input_ids"]) + 1
    plan = leo.processor.plan(clip, [question], history, room, policy, max_tiles)
    seen = _Measured(leo, clip, plan, [*history, (question, answer)])
    base = seen.logprobs([seen.tokens])[0]
    frames = len(clip.frames)
    drops = np.full((frames if per_frame else 1, rows, columns), np.nan)
    patches = list(np.ndindex(drops.shape))
    for start in range(0, len(patches), batch):
        part = patches[start : start + batch]
        greyed = [
            seen.with_greyed(range(frames) if not per_frame else [k], (row / rows, (row + 1) / rows),
                             (column / columns, (column + 1) / columns))
            for k, row, column in part
        ]  # fmt: skip
        for patch, logprob in zip(part, seen.logprobs(greyed), strict=True):
            drops[patch] = base - logprob
        yield OcclusionMap(drops.copy(), base, start + len(part), len(patches))


class _Measured:
    """A conversation whose last answer is measured on changed frames.

    Args:
        turns: the last one's answer is measured.

    Attributes:
        tokens: (tiles, tokens_per_tile, d_llm), the clip's visual tokens as it is.
    """

    def __init__(self, leo: Leo, clip: Clip, plan: TilePlan, turns: Sequence[Turn]) -> None:
        self.leo, self.clip, self.plan = leo, clip, plan
        prompt, ids = leo.processor.turns(turns, plan.tiles, clip.names)
        read = [token for before, after in ids for token in (*before, *after)]
        self.ids, self.answer_ids = [*prompt.prefix, *read], list(ids[-1][1])
        self.tokens = self._encode(clip.frames, plan.max_tiles)

    def with_greyed(
        self, frames: Sequence[int], high: tuple[float, float], wide: tuple[float, float]
    ) -> torch.Tensor:
        """The visual tokens with a patch greyed in some frames; only those are encoded again.

        Args:
            high, wide: where the patch begins and ends, as parts of the frame's height and width.
        """
        covered = []
        for k in frames:
            picture = self.clip.frames[k].copy()
            left, right = (round(part * picture.width) for part in wide)
            top, bottom = (round(part * picture.height) for part in high)
            picture.paste(GREY, (left, top, right, bottom))
            covered.append(picture)
        fresh = self._encode(covered, [self.plan.max_tiles[k] for k in frames])
        tokens, used = self.tokens.clone(), 0
        for k in frames:
            start, count = sum(self.plan.tiles[:k]), self.plan.tiles[k]
            tokens[start : start + count] = fresh[used : used + count]
            used += count
        return tokens

    def logprobs(self, clips: Sequence[torch.Tensor]) -> list[float]:
        """The answer's log-probability on each of some clips, given by their visual tokens."""

        def score(part: Sequence[torch.Tensor]) -> list[float]:
            return self._score(torch.cat(list(part)), len(part))

        def refusal(clip: torch.Tensor) -> str:
            return f"{self.clip.source or 'clip'}: out of memory with one clip; use fewer tiles"

        return [logprob for _, own in in_parts(clips, len(clips), score, refusal) for logprob in own]

    @torch.inference_mode()
    def _score(self, visual_tokens: torch.Tensor, count: int) -> list[float]:
        model = self.leo.model
        ids = torch.tensor([self.ids] * count, device=model.device)
        length = len(self.answer_ids)
        # One position more: the logits of a token stand at the one before it.
        logits = model(
            inputs_embeds=model.embed(ids, visual_tokens), logits_to_keep=length + 1, use_cache=False
        ).logits[:, :-1]
        logprobs = logits.float().log_softmax(-1).gather(2, ids[:, -length:, None])
        return logprobs.sum(dim=(1, 2)).tolist()

    def _encode(self, frames: Sequence[Image.Image], max_tiles: Sequence[int]) -> torch.Tensor:
        processor = self.leo.processor
        tiles = [tile for frame in processor.tiles(frames, max_tiles) for tile in frame]
        return encode_tiles(self.leo.model, processor.pixel_values(tiles))
