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
    if report["closed"] is None:
        console.print("the kinds of its questions are not known: no closed scores")
        return
    blind = report.get("blind")
    table = Table("kind", "questions", "accuracy", "balanced", *(["blind, balanced"] if blind else []))
    for kind, score in report["closed"]["kinds"].items():
        cells = [
            escape(kind),
            str(score["questions"]),
            f"{score['accuracy']:.3f}",
            f"{score['balanced_accuracy']:.3f}",
        ]
        table.add_row(*cells, *([f"{blind['kinds'][kind]['balanced_accuracy']:.3f}"] if blind else []))
    total = report["closed"]
    cells = ["mean", str(total["questions"]), f"{total['accuracy']:.3f}", f"{total['balanced_accuracy']:.3f}"]
    table.add_row(*cells, *([f"{blind['balanced_accuracy']:.3f}"] if blind else []), style="bold")
    console.print(table)
