"""LingoQA-layout parts as training samples: a clip's tiles with several of its questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from leo_drive.data.lingoqa import QuestionAnswer, Segment, read_part
from leo_drive.errors import InputError
from leo_drive.model import LeoProcessor
from leo_drive.model.budget import plan_tiles
from leo_drive.model.processor import TURN_END
from training.packing import Packed, collate, pack
from training.recipe import DataSource


@dataclass(frozen=True)
class Sample:
    """One clip: its packed questions, and its pixels or its cached vision features."""

    packed: Packed
    pixels: list[torch.Tensor] | None
    features: list[torch.Tensor] | None
    labels: np.ndarray | None


class QuestionClips(Dataset):
    """The segments of several sources; each item packs up to `max_questions` of a segment's questions."""

    def __init__(
        self, sources: Sequence[DataSource], processor: LeoProcessor, max_questions: int, dense: bool
    ) -> None:
        self.processor, self.max_questions, self.dense = processor, max_questions, dense
        self.segments: list[tuple[DataSource, Segment]] = []
        for source in sources:
            for segment in read_part(source.root):
                kept = [q for q in segment.questions if q.kind not in source.without_kinds]
                if kept:
                    self.segments.append((source, Segment(segment.segment_id, segment.images, kept)))
        if not self.segments:
            raise InputError(f"no questions to train on in {', '.join(str(s.root) for s in sources)}")
        self.features: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.segments)

    def image_paths(self, index: int) -> list[Path]:
        """The frames that are shown, oldest first."""
        source, segment = self.segments[index]
        return [source.root / name for name in segment.images[-source.frames :]]

    def tiles(self, index: int) -> list[Image.Image]:
        """All tiles of the item, frame by frame."""
        images = []
        for path in self.image_paths(index):
            try:
                images.append(Image.open(path).convert("RGB"))
            except OSError as error:
                raise InputError(f"{path}: {error.strerror or 'not a readable image'}") from None
        plan = plan_tiles(images[0].size, len(images), self.processor.leo, lambda _: 0)
        return [tile for tiles in self.processor.tiles(images, plan.max_tiles) for tile in tiles]

    def __getitem__(self, index: int) -> Sample:
        questions = self.segments[index][1].questions
        # Drawn by the item alone, so that a run that was stopped goes on exactly as it would have.
        draw = torch.Generator().manual_seed(index)
        order = torch.randperm(len(questions), generator=draw)[: self.max_questions].tolist()
        frames = len(self.image_paths(index))
        tiles_per_frame = [1] * frames
        pixels = features = labels = None
        if self.features is not None:
            features = [torch.from_numpy(np.array(f[index])) for f in self.features]
        else:
            tiles = self.tiles(index)
            pixels = self.processor.pixel_values(tiles)
            tiles_per_frame = [len(tiles) // frames] * frames
        if self.dense:
            labels = self._label_maps(index)
        return Sample(self._pack([questions[i] for i in order], tiles_per_frame), pixels, features, labels)

    def _pack(self, questions: Sequence[QuestionAnswer], tiles: Sequence[int]) -> Packed:
        turns: list[tuple[Sequence[int], Sequence[int]]] = []
        prefix: Sequence[int] = ()
        for qa in questions:
            prompt = self.processor.prompt(qa.question, tiles)
            prefix = prompt.prefix
            answer = self.processor.tokenizer(qa.answer + TURN_END, add_special_tokens=False)["input_ids"]
            turns.append((prompt.question, answer))
        packed = pack(prefix, turns)
        if (longest := int(packed.position_ids.max()) + 1) > self.processor.leo.context_length:
            raise InputError(
                f"a sample of {longest} tokens does not fit the context of "
                f"{self.processor.leo.context_length}"
            )
        return packed

    def _label_maps(self, index: int) -> np.ndarray:
        """(frames, tile_size, tile_size) class numbers, resized like a frame's only tile."""
        side = self.processor.leo.tile_size
        maps = []
        for path in self.image_paths(index):
            parts = ["labels" if p == "images" else p for p in path.parts]
            label_path = Path(*parts).with_suffix(".png")
            try:
                maps.append(np.asarray(Image.open(label_path).resize((side, side), Image.Resampling.NEAREST)))
            except OSError:
                raise InputError(
                    f"{label_path}: no label map; dense_weight needs one beside every frame"
                ) from None
        return np.stack(maps)


class Collator:
    """Samples to a batch of the model's inputs."""

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, samples: Sequence[Sample]) -> dict[str, Any]:
        batch: dict[str, Any] = dict(collate([s.packed for s in samples], self.pad_token_id))
        for name in ("pixels", "features"):
            if getattr(samples[0], name) is not None:
                columns = zip(*(getattr(s, name) for s in samples), strict=True)
                batch[name] = [torch.cat(column) for column in columns]
        if samples[0].labels is not None:
            batch["label_maps"] = torch.from_numpy(np.concatenate([s.labels for s in samples]))
        return batch
