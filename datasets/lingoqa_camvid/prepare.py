"""Make training parts of CamVid's questions: split by drive, mirrored, with label maps in their place.

    python datasets/lingoqa_camvid/prepare.py SOURCE --out OUT --hold-out 0006R0 --mirror

SOURCE holds scenery/train.parquet with its images, and labels/DRIVE/FRAME.png. Under OUT come the parts train
and, of the drives held out, val:

    train/train.parquet    train/images/train/DRIVE/FRAME.jpg    train/labels/train/DRIVE/FRAME.png
    val/val.parquet        val/images/val/DRIVE/FRAME.jpg        val/labels/val/DRIVE/FRAME.png

With --mirror every training segment is there a second time, mirrored, from the drive DRIVE-mirrored. Images
and label maps are hard links where the file system has them and copies elsewhere: they take no room, and a
part can be moved or deleted without a thought for the source. Tables come last: a part with one is whole.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer
from PIL import Image, ImageOps

from leo_drive.data.lingoqa import COLUMNS, Segment, read_part
from leo_drive.data.mirror import MIRRORED, mirror_text
from leo_drive.data.tables import write_table
from leo_drive.errors import InputError
from leo_drive.files import writable_folder
from leo_drive.terminal import named_path, out, progress, run_command

JPEG_QUALITY = 95


def prepare(source: Path, folder: Path, held_out: list[str], mirror: bool) -> dict[str, int]:
    """Write the parts; how many questions each has.

    Raises:
        InputError: the source is not in its layout, lacks a label map or a drive, leaves nothing to train on,
            or there are parts already.
    """
    segments = read_part(source / "scenery")
    drives = {drive_of(segment) for segment in segments}
    if unknown := [drive for drive in held_out if drive not in drives]:
        raise InputError(f"{source}: no drive {', '.join(unknown)}; there are {', '.join(sorted(drives))}")
    if not drives - set(held_out):
        raise InputError(f"{source}: every drive is held out; nothing is left to train on")
    writable_folder(folder)
    parts = {"train": [s for s in segments if drive_of(s) not in held_out]}
    if held_out:
        parts["val"] = [s for s in segments if drive_of(s) in held_out]
    for split in parts:
        if (table := folder / split / f"{split}.parquet").exists():
            raise InputError(f"{table}: there is a part already; choose another folder or remove it")
    counts = {}
    for split, chosen in parts.items():
        rows = write_pictures(source, folder / split, split, chosen, mirror and split == "train")
        write_table(rows, COLUMNS, folder / split / f"{split}.parquet")
        counts[split] = len(rows)
    return counts


def drive_of(segment: Segment) -> str:
    """The drive of a segment: its images are images/train/DRIVE/FRAME.jpg.

    Raises:
        InputError: they are not.
    """
    drives = {PurePosixPath(name).parts[2:-1] for name in segment.images}
    if len(drives) != 1 or len(drive := drives.pop()) != 1:
        raise InputError(
            f"segment {segment.segment_id}: images are not images/train/DRIVE/FRAME.jpg of one drive"
        )
    return drive[0]


def write_pictures(
    source: Path, part: Path, split: str, segments: list[Segment], mirror: bool
) -> list[tuple]:
    """Put images and label maps in their places; the rows of the part's table."""
    rows: list[tuple] = []
    frames = list(dict.fromkeys(name for segment in segments for name in segment.images))
    with progress(f"{split}: frames") as update:
        for done, name in enumerate(frames, start=1):
            drive, file = PurePosixPath(name).parts[-2:]
            image = source / "scenery" / name
            labels = source / "labels" / drive / f"{Path(file).stem}.png"
            for path in (image, labels):
                if not path.is_file():
                    raise InputError(f"{path}: no such file; get the whole of the data set")
            link(image, part / "images" / split / drive / file)
            link(labels, part / "labels" / split / drive / labels.name)
            if mirror:
                flip(image, part / "images" / split / f"{drive}{MIRRORED}" / file)
                flip(labels, part / "labels" / split / f"{drive}{MIRRORED}" / labels.name)
            update(done, len(frames))
    for mirrored in (False, True) if mirror else (False,):
        for segment in segments:
            rows += rows_of(segment, split, mirrored)
    return rows


def rows_of(segment: Segment, split: str, mirrored: bool) -> list[tuple]:
    """A segment's rows in the columns' order."""
    suffix, said = (MIRRORED, mirror_text) if mirrored else ("", str)
    folder = f"images/{split}/{drive_of(segment)}{suffix}"
    images = [f"{folder}/{PurePosixPath(name).name}" for name in segment.images]
    return [
        (
            f"{q.question_id}{suffix}",
            f"{segment.segment_id}{suffix}",
            images,
            said(q.question),
            said(q.answer),
        )
        for q in segment.questions
    ]


def link(source: Path, target: Path) -> None:
    """The file in its new place; what lies there from a run that was stopped is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def flip(source: Path, target: Path) -> None:
    """The picture mirrored; a label map keeps its class numbers."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Image.open(source) as picture:
            mirrored = ImageOps.mirror(picture)
    except OSError:
        raise InputError(f"{source}: not a readable image; get it again") from None
    mirrored.save(target, quality=JPEG_QUALITY)  # of no consequence to a PNG


def main(
    source: Annotated[Path, typer.Argument(parser=named_path, help="The folder with scenery/ and labels/.")],
    folder: Annotated[Path, typer.Option("--out", parser=named_path, help="Where the parts go.")],
    hold_out: Annotated[list[str], typer.Option(help="A drive for the part val; may be repeated.")] = [],  # noqa: B006
    mirror: Annotated[bool, typer.Option("--mirror", help="Add every training segment mirrored.")] = False,
) -> None:
    """Split by drive, mirror, and put label maps where training looks for them."""
    for split, questions in prepare(source, folder, hold_out, mirror).items():
        out.print(f"{folder / split}: {questions} questions")


if __name__ == "__main__":
    run_command(main, "python datasets/lingoqa_camvid/prepare.py")
