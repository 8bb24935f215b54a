"""Question sets: the YAML file that says what is asked of every window.

questions:
  - {id: cyclist, text: "Is there a cyclist?", kind: yes_no}
  - {id: side, text: "On which side is the cyclist?", kind: choice, choices: [left, right, ahead],
     ask_if: {cyclist: yes}}
frames: 5           # of a window; optional, as are the next two
seconds: 5          # its length
every: 5            # seconds from one window's start to the next one's
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from leo_drive.errors import InputError, nearest
from leo_drive.yaml_files import Location, read_yaml, wrong

Kind = Literal["free", "yes_no", "choice", "number"]

READY_SETS = Path(__file__).parent.parent / "assets" / "questions"
_EXACT = Context(prec=100, Emin=-100, Emax=100, traps=[InvalidOperation, Overflow, Inexact])
"""More digits than anyone needs; what has more still is refused, not rounded."""
_EXAMPLE = 'questions: [{id: ahead, text: "Is there a vehicle ahead?", kind: yes_no}]'
_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Strict):
    """One question of a set.

    Attributes:
        id: unique in its set; the table's question_id.
        text: what the model is asked.
        kind: how its answer is read: free text, yes or no, one of `choices`, or a number.
        choices: of a question of kind choice.
        ask_if: asked only where these earlier questions of the window have these values.
    """

    id: str
    text: str = Field(min_length=1)
    kind: Kind
    choices: tuple[str, ...] = ()
    ask_if: dict[str, str] = {}

    @field_validator("id")
    @classmethod
    def _id_is_a_name(cls, id_: str) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", id_):
            raise ValueError(f"{id_!r} must be letters, digits, - and _, a letter first")
        return id_

    @property
    def values(self) -> tuple[str, ...]:
        """What a closed question's value may be; none are listed for free text and numbers."""
        return ("yes", "no") if self.kind == "yes_no" else self.choices


class QuestionSet(_Strict):
    """The questions of a run, and how windows are cut for them.

    Attributes:
        questions: asked in this order.
        name: of the set; the file's, unless it says another.
        frames, seconds, every: frames of a window, its length, and the step from one to the next, in
            seconds; None where the set has no say.
    """

    questions: tuple[Question, ...] = Field(min_length=1)
    name: str = ""
    frames: int | None = Field(None, ge=1, le=1000)
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    every: float | None = Field(None, gt=0, allow_inf_nan=False)

    @property
    def hash(self) -> str:
        """A fingerprint of what is asked; a set's name and order of keys do not count."""
        text = "\n".join(question.model_dump_json() for question in self.questions)
        return hashlib.blake2s(text.encode()).hexdigest()[:12]

    def by_id(self) -> dict[str, Question]:
        """The questions by their ids, in order."""
        return {question.id: question for question in self.questions}


def ready_sets() -> list[str]:
    """Names of the question sets that come with the package."""
    return sorted(file.stem for file in READY_SETS.glob("*.yaml"))


def read_questions(what: str | Path) -> QuestionSet:
    """Read and check a question set.

    Args:
        what: a YAML file, or the name of a set that comes with the package.

    Raises:
        InputError: no such file or set, not YAML, or a wrong value, with its line and field.

    Example:
        >>> [question.id for question in read_questions("scenery").questions][:2]
        ['road', 'surroundings']
    """
    file = Path(what)
    # A folder of a set's name does not hide the set; a pipe is as good as a file.
    if not file.exists() or file.is_dir():
        known = ready_sets()
        if str(what) not in known:
            raise InputError(f"{what}: no such question file; {nearest(what, known)}")
        file = READY_SETS / f"{what}.yaml"
    questions = read_yaml(file, QuestionSet, "a question set", as_written=True, example=_EXAMPLE)
    for i, question in enumerate(questions.questions):
        if problem := _problem_with(question, questions.questions[:i]):
            field, message = problem
            raise wrong(file, ("questions", i, *field), message)
    cleaned = tuple(_with_words(question, questions.by_id()) for question in questions.questions)
    return questions.model_copy(update={"questions": cleaned, "name": questions.name or file.stem})


def _problem_with(question: Question, earlier: Sequence[Question]) -> tuple[Location, str] | None:
    """What pydantic cannot see in one question: (the field, the message)."""
    known = {q.id: q for q in earlier}
    if question.id in known:
        return ("id",), f"{question.id!r} is the id of an earlier question; ids are unique"
    if not question.text.strip():
        return ("text",), "the question is empty"
    if question.kind == "choice":
        choices = [choice.strip().lower() for choice in question.choices]
        if len(choices) < 2 or not all(choices):
            return ("choices",), "a question of kind choice needs at least two choices"
        if twice := next((c for i, c in enumerate(choices) if c in choices[:i]), None):
            return ("choices",), f"{twice!r} is there twice"
    elif question.choices:
        return ("choices",), f"a question of kind {question.kind} has no choices; use kind: choice"
    for id_, value in question.ask_if.items():
        if id_ not in known:
            hint = nearest(id_, known) if known else "it is the first"
            return ("ask_if", id_), f"no earlier question has the id {id_!r}; {hint}"
        if problem := _no_value_of(known[id_], value):
            return ("ask_if", id_), problem
    return None


def _no_value_of(question: Question, value: str) -> str | None:
    if question.kind == "free":
        return f"{question.id} is of kind free, whose answers have no value to compare with"
    if question.kind == "number":
        return None if in_digits(value) is not None else f"{value!r} is not a number"
    if question.kind == "yes_no":
        return None if value.lower() in _YES_NO else f"{value!r} is not a value of {question.id}: yes or no"
    if value in question.choices:
        return None
    return f"{value!r} is not a value of {question.id}; {nearest(value, question.choices)}"


def in_digits(number: str) -> str | None:
    """A number as the value column has it, every digit of it, or None where it is none of up to 100 digits.

    Example:
        >>> in_digits("1234567.0"), in_digits("3.50"), in_digits("1e3"), in_digits("soon")
        ('1234567', '3.5', '1000', None)
    """
    try:
        value = _EXACT.plus(Decimal(number)).normalize(_EXACT)  # plus makes 0 of -0
    except ArithmeticError:
        return None
    return f"{value:f}" if value.is_finite() else None


def _with_words(question: Question, known: dict[str, Question]) -> Question:
    """`ask_if` in the words of the value column."""
    if not question.ask_if:
        return question
    words = {}
    for id_, value in question.ask_if.items():
        kind = known[id_].kind
        number = in_digits(value) if kind == "number" else None
        words[id_] = _YES_NO[value.lower()] if kind == "yes_no" else number or value
    return question.model_copy(update={"ask_if": words})
