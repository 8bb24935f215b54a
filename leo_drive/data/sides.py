"""The words left and right in a text: where they name a side, and where they do not."""

from __future__ import annotations

import re
from collections.abc import Callable

_NO_SIDE = (
    r"all right|right[- ]of[- ]way|right (?:now|away|thing|time|moment|choice|decision)|right[- ]angle",
    r"(?<![a-z] )(?:that(?:['’]s| is)|is that|you(?:['’]re| are)) right(?=\s*(?:[.,;!?]|$))",
    r"(?<=, )right(?=\?)",
    r"(?:has|have|had|just) left(?=\s*(?:[.,;!?]|$))",
)
# "Right behind us" and "left the lane" are no sides, "on the right behind us" and "turning left the car" are:
# the word before tells.
_UNCLEAR = (
    r"right(?= (?:there|here|before|after|beside|next to|in front|behind|ahead)\b)",
    r"left(?= (?:the|our|its|their)\b)",
)
_TURNS = "turn|keep|bear|steer|veer|swerv|curv|bend|swing|cut|drift"
_MOVES = "go|mov|merg|pull|head|indicat|signal|look|point"
_BEFORE_A_SIDE = (
    r"the|a|our|your|its|his|her|their|my|far|hard|near|front|rear|back|upper|lower|top|bottom|immediate",
    r"sharp(?:ly)?|slight(?:ly)?|gent(?:le|ly)|first|second|next|then|to|on|(?:left|right),? (?:and|or|then)",
    rf"(?:{_TURNS}|{_MOVES})(?:e?s|ed|e|ning|ping|ting|ing)?(?: out)?",
)
_NAMED = re.compile(rf"\b(?:{'|'.join(_BEFORE_A_SIDE)}) $", re.I)
_WORD = re.compile(
    rf"\b(?:(?P<other>{'|'.join(_NO_SIDE)})\b|(?P<unclear>{'|'.join(_UNCLEAR)})"
    r"|(?:left|right)(?=(?:hand|most|wards?)?\b))",
    re.I,
)


def replace_sides(text: str, side: Callable[[str], str] = str, other: Callable[[str], str] = str) -> str:
    """The text with its words left and right replaced.

    Args:
        side: what stands for a word that names a side; the word unless told.
        other: what stands for one that does not, such as "right now" or the "left" of "it left the lane".

    Example:
        >>> replace_sides("Right now we turn right.", side=str.upper)
        'Right now we turn RIGHT.'
    """

    def replaced(found: re.Match[str]) -> str:
        named = not found["unclear"] or _NAMED.search(found.string, 0, found.start())
        return side(found[0]) if named and not found["other"] else other(found[0])

    return _WORD.sub(replaced, text)
