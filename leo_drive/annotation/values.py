"""Answers of closed kinds as values: yes, one of the choices, a number; never guessed."""

from __future__ import annotations

import re
from itertools import combinations

from leo_drive.annotation.questions import Question, in_digits
from leo_drive.data.closed import read_value

# fmt: off
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_TENTHS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# Words around a number that do not say of what, or of which ones it is.
_FILLERS = frozenset([
    "a", "an", "answer", "are", "can", "count", "i", "in", "is", "it", "limit", "number", "of", "see", "so",
    "speed", "that", "the", "there", "total",
])
# fmt: on
_WORDS = {word: i for i, word in enumerate(_ONES)}
_TENS = {word: 10 * i for i, word in enumerate(_TENTHS, 2)}
_NONE = re.compile(
    r"none|nothing|nobody|no one|there are(?: not|n't) any(?: [a-z]+)?|"
    r"(?:(?:there (?:is|are)|i (?:can )?see) )?no(?! (?:idea|clue|information|way))(?: [a-z]+){0,3}"
)
_TENS_AND_ONES = re.compile(rf"\b({'|'.join(_TENTHS)}) ({'|'.join(_ONES[1:10])})\b")
_COUNTS = re.compile(r"\bhow many\b|\bnumber of\b|\bcount\b")
_CLAUSE_END = re.compile(r"[.;:!?]+(?=\s|$)")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d)|[a-z]+(?:-[a-z]+)?")
# Words and signs that make a number a bound, a range, a part, a multiple or a denial of it.
_VAGUE = re.compile(
    r"\b(?:no|none|nothing|nobody|neither|nor|without|not|never|n't|or (?:more|less|fewer|so)|between|"
    r"at least|at most|(?:more|less|fewer) than|up to|over(?! there)|under|several|"
    r"many|few|couple|pairs?|dozens?|hundreds?|thousands?|millions?|half|(?:the|this|that|each) one)\b|"
    r"\d\s*[-–/:]\s*\d|\d,\d(?!\d\d(?!\d))|n't\b"
)
# What says that there are more of them than the number before, and what may say so of a number said again.
_FURTHER = re.compile(
    r"\b(?:another|others?|also|more|plus|as well|further(?:more)?|besides|additional(?:ly)?)\b"
)
_JOINED = re.compile(r"\b(?:and|too)\b|[&+]")


def value_of(question: Question, text: str) -> str | None:
    """The value that an answer means, as text, or None for free text and where it cannot be told for certain.

    Example:
        >>> count = Question(id="count", text="How many cyclists?", kind="number")
        >>> value_of(count, "There are twenty-two cyclists."), value_of(count, "Two or three.")
        ('22', None)
    """
    if question.kind == "free":
        return None
    if question.kind == "number":
        return read_number(text, counts=_COUNTS.search(question.text.lower()) is not None)
    return read_value(text, question.values, question.text)


def read_number(text: str, counts: bool = True) -> str | None:
    """The one number that a text gives, in digits, or None: no number, several, a bound or a denial.

    Args:
        counts: the question was how many there are, so that none is 0. Of a speed limit it is not.

    Example:
        >>> read_number("About 30 km/h."), read_number("None."), read_number("More than three.")
        ('30', '0', None)
    """
    clean = " ".join(text.lower().replace("’", "'").split()).rstrip(".!")
    clean = _TENS_AND_ONES.sub(r"\1-\2", clean)
    # "No one" is none; "no two cars" is not.
    if counts and _NONE.fullmatch(clean) and (clean == "no one" or not any(map(_read, _words(clean)))):
        return "0"
    if _VAGUE.search(clean):
        return None
    numbers: set[str] = set()
    about: list[set[str]] = []
    for clause in _CLAUSE_END.split(clean):
        words = _words(clause)
        said = [number for word in words if (number := _read(word)) is not None]
        again = len(numbers) + len(said) > 1
        if (numbers or again) and _FURTHER.search(clause):
            return None
        if not said:
            continue
        if len(_counted(words)) > 1 or (again and _JOINED.search(clause)):
            return None
        numbers.update(said)
        about.append({word for word in words if _read(word) is None})
    # Said again, it is one number only where it is of the same: two cars and two trucks are four.
    alike = all(one <= other or other <= one for one, other in combinations(about, 2))
    return numbers.pop() if len(numbers) == 1 and alike else None


def _words(text: str) -> list[str]:
    return [word for word in _NUMBER.findall(text) if word not in _FILLERS]


def _counted(words: list[str]) -> set[tuple[str, ...]]:
    """What stands behind the numbers among these words, each up to the next one, if anything."""
    found: list[list[str]] = []
    for word in words:
        if _read(word) is not None:
            found.append([])
        elif found:
            found[-1].append(word)
    return {tuple(what) for what in found if what}


def _read(word: str) -> str | None:
    """The number of a token in digits: digits, a word, or two words joined with a hyphen."""
    if word[-1].isdigit():
        return in_digits(word.replace(",", ""))
    if word in _WORDS or word in _TENS:
        return str(_WORDS.get(word, _TENS.get(word)))
    tens, _, ones = word.partition("-")
    if tens in _TENS and ones in _ONES[1:10]:
        return str(_TENS[tens] + _WORDS[ones])
    return None
