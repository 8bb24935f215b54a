"""The paper's ablations, one command each: python -m training.ablate fusion --recipe nano

Trains and measures the variants with the same seeds, data and steps. What is finished is not done again; run
again after it was stopped, it goes on.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from leo_drive.files import writable_folder
from leo_drive.terminal import named_path, out, run_command
from training.ablate_cost import Cost, estimate
from training.ablate_plan import REAL, named_ablations
from training.ablate_report import print_results, write_results
from training.ablate_run import check_parts, run_study
from training.ablate_study import open_study
from training.costs import spoken
from training.drives import check_real

_EXAMPLES = (
    "Examples:\n\n"
    "python -m training.ablate fusion --recipe nano --check\n\n"
    "python -m training.ablate tiles --recipe nano --seeds 3 --real lingoqa_camvid"
)


def main(
    ablation: Annotated[
        str, typer.Argument(help=f"{', '.join(named_ablations())}, or a YAML file of your own.")
    ],
    recipe: Annotated[str, typer.Option(help="What is trained: nano, or a YAML file like nano's.")] = "nano",
    seeds: Annotated[int, typer.Option(help="How often each variant is trained.", min=1)] = 3,
    out_dir: Annotated[
        Path,
        typer.Option(
            "--out", parser=named_path, help="Folder for data, models and results; ablations share it."
        ),
    ] = Path("runs/ablate"),
    steps: Annotated[
        int | None,
        typer.Option(help="Optimizer steps of a variant, over all its stages; the recipe's own.", min=1),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(parser=named_path, help="Real drives too, in the layout of datasets/lingoqa_camvid."),
    ] = None,
    held_out: Annotated[str, typer.Option(help="The real drive that is only measured on.")] = "0006R0",
    check: Annotated[
        bool, typer.Option("--check", help="Say what would be done, how long, and stop.")
    ] = False,
    rehearse: Annotated[bool, typer.Option(help="Try every variant for three steps first.")] = True,
) -> None:
    """Train and measure the variants of an ablation, and write a table with their spread, and a plot."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if real is not None:
        check_real(real, held_out)
    writable_folder(out_dir)
    study = open_study(
        ablation, recipe, out_dir, seeds, steps, None if real is None else f"{REAL}-{held_out}"
    )
    check_parts(study)
    models = {trial.model for trial in study.trials}
    stages = {stage.recipe.output: stage for trial in study.trials for stage in trial.stages}
    left = [stage for stage in stages.values() if not stage.finished]
    out.print(
        f"{study.ablation.title}: {len(study.ablation.variants)} variants x {seeds} seeds, "
        f"{len(models)} models; {len(left)} of {len(stages)} stages are to be trained, "
        f"{sum(stage.recipe.steps or 0 for stage in left)} steps"
    )
    if rehearse or check:
        _print_costs(estimate(study, ablation, recipe))
    if check:
        return
    command = shlex.join(["python", "-m", "training.ablate", *sys.argv[1:]])
    # Written after every model, so that a look at it need not wait for the last.
    results = run_study(study, real, lambda so_far: write_results(study, so_far, command))
    print_results(study, results, out)
    out.print(f"results.csv, results.json, table.md and plot.png in {out_dir / study.name}")


def _print_costs(costs: list[Cost]) -> None:
    if not costs:
        out.print("everything is there")
        return
    for cost in costs:
        out.print(f"  {cost.what}: about {spoken(cost.seconds)}")
    total = sum(cost.seconds for cost in costs)
    out.print(f"about {spoken(total)} on this machine, from three steps of every variant")


if __name__ == "__main__":
    run_command(main, "python -m training.ablate", _EXAMPLES)
