"""Rows of a table in other formats."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leo_drive.annotation.manifest import Manifest
from leo_drive.errors import InputError
from leo_drive.files import replacing, said_in_one_line


def export_rows(form: str, rows: pd.DataFrame, out: str | Path, to: str | Path) -> int:
    """Write rows in a format. What fails leaves nothing behind, so that the same again can go well.

    Args:
        form: csv, jsonl, lingoqa (a part for the trainer and `leo-drive evaluate lingoqa`), labelstudio or
            fiftyone.
        rows: as `leo_drive.annotation.table.Table.rows` gives them.
        out: the folder of the run, which knows where the logs lie.
        to: the file, or for the last three a folder that is new or empty.

    Returns:
        How many rows were written.

    Raises:
        InputError: there is no row, `to` is there already, or a log is not where it was.
        LeoDriveError: the disk is full.
    """
    from leo_drive.annotation.export_lingoqa import export_lingoqa
    from leo_drive.annotation.export_tools import export_fiftyone, export_labelstudio

    target = Path(to)
    if rows.empty:
        raise InputError(f"{out}: no rows to export; widen --where")
    with_pictures: dict[str, Callable[[pd.DataFrame, Path, Path], int]] = {
        "lingoqa": export_lingoqa,
        "labelstudio": export_labelstudio,
        "fiftyone": export_fiftyone,
    }
    if form in with_pictures:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target}: is there already; choose a new or an empty folder")
        with said_in_one_line(target), _filling(target) as unfinished:
            return with_pictures[form](rows, Path(out), unfinished)
    if target.exists():
        raise InputError(f"{target}: is there already; choose another file")
    with said_in_one_line(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as unfinished:
            if form == "csv":
                flat = rows.assign(frame_times=[_times(times) for times in rows["frame_times"]])
                flat.to_csv(unfinished, index=False)
            else:
                with unfinished.open("w", encoding="utf-8") as file:
                    file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in plain_rows(rows))
    return len(rows)


@contextmanager
def _filling(folder: Path) -> Iterator[Path]:
    """A folder to write to, whose files then move to `folder`, which is new or empty.

    That one is not replaced: it may be the current folder, or a disk's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".unfinished", dir=folder) as unfinished:
        yield Path(unfinished)
        for made in Path(unfinished).iterdir():
            made.rename(folder / made.name)


def plain_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of plain values, with None for what is missing."""
    return [{str(k): _plain(v) for k, v in row.items()} for row in rows.to_dict("records")]


def answered(rows: pd.DataFrame, out: Path) -> pd.DataFrame:
    """Those rows that have an answer.

    Raises:
        InputError: none has.
    """
    found = rows[rows["status"] == "ok"]
    if found.empty:
        raise InputError(f"{out}: no row that was chosen has an answer; widen --where")
    return found


def choices_of(out: Path) -> dict[str, tuple[str, ...]]:
    """What the values of each question may be, answered or not, by its id."""
    questions = Manifest(out).questions
    return {q.id: q.values for q in questions.questions} if questions is not None else {}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | list):
        return [float(v) for v in value]
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _times(times: Any) -> str:
    if not isinstance(times, np.ndarray | list):
        return ""
    # Every digit: the frame is found again by it.
    return " ".join(np.format_float_positional(t, trim="-") for t in times)
