"""Question-answering sets as training samples: a clip's tiles with several of its conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from leo_drive.data.example import Example, Picture, QuestionAnswer
from leo_drive.errors import InputError
from leo_drive.model import LeoProcessor
from leo_drive.model.tiling import tile_count
from training.augment import recolour
from training.packing import Packed, Turns, collate, pack
from training.pictures import read_labels, read_picture
from training.recipe import Augmentation, DataSource
from training.sources import read_source
from training.vision_cache import VisionCache, picture_key

_CHARACTERS_A_TOKEN = 4
Conversation = tuple[QuestionAnswer, ...]


@dataclass(frozen=True)
class Sample:
    """One clip, or one picture to learn its label map from.

    Attributes:
        packed: the clip's conversations.
        pixels: one (tiles, 3, H, W) tensor a branch.
        features: the branches' tokens instead, when they were computed before.
        labels: (tiles, side, side) class numbers, and whether they are coarse (`DataSource.label_classes`).
    """

    packed: Packed | None = None
    pixels: list[torch.Tensor] | None = None
    features: list[torch.Tensor] | None = None
    labels: np.ndarray | None = None
    coarse: bool = False


class QuestionClips:
    """The examples of a source; a draw packs up to `max_questions` of an example's conversations.

    Args:
        examples: to draw from, in place of all of the source's.
        every: an example with more conversations is several items, which have all of them between them;
            otherwise it is one, of whose conversations each draw takes some.
        follow_ups: most conversations that are put behind another one, as if they followed up on it.
        dense: give label maps too.
        cache: where the encodings of all its pictures lie; then samples hold features instead of pixels.
    """

    def __init__(
        self,
        source: DataSource,
        processor: LeoProcessor,
        max_questions: int,
        every: bool = False,
        follow_ups: int = 0,
        dense: bool = False,
        augmentation: Augmentation = Augmentation(),  # noqa: B008  (frozen)
        cache: VisionCache | None = None,
        examples: Sequence[Example] | None = None,
    ) -> None:
        self.source, self.processor, self.max_questions = source, processor, max_questions
        self.follow_ups, self.dense, self.augmentation, self.cache = follow_ups, dense, augmentation, cache
        self.examples = read_source(source, labels=dense) if examples is None else list(examples)
        if dense:
            self._see_to_one_tile_a_frame()
        counts = Counter(turns[0].kind for e in self.examples for turns in e.conversations)
        # A kind that is asked a hundred times as often is drawn ten times as often.
        self.draw_weights = {kind: n**-0.5 for kind, n in counts.items()}
        self.items = list(self._items(max_questions if every else None))

    def __len__(self) -> int:
        return len(self.items)

    def _items(self, most: int | None) -> Iterator[tuple[Example, Sequence[Conversation]]]:
        """Every example with its conversations, with at most so many at a time."""
        for example in self.examples:
            parts = 1 if most is None else -(-len(example.conversations) // most)
            for i in range(parts):
                yield example, example.conversations[i::parts]

    def length(self, index: int) -> int:
        """About how many tokens the item can have."""
        example, conversations = self.items[index]
        texts = [sum(len(qa.question) + len(qa.answer) for qa in turns) for turns in conversations]
        text = sum(sorted(texts, reverse=True)[: self.max_questions]) // _CHARACTERS_A_TOKEN
        frames = len(example.pictures)
        return text + frames * self._max_tiles(frames) * self.processor.leo.tokens_per_tile

    def tile_counts(self, example: Example) -> list[int]:
        """Of every picture, from its size alone."""
        leo, most = self.processor.leo, self._max_tiles(len(example.pictures))
        return [
            tile_count(*picture.size(), leo.tile_size, 1, most, leo.use_thumbnail)
            for picture in example.pictures
        ]

    def token_counts(self, index: int, tiles: Sequence[int]) -> tuple[int, list[int]]:
        """Of the prefix, and of the longest conversations after it that one draw may have, longest first.

        Args:
            tiles: of every picture, see `tile_counts`.
        """
        example, conversations = self.items[index]
        text, own = self._counted(example, conversations)
        prefix = text + sum(tiles) * self.processor.leo.tokens_per_tile
        longest = np.argsort(own)[::-1][: self.max_questions]
        if not self.follow_ups:
            return prefix, [own[i] for i in longest]
        whole = 1 + self.follow_ups
        runs = [longest[i : i + whole] for i in range(0, len(longest), whole)]
        _, joined = self._counted(example, [_joined(conversations[i] for i in run) for run in runs])
        return prefix, joined

    def _counted(self, example: Example, conversations: Sequence[Conversation]) -> tuple[int, list[int]]:
        """Tokens of the prefix without tiles, and of each conversation after it."""
        prefix, read = self._turns(example, conversations)
        return len(prefix), [sum(len(ids) for turn in turns for ids in turn) for turns in read]

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """The example with some of its conversations."""
        example, conversations = self.items[index]
        tiles: list[int] = []
        pixels = features = labels = None
        if example.pictures and self.cache is not None:
            encoded = [self.cache.read(key) for key, _ in self._encodings(example)]
            tiles = [tokens[0].shape[0] for tokens in encoded]
            features = [torch.cat(column) for column in zip(*encoded, strict=True)]
        elif example.pictures:
            pictures = [recolour(read_picture(p), self.augmentation, rng) for p in example.pictures]
            cut = self._cut(pictures)
            tiles = [len(own) for own in cut]
            pixels = self.processor.pixel_values([tile for own in cut for tile in own])
        if self.dense and example.pictures:
            labels = self._label_maps(example)
        packed = self._pack(example, self._drawn(conversations, rng), tiles)
        return Sample(packed, pixels, features, labels, self.source.label_classes == "coarse")

    def pictures(self, process: int = 0, processes: int = 1) -> Iterator[tuple[str, Any]]:
        """Key and reader of every picture's pixel values, for `training.vision_cache.fill`.

        Args:
            process, processes: whose share of the examples, of how many.
        """
        for example in self.examples[process::processes]:
            yield from self._encodings(example)

    def _max_tiles(self, frames: int) -> int:
        most = self.source.max_tiles or self.processor.leo.max_tiles
        return max(1, most // max(1, frames))

    def _encodings(self, example: Example) -> Iterator[tuple[str, Any]]:
        most = self._max_tiles(len(example.pictures))
        for picture in example.pictures:

            def pixel_values(picture: Picture = picture) -> list[torch.Tensor]:
                return self.processor.pixel_values(self.processor.tiles([picture.read()], [most])[0])

            yield picture_key(picture.content(), most), pixel_values

    def _cut(self, pictures: Sequence[np.ndarray]) -> list[list[Image.Image]]:
        """Every picture's tiles, shared out equally as the reference does."""
        images = [Image.fromarray(picture) for picture in pictures]
        return self.processor.tiles(images, [self._max_tiles(len(images))] * len(images))

    def _drawn(self, conversations: Sequence[Conversation], rng: np.random.Generator) -> list[Conversation]:
        weights = np.array([self.draw_weights[turns[0].kind] for turns in conversations])
        count = min(self.max_questions, len(weights))
        drawn = rng.choice(len(weights), size=count, replace=False, p=weights / weights.sum())
        runs, taken = [], 0
        while taken < count:
            run = drawn[taken : taken + 1 + int(rng.integers(self.follow_ups + 1))]
            runs.append(_joined(conversations[i] for i in run))
            taken += len(run)
        return runs

    def _pack(self, example: Example, conversations: Sequence[Conversation], tiles: Sequence[int]) -> Packed:
        prefix, read = self._turns(example, conversations)
        packed = pack(self.processor.with_tiles(prefix, tiles), read)
        if (longest := int(packed.position_ids.max()) + 1) > self.processor.leo.context_length:
            raise InputError(
                f"{self.source.root}, {example.example_id}: {sum(tiles)} tiles and the longest question take "
                f"{longest} tokens, the context holds {self.processor.leo.context_length}; "
                f"use fewer frames or max_tiles"
            )
        return packed

    def _turns(
        self, example: Example, conversations: Sequence[Conversation]
    ) -> tuple[Sequence[int], list[Turns]]:
        """The prefix of all conversations, with no tiles in its frames yet, and what follows it in each."""
        plain = self.processor.as_plain_text
        try:
            read = [
                self.processor.turns(
                    [(plain(qa.question), plain(qa.answer)) for qa in turns],
                    [0] * len(example.pictures),
                    example.names,
                    example.system and plain(example.system),
                )
                for turns in conversations
            ]
        except InputError as error:
            raise InputError(f"{self.source.root}, {example.example_id}: {error}") from None
        return read[0][0].prefix, [turns for _, turns in read]

    def _see_to_one_tile_a_frame(self) -> None:
        """A label map lies over a frame's only tile.

        Raises:
            InputError: the model would cut an example's frames into more.
        """
        for example in self.examples:
            if example.pictures and self._max_tiles(len(example.pictures)) > 1:
                raise InputError(
                    f"{self.source.root}, {example.example_id}: dense_weight learns from frames of one tile, "
                    f"and of {self.processor.leo.max_tiles} tiles for {len(example.pictures)} frames each "
                    f"may have more; give this source max_tiles: 1"
                )

    def _label_maps(self, example: Example) -> np.ndarray:
        """(frames, tile_size, tile_size) class numbers, resized like a frame's only tile."""
        side = (self.processor.leo.tile_size,) * 2
        maps = [read_labels(label_map) for label_map in example.label_maps]
        return np.stack([cv2.resize(m, side, interpolation=cv2.INTER_NEAREST) for m in maps])


def _joined(conversations: Iterable[Conversation]) -> Conversation:
    return tuple(chain.from_iterable(conversations))


class Collator:
    """Samples to a batch of the model's inputs."""

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, samples: Sequence[Sample]) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        if packs := [s.packed for s in samples if s.packed is not None]:
            batch |= collate(packs, self.pad_token_id)
        for name in ("pixels", "features"):
            # A text alone has neither; the others' tiles follow one another.
            if given := [own for s in samples if (own := getattr(s, name)) is not None]:
                batch[name] = [torch.cat(column) for column in zip(*given, strict=True)]
        if maps := [(clip, s.labels, s.coarse) for clip, s in enumerate(samples) if s.labels is not None]:
            tiles = [len(labels) for _, labels, _ in maps]
            batch["label_maps"] = torch.from_numpy(np.concatenate([labels for _, labels, _ in maps]))
            batch["coarse"] = torch.tensor([coarse for *_, coarse in maps]).repeat_interleave(
                torch.tensor(tiles)
            )
            batch["clips"] = torch.tensor([clip for clip, *_ in maps]).repeat_interleave(torch.tensor(tiles))
        return batch
