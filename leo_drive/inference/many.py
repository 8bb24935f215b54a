"""Several clips in one batch: for those who ask many clips the same questions and need no clip twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.errors import DeviceMemoryError
from leo_drive.inference.answer import Answer
from leo_drive.inference.decoding import Asked, answer_all
from leo_drive.inference.leo import Leo
from leo_drive.inference.prefix import encode_tiles, prefill
from leo_drive.model import LeoProcessor
from leo_drive.model.budget import TilePlan


@dataclass(frozen=True)
class PreparedFrame:
    """A frame tiled and ready to be encoded.

    Attributes:
        key: the same for frames that are alike to the last pixel and tiled alike.
        pixels: one (tiles, 3, image_size, image_size) tensor a branch.
    """

    key: bytes
    pixels: list[torch.Tensor]


@dataclass(frozen=True)
class PreparedClip:
    """A clip whose frames are ready to be encoded."""

    clip: Clip
    plan: TilePlan
    frames: tuple[PreparedFrame, ...]


class Preparer:
    """Tiles clips: the part that needs no model and may run on a thread of its own.

    Windows that overlap share frames; those of the last clip are not tiled again.
    """

    def __init__(self, processor: LeoProcessor) -> None:
        self._processor = processor
        self._last: dict[bytes, PreparedFrame] = {}

    def prepare(self, clip: Clip, plan: TilePlan) -> PreparedClip:
        """The clip, tiled as planned."""
        frames = [self._frame(image, most) for image, most in zip(clip.frames, plan.max_tiles, strict=True)]
        self._last = {frame.key: frame for frame in frames}
        return PreparedClip(clip, plan, tuple(frames))

    def _frame(self, image: Image.Image, max_tiles: int) -> PreparedFrame:
        key = hashlib.blake2b(f"{image.size} {max_tiles}".encode() + image.tobytes(), digest_size=16).digest()
        if key in self._last:
            return self._last[key]
        (tiles,) = self._processor.tiles([image], [max_tiles])
        return PreparedFrame(key, self._processor.pixel_values(tiles))


class ClipBatch:
    """Clips whose frames have the same tiles and names: encoded together, prefilled as one batch.

    A frame that is in several of them is encoded once.

    Args:
        prepared: at least one.

    Raises:
        DeviceMemoryError: they do not fit the device's memory.

    Example:
        >>> preparer = Preparer(leo.processor)                                          # doctest: +SKIP
        >>> batch = ClipBatch(leo, [preparer.prepare(clip, plan) for clip in clips])    # doctest: +SKIP
        >>> batch.ask([(0, "Is it raining?"), (1, "Is it raining?")])                   # doctest: +SKIP
    """

    def __init__(self, leo: Leo, prepared: Sequence[PreparedClip]) -> None:
        if len({(p.plan.tiles, p.clip.names) for p in prepared}) != 1:
            raise ValueError("the clips of a batch need the same tiles and names, frame by frame")
        start = time.perf_counter()
        visual_tokens = _encode(leo, prepared)
        encoded = time.perf_counter() - start
        self._leo = leo
        clips, plan = tuple(p.clip for p in prepared), prepared[0].plan
        try:
            self._prefix = prefill(leo.model, leo.processor, clips, plan, visual_tokens, encoded)
        except torch.OutOfMemoryError:
            raise DeviceMemoryError(
                f"out of memory with {len(clips)} clips of {plan.tokens} visual tokens at once; use a "
                f"smaller batch, or fewer frames or tiles"
            ) from None

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips, by their numbers."""
        return self._prefix.clips

    def ask(self, asked: Sequence[tuple[int, str]], max_new_tokens: int = 64) -> list[Answer]:
        """Answers to (number of the clip, question), each on its own, in the order asked.

        Raises:
            DeviceMemoryError: one question alone does not fit the device's memory.
        """
        leo, prefix = self._leo, self._prefix
        tiles, names = prefix.plan.tiles, prefix.clips[0].names
        ids = {q: leo.processor.prompt(q, tiles, names=names).question for q in {q for _, q in asked}}
        questions = [Asked(question, ids[question], clip) for clip, question in asked]
        return answer_all(
            leo.model, leo.processor, prefix, questions, max_new_tokens, leo.cache_bytes, prefix.timings, {}
        )


@torch.inference_mode()
def _encode(leo: Leo, prepared: Sequence[PreparedClip]) -> torch.Tensor:
    """The visual tokens of all clips' tiles in order, (tiles, tokens_per_tile, d_llm)."""
    frames = {frame.key: frame for clip in prepared for frame in clip.frames}
    pixels = [torch.cat(branch) for branch in zip(*(f.pixels for f in frames.values()), strict=True)]
    counts = [frame.pixels[0].shape[0] for frame in frames.values()]
    tokens = dict(zip(frames, encode_tiles(leo.model, pixels).split(counts), strict=True))
    return torch.cat([tokens[frame.key] for clip in prepared for frame in clip.frames])
