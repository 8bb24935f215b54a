"""Make the embedded model from nothing: python -m training.nano (or `make train-nano`).

Draws the drives, trains both stages, measures the result on drives it has not seen and puts it where the
library loads it from. Every step that is finished is skipped when this is run again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer

from leo_drive.data.synthetic import write_dataset
from leo_drive.evaluation.lingoqa import evaluate_part
from leo_drive.evaluation.report import print_report
from leo_drive.inference import load
from leo_drive.inference.load import ASSETS
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.terminal import out, progress
from training.recipe import read_recipe
from training.train import train

RUNS = Path("runs/nano")  # as the recipes have it
RECIPES = Path(__file__).parent / "recipes"
# Frames as small as the tiles leave sense in: nano sees 192 pixels a side.
SIZE = (480, 270)


def draw(folder: Path, clips: int, frames: int, labels: bool = False, split: str = "train") -> None:
    """Draw a data set unless it is there."""
    if (folder / f"{split}.parquet").is_file():
        return
    with progress(f"drawing {folder}") as update:
        write_dataset(
            folder,
            clips,
            seed=2026,
            size=SIZE,
            labels=labels,
            workers=os.cpu_count() or 1,
            split=split,
            frames=frames,
            progress=update,
        )


def main(
    single: Annotated[int, typer.Option(help="Single frames for stage 1.")] = 10000,
    clips: Annotated[int, typer.Option(help="Clips of five frames for stage 2.")] = 2500,
    held_out: Annotated[int, typer.Option(help="Clips to measure on.")] = 300,
    install: Annotated[bool, typer.Option(help="Replace the embedded model.")] = True,
) -> None:
    """Draw, train, measure, install."""
    draw(RUNS / "data/stage1", single, frames=1, labels=True)
    draw(RUNS / "data/stage2", clips, frames=5)
    draw(RUNS / "data/val", held_out, frames=5, split="val")
    for stage in ("nano_stage1.yaml", "nano_stage1_more.yaml", "nano_stage2.yaml"):
        recipe = read_recipe(RECIPES / stage)
        if not (recipe.output / "model" / "model.safetensors").is_file():
            train(recipe)
    shipped = RUNS / "model"
    # bfloat16 halves the file; on a CPU it is loaded in float32. What ships is what is measured.
    LeoForConditionalGeneration.from_pretrained(
        recipe.output / "model", dtype=torch.bfloat16
    ).save_pretrained(shipped)
    LeoProcessor.from_pretrained(recipe.output / "model").save_pretrained(shipped)
    with progress("measuring") as update:
        print_report(evaluate_part(load(shipped), RUNS / "data/val", RUNS / "val", progress=update), out)
    if install:
        shutil.copytree(shipped, ASSETS / "nano", dirs_exist_ok=True)
        out.print(f"installed in {ASSETS / 'nano'}")


if __name__ == "__main__":
    typer.run(main)
