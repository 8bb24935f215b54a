"""Reading a free-text answer back to one of a closed question's values; never guessed.

Which questions are closed, where no table says so, is told by `leo_drive.data.kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERS = {
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
}

# How people say a value besides its own words: regular expressions on lower-case text without punctuation.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "yes": ("yes", "yeah", "yep", "correct", "true", "indeed"),
    "no": ("no", "nope", "false", "none", "there (?:is|are) (?:no|none|not|nobody)", "nobody", "no one"),
    "none": ("none", "no", "zero", "0", "nothing", "nobody", "no one"),
    "left": ("left", "left hand", "left side"),
    "right": ("right", "right hand", "right side"),
    "both": ("both", "either side", "each side"),
    "one": ("one", "1", "a single", "only one"),
    "two": ("two", "2", "a couple", "a pair"),
    "three": ("three", "3"),
    "four or more": (
        "four or more", "4 or more", "at least four", "more than three", "[4-9]", "[1-9][0-9]+",
        "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "a dozen", "many", "several",
    ),
    "amber": ("amber", "yellow", "orange"),
    "yellow": ("yellow", "orange", "gold"),
    "grey": ("grey", "gray", "silver"),
    "close": ("close", "near", "nearby"),
    "medium": ("medium", "middle distance", "moderate", "mid distance"),
    "far": ("far", "distant", "a long way"),
    "buildings": ("buildings?", "houses"),
    "trees": ("trees?", "vegetation", "bushes", "greenery"),
    "sky": ("sky",),
    "clear": ("clear", "sunny", "fine", "dry"),
    "overcast": ("overcast", "cloudy"),
    "rain": ("rain", "raining", "rainy", "wet"),
    "fog": ("fog", "foggy", "mist", "misty"),
    "day": ("day", "daytime", "daylight"),
    "dusk": ("dusk", "twilight", "evening", "sunset"),
    "night": ("night", "nighttime", "dark"),
    "straight": ("straight", "straight on", "straight ahead"),
    "bends left": ("(?:bends?|curves?|turns?|bending|curving)(?: to)?(?: the)? left", "left"),
    "bends right": ("(?:bends?|curves?|turns?|bending|curving)(?: to)?(?: the)? right", "right"),
    "open": ("open", "quiet", "empty", "free"),
    "crowded": ("crowded", "busy", "congested", "full"),
    "stopped": ("stopped", "stationary", "standing still", "at a standstill", "not moving", "waiting"),
    "turning left": ("turn(?:s|ing)?(?: to)?(?: the)? left", "left"),
    "turning right": ("turn(?:s|ing)?(?: to)?(?: the)? right", "right"),
    "slowing down": ("slow(?:s|ing)?(?: down)?", "braking", "decelerating"),
    "steady": ("steady", "constant", "unchanged"),
    "speeding up": ("speed(?:s|ing)? up", "accelerat(?:es|ing)", "faster"),
    "stop": ("stop", "stay stopped", "wait", "halt", "remain stopped", "stay where we are"),
    "slow down": ("slow(?:ing)?(?: down)?", "reduce (?:the )?speed", "brake"),
    "keep going": ("keep (?:going|driving)", "continue", "proceed", "drive on", "carry on", "go ahead"),
    "pedestrian": ("pedestrians?", "person", "people", "someone"),
    "cyclist": ("cyclists?", "bicycles?", "bikes?"),
    "traffic light": ("traffic lights?", "red light", "amber light", "light"),
    "vehicle ahead": ("vehicle(?: directly)? ahead", "vehicle in front", "car ahead", "car in front"),
    "road ahead": ("road ahead", "road"),
    "red light": ("light is red", "red (?:traffic )?light", "red signal"),
    "green light": ("light is green", "green (?:traffic )?light", "green signal"),
    "pedestrian crossing": ("(?:pedestrians?|someone|people)(?: is| are)? crossing",),
    "vehicle braking": (
        "(?:vehicle|car)(?: in front| ahead)?(?: of us)? (?:is|has) (?:braking|stopped|slowing down)",
    ),
    "motorway": ("motorway", "highway", "freeway", "expressway"),
    "city street": ("(?:city|urban|inner city) (?:street|road)", "street in (?:a|the) city"),
    "residential street": ("(?:residential|suburban) (?:street|road|area)", "street in (?:a|the) suburbs?"),
    "country road": ("(?:country|rural) (?:road|lane)",),
    "clear road": ("(?:road|way)(?: ahead)? is clear", "clear road", "nothing (?:is )?in (?:our|the) way"),
}  # fmt: skip
_NEGATION = re.compile(r"\b(?:not|never|neither|nor|isn t|aren t|don t|doesn t|cannot|can t|without)\b")


def _normalise(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _patterns(choice: str) -> tuple[str, ...]:
    own = re.escape(_normalise(choice))
    extra = _SYNONYMS.get(choice.lower(), ())
    digit = _NUMBERS.get(choice.lower())
    return (own, *extra, *((digit,) if digit else ()))


def read_value(text: str, choices: Sequence[str]) -> str | None:
    """The one choice that an answer means, or None when it cannot be told for certain.

    Args:
        text: an answer in a person's or a model's words.
        choices: the values that the question allows.

    Example:
        >>> read_value("Yes, there is a cyclist on the left.", ["yes", "no"])
        'yes'
        >>> read_value("On both sides.", ["left", "right", "both"])
        'both'
        >>> read_value("It may be red or green.", ["red", "amber", "green", "none"]) is None
        True
    """
    clean = _normalise(text)
    lowered = {choice.lower(): choice for choice in choices}
    if clean in lowered:
        return lowered[clean]
    if not clean:
        return None
    if set(lowered) == {"yes", "no"}:
        return _read_yes_no(clean, lowered)
    found: list[tuple[int, int, str]] = []
    for choice in choices:
        for pattern in _patterns(choice):
            for match in re.finditer(rf"\b(?:{pattern})\b", clean):
                found.append((match.start(), match.end(), choice))
    # A longer reading swallows a shorter one inside it: "not moving", "four or more", "red light".
    kept = [
        (start, end, choice)
        for start, end, choice in found
        if not any(a <= start and end <= b and (b - a) > (end - start) for a, b, _ in found)
    ]
    negations = [m.span() for m in _NEGATION.finditer(clean)]
    if any(not any(start <= a and b <= end for start, end, _ in kept) for a, b in negations):
        return None
    values = {choice for _, _, choice in kept}
    if "both" in lowered and {"left", "right"} <= {v.lower() for v in values}:
        return lowered["both"]
    return values.pop() if len(values) == 1 else None


def _read_yes_no(clean: str, choices: dict[str, str]) -> str | None:
    for value in ("no", "yes"):
        if any(re.match(rf"(?:{pattern})\b", clean) for pattern in _SYNONYMS[value]):
            return choices[value]
    words = set(clean.split())
    if ("yes" in words) != ("no" in words) and not _NEGATION.search(clean):
        return choices["yes" if "yes" in words else "no"]
    return None
