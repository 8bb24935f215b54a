"""LingoQA's layout: a part is a folder with a parquet of questions and the images beside it.

Source: the LingoQA benchmark (GitHub wayveai/LingoQA): columns question_id, segment_id, images, question,
answer; images are five paths relative to the part's folder, oldest first, 1 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from leo_drive.errors import InputError

COLUMNS = ("question_id", "segment_id", "images", "question", "answer")
_PARTS = ("val.parquet", "train.parquet")


@dataclass(frozen=True)
class QuestionAnswer:
    """One row of a part. kind, value and choices are known for generated drives and None elsewhere."""

    question_id: str
    question: str
    answer: str
    kind: str | None = None
    value: str | None = None
    choices: tuple[str, ...] | None = None


@dataclass
class Segment:
    """A clip's images, relative to the part's folder and oldest first, with everything asked about it."""

    segment_id: str
    images: tuple[str, ...]
    questions: list[QuestionAnswer] = field(default_factory=list)


def part_table(part: str | Path) -> Path:
    """The parquet of a part: the file itself, or val.parquet or train.parquet in the folder.

    Raises:
        InputError: there is none.
    """
    path = Path(part)
    if path.is_file():
        return path
    for name in _PARTS:
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: holds neither {' nor '.join(_PARTS)}; give the folder of a LingoQA part")


def read_part(part: str | Path) -> list[Segment]:
    """All segments of a part, in the order of the table.

    Raises:
        InputError: no table, a table that cannot be read, or columns that are missing.
    """
    table = part_table(part)
    rows = _read(table)
    if missing := [c for c in COLUMNS if c not in rows.columns]:
        raise InputError(
            f"{table}: the column {', '.join(missing)} is missing; LingoQA has {', '.join(COLUMNS)}"
        )
    kinds_path = table.with_name(f"{table.stem}_kinds.parquet")
    kinds = _read(kinds_path).set_index("question_id").to_dict("index") if kinds_path.is_file() else {}
    segments: dict[str, Segment] = {}
    for row in rows[list(COLUMNS)].itertuples(index=False):
        segment = segments.setdefault(row.segment_id, Segment(row.segment_id, tuple(row.images)))
        known = kinds.get(row.question_id, {})
        choices = known.get("choices")
        segment.questions.append(
            QuestionAnswer(
                row.question_id,
                row.question,
                row.answer,
                kind=known.get("kind"),
                value=known.get("value"),
                choices=tuple(choices) if choices is not None else None,
            )
        )
    return list(segments.values())


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]})") from None
