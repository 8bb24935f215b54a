"""What a reader cannot use of a data set: told at once, or gathered where a check is to list all of it.

A reader leaves out what can be spared, with a warning, and refuses a set for other damage, with an
InputError. Within `gathering_unusable` it does neither, and goes on with all that it can read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from leo_drive.errors import InputError, some

logger = logging.getLogger(__name__)

UNANSWERED = "questions without an answer"


@dataclass
class Unusable:
    """What was passed over; lines that name the file and the place in it.

    Attributes:
        left_out: what a reader does without, by its sort ("questions without an answer").
        damaged: what it refuses.
    """

    left_out: dict[str, list[str]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


_gathered: ContextVar[Unusable | None] = ContextVar("gathered", default=None)


@contextmanager
def gathering_unusable() -> Iterator[Unusable]:
    """Within, `leave_out` and `refuse` add to the result, and readers go on.

    Example:
        >>> with gathering_unusable() as unusable:                              # doctest: +SKIP
        ...     examples = read_examples("llava", "chat.json")
        >>> unusable.damaged                                                    # doctest: +SKIP
        ['chat.json: row 3 (id 7): answer 0 is empty']
    """
    gathered = Unusable()
    token = _gathered.set(gathered)
    try:
        yield gathered
    finally:
        _gathered.reset(token)


def leave_out(path: Path, sort: str, places: Sequence[str]) -> None:
    """Say what is left out of a file; nothing where there are no places."""
    gathered = _gathered.get()
    if gathered is not None and places:
        gathered.left_out.setdefault(sort, []).extend(f"{path}: {place}" for place in places)
    elif places:
        logger.warning("%s: left out %d %s: %s", path, len(places), sort, some(places, "; "))


def refuse(path: Path, problems: Sequence[str], said: str, rest: Sequence[object] = ()) -> None:
    """Refuse a file for its problems; nothing where there are none.

    Args:
        said: the first few of them for people, on one line, with the cure.
        rest: what can be read besides. A check goes on with it.

    Raises:
        InputError: with all problems.
    """
    listed = [f"{path}: {problem}" for problem in problems]
    gathered = _gathered.get()
    if gathered is not None and rest:
        gathered.damaged += listed
    elif listed:
        raise InputError(f"{path}: {said}", listed)
