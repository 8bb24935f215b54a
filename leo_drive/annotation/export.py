"""Rows of a table in other formats."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from leo_drive.annotation.manifest import Manifest
from leo_drive.errors import InputError
from leo_drive.files import filling, replacing, said_in_one_line

_COMPRESSED: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_NOT_WRITTEN = frozenset({".zip", ".zst", ".tar", ".tgz", ".7z", ".lz4"})


def export_rows(form: str, rows: pd.DataFrame, out: str | Path, to: str | Path) -> int:
    """Write rows in a format. What fails leaves nothing behind, so that the same again can go well.

    Args:
        form: csv or jsonl, compressed where the file's name says so (.gz, .bz2, .xz); lingoqa (a part for the
            trainer and `leo-drive evaluate lingoqa`), labelstudio or fiftyone.
        rows: as `leo_drive.annotation.table.Table.rows` gives them.
        out: the folder of the run, which knows where the logs lie.
        to: the file, or for the last three a folder that is new or empty.

    Returns:
        How many rows were written.

    Raises:
        InputError: there is no row, `to` is there already or its name says what is not written here, or a log
            is not where it was.
        LeoDriveError: the disk is full.
    """
    from leo_drive.annotation.export_lingoqa import export_lingoqa
    from leo_drive.annotation.export_tools import export_fiftyone, export_labelstudio

    target = Path(to)
    if rows.empty:
        raise InputError(f"{out}: no rows to export; widen --where")
    # Each with the file whose presence says that the folder is whole.
    with_pictures: dict[str, tuple[Callable[[pd.DataFrame, Path, Path], int], str]] = {
        "lingoqa": (export_lingoqa, "train.parquet"),
        "labelstudio": (export_labelstudio, "tasks.json"),
        "fiftyone": (export_fiftyone, "samples.json"),
    }
    if form in with_pictures:
        export, last = with_pictures[form]
        with said_in_one_line(target), filling(target, last) as folder:
            return export(rows, Path(out), folder)
    if target.exists():
        raise InputError(f"{target}: is there already; choose another file")
    opener = _opener(target)
    with said_in_one_line(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as unfinished, opener(unfinished, "wt", encoding="utf-8", newline="") as file:
            if form == "csv":
                flat = rows.assign(frame_times=[_times(times) for times in rows["frame_times"]])
                flat.to_csv(file, index=False)
            else:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in plain_rows(rows))
    return len(rows)


def _opener(target: Path) -> Callable[..., IO[str]]:
    """What opens a file compressed as the target's name says: whoever reads it goes by that.

    Raises:
        InputError: in a way that is not written here.
    """
    ending = target.suffix.lower()
    inner = Path(target.stem).suffix.lower() if ending in _COMPRESSED else ending
    if inner in _NOT_WRITTEN:
        raise InputError(f"{target}: {inner} is not written here; end its name with .gz, .bz2 or .xz")
    return _COMPRESSED.get(ending, open)


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
