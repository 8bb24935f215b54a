"""What is said about a picture, said about the picture mirrored."""

from __future__ import annotations

import re

MIRRORED = "-mirrored"
"""Ends the name of a drive, segment or question that is another one mirrored."""

# "Right" that is no side: it stays.
_NO_SIDE = r"right (?:now|away|of way|there|here)\b|all right\b"
_SIDE = re.compile(rf"(?P<same>\b(?:{_NO_SIDE}))|\b(?P<side>left|right)(?=(?:hand|most|wards?)?\b)", re.I)


def mirror_text(text: str) -> str:
    """The text with left and right swapped, in its own capitals; both sides stay both.

    Example:
        >>> mirror_text("On the left-hand side. Turn Right!")
        'On the right-hand side. Turn Left!'
    """
    return _SIDE.sub(_other, text)


def _other(found: re.Match[str]) -> str:
    side = found["side"]
    if side is None:
        return found["same"]
    other = "right" if side.lower() == "left" else "left"
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other
