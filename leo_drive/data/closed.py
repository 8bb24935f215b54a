"""Reading a free-text answer back to one of a closed question's values; never guessed.

Which questions are closed, where no table says so, is told by `leo_drive.data.kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from leo_drive.data.echoes import CLAUSE, echoed, stem
from leo_drive.data.sides import replace_sides

_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS, start=1)}
_FOUR_OR_MORE = f"(?:[4-9]|[1-9][0-9]+|{'|'.join(_WORDS[3:])}|a dozen)"

# How people say a value besides its own words: regular expressions on lower-case text without punctuation.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "none": ("none", "no", "zero", "0", "nothing", "nobody", "no one"),
    "left": ("left", "left hand", "left side"),
    "right": ("right", "right hand", "right side"),
    "both": ("both", "either side", "each side"),
    "one": ("one", "1", "a single", "only one"),
    "two": ("two", "2", "a couple", "a pair"),
    "three": ("three", "3"),
    "four or more": (
        f"(?:at least|over|more than) {_FOUR_OR_MORE}", "(?:over|more than) (?:three|3)",
        f"{_FOUR_OR_MORE} or more", _FOUR_OR_MORE, "many", "several",
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
_NOT = "not|never|neither|nor|isn t|aren t|don t|doesn t|cannot|can t|without"
_TURNED = re.compile(rf"\b(?:{_NOT})\b")
_NEGATION = re.compile(rf"\b(?:{_NOT}|no|none|nobody|nothing|no one|hardly|free of)\b")
# Words that hold a value and do not say it, and answers that say none.
_IDIOM = re.compile(r"\bso far\b|\bdark(?= clouds?\b)")
_LANE = re.compile(r"\b(?:left|right)(?: hand)?(?: most)?(?: turn(?:ing)?)? lanes?\b")
_UNSURE = re.compile(r"\b(?:not |un)(?:sure|certain)\b")
_UNKNOWN = re.compile(r"\b(?:unknown|unclear)\b")
_ANY_SIDE = re.compile(
    r"\b(?:either|between) (?:left (?:or|and) right|right (?:or|and) left)\b|\bfrom (?:left|right) to\b"
)
_NO_IDEA = re.compile(r"\bno (?:idea|clue|information|telling|way (?:to|of) (?:tell|say|know)\w*)\b")
_NUMBER = rf"(?:[0-9]+|{'|'.join(_WORDS)}|a dozen)"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
# Numbers within larger ones, in a bound that is written in signs, and of things that are counted twice.
_OTHER_NUMBER = re.compile(
    r"[<>\u2264\u2265~]\s*\d|\d\s*\+|\d[.,]\d|\b(?:minimum|maximum) of\b"
    rf"|\b(?:{_TENS})[\s-]{_NUMBER}\b|\b{_NUMBER}[\s-](?:hundred|thousand|dozens?)\b"
    rf"|\b{_NUMBER}(?:-(?:lane|way)|[\s-](?:lane|way) (?:road|street|traffic|\w*way))\b"
    r"|\ba (?:hundred|thousand)\b(?! (?:met(?:re|er)s?|m|feet|yards)\b)"
    rf"|\beach\b(?! (?:with|of whom)\b)|\banother\b"
    rf"|\b({_NUMBER}|a (?:single|couple|pair))\b[^.]*(?:,|\band) \1\b",
    re.I,
)

# Numbers that an answer gives as a bound say none of the values: "more than one", "at least two".
_BOUND = re.compile(
    rf"\b(?:(?:more|less|fewer|greater) than|at (?:least|most)|up to|over|under|above|below) {_NUMBER}\b"
    rf"|\b{_NUMBER} or (?:more|less|fewer|so)\b"
)

# Of yes and no, these say it wherever a sentence begins with them, and "no" where it is not of a thing.
_YES, _NO = "yes|yeah|yep|correct|true|indeed", "no|nope|false"
_AFTER = (
    r"(?=\W*$|[*_\"')\s]*[.,;:!?)\-\u2013\u2014]|\s+(?:it|we|they|there|i|he|she|the|this|that|these|those|you|our|your|my|"
    r"not|because|since|as|but|and|a|an)\b)"
)
_BEGINS_YES = re.compile(rf"\W*(?:{_YES})\b", re.I)
_BEGINS_NO = re.compile(rf"\W*(?:nope|false)\b|\W*no\b(?!\.\s*\d){_AFTER}", re.I)
_ONLY_AGREES = re.compile(r"\W*(?:correct|true|indeed)\b", re.I)
_BOTH_WAYS = re.compile(r"\W*(?:(?:yes|yeah|yep)\s*(?:or|and|/)\s*no|true or false)\b", re.I)
_SAYS = re.compile(
    rf"(?:[.,;:!?\n(]|\b(?:is|say|think|guess|so|and|but|well|therefore|thus))\W*"
    rf"\b(?:(?P<yes>{_YES})|(?P<no>{_NO}))\b\W*(?=$|[.,;:!?)\n])",
    re.I,
)
_DENIAL = re.compile(
    r"\W*(?:(?:there (?:is|are|was|were)|(?:i|we)(?: can)? see) )?"
    r"(?:(?P<all>none|nobody|nothing|no one|not any\W*$)|no|zero|not any)\b",
    re.I,
)
_ASKS_FOR = re.compile(
    r"\b(?:is|are|was|were) there\b|\bany(?:one|body|thing)?\b|\b(?:see|visible|spot)\b", re.I
)
_ASKS_FOR_NONE = re.compile(
    r"\b(?:no|not|none|nobody|nothing|free|without|clear|empty|absent|lack\w*)\b", re.I
)
_TURNS = {
    "but", "however", "although", "though", "except", "only", "so", "because", "therefore", "yes",
    "other", "others", "apart", "besides", "beyond", "fewer", "less", "lack", "shortage", "doubt", "question",
    "certain", "knows", "above", "now",
}  # fmt: skip
_SIDES = {"left", "right"}
# How soon after "no" the thing is named: "no room to pass the vehicles" is not about vehicles.
_NAMED_WITHIN = 3


# Signs without which a choice is another one: ">5", "C++"; and those that may be all that tells two apart.
_BOUNDS = re.compile(r"[<>\u2264\u2265+]")
_SIGNS = re.compile(r"[^\w\s.,;:!?'\"()\[\]/&-]")
# How a printer writes what a keyboard has: quotes, dashes, an ellipsis, a space that does not break.
_TYPED = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u02bc", "'"), **dict.fromkeys("\u201c\u201d", '"')}
    | {**dict.fromkeys("\u2010\u2011\u2013\u2014\u2212", "-"), "\u2026": "...", "\u00a0": " "}
)


def _normalise(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def _patterns(choice: str) -> tuple[str, ...]:
    own = re.escape(_normalise(choice))
    extra = _SYNONYMS.get(choice.lower(), ())
    digit = _NUMBERS.get(choice.lower())
    return tuple(filter(None, (own, *extra, digit)))


def _with_signs_as_words(text: str, choices: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The text with a word in place of each choice that has signs, and the choices by what to look for."""
    text, words = text.translate(_TYPED).casefold(), {}
    bare = [_normalise(choice) for choice in choices]
    signs_that_tell = _BOUNDS if all(bare) and len(set(bare)) == len(bare) else _SIGNS
    for number, choice in sorted(enumerate(choices), key=lambda one: -len(one[1])):
        word = choice.translate(_TYPED)
        if signs_that_tell.search(word):
            around = r"\w" + re.escape("".join(_SIGNS.findall(word)))
            own = r"\s*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", word.casefold())))
            word = f"choice{number}"
            text = re.sub(rf"(?<![{around}]){own}(?![{around}])", f" {word} ", text)
        words[word] = choice
    return text, words


