"""Whether a data set is there and whole: python datasets/check.py lingoqa scenery ROOT [--full]

ROOT is where the data set was put. Exit status 1 if anything is missing or damaged. Questions that the reader
leaves out are listed; they count in a part to evaluate with.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from leo_drive.data.catalogue import read_card
from leo_drive.data.check import check_examples
from leo_drive.data.unusable import gathering_unusable
from leo_drive.errors import SHOWN, InputError
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
    with gathering_unusable() as unusable:
        try:
            examples = card.read(part, root)
        except InputError as error:
            problems = [*unusable.damaged, *error.problems]
            for line in problems if len(problems) > SHOWN else ():
                out.print(line)
            raise
    with progress("looking") as update:
        report = check_examples(examples, full=full, progress=update, unusable=unusable)
    rows = card.part(part).row_problem(examples)
    lines = [*report.lines(), *report.left_out_lines(), *([rows] if rows else []), *report.whole_list()]
    for line in lines:
        out.print(line)
    # What can be spared in training cannot where it is measured with.
    lacking = report.left_out and card.part(part).use == "evaluate"
    sys.exit(0 if report.ok and rows is None and not lacking else 1)


if __name__ == "__main__":
    run_command(main, "python datasets/check.py")
