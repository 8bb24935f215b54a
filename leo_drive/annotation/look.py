"""The command `leo-drive annotations`: look at a table, filter it, take it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table as Grid

from leo_drive.errors import InputError
from leo_drive.terminal import PLAIN, named_path, out, print_json, print_table, spinner

if TYPE_CHECKING:
    import pandas as pd

LOOK_EXAMPLES = (
    "Examples:\n\n"
    "leo-drive annotations night\n\n"
    "leo-drive annotations night --where \"value = 'yes' and confidence < 0.6\" --clips look/\n\n"
    "leo-drive annotations night --where \"status = 'ok'\" --export lingoqa --to part/"
)

_WIDE, _WIDEST = 60, 1_000_000


def look(
    out_dir: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", parser=named_path, help="The --out of leo-drive annotate.", show_default=False
        ),
    ],
    where: Annotated[str | None, typer.Option(help="Only rows for which this SQL (DuckDB's) holds.")] = None,
    limit: Annotated[int, typer.Option(help="Most rows to print with --where, or to draw.", min=1)] = 50,
    export: Annotated[
        Literal["csv", "jsonl", "lingoqa", "labelstudio", "fiftyone"] | None,
        typer.Option(help="Write the rows in this format, to --to."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(parser=named_path, help="A file for csv and jsonl, a new folder for the others."),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(parser=named_path, help="Folder for a picture of each window: its frames and answers."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Summarise a table of annotations; filter, draw and export its rows."""
    from leo_drive.annotation.table import Table

    if (export is None) != (to is None):
        raise InputError("--export and --to go together: a format and where to write it")
    table = Table(out_dir)
    wrote = []
    if export is not None and to is not None:
        from leo_drive.annotation.export import export_rows

        with spinner(f"writing {export}"):
            count = export_rows(export, table.rows(where), out_dir, to)
        wrote.append(f"{count} rows in {to}")
    if clips is not None:
        from leo_drive.annotation.sheets import draw_sheets

        with spinner("drawing"):
            count = draw_sheets(table.rows(where), out_dir, clips, limit)
        wrote.append(f"{count} pictures in {clips}")
    if wrote:
        if as_json:
            print_json({"written": wrote})
        else:
            out.print("\n".join(wrote))
    elif where is not None:
        _print_rows(table.rows(where, limit), table.count(where), as_json)
    elif as_json:
        print_json(table.summary())
    else:
        _print_summary(table.summary())


def _print_rows(rows: pd.DataFrame, count: int, as_json: bool) -> None:
    from leo_drive.annotation.export import plain_rows

    if as_json:
        print_json(plain_rows(rows))
        return
    grid = Grid("log", "from", "to", "question", "answer", "value", "confidence", "status", box=None)
    for row in plain_rows(rows):
        error = row["error"] or row["answer"] or ""
        cells = (row["log"], row["start_s"], row["end_s"], row["question"], error, row["value"])
        texts = ["" if cell is None else f"{cell:g}" if isinstance(cell, float) else cell for cell in cells]
        sure = "" if row["confidence"] is None else f"{row['confidence']:.2f}"
        grid.add_row(*texts, sure, row["status"])
    # Into a file or a pipe a line a row, whatever the terminal's width: `out` would take 80 columns there.
    console = out if out.is_terminal else Console(width=_WIDEST, **PLAIN)
    print_table(grid, console)
    more = f", the first {len(rows)} of them above; --limit shows more" if count > len(rows) else ""
    out.print(f"{count} rows{more}")


def _print_summary(summary: dict[str, Any]) -> None:
    def say(text: str) -> None:
        out.print(text)

    statuses = ", ".join(f"{n} {status}" for status, n in summary["statuses"].items())
    say(f"{summary['logs']} logs, {summary['windows']} windows, {summary['rows']} rows: {statuses}")
    for question in summary["questions"]:
        sure = question["confidence"]
        about = f"{question['answers']} answers" + (f", confidence {sure:.2f}" if sure is not None else "")
        if question["unreadable"]:
            about += f", {question['unreadable']} unreadable"
        say(f"\n{question['question_id']}: {question['question']}  ({about})")
        for value, share in list(question["shares"].items())[:6]:
            say(f"  {share:4.0%}  {value:.{_WIDE}}")
    if summary["failures"]:
        say("\nfailed")
        for failure in summary["failures"]:
            say(f"  {failure['rows']} rows, {failure['logs']} logs: {failure['error']}")
    if summary["lowest"]:
        say("\nleast confident")
        for row in summary["lowest"]:
            where = f"{row['log']} {row['start_s']:g}-{row['end_s']:g} s"
            say(f"  {row['confidence']:.2f}  {where}  {row['question']}  {row['answer']:.{_WIDE}}")
    if summary["timelines"]:
        say(
            "\ntimelines, a sign a window: first letter of the value, ? unreadable, - not asked, "
            "x failed, = skipped"
        )
        for log, lines in list(summary["timelines"].items())[:10]:
            say(f"  {log}")
            width = max(map(len, lines))
            for name, signs in lines.items():
                cut = signs if len(signs) <= _WIDE else signs[: _WIDE - 3] + "..."
                say(f"    {name:{width}}  {cut}")