def read_value(text: str, choices: Sequence[str], question: str = "") -> str | None:
    """The one choice that an answer means, or None when it cannot be told for certain.

    Args:
        text: an answer in a person's or a model's words.
        choices: the values that the question allows.
        question: as it was asked. Without it, an answer of yes or no has to say one of them.

    Example:
        >>> read_value("Yes, there is a cyclist on the left.", ["yes", "no"])
        'yes'
        >>> read_value("On both sides.", ["left", "right", "both"])
        'both'
        >>> read_value("There is no traffic.", ["yes", "no"], "Is there any traffic?")
        'no'
        >>> read_value("There is no traffic.", ["yes", "no"], "Is it safe to proceed?") is None
        True
        >>> read_value("It may be red or green.", ["red", "amber", "green", "none"]) is None
        True
    """
    marked, words = _with_signs_as_words(text, choices)
    value = _read(marked, list(words), question)
    return None if value is None else words[value]


def _read(text: str, choices: Sequence[str], question: str) -> str | None:
    clean = _normalise(_IDIOM.sub(" ", replace_sides(text, other=lambda word: " ")))
    lowered = {choice.casefold(): choice for choice in choices}
    if clean in lowered:
        return lowered[clean]
    if not clean:
        return None
    if set(lowered) == {"yes", "no"}:
        value = _read_yes_no(text, question)
        return lowered[value] if value else None
    if any(doubt.search(clean) for doubt in (_UNSURE, _UNKNOWN, _NO_IDEA, _ANY_SIDE)):
        return None
    if set(lowered) & set(_NUMBERS) and _OTHER_NUMBER.search(text):
        return None
    if any(choice.startswith(("turning", "bends")) for choice in lowered):
        clean = _LANE.sub(" ", clean)
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
    bounds = [m.span() for m in _BOUND.finditer(clean)]
    if any(a <= start and end <= b and (a, b) != (start, end) for a, b in bounds for start, end, _ in kept):
        return None
    values = {choice for _, _, choice in kept}
    if "both" in lowered and {"left", "right"} <= {v.lower() for v in values}:
        return lowered["both"]
    return values.pop() if len(values) == 1 else None


