"""Pictures with label maps: what the branches learn to see from, before any question is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from leo_drive.data.example import Example
from leo_drive.data.synthetic.labels import COARSE, CYCLIST, FENCE, PEDESTRIAN, SIGN, VEHICLE
from leo_drive.errors import InputError
from leo_drive.model import LeoProcessor
from training.augment import move, paste, recolour
from training.data import Sample
from training.pictures import read_labels, read_picture
from training.recipe import Augmentation, DataSource
from training.sources import read_source

# What may stand anywhere in a picture, and so may be put into another one.
MOVABLE = (SIGN, FENCE, VEHICLE, PEDESTRIAN, CYCLIST)


class LabelledFrames:
    """Every picture of a source that questions are asked about, each once.

    Args:
        examples: in place of all of the source's.

    Raises:
        InputError: it shows none.
    """

    def __init__(
        self,
        source: DataSource,
        processor: LeoProcessor,
        augmentation: Augmentation,
        examples: Sequence[Example] | None = None,
    ) -> None:
        self.source, self.processor, self.augmentation = source, processor, augmentation
        self.coarse = source.label_classes == "coarse"
        self.examples = read_source(source, labels=True) if examples is None else list(examples)
        self.pairs = list(
            dict.fromkeys(
                pair
                for example in self.examples
                for pair in zip(example.pictures, example.label_maps, strict=True)
            )
        )
        if not self.pairs:
            raise InputError(f"{source.root}: shows no pictures, and label maps alone are to be learned from")

    def __len__(self) -> int:
        return len(self.pairs)

    def length(self, index: int) -> int:
        """Every picture is one tile."""
        return 1

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """One picture as a branch sees it, with its label map."""
        picture, labels = self._fitted(index, rng)
        if rng.random() < self.augmentation.paste:
            other, other_labels = self._fitted(int(rng.integers(len(self))), rng)
            there = np.isin(COARSE[other_labels], [c for c in MOVABLE if rng.random() < 0.5])
            picture, labels = paste((picture, labels), (other, other_labels), there)
        tile = Image.fromarray(recolour(picture, self.augmentation, rng))
        return Sample(
            pixels=self.processor.pixel_values([tile]), labels=labels[None].copy(), coarse=self.coarse
        )

    def _fitted(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        picture, label_map = self.pairs[index]
        side = self.processor.leo.tile_size
        return move(read_picture(picture), read_labels(label_map), side, self.augmentation, rng)
