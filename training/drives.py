"""The drives that nano and the ablations learn from: generated ones, and real ones split by drive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from leo_drive.data.lingoqa import part_table
from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError, LeoDriveError, nearest
from leo_drive.files import replacing_folder
from leo_drive.terminal import progress

ROOT = Path(__file__).parents[1]
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
    seed: int = 2026,
) -> None:
    """Draw a data set unless it is there."""
    if (folder / f"{split}.parquet").is_file():
        return
    with progress(f"drawing {folder}") as update:
        write_dataset(
            folder,
            clips,
            seed=seed,
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


def split_real(source: Path, held_out: str | None, folder: Path) -> None:
    """Real drives as training parts, mirrored too, one drive kept to measure on or none.

    Raises:
        LeoDriveError: they could not be written.
    """
    last_written = folder / ("val/val.parquet" if held_out else "train/train.parquet")
    if last_written.is_file():
        return
    prepare = ROOT / "datasets/lingoqa_camvid/prepare.py"
    # One that was stopped leaves parts that look whole.
    with replacing_folder(folder) as unfinished:
        command = [sys.executable, str(prepare), str(source), "--out", str(unfinished), "--mirror"]
        if subprocess.run([*command, *(["--hold-out", held_out] if held_out else [])]).returncode:
            raise LeoDriveError(f"{source}: could not be split into parts; why is said above")
