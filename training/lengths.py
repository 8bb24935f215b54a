"""How many tokens a source's passes take, and whether they fit the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_drive.errors import InputError
from leo_drive.terminal import progress
from training.data import QuestionClips
from training.recipe import Recipe


@dataclass(frozen=True)
class Lengths:
    """Token counts of a source's passes: a clip's frames with the most conversations that are packed.

    Attributes:
        alone: of every item, tokens of its longest single conversation with its frames; what must fit the
            context, (items,).
        longest: what to call the item with the longest of all.
        passes: of every item, (items,).
        tiles: of every item, (items,).
        frames: the fewest and the most of an item.
        unread: what is wrong with pictures whose size cannot be read; their items are not counted.
        unasked: what is wrong with questions that cannot be asked; nor are theirs.
    """

    alone: np.ndarray
    longest: str
    passes: np.ndarray
    tiles: np.ndarray
    frames: tuple[int, int]
    unread: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    @property
    def longest_alone(self) -> int:
        """Tokens of the longest single conversation."""
        return int(self.alone.max())

    def problem(self, recipe: Recipe, context: int) -> str | None:
        """What does not fit, in a line, or None."""
        most = min(recipe.max_tokens or context, context)
        if not (too_long := int((self.alone > most).sum())):
            return None
        limit = f"the context holds {context}" if most == context else f"max_tokens is {most}"
        others = f" ({too_long} of {len(self.alone)} are too long)" if too_long > 1 else ""
        said = f"{self.longest}: takes {self.longest_alone} tokens, {limit}{others}"
        return f"{said}; use fewer frames or max_tiles"


def measure(clips: QuestionClips, process: int = 0, processes: int = 1) -> Lengths:
    """Count every item's tokens; of its pictures only the sizes are read.

    Args:
        process, processes: whose share of the items, of how many.
    """
    root = clips.source.root
    numbers: Sequence[int] = range(process, len(clips), processes)
    passes, tiles, frames, alone, longest = [], [], [], [], ""
    most = 0
    # Once each: an example with many conversations is several items.
    unread: dict[str, None] = {}
    unasked: dict[str, None] = {}
    with progress(f"counting tokens of {root}") as update:
        for done, i in enumerate(numbers, start=1):
            update(done, len(numbers))
            example, _ = clips.items[i]
            try:
                of_pictures = clips.tile_counts(example)
            except InputError as error:
                unread[str(error)] = None
                continue
            try:
                prefix, own = clips.token_counts(i, of_pictures)
            except InputError as error:
                unasked[str(error)] = None
                continue
            if prefix + own[0] > most:
                most, longest = prefix + own[0], f"{root}, {example.example_id}"
            passes.append(prefix + sum(own))
            tiles.append(sum(of_pictures))
            frames.append(len(example.pictures))
            alone.append(prefix + own[0])
    ends = (min(frames, default=0), max(frames, default=0))
    counted = (np.array(alone, int), longest, np.array(passes, int), np.array(tiles, int))
    return Lengths(*counted, ends, tuple(unread), tuple(unasked))
