"""How many tokens a source's passes take, and whether they fit the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_drive.terminal import progress
from training.data import QuestionClips


@dataclass(frozen=True)
class Lengths:
    """Token counts of a source's passes: a clip's frames with the most conversations that are packed.

    Attributes:
        longest_alone: tokens of the longest single conversation with its frames; what must fit the context.
        longest: what to call it.
        passes: of every item, (items,).
        tiles: of every item, (items,).
        frames: the fewest and the most of an item.
    """

    longest_alone: int
    longest: str
    passes: np.ndarray
    tiles: np.ndarray
    frames: tuple[int, int]

    def problem(self, context: int) -> str | None:
        """What does not fit, in a line, or None."""
        if self.longest_alone <= context:
            return None
        return (
            f"{self.longest}: takes {self.longest_alone} tokens, the context holds {context}; "
            f"use fewer frames or max_tiles"
        )


def measure(clips: QuestionClips, process: int = 0, processes: int = 1) -> Lengths | None:
    """Count every item's tokens; of its pictures only the sizes are read.

    Args:
        process, processes: whose share of the items, of how many; None where that is nothing.

    Raises:
        InputError: a picture's size cannot be read.
    """
    root = clips.source.root
    numbers: Sequence[int] = range(process, len(clips), processes)
    passes, tiles, frames, longest_alone, longest = [], [], [], 0, ""
    with progress(f"counting tokens of {root}") as update:
        for done, i in enumerate(numbers, start=1):
            example, _ = clips.items[i]
            prefix, own = clips.token_counts(i)
            passes.append(prefix + sum(own))
            tiles.append(sum(clips.tile_counts(example)))
            frames.append(len(example.pictures))
            if prefix + own[0] > longest_alone:
                longest_alone, longest = prefix + own[0], f"{root}, {example.example_id}"
            update(done, len(numbers))
    if not passes:
        return None
    return Lengths(longest_alone, longest, np.array(passes), np.array(tiles), (min(frames), max(frames)))
