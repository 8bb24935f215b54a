"""What a clip settles, before it is put into a question's words."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """An answer and what it answers.

    Attributes:
        kind, subject: of the question; see `leo_drive.data.synthetic.questions`.
        value: one of the kind's values.
        sentence: the answer in full.
    """

    kind: str
    subject: str
    value: str
    sentence: str


def yes(flag: bool) -> str:
    """A truth as the value of a yes-or-no kind."""
    return "yes" if flag else "no"
