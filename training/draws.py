"""What a run reads, draw by draw: sources mixed by weight, each gone through again and again.

Which item a draw shows and every random choice about it depend on the run's seed and the draw's number alone.
So the order is the same on any number of processes, and a run that was stopped goes on exactly as it would
have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch.utils.data import Dataset

from training.data import Sample

# Batches that are sorted by length together: enough to be alike, few enough to stay mixed.
_CHUNK = 50


class Source(Protocol):
    """Something to draw from."""

    def __len__(self) -> int: ...

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """The item, with whatever is random about it drawn from `rng`."""
        ...

    def length(self, index: int) -> int:
        """About how long the item is; items of like length may be put together."""
        ...


class EveryItem(Dataset):
    """Each item of the sources once, in order and always the same: what a model is validated on."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.items = [(source, i) for source in sources for i in range(len(source))]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Sample:
        source, index = self.items[number]
        return source.sample(index, np.random.default_rng(number))


class Draws(Dataset):
    """`length` draws from the sources.

    Args:
        sources: none of them empty.
        weights: how often each is drawn from, relative to the others.
        length: draws in the whole run.
        group: clips a batch, to put items of like length into one; 0 leaves them in their order.
    """

    def __init__(
        self, sources: Sequence[Source], weights: Sequence[float], length: int, seed: int, group: int = 0
    ) -> None:
        self.sources, self.seed = sources, seed
        rng = np.random.default_rng([seed, 0x5EED])
        self.which = rng.permutation(
            np.repeat(np.arange(len(sources), dtype=np.int16), shared(length, weights))
        )
        self.item = np.zeros(length, dtype=np.int64)
        for i, source in enumerate(sources):
            places = np.flatnonzero(self.which == i)
            rounds = -(-len(places) // len(source))
            shuffled = [rng.permutation(len(source)) for _ in range(rounds)]
            if shuffled:
                self.item[places] = np.concatenate(shuffled)[: len(places)]

        if group:
            grouped = self._grouped(group, rng)
            self.which, self.item = self.which[grouped], self.item[grouped]

    def _grouped(self, batch: int, rng: np.random.Generator) -> np.ndarray:
        """An order in which batches hold items of like length, and the batches themselves are shuffled."""
        lengths = np.array(
            [self.sources[w].length(int(i)) for w, i in zip(self.which, self.item, strict=True)]
        )
        order = []
        for start in range(0, len(lengths), _CHUNK * batch):
            chunk = np.arange(start, min(start + _CHUNK * batch, len(lengths)))
            by_length = chunk[np.argsort(lengths[chunk], kind="stable")]
            batches = np.array_split(by_length, range(batch, len(by_length), batch))
            order += [batches[i] for i in rng.permutation(len(batches))]
        return np.concatenate(order)

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, draw: int) -> Sample:
        rng = np.random.default_rng([self.seed, 0xD4A3, draw])
        return self.sources[self.which[draw]].sample(int(self.item[draw]), rng)


def shared(length: int, weights: Sequence[float]) -> np.ndarray:
    """(sources,) draws of each source, in proportion to their weights, `length` in all."""
    exact = np.cumsum(np.asarray(weights, dtype=float)) / sum(weights) * length
    return np.diff(np.round(exact).astype(int), prepend=0)
