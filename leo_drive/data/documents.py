"""JSON files read and checked in one go; what is wrong is one line with its place."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from leo_drive.errors import InputError

T = TypeVar("T")


def read_json(path: Path, kind: type[T], what: str) -> T:
    """The whole of a JSON file as `kind`.

    Args:
        kind: what pydantic checks it against.
        what: the file in a word or two, for messages.

    Raises:
        InputError: it is not there, not JSON (with the line), or not of that kind (with the place in it).
    """
    return _parsed(path, read_bytes(path), TypeAdapter(kind), what, str(path))


def read_json_lines(path: Path, kind: type[T], what: str) -> list[T]:
    """As `read_json`, of a file with a value of `kind` in every line that is not empty."""
    adapter = TypeAdapter(kind)
    return [
        _parsed(path, line, adapter, what, f"{path}: line {number}")
        for number, line in enumerate(read_bytes(path).splitlines(), start=1)
        if line.strip()
    ]


def read_bytes(path: Path) -> bytes:
    """The file's bytes, without the mark that some editors put before UTF-8.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _parsed(path: Path, written: bytes, adapter: TypeAdapter[Any], what: str, place: str) -> Any:
    try:
        return adapter.validate_json(written)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise InputError(f"{place}: not JSON: {first['ctx']['error']}") from None
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{place}: not {what}: {where + ': ' if where else ''}{first['msg']}") from None
