"""A table's answers as a LingoQA part: what the trainer and `leo-drive evaluate lingoqa` read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from leo_drive.annotation.export import answered, choices_of
from leo_drive.annotation.pictures import Pictures
from leo_drive.clips.clip import Clip
from leo_drive.data.lingoqa import COLUMNS
from leo_drive.data.tables import write_table


def export_lingoqa(rows: pd.DataFrame, out: Path, to: Path) -> int:
    """Write train.parquet, train_kinds.parquet and the frames of every window; returns the rows written.

    Answers with an empty text are left out: nothing is learnt from them.

    Raises:
        InputError: no row has an answer, or a log is not where it was.
    """
    found = answered(rows, out)
    found = found[found["answer"].str.strip() != ""]
    choices = choices_of(out)
    table, kinds = [], []
    for name, of_window, clip in windows(found, out):
        images = [f"images/train/{name}/{i}.jpg" for i in range(len(clip.frames))]
        for image, frame in zip(images, clip.frames, strict=True):
            path = to / image
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.save(path, quality=92)
        for row in of_window.to_dict("records"):
            question_id = f"{name}-{row['question_id']}"
            table.append((question_id, name, images, row["question"], row["answer"]))
            if row["kind"] in ("yes_no", "choice") and isinstance(row["value"], str):
                values = list(choices.get(row["question_id"], ()))
                kinds.append((question_id, row["question_id"], row["value"], values))
    write_table(kinds, ("question_id", "kind", "value", "choices"), to / "train_kinds.parquet")
    # Last, so that a part with its table is whole.
    write_table(table, COLUMNS, to / "train.parquet")
    return len(table)


def windows(rows: pd.DataFrame, out: Path) -> Iterator[tuple[str, pd.DataFrame, Clip]]:
    """Every window of some rows with a name that a file may have, its rows, and its frames.

    Raises:
        InputError: a log is not where it was.
    """
    pictures = Pictures(out)
    numbers: dict[str, int] = {}
    try:
        for (log, camera, start), of_window in rows.groupby(["log", "camera", "start_s"], sort=False):
            number = numbers.setdefault(str(log), len(numbers))
            slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{log}-{camera}").strip("-")[-60:]
            name = f"{number:05d}-{slug}-{round(start * 1000):09d}"
            yield name, of_window, pictures.clip(str(log), str(camera), of_window["frame_times"].iloc[0])
    finally:
        pictures.close()
