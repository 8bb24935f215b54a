"""A recipe's data sources as examples."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

from leo_drive.data.catalogue import Card, read_card
from leo_drive.data.example import Example
from leo_drive.data.mirror import MIRRORED
from leo_drive.data.readers import read_examples
from leo_drive.data.synthetic import CHOICES, OPEN_KINDS
from leo_drive.errors import InputError, nearest
from training.recipe import CATALOGUE, DataSource

LABELS, LABELS_FOLDER = "labels", "labels/train"
"""Readers' option for label maps, and the folder where nobody names one."""
KINDS = {*CHOICES, *OPEN_KINDS}
"""Of the generated drives; other data may have others."""


def read_source(source: DataSource, labels: bool = False) -> list[Example]:
    """Everything of a source's share, each example with its last `frames` pictures and the kinds that are
    wanted.

    Args:
        labels: with label maps.

    Raises:
        InputError: it cannot be read, or nothing is left of it.
    """
    card, options = card_of(source), dict(source.options)
    part = _part(source, card) if card else ""
    of_card = card.part(part).options if card else {}
    if labels:
        options[LABELS] = source.labels or {**of_card, **options}.get(LABELS, LABELS_FOLDER)
    elif LABELS in of_card:
        options.setdefault(LABELS, None)  # nobody asks for the card's
    if card is not None:
        examples = card.read(part, source.root, **options)
    else:
        examples = read_examples(source.format, source.root, **options)
    kinds = {qa.kind for example in examples for qa in example.questions}
    if source.without_kinds and kinds == {None}:
        raise InputError(
            f"{source.root}: without_kinds, but its questions have no kinds (there is no table of them)"
        )
    if unknown := [kind for kind in source.without_kinds if kind not in kinds | KINDS]:
        raise InputError(f"{source.root}: without_kinds has {unknown[0]}; {nearest(unknown[0], KINDS)}")
    kept = [_kept(example, source) for example in examples if _is_in(example, source.share)]
    if not (left := [example for example in kept if example.conversations]):
        raise InputError(f"{source.root}: no questions to train on")
    return left


def _part(source: DataSource, card: Card) -> str:
    if source.part is None:
        raise InputError(
            f"{source.root}: name the part of {source.dataset} that is meant, such as "
            f"part: {next(iter(card.parts))}; there are {', '.join(card.parts)}"
        )
    return source.part


def card_of(source: DataSource) -> Card | None:
    """The card of the data set that a source names, if it names one."""
    return None if source.dataset is None else read_card(CATALOGUE / source.dataset)


def _is_in(example: Example, share: tuple[float, float]) -> bool:
    """Whether the example's place between 0 and 1, which its name alone decides, is in the share.

    Examples of one group, and a mirrored clip and the clip that it mirrors, have the same place: one held out
    would be learned from the other.
    """
    name = example.group or example.example_id.removesuffix(MIRRORED)
    return share[0] <= crc32(name.encode()) / 2**32 < share[1]


def _kept(example: Example, source: DataSource) -> Example:
    shown = len(example.pictures)
    if source.frames is not None and example.names is None:
        shown = min(shown, source.frames)
    last = slice(len(example.pictures) - shown, None)
    conversations = tuple(
        turns for turns in example.conversations if all(qa.kind not in source.without_kinds for qa in turns)
    )
    return replace(
        example,
        pictures=example.pictures[last],
        conversations=conversations,
        system=source.system or example.system,
        label_maps=example.label_maps[last],
    )
