"""A report as a table on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_report(report: dict[str, Any], console: Console) -> None:
    """Balanced accuracy per kind of closed question, beside the blind baseline when it was measured."""
    console.print(
        f"{report['model']} on {report['part']}: {report['questions']} questions, {report['segments']} clips",
        highlight=False,
        markup=False,
    )
    closed, blind = report["closed"], report.get("blind")
    if closed is None:
        console.print("none of its questions is closed: no closed scores")
        return
    columns = ["kind", "questions", "accuracy", "balanced", "unread", *(["blind, balanced"] if blind else [])]
    table = Table(*columns)
    for kind, score in closed["kinds"].items():
        table.add_row(*_row(escape(kind), score, blind and blind["kinds"][kind]))
    table.add_row(*_row(f"mean of {len(closed['kinds'])}", closed, blind), style="bold")
    console.print(table)
    console.print(f"kinds {report['kinds']}; unread: could not be told, counted as wrong", highlight=False)


def _row(name: str, score: dict[str, Any], blind: dict[str, Any] | None) -> list[str]:
    numbers = [score["accuracy"], score["balanced_accuracy"], score["unread"]]
    numbers += [blind["balanced_accuracy"]] if blind else []
    return [name, str(score["questions"]), *(f"{number:.3f}" for number in numbers)]
