"""Answers of closed kinds as values: yes, one of the choices, a number; never guessed."""

from __future__ import annotations

import re

from leo_drive.annotation.questions import Question
from leo_drive.data.closed import read_value

# fmt: off
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_TENTHS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on
_WORDS = {word: i for i, word in enumerate(_ONES)}
_TENS = {word: 10 * i for i, word in enumerate(_TENTHS, 2)}
_NONE = re.compile(
    r"none|nothing|nobody|no one|there are(?: not|n't) any(?: [a-z]+)?|"
    r"(?:(?:there (?:is|are)|i (?:can )?see) )?no(?! (?:idea|clue|information|way))(?: [a-z]+){0,3}"
)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d)|[a-z]+(?:-[a-z]+)?")
# Words that make a number a bound, a range or a denial of it.
_VAGUE = re.compile(
    r"\b(?:not|never|n't|or (?:more|less|fewer|so)|between|at least|at most|(?:more|less|fewer) than|up to|"
    r"over(?! there)|under|"
    r"several|many|few|couple|dozens?|hundreds?|thousands?|half)\b|\d\s*[-–]\s*\d|n't\b"
)


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
        return read_number(text)
    return read_value(text, question.values, question.text)


def read_number(text: str) -> str | None:
    """The one number that a text gives, in digits, or None: no number, several, a bound or a denial.

    Example:
        >>> read_number("About 30 km/h."), read_number("None."), read_number("More than three.")
        ('30', '0', None)
    """
    clean = " ".join(text.lower().replace("’", "'").split()).rstrip(".!")
    words = _NUMBER.findall(clean)
    # "No one" is none; "no cars, two bicycles" is not.
    if _NONE.fullmatch(clean) and (clean == "no one" or not any(map(_read, words))):
        return "0"
    if _VAGUE.search(clean):
        return None
    found = set()
    for i, word in enumerate(words):
        number = _read(word)
        if number is None:
            continue
        if word in _TENS and i + 1 < len(words) and _is_ones(words[i + 1]):
            words[i + 1] = f"{word}-{words[i + 1]}"
            continue
        found.add(number)
    return f"{found.pop():g}" if len(found) == 1 else None


def _is_ones(word: str) -> bool:
    return 1 <= _WORDS.get(word, 0) <= 9


def _read(word: str) -> float | None:
    """The number of a token: digits, a word, or two words joined with a hyphen."""
    if word[-1].isdigit():
        return float(word.replace(",", ""))
    if word in _WORDS or word in _TENS:
        return _WORDS.get(word, _TENS.get(word))
    tens, _, ones = word.partition("-")
    if tens in _TENS and _is_ones(ones):
        return _TENS[tens] + _WORDS[ones]
    return None
