"""Contact sheets: a picture a window, its frames with questions and answers under them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from leo_drive.annotation.export import answered
from leo_drive.annotation.export_lingoqa import windows
from leo_drive.files import said_in_one_line, writable_folder
from leo_drive.inference.answer import Answer
from leo_drive.picture import answers_picture


def draw_sheets(rows: pd.DataFrame, out: str | Path, folder: str | Path, most: int = 50) -> int:
    """Draw the windows of some rows, named by log and time; returns how many pictures were written.

    Args:
        rows: as `leo_drive.annotation.table.Table.rows` gives them.
        out: the folder of the run.
        folder: where the pictures go.
        most: pictures.

    Raises:
        InputError: no row has an answer, or a log is not where it was.
        LeoDriveError: the disk is full.
    """
    to = writable_folder(folder)
    drawn = 0
    with said_in_one_line(to):
        for name, of_window, clip in windows(answered(rows, Path(out)), Path(out)):
            if drawn == most:
                break
            answers = [
                Answer(row["question"], row["answer"], row["confidence"], (), (), clip.timestamps)
                for row in of_window.to_dict("records")
            ]
            answers_picture(clip, answers).save(to / f"{name}.jpg", quality=90)
            drawn += 1
    return drawn
