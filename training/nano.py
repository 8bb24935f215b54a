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

RECIPES = Path(__file__).parent / "recipes"
# Frames as small as the tiles leave sense in: nano sees 192 pixels a side.
SIZE = (480, 270)


def draw(folder: Path, clips: int, split: str) -> None:
    """Draw a data set unless it is there."""
    if (folder / f"{split}.parquet").is_file():
        return
    with progress(f"drawing {folder}") as update:
        write_dataset(
            folder,
            clips,
            seed=2026,
            size=SIZE,
            labels=split == "train",
            workers=os.cpu_count() or 1,
            split=split,
            progress=update,
        )


def main(
    runs: Annotated[Path, typer.Option(help="Folder for data, checkpoints and reports.")] = Path("runs/nano"),
    clips: Annotated[int, typer.Option(help="Clips to train on.")] = 8000,
    held_out: Annotated[int, typer.Option(help="Clips to measure on.")] = 300,
    install: Annotated[bool, typer.Option(help="Replace the embedded model.")] = True,
) -> None:
    """Draw, train, measure, install."""
    draw(runs / "data/train", clips, "train")
    draw(runs / "data/val", held_out, "val")
    for stage in ("nano_stage1.yaml", "nano_stage2.yaml"):
        recipe = read_recipe(RECIPES / stage)
        if not (recipe.output / "model" / "model.safetensors").is_file():
            train(recipe)
    finished = recipe.output / "model"
    with progress("measuring") as update:
        print_report(evaluate_part(load(finished), runs / "data/val", runs / "val", progress=update), out)
    if install:
        nano = ASSETS / "nano"
        # bfloat16 halves the file; it is loaded in float32 on a CPU.
        LeoForConditionalGeneration.from_pretrained(finished, dtype=torch.bfloat16).save_pretrained(nano)
        LeoProcessor.from_pretrained(finished).save_pretrained(nano)
        shutil.copy(runs / "val" / "report.json", nano / "report.json")
        out.print(f"installed in {nano}")


if __name__ == "__main__":
    typer.run(main)
