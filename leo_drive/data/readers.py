"""The readers of question-answering sets, by the name of their format."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, validate_call

from leo_drive.data.drivelm import read_drivelm
from leo_drive.data.example import Example
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.data.llava import read_llava
from leo_drive.errors import InputError, nearest
from leo_drive.yaml_files import first_problem


def _read_part(root: str | Path, labels: str | None = None) -> list[Example]:
    """To learn from, where what has no answer can be spared; evaluation calls `read_lingoqa` itself."""
    return read_lingoqa(root, labels, leave_out_unanswered=True)


READERS: dict[str, Callable[..., list[Example]]] = {
    "lingoqa": _read_part,
    "synthetic": _read_part,
    "drivelm": read_drivelm,
    "llava": read_llava,
}
"""For learning. Each takes a root and options of its own, and gives a list of examples."""


def read_examples(format: str, root: str | Path, **options: Any) -> list[Example]:
    """Read a part of a data set.

    Args:
        format: one of READERS, as a data set's card names it.
        root: the part's folder or file.
        options: those of the reader, see `read_lingoqa`, `read_drivelm` and `read_llava`.

    Raises:
        InputError: no such format or option, or the part cannot be read.

    Example:
        >>> len(read_examples("drivelm", "drivelm_sample", cameras=["CAM_FRONT"]))     # doctest: +SKIP
        9
    """
    if format not in READERS:
        raise InputError(f"{root}: unknown format {format!r}; {nearest(format, list(READERS))}")
    reader = READERS[format]
    _, *known = inspect.signature(reader).parameters
    for option in options:
        if option not in known:
            raise InputError(f"{root}: {format} has no option {option!r}; {nearest(option, known)}")
    try:
        return validate_call(reader)(root, **options)
    except ValidationError as error:
        location, problem = first_problem(error, BaseModel)
        raise InputError(f"{root}: option {'.'.join(map(str, location))}: {problem}") from None
