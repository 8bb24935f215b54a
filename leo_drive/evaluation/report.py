"""An evaluation's report: report.json, a table on the terminal, and the files written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import leo_drive
from leo_drive.errors import InputError
from leo_drive.evaluation.bootstrap import LEVEL, RESAMPLES, SEED
from leo_drive.evaluation.page import hundredths
from leo_drive.evaluation.scores import score_rows, what_is_missing
from leo_drive.files import replacing, writable_folder
from leo_drive.terminal import print_table

REPORT, PAGE = "report.json", "report.html"
_PACKAGES = ("torch", "transformers", "pillow", "numpy", "pandas", "pycocoevalcap")


def print_report(report: dict[str, Any], console: Console) -> None:
    """The scores, and balanced accuracy per kind of closed question beside the blind baseline; times 100."""
    console.print(
        f"{report['model']} on {report['part']}: {report['questions']} questions, {report['segments']} clips",
        highlight=False,
        markup=False,
    )
    closed, blind = report["closed"], report.get("blind")
    if closed is None:
        console.print("none of its questions is closed: no closed scores")
    else:
        columns = ["kind", "questions", "accuracy", "balanced", "unread"]
        table = Table(*columns, *(["blind, balanced"] if blind else []))
        for kind, score in closed["kinds"].items():
            table.add_row(*_row(escape(kind), score, blind and blind["kinds"][kind]))
        table.add_row(*_row(f"mean of {len(closed['kinds'])}", closed, blind), style="bold")
        print_table(table, console)
        console.print(
            f"times 100; kinds {report['kinds']}; unread: could not be told, counted as wrong",
            highlight=False,
        )
    print_scores(report, console)


def print_scores(report: Mapping[str, Any], console: Console) -> None:
    """Every score, times 100, with its interval, or why it is missing."""
    columns, rows = score_rows(report)
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    print_table(table, console)
    for line in (*what_is_missing(report), *report.get("notes", [])):
        console.print(line, highlight=False, markup=False)


def settings(**more: Any) -> dict[str, Any]:
    """What a report says of how it was made, besides what the caller adds."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        **more,
        "bootstrap": f"{RESAMPLES} resamples of segments, seed {SEED}, {LEVEL:.0%} percentile interval",
        "versions": ", ".join(
            f"{n} {v}" for n, v in {"leo-drive": leo_drive.__version__, **versions}.items()
        ),
    }


def now() -> str:
    """The date and time for a page."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_report(folder: str | Path) -> dict[str, Any]:
    """The report.json of an evaluation's folder.

    Raises:
        InputError: there is none, or it is not one of this version.
    """
    path = Path(folder) / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder}: has no {REPORT}; give the folder that leo-drive evaluate wrote"
        ) from None
    except (OSError, ValueError):
        raise InputError(f"{path}: cannot be read; evaluate again") from None
    if not isinstance(report, dict) or not {"benchmark", "part_hash", "scores"} <= report.keys():
        raise InputError(f"{path}: of another version of leo-drive; evaluate again")
    return report


def folder_for(out: Path, benchmark: str) -> Path:
    """The folder `out`, made if it is not there, for an evaluation on a benchmark.

    Raises:
        InputError: it cannot be written to, or has an evaluation on another one, whose files would stay.
    """
    folder = writable_folder(out)
    try:
        other = read_report(folder)["benchmark"]
    except InputError:  # there is none, or one whose cure is to evaluate again
        return folder
    if other != benchmark:
        raise InputError(f"{folder}: has an evaluation on {other}; choose another --out for {benchmark}")
    return folder


def write(path: Path, text: str) -> None:
    """Write beside its place and move there, so that an earlier result is whole until this one is."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """The report as JSON."""
    write(path, json.dumps(report, indent=2, ensure_ascii=True) + "\n")


def plain(value: Any) -> Any:
    """The value as JSON has it: text keys, lists, and None for a number that is none."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def _row(name: str, score: dict[str, Any], blind: dict[str, Any] | None) -> list[str]:
    numbers = [score["accuracy"], score["balanced_accuracy"], score["unread"]]
    numbers += [blind["balanced_accuracy"]] if blind else []
    return [name, str(score["questions"]), *map(hundredths, numbers)]
