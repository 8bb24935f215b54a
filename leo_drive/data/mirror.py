"""What is said about a picture, said about the picture mirrored."""

from __future__ import annotations

from leo_drive.data.sides import replace_sides

MIRRORED = "-mirrored"
"""Ends the name of a drive, segment or question that is another one mirrored."""


def mirror_text(text: str) -> str:
    """The text with left and right swapped, in its own capitals; both sides stay both.

    What is no side stays: "right now", "right of way", "That's right.", "a car right behind us", "it left the
    lane".

    Example:
        >>> mirror_text("On the left-hand side. Turn Right!")
        'On the right-hand side. Turn Left!'
    """
    return replace_sides(text, side=_other)


def _other(side: str) -> str:
    other = "right" if side.lower() == "left" else "left"
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other
