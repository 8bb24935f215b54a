"""Make changed copies of a training part's clips, asked what their label maps tell.

    python -m training.variants PART --out OUT --copies 8

PART has a label map for every image, as datasets/lingoqa_camvid/prepare.py makes it. A copy of a clip holds
vehicles, people, fences and signs of another clip, is mirrored, cut and recoloured; all its frames are
changed alike. Its questions are those that the label map of its last frame settles; those about our own
vehicle only where the part that was cut out tells the same as the whole. Answers are balanced within each
drive, so that few go with a drive's light or streets: in CamVid, dusk is crowded. Frames and label maps are
squares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from PIL import Image

from leo_drive.data.example import Example
from leo_drive.data.label_questions import ABOUT_US, label_findings, label_questions
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.data.mirror import MIRRORED
from leo_drive.data.synthetic.balance import Balance
from leo_drive.data.synthetic.questions import Question
from leo_drive.data.tables import PartTables
from leo_drive.errors import InputError
from leo_drive.files import writable_folder
from leo_drive.terminal import named_path, out, progress, run_command
from training.augment import move, paste, recolour
from training.labelled import MOVABLE
from training.pictures import read_labels, read_picture
from training.recipe import Augmentation

COPIES = 8
"""Of each clip."""

SIDE = 256
JPEG_QUALITY = 92
CHANGES = Augmentation(colour=0.3, crop=0.6)
MIRROR, PASTE = 0.5, 0.4
"""Shares of the copies."""

Frame = tuple[np.ndarray, np.ndarray]
"""A picture with its label map."""


def write_variants(source: Path, folder: Path, copies: int, seed: int = 2026) -> int:
    """Write the part; how many questions it has.

    Raises:
        InputError: the source is no part with label maps, or there is a part already.
    """
    table = folder / "train.parquet"
    if table.exists():
        raise InputError(f"{table}: there is a part already; choose another folder or remove it")
    # The mirrored clips of prepare.py are left out: a copy may be mirrored itself.
    clips = [e for e in read_lingoqa(source, labels="labels/train") if not e.example_id.endswith(MIRRORED)]
    if not clips:
        raise InputError(f"{source}: no clips to copy")
    writable_folder(folder)
    overall = Balance()
    by_drive: dict[str, Balance] = defaultdict(Balance)
    tables = PartTables()
    with progress(f"{folder}: clips") as update:
        for number in range(copies * len(clips)):
            clip = clips[number % len(clips)]
            rng = np.random.default_rng([seed, number])
            whole = composed(clip, clips[int(rng.integers(len(clips)))], rng)
            frames = cut_and_recoloured(whole, rng)
            name = f"{clip.example_id}-{number // len(clips)}"
            images = list(save(frames, folder, name))
            of_drive = by_drive[Path(str(clip.pictures[-1])).parent.name]
            for i, q in enumerate(questions(whole[-1][1], frames[-1][1], rng)):
                if of_drive.fits(q) and overall.take(q):
                    of_drive.take(q)
                    tables.add(f"{name}-{i:02d}", name, images, q)
            update(number + 1, copies * len(clips))
    tables.write(folder, "train")
    return len(tables)


def questions(whole: np.ndarray, part: np.ndarray, rng: np.random.Generator) -> list[Question]:
    """What a part of a frame settles, and of our own vehicle what the whole tells too."""
    told = {(kind, subject): value for kind, subject, value, _ in label_findings(whole)}
    return [
        q
        for q in label_questions(part, rng)
        if q.kind not in ABOUT_US or told.get((q.kind, q.subject)) == q.value
    ]


def composed(clip: Example, other: Example, rng: np.random.Generator) -> list[Frame]:
    """A clip's whole frames, mirrored or not, with things of another clip's last frames in them or not."""
    mirror, mirror_other = rng.random(2) < MIRROR
    frames = [_mirrored(frame, mirror) for frame in _read(clip)]
    if rng.random() >= PASTE:
        return frames
    classes = [c for c in MOVABLE if rng.random() < 0.5]
    others = [_mirrored(frame, mirror_other) for frame in _read(other)][-len(frames) :]
    first = len(frames) - len(others)
    return frames[:first] + [_pasted(*pair, classes) for pair in zip(frames[first:], others, strict=True)]


def cut_and_recoloured(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """The same part of each frame, fitted to the square, in the same light."""
    place, colours = (int(rng.integers(2**32)) for _ in range(2))
    made = []
    for frame in frames:
        picture, labels = move(*frame, SIDE, CHANGES, np.random.default_rng(place))
        made.append((recolour(picture, CHANGES, np.random.default_rng(colours)), labels))
    return made


def _read(clip: Example) -> list[Frame]:
    pairs = zip(clip.pictures, clip.label_maps, strict=True)
    return [(read_picture(picture), read_labels(labels)) for picture, labels in pairs]


def _mirrored(frame: Frame, mirror: bool) -> Frame:
    return (frame[0][:, ::-1], frame[1][:, ::-1]) if mirror else frame


def _pasted(frame: Frame, other: Frame, classes: list[int]) -> Frame:
    """What the other frame shows of some classes, in its place in this one."""
    size = frame[1].shape[::-1]
    picture = cv2.resize(other[0], size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(other[1], size, interpolation=cv2.INTER_NEAREST)
    return paste(frame, (picture, labels), np.isin(labels, classes))


def save(frames: list[Frame], folder: Path, name: str) -> Iterator[str]:
    """Write the frames and their label maps; the images' names in the table."""
    for i, (picture, labels) in enumerate(frames):
        for kind, pixels, suffix in (("images", picture, "jpg"), ("labels", labels, "png")):
            path = folder / kind / "train" / name / f"{i}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(path, quality=JPEG_QUALITY)
        yield f"images/train/{name}/{i}.jpg"


def main(
    source: Annotated[
        Path, typer.Argument(parser=named_path, help="A LingoQA part with labels/train beside images/train.")
    ],
    folder: Annotated[Path, typer.Option("--out", parser=named_path, help="Where the new part goes.")],
    copies: Annotated[int, typer.Option(min=1, help="Of each clip.")] = COPIES,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 2026,
) -> None:
    """Copy clips, changed, and ask what their label maps tell."""
    questions = write_variants(source, folder, copies, seed)
    out.print(f"{folder}: {questions} questions")


if __name__ == "__main__":
    run_command(main, "python -m training.variants")
