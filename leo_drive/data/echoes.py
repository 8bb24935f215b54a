"""Answers that say the question again as a statement: "There is a cyclist." to "Is there a cyclist?"."""

from __future__ import annotations

import re


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words that say that something is there, or is seen, and nothing of it.
_FRAME = _listed(
    "is are was were be been do am does did has have had can could should will would must there we us i you "
    "the a an any some one another this that these those also currently see seen spot spotted visible"
)
# Where everything is that is asked about: "Are there cyclists in view?" is answered by "There are cyclists."
_HERE = re.compile(
    r"\b(?:(?:in|on) (?:the |this )?(?:view|image|picture|scene|frame|video|clip|camera|road scene)|"
    r"of (?:us|me)|(?:of|to) (?:our|the ego) (?:vehicle|car)|anywhere|(?<=road )ahead|(?<=lane )ahead)\b"
)
# A thing with one of these before it is still that thing: "a white car", "two cyclists".
_BEFORE_A_THING = _listed(
    "white black grey gray silver red blue green yellow orange brown dark light large small big several many "
    "multiple numerous two three four five six seven eight nine ten 2 3 4 5 6 7 8 9 10 at least single"
)
# What may follow a thing and leave it the thing that is meant: a pedestrian ahead, but a pedestrian crossing.
_AFTER_A_THING = _FRAME | _listed(
    "in on at to of with left right ahead behind beside near nearby next close directly along across between "
    "from here who which approaching waiting walking standing riding parked driving coming cycling"
)
# Statements with one of these are about a moment, a condition, a doubt or something else.
_NOT_PLAIN = _listed(
    "or if unless until when while would could may might maybe perhaps possibly probably seems seem almost "
    "barely hardly scarcely nearly few little less fewer but however although though except only other "
    "others apart besides lack shortage doubt question because so therefore now soon about as without never "
    "neither nor no none nobody nothing zero 0"
)
_SOMEBODY_ELSE = _listed("it its they them their he him his she her")
_PAST = _listed("was were had did will")
_SEEN = _listed("see seen spot spotted")
_MODAL = _listed("can could should will would must")
CLAUSE = re.compile(r"[,;.:]\s*\w")
_ASKS = re.compile(r"\W*(?:is|are|was|were|do|does|did|can|could|has|have|should|will|must)\b", re.I)
_NOT_OF = re.compile(r"\b(?:is|are|was|were|do|does|did|can|could|has|have|had|should|will|must) not\b")
_SHORT = {"can't": "can not", "cannot": "can not", "n't": " not", "'re": " are", "'m": " am", "'s": " is"}
# What is one of these is also a vehicle; but where there is no car there may be a vehicle.
_KINDS = {"vehicle": frozenset(("car", "truck", "lorry", "bus", "van"))}


def echoed(text: str, question: str) -> str | None:
    """Yes or no, where an answer repeats what a question of yes or no asks, as it is or with "not".

    Nothing is guessed. What the question asks for has to be repeated whole, in its order and with nothing in
    between: "The car has stopped moving." is no answer that "Is the car moving?" is repeated in. A second
    clause, a condition, another denial leave it open.

    Example:
        >>> echoed("There is a white car on the left.", "Is there a car?")
        'yes'
        >>> echoed("The light isn't red.", "Is the light red?")
        'no'
        >>> echoed("There is a cyclist on the right.", "Is there a cyclist on the left?") is None
        True
    """
    asked, said = _words(question), _words(text)
    if not _ASKS.match(question) or CLAUSE.search(text) or "not" in asked:
        return None
    if (_NOT_PLAIN | _SOMEBODY_ELSE | _PAST) & set(said) - set(asked) or _NOT_PLAIN & set(asked):
        return None
    if _modals(asked) != _modals(said):
        return None  # that we can stop is not that we should
    wanted = _content(asked)
    if not wanted:
        return None
    if "not" in said:
        rest = _content([word for word in said if word != "not"])
        whole = rest == wanted and said.count("not") == 1 and _NOT_OF.search(" ".join(said))
        return "no" if whole else None
    content = _content(said)
    start = 0
    while content[start : start + 1] and content[start] in _BEFORE_A_THING and content[start] != wanted[0]:
        start += 1
    end = start + len(wanted)
    repeated = content[start:end]
    if len(repeated) < len(wanted) or not all(map(_is_meant, repeated, wanted)):
        return None
    return "yes" if not content[end:] or content[end] in _AFTER_A_THING else None


def _is_meant(said: str, wanted: str) -> bool:
    return said == wanted or said in _KINDS.get(wanted, ())


def _modals(words: list[str]) -> set[str]:
    """What is possible, asked for or to come; "can you see" is only "is there"."""
    return {word for word in words if word in _MODAL} - ({"can"} if _SEEN & set(words) else set())


def _content(words: list[str]) -> list[str]:
    """The stems of the words that say what it is about."""
    plain = _HERE.sub(" ", " ".join(words)).split()
    return [stem(word) for word in plain if word not in _FRAME]


def _words(text: str) -> list[str]:
    plain = text.casefold()
    for short, whole in _SHORT.items():
        plain = re.sub(rf"{short}\b", whole, plain)
    return re.findall(r"\w+", plain)


def stem(word: str) -> str:
    """A word without the s of several."""
    return word.removesuffix("s") if len(word) > 3 else word
