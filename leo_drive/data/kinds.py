"""Which questions of a part are closed, where no table says so: told from their wording and their answers.

Four types are known: yes_no, side (left, right, both), count (none to four or more) and choice (the question
names its options). A question is closed when every reference answer to it reads as the same value; one whose
references disagree, or cannot be read, stays open. So does one that is answered with a list of things, such
as what the driver should pay attention to: no single value says whether such an answer is right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from leo_drive.data.closed import read_value
from leo_drive.data.example import Example, QuestionAnswer

FREQUENT = 10
"""Questions of one wording, from which on they are a kind of their own."""

YES_NO = ("yes", "no")
SIDES = ("left", "right", "both")
COUNTS = ("none", "one", "two", "three", "four or more")

_POLAR = re.compile(
    r"(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should|shall|must|may|might)\b",
    re.I,
)
_SAYS_YES_OR_NO = re.compile(r"(?:yes|no)\s*(?:[.,;:!-]|$)", re.I)
_BEGINS_YES_OR_NO = re.compile(r"(?:yes|no)\b", re.I)
_ASKS_SIDE = re.compile(r"\b(?:which|what) side\b|\bleft or (?:(?:on|to|in) )?(?:the )?right\b", re.I)
_ASKS_COUNT = re.compile(r"\bhow many\b|\bwhat(?: is|'s) the number of\b", re.I)
_OPTION_BREAK = re.compile(r",\s*or\s+|\s+or\s+|,\s*", re.I)
_FILLER = re.compile(r"^(?:(?:in|on|at|by|to|a|an|the|is|are|it|mostly|our|your)\s+)+", re.I)
_NO_OPTION = frozenset({"not", "no", "yes", "something", "anything", "else", "other", "both", "neither"})
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Closed:
    """A closed question's kind, its answer as one of the choices, and these."""

    kind: str
    value: str
    choices: tuple[str, ...]


def infer_kinds(examples: Sequence[Example]) -> list[Example]:
    """The examples with kind, value and choices of the questions that are closed.

    Where a part says of any question what kind it is, nothing is inferred.
    """
    if any(qa.kind for example in examples for qa in example.questions):
        return list(examples)
    # LingoQA's evaluation part has a question once for each of its reference answers.
    references: dict[tuple[str, str], list[QuestionAnswer]] = defaultdict(list)
    for example in examples:
        for qa in example.questions:
            references[example.example_id, qa.question_id].append(qa)
    asked = [(qas[0].question, [qa.answer for qa in qas]) for qas in references.values()]
    found = dict(zip(references, closed_questions(asked), strict=True))

    def with_kind(example_id: str, qa: QuestionAnswer) -> QuestionAnswer:
        known = found[example_id, qa.question_id]
        return replace(qa, kind=known.kind, value=known.value, choices=known.choices) if known else qa

    return [
        replace(
            e, conversations=tuple(tuple(with_kind(e.example_id, qa) for qa in c) for c in e.conversations)
        )
        for e in examples
    ]


def closed_questions(asked: Iterable[tuple[str, Sequence[str]]]) -> list[Closed | None]:
    """What each question of a part is, None for open ones.

    Questions of the same wording and choices are a kind of their own, named by type and wording, when there
    are `FREQUENT` of them and more than one value occurs; all others are pooled by type.

    Args:
        asked: question and reference answers, of a whole part: what is frequent depends on all of it.

    Example:
        >>> [c.value for c in closed_questions([("Are we stopping?", ["Yes, the light is red.", "Yes."])])]
        ['yes']
        >>> closed_questions([("Are we stopping?", ["Yes.", "No, we are turning."])])
        [None]
    """
    groups: dict[tuple, list[int]] = defaultdict(list)
    found: list[Closed | None] = []
    for question, answers in asked:
        closed = _closed(question, answers)
        if closed:
            groups[_wording(question), closed.kind, closed.choices].append(len(found))
        found.append(closed)
    for (wording, kind, _), members in groups.items():
        of_kind = [closed for i in members if (closed := found[i])]
        if len(of_kind) >= FREQUENT and len({closed.value for closed in of_kind}) > 1:
            for i, closed in zip(members, of_kind, strict=True):
                found[i] = replace(closed, kind=f"{kind}: {wording}")
    return found


def options_in(question: str) -> tuple[str, ...] | None:
    """The options that a question names, or None: "Is the road open or crowded?".

    They are the end of a question that begins with a verb, or what follows a colon; never guessed from any
    other "or", which may join what is asked about: "What colour is the car or van?".
    """
    sentences = [s for s in re.split(r"[.?!]", question) if s.strip()]
    last = sentences[-1].strip() if sentences else ""
    _, colon, tail = last.rpartition(":")
    if not re.search(r"\bor\b", tail, re.I) or not (colon or _POLAR.match(last)):
        return None
    first, *others = _OPTION_BREAK.split(tail.strip())
    if not colon:
        # The first option has the whole question before it: it is taken to be as long as the shortest other.
        length = min(len(_FILLER.sub("", option).split()) for option in others)
        first = " ".join(first.split()[-max(length, 1) :])
    options = tuple(_FILLER.sub("", option.strip()).lower() for option in (first, *others))
    plain = all(1 <= len(option.split()) <= 3 for option in options)
    if not plain or len(set(options)) < len(options) or _NO_OPTION & set(options):
        return None
    return options


def _closed(question: str, answers: Sequence[str]) -> Closed | None:
    """The question by type, before it is known how often its wording occurs."""
    answers = [answer.strip() for answer in answers]
    for kind, choices in _types(question.strip(), answers):
        values = {read_value(answer, choices, question) for answer in answers}
        if len(values) == 1 and (value := values.pop()) is not None:
            return Closed(kind, value, choices)
    return None


def _types(question: str, answers: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The types that a question may be of, with their choices, the likeliest first."""
    polar = _POLAR.match(question)
    # "No cars are there" answers a yes-no question; "No parking." may answer one about a sign.
    decided = _BEGINS_YES_OR_NO if polar else _SAYS_YES_OR_NO
    said = [bool(decided.match(answer)) for answer in answers]
    if any(said) if polar else all(said):
        yield "yes_no", YES_NO
    if _ASKS_SIDE.search(question):
        yield "side", SIDES
    if _ASKS_COUNT.search(question):
        yield "count", COUNTS
    if options := options_in(question):
        yield "choice", options


def _wording(question: str) -> str:
    """The question as a kind is named: DriveLM's object tags differ between questions of one wording."""
    return " ".join(_TAG.sub("<object>", question).split())
