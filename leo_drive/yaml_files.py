"""YAML files checked by a pydantic model; what is wrong is one line with the file, its line and its field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from leo_drive.errors import InputError, nearest, one_line

M = TypeVar("M", bound=BaseModel)

Location = Sequence[str | int]
"""Keys and list indices from a file's top down to a value."""


class _GivenTwice(yaml.YAMLError):
    """A mapping has a key twice, of which YAML keeps the last without a word."""


class _EachKeyOnce:
    """A loader that refuses a mapping with a key twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # type: ignore[misc]
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    raise _GivenTwice(f"line {key.start_mark.line + 1}: {key.value} is given twice")
                names.add(key.value)
        return node


class _WordsOnce(_EachKeyOnce, yaml.BaseLoader): ...


class _ValuesOnce(_EachKeyOnce, yaml.SafeLoader): ...


_NEEDED = {
    "list_type": "a list is needed",
    "tuple_type": "a list is needed",
    "dict_type": "a mapping of names to values is needed",
    "model_type": "a mapping of names to values is needed",
}
"""What to say of a value of another shape, by pydantic's name for the error."""


def read_yaml(path: Path, kind: type[M], what: str, as_written: bool = False, example: str = "") -> M:
    """The whole of a YAML file as `kind`.

    Args:
        kind: the model that checks it.
        what: the file in a word or two, for messages.
        as_written: leave every scalar the text that it is, so that `yes` is a word.
        example: such a file in one line, for whoever wrote another shape.

    Raises:
        InputError: no such file, not YAML, no mapping, or a wrong value or key, with the nearest right name.
    """
    loader = _WordsOnce if as_written else _ValuesOnce
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), loader)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; {what} is YAML") from None
    except _GivenTwice as error:
        raise InputError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {one_line(error)}") from None
    if not isinstance(values, dict):
        found = "a list" if isinstance(values, list) else "nothing" if values is None else "text or a number"
        as_in = f" such as {example}" if example else ""
        raise InputError(f"{path}: {what} is a mapping of names to values{as_in}, and this is {found}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        location, message = first_problem(error, kind, example)
        raise wrong(path, location, message) from None


def wrong(path: Path, location: Location, message: str) -> InputError:
    """The error to raise for a value of a file that has been read: `FILE: line 7: a.b: message`."""
    field = ".".join(str(part) for part in location)
    return InputError(f"{path}: {_line(path, location)}{field}{': ' if field else ''}{message}")


def first_problem(error: ValidationError, kind: type[BaseModel], example: str = "") -> tuple[Location, str]:
    """Where the first thing wrong is, and what to say of it; `example` is for what has another shape."""
    problems = error.errors(include_url=False)
    # A misspelt key is often also a missing one; it is the misspelling that is to be mended.
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    location, found, message = first["loc"], first.get("input"), first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return location, f"unknown; {nearest(str(location[-1]), _fields(kind, location))}"
    if first["type"] == "missing":
        return location[:-1], f"{location[-1]} is missing"
    if first["type"] == "literal_error":
        known = re.findall("'(.*?)'", message)
        return location, f"{found!r:.60} is unknown; {nearest(found, known)}"
    if first["type"] in ("value_error", "invalid_key"):
        return location, message
    if first["type"] in _NEEDED:
        as_in = f", such as {example}" if example else ""
        return location, f"{_NEEDED[first['type']]}; found {found!r:.60}{as_in}"
    return location, f"{message}; found {found!r:.60}"


def _fields(kind: type[BaseModel], location: Location) -> list[str]:
    """Names that the innermost mapping around a place may hold."""
    for part in location[:-1]:
        field = kind.model_fields.get(str(part))
        kind = _model_in(field.annotation) or kind if field else kind
    return list(kind.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def _line(path: Path, location: Location) -> str:
    """`line 7: ` of the place in the file, or of the nearest thing around it."""
    node: yaml.Node | None = yaml.compose(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    if node is None:
        return ""
    line = node.start_mark.line
    for part in location:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, found = key.start_mark.line, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
            line = found.start_mark.line
        if found is None:
            break
        node = found
    return f"line {line + 1}: "
