"""Writing the tables of a part in LingoQA's layout: its questions, and of what kind each is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from leo_drive.data.lingoqa import COLUMNS
from leo_drive.files import replacing

if TYPE_CHECKING:
    from leo_drive.data.synthetic.questions import Question

KIND_COLUMNS = ("question_id", "kind", "subject", "value", "choices")


class PartTables:
    """The two tables of a part while its questions come in."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._kinds: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, question_id: str, segment_id: str, images: list[str], question: Question) -> None:
        """One question more; images relative to the part, oldest first."""
        self._rows.append((question_id, segment_id, images, question.text, question.answer))
        about = (question.kind, question.subject, question.value, list(question.choices))
        self._kinds.append((question_id, *about))

    def write(self, part: Path, split: str) -> Path:
        """Write `{split}_kinds.parquet`, then `{split}.parquet`, whose path is returned.

        The questions last: a part that has them is whole.
        """
        write_table(self._kinds, KIND_COLUMNS, part / f"{split}_kinds.parquet")
        return write_table(self._rows, COLUMNS, part / f"{split}.parquet")


def write_table(rows: Sequence[tuple[Any, ...]], columns: Sequence[str], path: Path) -> Path:
    """Write a parquet that is never half there."""
    with replacing(path) as unfinished:
        pd.DataFrame(rows, columns=list(columns)).to_parquet(unfinished, index=False)
    return path
