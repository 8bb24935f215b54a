"""Answers that say the question again as a statement: "There is a cyclist." to "Is there a cyclist?"."""

from __future__ import annotations

import re


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words that are no part of what is asked for.
_FRAME = _listed(
    "is are was were be been am do does did can could has have had should will would may must there we us "
    "our ours i you your the a an any some one another this that these those in on at of to for with by and "
    "also see seen spot spotted visible view image picture scene frame frames video clip camera currently"
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
CLAUSE = re.compile(r"[,;.:]\s*\w")
_ASKS = re.compile(r"\W*(?:is|are|was|were|do|does|did|can|could|has|have|should|will|must)\b", re.I)
_NOT_OF = re.compile(r"\b(?:is|are|was|were|do|does|did|can|could|has|have|had|should|will|must) not\b")
# What may follow a thing and leave it the thing that is meant: a pedestrian ahead, but a pedestrian crossing.
_AFTER_A_THING = _FRAME | _listed(
    "left right ahead behind beside near nearby next close directly along across between from here who which "
    "approaching waiting walking standing riding parked driving coming cycling"
)
_SHORT = {"can't": "can not", "cannot": "can not", "n't": " not", "'re": " are", "'m": " am", "'s": " is"}
# What is one of these is also a vehicle; but where there is no car there may be a vehicle.
_KINDS = {"vehicle": frozenset(("car", "truck", "lorry", "bus", "van"))}


def echoed(text: str, question: str) -> str | None:
    """Yes or no, where an answer repeats what a question of yes or no asks, as it is or with "not".

    Nothing is guessed: whatever of the question is not repeated in its order, a second clause, a condition or
    another denial leaves it open.

    Example:
        >>> echoed("There is a cyclist on the left.", "Is there a cyclist?")
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
    wanted = [stem(word) for word in asked if word not in _FRAME]
    if not wanted:
        return None
    denied = said.count("not")
    found = _found(wanted, said, {} if denied else _KINDS)
    if found is None:
        return None
    if not denied:
        after = said[found + 1 : found + 2]
        return "yes" if not after or after[0] in _AFTER_A_THING else None
    more = {stem(word) for word in said if word not in _FRAME} - {"not"} - set(wanted)
    return "no" if denied == 1 and _NOT_OF.search(" ".join(said)) and not more else None


def _found(wanted: list[str], said: list[str], kinds: dict[str, frozenset[str]]) -> int | None:
    """Where the last of the wanted words is said, if all are, in their order."""
    at = -1
    for word in wanted:
        meant = {word} | kinds.get(word, frozenset())
        at = next((i for i in range(at + 1, len(said)) if stem(said[i]) in meant), len(said))
        if at == len(said):
            return None
    return at


def _words(text: str) -> list[str]:
    plain = text.casefold()
    for short, whole in _SHORT.items():
        plain = re.sub(rf"{short}\b", whole, plain)
    return re.findall(r"\w+", plain)


def stem(word: str) -> str:
    """A word without the s of several."""
    return word.removesuffix("s") if len(word) > 3 else word
