"""A recipe's data sources as examples."""

from __future__ import annotations

from pathlib import Path

from leo_drive.data.catalogue import read_card
from leo_drive.data.example import Example
from leo_drive.data.readers import read_examples
from leo_drive.errors import InputError
from training.recipe import DataSource

CATALOGUE = Path("datasets")


def read_source(source: DataSource, labels: bool = False) -> list[Example]:
    """Everything of a source, each example with its last `frames` pictures and the kinds that are wanted.

    Args:
        labels: with label maps.

    Raises:
        InputError: it cannot be read, or nothing is left of it.
    """
    options = dict(source.options)
    if labels:
        options["labels"] = source.labels
    if source.dataset is not None:
        if source.part is None:
            raise InputError(f"{source.root}: name the part of {source.dataset} that is meant (part: ...)")
        examples = read_card(CATALOGUE / source.dataset).read(source.part, source.root, **options)
    else:
        examples = read_examples(source.format, source.root, **options)
    kept = [_kept(example, source) for example in examples]
    if not (left := [example for example in kept if example.conversations]):
        raise InputError(f"{source.root}: no questions to train on")
    return left


def _kept(example: Example, source: DataSource) -> Example:
    last = slice(-source.frames, None) if example.names is None else slice(None)
    conversations = tuple(
        turns for turns in example.conversations if all(qa.kind not in source.without_kinds for qa in turns)
    )
    return Example(
        example.example_id,
        example.pictures[last],
        conversations,
        example.names,
        source.system or example.system,
        example.label_maps[last],
    )
