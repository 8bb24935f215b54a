"""Make the embedded model from nothing: python -m training.nano (or `make train-nano`).

Draws the drives, splits the real ones, trains the stages, measures the result on drives that it has not seen,
and puts it where the library loads it from. What is finished is skipped when this is run again, and a stage
that was stopped goes on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import set_seed

from leo_drive.data.lingoqa import part_table
from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError, nearest
from leo_drive.evaluation.lingoqa import evaluate_part
from leo_drive.evaluation.report import print_report
from leo_drive.inference import load
from leo_drive.inference.load import ASSETS
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.terminal import one_line_errors, out, progress
from training.recipe import Recipe, read_recipe
from training.train import train
from training.variants import COPIES, write_variants

RUNS = Path("runs/nano")  # as the recipes have it
REAL = RUNS / "data/real"
RECIPES = Path(__file__).parent / "recipes"
STAGES = ("nano_sight", "nano_stage1", "nano_stage2")
# Frames as small as the tile leaves sense in: nano sees 256 pixels a side.
SIZE = (480, 270)
# Fewer are drawn sooner than a process has started.
_CLIPS_A_PROCESS = 50


def draw(
    folder: Path,
    clips: int,
    frames: int,
    labels: bool = False,
    split: str = "train",
    size: tuple[int, int] = SIZE,
) -> None:
    """Draw a data set unless it is there."""
    if (folder / f"{split}.parquet").is_file():
        return
    with progress(f"drawing {folder}") as update:
        write_dataset(
            folder,
            clips,
            seed=2026,
            size=size,
            labels=labels,
            workers=min(os.cpu_count() or 1, -(-clips // _CLIPS_A_PROCESS)),
            split=split,
            frames=frames,
            progress=update,
        )


def check_real(source: Path, held_out: str | None) -> None:
    """See that the real drives are there, before hours go into the generated ones.

    Raises:
        InputError: they are not, or there is no such drive to hold out.
    """
    part_table(source / "scenery")
    drives = sorted(path.name for path in (source / "labels").glob("*") if path.is_dir())
    if not drives:
        raise InputError(f"{source}: no labels/DRIVE in here; get the whole of the data set")
    if held_out and held_out not in drives:
        raise InputError(f"{source}: no drive {held_out} to hold out; {nearest(held_out, drives)}")


def split_real(source: Path, held_out: str | None, out_dir: Path = REAL) -> None:
    """Real drives as training parts, mirrored too, one drive kept to measure on or none."""
    last_written = out_dir / ("val/val.parquet" if held_out else "train/train.parquet")
    if last_written.is_file():
        return
    prepare = Path("datasets/lingoqa_camvid/prepare.py")
    command = [sys.executable, str(prepare), str(source), "--out", str(out_dir), "--mirror"]
    subprocess.run([*command, *(["--hold-out", held_out] if held_out else [])], check=True)


def copy_real(copies: int) -> None:
    """Changed copies of the real drives, unless they are there."""
    if not (REAL / "variants" / "train.parquet").is_file():
        write_variants(REAL / "train", REAL / "variants", copies)


def without_real(recipe: Recipe) -> Recipe:
    """The recipe for those who have no real drives."""
    return recipe.model_copy(update={"data": tuple(s for s in recipe.data if REAL not in s.root.parents)})


def measure(model: Path, part: Path, folder: Path) -> None:
    """Print how well a model does on a part, and keep the report."""
    with progress(f"measuring on {part}") as update:
        report = evaluate_part(load(model), part, folder, progress=update)
    print_report(report, out)


def main(
    real: Annotated[
        Path | None, typer.Option(help="Real drives, in the layout of datasets/lingoqa_camvid.")
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(help="The real drive that is only measured on; '' for none.")
    ] = "0006R0",
    single: Annotated[int, typer.Option(help="Single frames to see and to align on.")] = 16000,
    clips: Annotated[int, typer.Option(help="Clips of five frames for stage 2.")] = 4000,
    copies: Annotated[int, typer.Option(help="Changed copies of each real clip.")] = COPIES,
    unseen: Annotated[int, typer.Option(help="Generated clips to measure on.")] = 300,
    install: Annotated[bool, typer.Option(help="Replace the embedded model.")] = True,
) -> None:
    """Draw, train, measure, install."""
    if real is not None:
        check_real(real, held_out)
    set_seed(0)
    draw(RUNS / "data/single", single, frames=1, labels=True)
    draw(RUNS / "data/clips", clips, frames=5)
    draw(RUNS / "data/val", unseen, frames=5, split="val")
    if real is not None:
        split_real(real, held_out)
        copy_real(copies)
    for stage in STAGES:
        recipe = read_recipe(RECIPES / f"{stage}.yaml")
        if not (recipe.output / "model" / "model.safetensors").is_file():
            train(recipe if real is not None else without_real(recipe))
    shipped = RUNS / "model"
    # bfloat16 halves the file; on a CPU it is loaded in float32. What ships is what is measured.
    LeoForConditionalGeneration.from_pretrained(
        recipe.output / "model", dtype=torch.bfloat16
    ).save_pretrained(shipped)
    LeoProcessor.from_pretrained(recipe.output / "model").save_pretrained(shipped)
    measure(shipped, RUNS / "data/val", RUNS / "report")
    if real is not None and held_out:
        measure(shipped, REAL / "val", RUNS / "report_real")
    if install:
        for file in shipped.iterdir():
            shutil.copy2(file, ASSETS / "nano" / file.name)
        out.print(f"installed in {ASSETS / 'nano'}; its card, README.md, is written by hand")


if __name__ == "__main__":
    with one_line_errors():
        typer.run(main)
