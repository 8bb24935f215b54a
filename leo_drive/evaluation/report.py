"""An evaluation's report: report.json, a table on the terminal, and the files written whole."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

import leo_drive
from leo_drive.data.example import Example
from leo_drive.errors import InputError
from leo_drive.evaluation.bootstrap import LEVEL, RESAMPLES, SEED
from leo_drive.evaluation.page import Section, hundredths, page
from leo_drive.evaluation.predictions import Matching, file_hash
from leo_drive.evaluation.scores import score_rows, what_is_missing
from leo_drive.evaluation.table import QUESTIONS, fingerprint, to_csv
from leo_drive.files import writable_folder, write
from leo_drive.terminal import print_table

logger = logging.getLogger(__name__)

REPORT, PAGE = "report.json", "report.html"
_PACKAGES = ("torch", "transformers", "pillow", "numpy", "pandas", "pycocoevalcap")


def print_report(report: dict[str, Any], console: Console) -> None:
    """The scores, and balanced accuracy per kind of closed question beside the blind baseline; times 100."""
    console.print(
        f"{report['model']} on {report['part']}: {report['questions']} questions, {report['segments']} clips"
    )
    closed, blind = report["closed"], report.get("blind")
    if closed is None:
        console.print("none of its questions is closed: no closed scores")
    else:
        columns = ["kind", "questions", "accuracy", "balanced", "unread"]
        table = Table(*columns, *(["blind, balanced"] if blind else []))
        for kind, score in closed["kinds"].items():
            table.add_row(*_row(kind, score, blind and blind["kinds"][kind]))
        table.add_row(*_row(f"mean of {len(closed['kinds'])}", closed, blind), style="bold")
        print_table(table, console)
        console.print(f"times 100; kinds {report['kinds']}; unread: could not be told, counted as wrong")
    print_scores(report, console)


def print_scores(report: Mapping[str, Any], console: Console) -> None:
    """Every score, times 100, with its interval, or why it is missing."""
    columns, rows = score_rows(report)
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    print_table(table, console)
    for line in (*what_is_missing(report), *report.get("notes", [])):
        console.print(line)


@dataclass(frozen=True)
class Origin:
    """Where the answers of an evaluation come from.

    Attributes:
        name: the model's, or the file's.
        settings: what the report says of how they were made.
        command: what the report says that it was made by.
        matching: of a file, what fitted.
    """

    name: str
    settings: Mapping[str, Any]
    command: str = ""
    matching: Matching | None = None

    @classmethod
    def of_file(cls, path: Path, command: str, matching: Matching) -> Origin:
        """Of answers that somebody gave."""
        said = {"predictions": str(path), "predictions_hash": file_hash(path)}
        return cls(path.name, said, command, matching)


def begin_report(
    benchmark: str, part: Path, examples: Sequence[Example], table: pd.DataFrame, origin: Origin
) -> dict[str, Any]:
    """What every evaluation's report begins with.

    Args:
        examples: the part's, with every reference.
        table: of the questions that are answered.
    """
    return {
        "benchmark": benchmark,
        "model": origin.name,
        "part": str(part),
        "part_hash": fingerprint(examples),
        "segments": len(examples),
        "questions": len(table),
    }


def made_with(report: Mapping[str, Any], origin: Origin, **more: Any) -> dict[str, Any]:
    """A report's settings: what made the answers, of which part, and what the caller adds."""
    of_part = {name: report[name] for name in ("part", "part_hash")}
    return settings(**origin.settings, **of_part, **more)


def end_report(report: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """The report as JSON has it, with the command that made it, if there was one."""
    return plain({**report, **({"command": origin.command} if origin.command else {})})


def write_evaluation(
    out: Path,
    report: Mapping[str, Any],
    table: pd.DataFrame,
    files: Mapping[str, str | bytes],
    results: Iterable[str],
    title: str,
    sections: Sequence[Section | None],
) -> None:
    """Warn of what may be wrong, and write an evaluation's files; what an earlier one left beside them goes.

    Args:
        table: for questions.csv.
        files: what there is besides questions.csv, report.json and the page.
        results: names of all that an evaluation of this benchmark can write.
        title, sections: of the page.
    """
    for line in report["warnings"]:
        logger.warning("%s", line)
    made = {**files, QUESTIONS: to_csv(table), REPORT: _json(report)}
    made[PAGE] = page(title, [section for section in sections if section], now())
    for name, content in made.items():
        write(out / name, content)
    for name in set(results) - made.keys():
        (out / name).unlink(missing_ok=True)


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


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """The report as JSON."""
    write(path, _json(report))


def _json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=2, ensure_ascii=True) + "\n"


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
