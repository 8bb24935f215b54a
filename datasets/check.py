"""Whether a data set is there and whole: python datasets/check.py lingoqa scenery ROOT [--full]

ROOT is where the data set was put. Exit status 1 if anything is missing or damaged.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from leo_drive.data.catalogue import read_card
from leo_drive.data.check import check_examples
from leo_drive.terminal import named_path, out, progress, run_command


def main(
    name: Annotated[
        str, typer.Argument(help="The data set's folder in the catalogue, or a card of your own.")
    ],
    part: Annotated[str, typer.Argument(help="One of its parts, as the card names them.")],
    root: Annotated[Path, typer.Argument(parser=named_path, help="Where the data set was put.")],
    full: Annotated[bool, typer.Option("--full", help="Decode every picture, not only look for it.")] = False,
) -> None:
    """Look for all that a part names, and tell what is missing or damaged."""
    here = Path(__file__).parent / name
    card = read_card(here if here.is_dir() else name)
    examples = card.read(part, root)
    with progress("looking") as update:
        report = check_examples(examples, full=full, progress=update)
    rows = card.part(part).row_problem(examples)
    for line in [*report.lines(), *([rows] if rows else []), *report.whole_list()]:
        out.print(line)
    sys.exit(0 if report.ok and rows is None else 1)


if __name__ == "__main__":
    run_command(main, "python datasets/check.py")
