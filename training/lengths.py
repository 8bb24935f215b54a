"""How many tokens a source's passes take, and whether they fit the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """

    alone: np.ndarray
    longest: str
    passes: np.ndarray
    tiles: np.ndarray
    frames: tuple[int, int]

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


def measure(clips: QuestionClips, process: int = 0, processes: int = 1) -> Lengths | None:
    """Count every item's tokens; of its pictures only the sizes are read.

    Args:
        process, processes: whose share of the items, of how many; None where that is nothing.

    Raises:
        InputError: a picture's size cannot be read.
    """
    root = clips.source.root
    numbers: Sequence[int] = range(process, len(clips), processes)
    passes, tiles, frames, alone, longest = [], [], [], [], ""
    most = 0
    with progress(f"counting tokens of {root}") as update:
        for done, i in enumerate(numbers, start=1):
            example, _ = clips.items[i]
            prefix, own = clips.token_counts(i)
            passes.append(prefix + sum(own))
            tiles.append(sum(clips.tile_counts(example)))
            frames.append(len(example.pictures))
            alone.append(prefix + own[0])
            if alone[-1] > most:
                most, longest = alone[-1], f"{root}, {example.example_id}"
            update(done, len(numbers))
    if not passes:
        return None
    return Lengths(np.array(alone), longest, np.array(passes), np.array(tiles), (min(frames), max(frames)))
