"""What a clip settles, before it is put into a question's words, and the sentences that answer it.

The world of a generated drive and a label map alone settle much the same; whoever finds it says it alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

PLURALS = {"vehicle": "vehicles", "pedestrian": "pedestrians", "cyclist": "cyclists"}

_AHEAD_OF_NEXT = 1.35
"""How much larger than the next the largest part of a background is."""


class Finding(NamedTuple):
    """An answer and what it answers.

    Attributes:
        kind, subject: of the question; see `leo_drive.data.synthetic.questions`.
        value: one of the kind's values.
        sentence: the answer in full.
    """

    kind: str
    subject: str
    value: str
    sentence: str


def yes(flag: bool) -> str:
    """A truth as the value of a yes-or-no kind."""
    return "yes" if flag else "no"


def presence(subject: str, there: bool, where: str = "", several: bool = False) -> Finding:
    """Whether there is one; `where` follows the subject."""
    if not there:
        sentence = f"No, there is no {subject}."
    elif several:
        sentence = f"Yes, there are {PLURALS[subject]}{where}."
    else:
        sentence = f"Yes, there is {'an' if subject[0] in 'aeiou' else 'a'} {subject}{where}."
    return Finding("presence", subject, yes(there), sentence)


def absence(subject: str, there: bool) -> Finding:
    """Presence, asked the other way round."""
    sentence = f"No, there is a {subject}." if there else f"Yes, there is no {subject}."
    return Finding("absence", subject, yes(not there), sentence)


def near(subject: str, close: bool) -> Finding:
    """Whether one is close to our vehicle."""
    sentence = f"Yes, a {subject} is close." if close else f"No, there is no {subject} close to us."
    return Finding("near", subject, yes(close), sentence)


def side(subject: str, value: str, several: bool = True) -> Finding:
    """Where they are: left, right or both."""
    things = f"{PLURALS[subject]} are" if several else f"{subject} is"
    where = "on both sides" if value == "both" else f"on the {value}"
    return Finding("side", subject, value, f"The {things} {where}.")


def vehicle_ahead(there: bool) -> Finding:
    """Whether a vehicle is in our way ahead."""
    sentence = "Yes, there is a vehicle ahead." if there else "No, there is no vehicle directly ahead."
    return Finding("vehicle_ahead", "", yes(there), sentence)


def traffic(value: str) -> Finding:
    """Whether the road is open or crowded."""
    return Finding("traffic", "", value, f"The road ahead is {value}.")


def background(shares: Mapping[str, float], least: float) -> Iterator[Finding]:
    """What most of the background is, where that is plain.

    Args:
        shares: of the picture, by what is there: buildings, trees, sky.
        least: of the largest.
    """
    first, second = sorted(shares, key=lambda name: -shares[name])[:2]
    if shares[first] >= least and shares[first] >= _AHEAD_OF_NEXT * shares[second]:
        yield Finding("background", "", first, f"Mostly {'the sky' if first == 'sky' else first}.")
