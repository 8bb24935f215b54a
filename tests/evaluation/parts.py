"""A small LingoQA part with pictures, written to disk: for tests that evaluate it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from leo_drive.data.lingoqa import COLUMNS
from tests.data.pictures import jpeg, pack

SEGMENTS = 6


def write_part(folder: Path) -> Path:
    """Two closed questions a segment, the second with two reference answers, and an open one."""
    rows = []
    for s in range(SEGMENTS):
        images = [f"images/val/{s}/{i}.jpg" for i in range(3)]
        side = "left" if s % 2 else "right"
        for q, question, answer in (
            (0, "Is there a vehicle ahead?", "Yes." if s % 3 else "No."),
            (1, "Which side is it on?", f"On the {side}."),
            (1, "Which side is it on?", side.capitalize()),
            (2, "Why do we stop?", "The light is red."),
        ):
            rows.append((f"{s}-{q}", f"segment{s}", images, question, answer))
    pack(
        folder / "images.zip",
        {f"val/{s}/{i}.jpg": jpeg(20 * s + 10 * i) for s in range(SEGMENTS) for i in range(3)},
    )
    pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(folder / "val.parquet")
    return folder


def right_answers() -> pd.DataFrame:
    """A predictions.csv with every question answered right."""
    rows = []
    for s in range(SEGMENTS):
        side = "left" if s % 2 else "right"
        answers = ("Yes." if s % 3 else "No.", f"On the {side}.", "The light is red.")
        rows += [(f"{s}-{q}", f"segment{s}", answer) for q, answer in enumerate(answers)]
    return pd.DataFrame(rows, columns=["question_id", "segment_id", "answer"])
