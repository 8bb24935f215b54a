"""Make changed copies of a training part's clips, asked what their label maps tell.

    python -m training.variants PART --out OUT --copies 12

PART has a label map for every image, as datasets/lingoqa_camvid/prepare.py makes it. A copy of a clip is cut
out of it, mirrored, recoloured, and holds vehicles, people, fences and signs of another clip; all its frames
are changed alike. Its questions are those that the label map of its last frame settles, balanced over the
part, so that no answer goes with a drive's own light or streets: in CamVid, dusk is always crowded. Frames
and label maps are squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from PIL import Image

from leo_drive.data.example import Example
from leo_drive.data.label_questions import label_questions
from leo_drive.data.lingoqa import COLUMNS, read_lingoqa
from leo_drive.data.synthetic.balance import Balance
from leo_drive.errors import InputError
from leo_drive.files import replacing, writable_folder
from leo_drive.terminal import one_line_errors, out, progress
from training.augment import move, recolour
from training.labelled import MOVABLE
from training.pictures import read_labels, read_picture
from training.recipe import Augmentation

SIDE = 256
JPEG_QUALITY = 92
CHANGES = Augmentation(colour=0.3, crop=0.6, mirror=0.5, paste=0.4)
Frames = list[tuple[np.ndarray, np.ndarray]]
"""Pictures with their label maps."""


def write_variants(source: Path, folder: Path, copies: int, seed: int = 2026) -> int:
    """Write the part; how many questions it has.

    Raises:
        InputError: the source is no part with label maps, or there is a part already.
    """
    table = folder / "train.parquet"
    if table.exists():
        raise InputError(f"{table}: there is a part already; choose another folder or remove it")
    # The mirrored clips of prepare.py are left out: a copy may be mirrored itself.
    clips = [e for e in read_lingoqa(source, labels="labels/train") if not e.example_id.endswith("-mirrored")]
    if not clips:
        raise InputError(f"{source}: no clips to copy")
    writable_folder(folder)
    balance, rows = Balance(), []
    with progress(f"{folder}: clips") as update:
        for number in range(copies * len(clips)):
            clip = clips[number % len(clips)]
            rng = np.random.default_rng([seed, number])
            frames = changed(clip, clips[int(rng.integers(len(clips)))], rng)
            name = f"{clip.example_id}-{number // len(clips)}"
            images = list(save(frames, folder, name))
            questions = [q for q in label_questions(frames[-1][1], rng) if balance.take(q)]
            rows += [(f"{name}-{i:02d}", name, images, q.text, q.answer) for i, q in enumerate(questions)]
            update(number + 1, copies * len(clips))
    with replacing(table) as unfinished:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(unfinished, index=False)
    return len(rows)


def changed(clip: Example, other: Example, rng: np.random.Generator) -> Frames:
    """A clip's frames, changed alike, with things of another clip in them."""
    frames = moved(clip, int(rng.integers(2**32)))
    if rng.random() < CHANGES.paste:
        classes = [c for c in MOVABLE if rng.random() < 0.5]
        frames = [
            pasted(*frame, *more, classes)
            for frame, more in zip(frames, moved(other, int(rng.integers(2**32))), strict=False)
        ]
    colours = int(rng.integers(2**32))
    return [(recolour(p, CHANGES, np.random.default_rng(colours)), labels) for p, labels in frames]


def moved(clip: Example, seed: int) -> Frames:
    """A clip's frames, the same part cut out of each."""
    return [
        move(read_picture(p), read_labels(m), SIDE, CHANGES, np.random.default_rng(seed))
        for p, m in zip(clip.pictures, clip.label_maps, strict=True)
    ]


def pasted(
    picture: np.ndarray,
    labels: np.ndarray,
    other: np.ndarray,
    other_labels: np.ndarray,
    classes: list[int],
) -> tuple[np.ndarray, np.ndarray]:
    """A frame with what another one shows of some classes in its place."""
    there = np.isin(other_labels, classes)
    return np.where(there[:, :, None], other, picture), np.where(there, other_labels, labels)


def save(frames: Frames, folder: Path, name: str) -> Iterator[str]:
    """Write the frames and their label maps; the images' names in the table."""
    for i, (picture, labels) in enumerate(frames):
        for kind, pixels, suffix in (("images", picture, "jpg"), ("labels", labels, "png")):
            path = folder / kind / "train" / name / f"{i}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(path, quality=JPEG_QUALITY)
        yield f"images/train/{name}/{i}.jpg"


def main(
    source: Annotated[Path, typer.Argument(help="A LingoQA part with labels/train beside images/train.")],
    folder: Annotated[Path, typer.Option("--out", help="Where the new part goes.")],
    copies: Annotated[int, typer.Option(min=1, help="Of each clip.")] = 12,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 2026,
) -> None:
    """Copy clips, changed, and ask what their label maps tell."""
    with one_line_errors():
        questions = write_variants(source, folder, copies, seed)
        out.print(f"{folder}: {questions} questions", highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(main)