def _read_yes_no(text: str, question: str) -> str | None:
    """Yes or no that the answer says for itself, or that it says of what the question asks for."""
    if _BOTH_WAYS.match(text) or any(d.search(_normalise(text)) for d in (_UNSURE, _NO_IDEA)):
        return None
    if _BEGINS_YES.match(text):
        denied = _ONLY_AGREES.match(text) and _NEGATION.search(_normalise(text))
        return None if denied else "yes"
    if _BEGINS_NO.match(text):
        return "no"
    said = {"yes" if match["yes"] else "no" for match in _SAYS.finditer(text)}
    if said:
        return said.pop() if len(said) == 1 and not _TURNED.search(_normalise(text)) else None
    return "no" if _denies(text, question) else echoed(text, question)


def _denies(text: str, question: str) -> bool:
    """Whether "There are no cyclists." answers "Are there any cyclists?", and not another question.

    What denies one thing may say yes to what was asked: "There is no traffic, so it is safe."
    """
    denial = _DENIAL.match(text)
    if not denial or not _ASKS_FOR.search(question) or _ASKS_FOR_NONE.search(question):
        return False
    after = text[denial.end() :]
    rest = _normalise(replace_sides(after, other=lambda word: " ")).split()
    if _TURNS & set(rest) or CLAUSE.search(after):
        return False
    if denial["all"] and len(rest) > _NAMED_WITHIN:
        return False
    if _SIDES & set(rest) - set(_normalise(question).split()):
        return False  # on the right there are none, but perhaps on the left
    named = {stem(word) for word in rest[:_NAMED_WITHIN]}
    return bool(denial["all"]) or bool(named & {stem(word) for word in _normalise(question).split()})
