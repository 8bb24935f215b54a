"""Make the embedded model from nothing: python -m training.nano (or `make train-nano`).

Draws the drives, splits the real ones, trains the stages, measures the result on drives that it has not seen,
fits its confidence, and puts it where the library loads it from. What is finished is skipped when this is run
again, and a stage that was stopped goes on. `--rehearse` goes through all of it in small, in minutes, for a
folder of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from transformers import set_seed

from leo_drive.data.lingoqa import part_table
from leo_drive.errors import LeoDriveError
from leo_drive.evaluation import MAX_NEW_TOKENS
from leo_drive.evaluation.calibrate import calibrate_model, store_temperature
from leo_drive.evaluation.lingoqa import evaluate_part
from leo_drive.evaluation.report import print_report
from leo_drive.files import writable_folder
from leo_drive.inference import load
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.models import ASSETS, LEARNED
from leo_drive.terminal import named_path, out, progress, run_command
from training.drives import check_real, draw, split_real
from training.recipe import DataSource, Recipe, read_recipe
from training.train import train
from training.variants import COPIES, write_variants

RUNS = Path("runs/nano")  # as the recipes have it
RECIPES = Path(__file__).parent / "recipes"
STAGES = ("nano_sight", "nano_stage1", "nano_stage2")


@dataclass(frozen=True)
class Amounts:
    """How much of everything.

    Attributes:
        single: generated frames to see and to align on.
        clips: generated clips of five frames for stage 2.
        copies: changed copies of each real clip.
        unseen: generated clips to measure on.
        validation: generated clips to choose checkpoints by.
        calibration: further generated clips to fit confidence on; 0 leaves it as it is.
        steps: of each stage; None for the recipes' own.
        answer_tokens: most of an answer where the model is measured.
    """

    single: int = 16000
    clips: int = 4000
    copies: int = COPIES
    unseen: int = 300
    validation: int = 80
    calibration: int = 80
    steps: int | None = None
    answer_tokens: int = MAX_NEW_TOKENS


# What three steps teach answers nothing rightly and never ends, so there is no confidence to fit.
REHEARSAL = Amounts(
    single=64, clips=16, copies=1, unseen=4, validation=4, calibration=0, steps=3, answer_tokens=8
)


def stage_recipe(name: str, runs: Path, real: bool, steps: int | None) -> Recipe:
    """A stage's recipe, in the folder `runs`, and without the real drives for those who have none."""
    recipe = read_recipe(RECIPES / f"{name}.yaml")

    def moved(path: Path) -> Path:
        return runs / path.relative_to(RUNS) if path.is_relative_to(RUNS) else path

    def sources(own: tuple[DataSource, ...]) -> tuple[DataSource, ...]:
        there = [source.model_copy(update={"root": moved(source.root)}) for source in own]
        return tuple(s for s in there if real or not s.root.is_relative_to(runs / "data/real"))

    return recipe.model_copy(
        update={
            "model": str(moved(Path(recipe.model))),
            "data": sources(recipe.data),
            "validation": sources(recipe.validation),
            "output": moved(recipe.output),
            "vision_cache": recipe.vision_cache and moved(recipe.vision_cache),
            "steps": steps or recipe.steps,
        }
    )


def write_questions(parts: Iterable[Path], folder: Path) -> None:
    """Write all questions of the parts that a model learned from: its language is these (`unlearned`)."""
    tables = (pd.read_parquet(part_table(part), columns=["question"]) for part in parts)
    questions = set().union(*(table["question"] for table in tables))
    (folder / LEARNED).write_text("\n".join(sorted(questions)) + "\n", encoding="utf-8")


def measure(model: Path, part: Path, folder: Path, answer_tokens: int) -> None:
    """Print how well a model does on a part, and keep the report."""
    with progress(f"measuring on {part}") as update:
        report = evaluate_part(load(model), part, folder, progress=update, max_new_tokens=answer_tokens)
    print_report(report, out)


def fit_confidence(model: Path, part: Path, folder: Path) -> None:
    """Store the temperature that fits a part's answers."""
    writable_folder(folder)
    with progress(f"fitting confidence on {part}") as update:
        report = calibrate_model(load(model), part, folder, update)
    try:
        store_temperature(model, report)
    except LeoDriveError as error:  # where none helps; the model is no worse for it
        out.print(str(error))


def main(
    real: Annotated[
        Path | None,
        typer.Option(parser=named_path, help="Real drives, in the layout of datasets/lingoqa_camvid."),
    ] = None,
    held_out: Annotated[
        str, typer.Option(help="The real drive that is only measured on; '' for none.")
    ] = "0006R0",
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="Everything in small, to see that it runs; not installed."),
    ] = False,
    install: Annotated[bool, typer.Option(help="Replace the embedded model.")] = True,
) -> None:
    """Draw, train, measure, install."""
    amounts = REHEARSAL if rehearse else Amounts()
    runs = RUNS.with_name(f"{RUNS.name}_rehearsal") if rehearse else RUNS
    data = runs / "data"
    if real is not None:
        check_real(real, held_out)
    set_seed(0)
    draw(data / "single", amounts.single, frames=1, labels=True)
    draw(data / "clips", amounts.clips, frames=5)
    draw(data / "validation", amounts.validation, frames=5, labels=True, seed=2028)
    draw(data / "val", amounts.unseen, frames=5, split="val")
    if amounts.calibration:
        draw(data / "calibration", amounts.calibration, frames=5, split="val", seed=2027)
    if real is not None:
        split_real(real, held_out, data / "real")
        if not (data / "real/variants/train.parquet").is_file():
            write_variants(data / "real/train", data / "real/variants", amounts.copies)
    taught: set[Path] = set()
    for stage in STAGES:
        recipe = stage_recipe(stage, runs, real is not None, amounts.steps)
        if recipe.answer_weight:
            taught.update(source.root for source in recipe.data)
        if not (recipe.output / "model" / "README.md").is_file():
            train(recipe)  # the card is written last
    shipped = runs / "model"
    # bfloat16 halves the file; on a CPU it is loaded in float32. What ships is what is measured.
    LeoForConditionalGeneration.from_pretrained(
        recipe.output / "model", dtype=torch.bfloat16
    ).save_pretrained(shipped)
    LeoProcessor.from_pretrained(recipe.output / "model").save_pretrained(shipped)
    write_questions(taught, shipped)
    if amounts.calibration:
        fit_confidence(shipped, data / "calibration", runs / "calibration")
    measure(shipped, data / "val", runs / "report", amounts.answer_tokens)
    if real is not None and held_out:
        measure(shipped, data / "real/val", runs / "report_real", amounts.answer_tokens)
    if rehearse:
        out.print(f"rehearsed in {runs}; nothing is installed")
    elif install:
        for file in shipped.iterdir():
            if file.name != "README.md":  # of the fitted confidence alone
                shutil.copy2(file, ASSETS / "nano" / file.name)
        out.print(f"installed in {ASSETS / 'nano'}; its card, README.md, is written by hand")


if __name__ == "__main__":
    run_command(main, "python -m training.nano")
