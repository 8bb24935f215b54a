"""The table on disk: parts that are there as a whole or not at all, and what they say is done."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leo_drive.errors import InputError, one_line
from leo_drive.files import said_in_one_line, write_whole

Row = dict[str, Any]

OK, FAILED, SKIPPED, NOT_ASKED = "ok", "failed", "skipped", "not_asked"
"""What `status` may be."""

SCHEMA = pa.schema(
    [
        ("log", pa.string()),
        ("camera", pa.string()),  # null, as the next five, where the log could not be opened
        ("window_index", pa.int32()),  # 0, 1, ... of its log and camera
        ("log_windows", pa.int32()),  # of its log, all cameras
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("frame_times", pa.list_(pa.float64())),
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("kind", pa.string()),
        ("answer", pa.string()),
        ("value", pa.string()),  # of closed kinds
        ("readable", pa.bool_()),  # whether an answer of a closed kind has a value
        ("complete", pa.bool_()),  # whether the answer ended before the token limit
        ("confidence", pa.float64()),
        ("status", pa.string()),  # ok, failed, skipped, not_asked
        ("error", pa.string()),
        ("repeats_s", pa.float64()),  # of a skipped window: the start of the one that it looks like
        ("model", pa.string()),
        ("model_hash", pa.string()),
        ("settings_hash", pa.string()),
        ("seconds", pa.float64()),  # that the answer took, its share of what was shared
    ]
)


@dataclass
class Done:
    """What the table has of one log.

    Attributes:
        failed: question ids with a row for the log as a whole, which could not be opened.
        windows: of each (camera, window), the values of its questions by id.
        repeats: of each skipped (camera, window), the start of the one that it looks like.
        total: how many windows the log has; None while nobody has opened it.
        any_failed, any_useful: whether it has rows that failed, and rows that did not.
    """

    failed: set[str] = field(default_factory=set)
    windows: dict[tuple[str, int], dict[str, str | None]] = field(default_factory=dict)
    repeats: dict[tuple[str, int], float] = field(default_factory=dict)
    total: int | None = None
    any_failed: bool = False
    any_useful: bool = False

    def covers(self, question_ids: set[str]) -> bool:
        """Whether every window has a row for each of these questions."""
        if question_ids <= self.failed:
            return True
        asked = (question_ids <= values.keys() | self.failed for values in self.windows.values())
        return self.total is not None and len(self.windows) >= self.total and all(asked)


class Store:
    """The folder OUT/annotations with its parts.

    A part's name comes from the windows and questions in it, so that writing the same again changes nothing.

    Args:
        out: the folder of a run, made if it is not there.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out)
        self.folder = self.out / "annotations"

    def parts(self) -> list[Path]:
        """The parts, by name."""
        return sorted(self.folder.glob("*.parquet"))

    def write(self, rows: Sequence[Row]) -> Path:
        """Write a part, whole or not at all.

        Raises:
            LeoDriveError: the disk is full, or cannot be written to.
        """
        first = rows[0]
        keys = "\n".join(f"{r['log']}|{r['camera']}|{r['window_index']}|{r['question_id']}" for r in rows)
        slug = re.sub(r"[^A-Za-z0-9]+", "-", first["log"]).strip("-")[-40:] or "log"
        digest = hashlib.blake2s(keys.encode()).hexdigest()[:16]
        number = "broken" if first["window_index"] is None else f"{first['window_index']:06d}"
        path = self.folder / f"{slug}-{number}-{digest}.parquet"
        self._write_table(pa.Table.from_pylist([_storable(row) for row in rows], SCHEMA), path)
        return path

    def done(self) -> dict[str, Done]:
        """What there is, by log.

        Raises:
            InputError: a part that cannot be read.
        """
        found: dict[str, Done] = {}
        columns = ["log", "camera", "window_index", "log_windows", "question_id", "value", "repeats_s"]
        columns.append("status")
        for table in self._tables(columns):
            for log, camera, window, windows, question_id, value, repeats, status in zip(
                *(table[c].to_pylist() for c in columns), strict=True
            ):
                of_log = found.setdefault(log, Done())
                of_log.any_failed |= status == FAILED
                of_log.any_useful |= status != FAILED
                if window is None:
                    of_log.failed.add(question_id)
                    continue
                of_log.total = windows
                of_log.windows.setdefault((camera, window), {})[question_id] = value
                if repeats is not None:
                    of_log.repeats[camera, window] = repeats
        return found

    def drop(self, logs: Iterable[str], changed: Iterable[str] = ()) -> int:
        """Remove the failed rows of some logs, and all rows of those that changed; returns how many.

        They are pending again. Every part is rewritten whole or not at all; an end in the middle only leaves
        some of them standing.
        """
        names, whole = pa.array(sorted(logs), pa.string()), pa.array(sorted(changed), pa.string())
        dropped = 0
        for path in self.parts():
            table = self._read(path)
            failed = pc.and_(pc.equal(table["status"], FAILED), pc.is_in(table["log"], value_set=names))
            kept = table.filter(pc.invert(pc.or_(failed, pc.is_in(table["log"], value_set=whole))))
            if kept.num_rows == table.num_rows:
                continue
            dropped += table.num_rows - kept.num_rows
            if kept.num_rows:
                self._write_table(kept, path)
            else:
                path.unlink()
        return dropped

    def clean(self) -> None:
        """Make the folder, and remove what a run that was killed had begun to write."""
        with said_in_one_line(self.out):
            self.folder.mkdir(parents=True, exist_ok=True)
            for begun in [*self.folder.glob(".*.unfinished"), *self.out.glob(".*.unfinished")]:
                begun.unlink(missing_ok=True)

    def _tables(self, columns: list[str]) -> Iterator[pa.Table]:
        for path in self.parts():
            yield self._read(path, columns)

    def _read(self, path: Path, columns: list[str] | None = None) -> pa.Table:
        try:
            # One file at a time: a data set of them all would go by the folder's name, too.
            with path.open("rb") as file:
                return pq.read_table(file, columns=columns)
        except (pa.ArrowException, OSError, KeyError) as error:
            reason = one_line(error)
            raise InputError(
                f"{path}: not a readable part ({reason:.120}); remove it, and its windows are asked again"
            ) from None

    def _write_table(self, table: pa.Table, path: Path) -> None:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_whole(path, buffer.getvalue(), self.out)


def _storable(row: Row) -> Row:
    """What went wrong names the file, whose name may hold bytes that are no text; a column of text cannot."""
    return {
        key: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for key, value in row.items()
    }
