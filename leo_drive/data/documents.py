"""JSON files read and checked in one go; all that is wrong is told, with its places."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import PlainValidator, TypeAdapter, ValidationError

from leo_drive.errors import InputError, some

T = TypeVar("T")


@dataclass(frozen=True)
class Wrong:
    """What stands in the place of a value that is not of its kind, so that all others are read."""

    problem: str


def or_wrong(kind: Any) -> PlainValidator:
    """For annotations: a value that is not of `kind` is a `Wrong` that says why.

    Example:
        >>> numbers = TypeAdapter(list[Annotated[int | Wrong, or_wrong(int)]])      # doctest: +SKIP
        >>> numbers.validate_json('[1, "x"]')                                       # doctest: +SKIP
        [1, Wrong(problem='Input should be a valid integer, unable to parse string as an integer')]
    """
    adapter = TypeAdapter(kind)

    def read(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            return Wrong(", ".join(_problems(error)))

    return PlainValidator(read)


def read_json(path: Path, kind: type[T], what: str) -> T:
    """The whole of a JSON file as `kind`.

    Args:
        kind: what pydantic checks it against.
        what: the file in a word or two, for messages.

    Raises:
        InputError: it is not there, not JSON (with the line), or not of that kind (with the places in it).
    """
    return _parsed(path, read_bytes(path), TypeAdapter(kind), what)


def read_rows(path: Path, kind: type[T], what: str) -> list[T | Wrong]:
    """The rows of a file: a JSON list, or JSON lines, with a row in each that is not empty.

    Which of the two it is, its text tells, whatever it is called. Where a row is wrong, a `Wrong` says which
    (`row 3`, counted from 0; `line 4`) and why.

    Raises:
        InputError: the file is not there, or is neither.
    """
    written = read_bytes(path)
    if _is_lines(path, written):
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        lines = enumerate(written.splitlines(), start=1)
        return [_line(adapter, line, f"line {number}", what) for number, line in lines if line.strip()]
    rows: list[T | Wrong] = _parsed(path, written, TypeAdapter(list[Annotated[Any, or_wrong(kind)]]), what)
    return [
        Wrong(f"row {number}: not {what}: {row.problem}") if isinstance(row, Wrong) else row
        for number, row in enumerate(rows)
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


def _is_lines(path: Path, written: bytes) -> bool:
    text = written.strip()
    if path.suffix == ".jsonl" or not text:
        return not text.startswith(b"[")
    # One object over several lines is another document: its first line ends within it.
    return text.startswith(b"{") and text.splitlines()[0].rstrip().endswith(b"}")


def _line(adapter: TypeAdapter[Any], line: bytes, place: str, what: str) -> Any:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        if said := _not_json(error):
            return Wrong(f"{place}: {said.replace(' at line 1 column', ' at column')}")
        return Wrong(f"{place}: not {what}: {', '.join(_problems(error))}")


def _parsed(path: Path, written: bytes, adapter: TypeAdapter[Any], what: str) -> Any:
    try:
        return adapter.validate_json(written)
    except ValidationError as error:
        if said := _not_json(error):
            raise InputError(f"{path}: {said}") from None
        problems = _problems(error)
        raise InputError(
            f"{path}: not {what}: {some(problems, '; ')}", [f"{path}: {problem}" for problem in problems]
        ) from None


def _not_json(error: ValidationError) -> str | None:
    first = error.errors(include_url=False)[0]
    return f"not JSON: {first['ctx']['error']}" if first["type"] == "json_invalid" else None


def _problems(error: ValidationError) -> list[str]:
    """What is wrong with a value, each with its place in it."""
    said = ((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False))
    return [f"{where}: {message}" if where else message for where, message in said]
