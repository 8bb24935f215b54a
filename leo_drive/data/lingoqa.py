"""LingoQA's layout: a part is a folder with a parquet of questions and the images beside it.

Source: the LingoQA benchmark (GitHub wayveai/LingoQA): columns question_id, segment_id, images, question,
answer; images are five paths relative to the part's folder, oldest first, 1 Hz. Generated drives have the
same layout, and a table of kinds besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from leo_drive.clips.image_file import ImageFile, ImageFolder
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.data.unusable import UNANSWERED, leave_out, refuse
from leo_drive.errors import SHOWN, InputError, one_line, some

COLUMNS = ("question_id", "segment_id", "images", "question", "answer")
_KIND_COLUMNS = ("question_id", "kind", "value", "choices")
"""What a table of kinds has to have; it may have more."""
_PARTS = ("val.parquet", "train.parquet")

_Row = tuple[str, str, tuple[str, ...], str, str]
"""A row's values in the order of COLUMNS."""


@dataclass
class Segment:
    """A clip's images, relative to the part's folder and oldest first, with everything asked about it."""

    segment_id: str
    images: tuple[str, ...]
    questions: list[QuestionAnswer] = field(default_factory=list)


def part_table(part: str | Path) -> Path:
    """The parquet of a part: the file itself, or val.parquet or train.parquet in the folder.

    Raises:
        InputError: there is none, or both are there: nothing tells training from measuring.
    """
    path = Path(part)
    if path.is_file():
        return path
    if not path.exists():
        raise InputError(f"{path}: no such folder or file; give the folder of a LingoQA part")
    found = [path / name for name in _PARTS if (path / name).is_file()]
    if not found:
        raise InputError(f"{path}: holds neither {' nor '.join(_PARTS)}; give the folder of a LingoQA part")
    if len(found) > 1:
        raise InputError(
            f"{path}: holds {' and '.join(_PARTS)}; give the one that is meant, "
            f"{' or '.join(map(str, found))}, or leave only that one in the folder"
        )
    return found[0]


def read_lingoqa(
    part: str | Path, labels: str | None = None, leave_out_unanswered: bool = False
) -> list[Example]:
    """All segments of a part as examples, in the order of the table; every question stands alone.

    Images lie in the part's folder or in its `images.zip`. They are not opened here, so one that is missing
    shows when it is read, or in `leo_drive.data.check`.

    Args:
        part: the part's folder, or one of its tables.
        labels: folder of label maps, relative to the part: images/SPLIT/x/y.jpg has x/y.png there. None: the
            examples come without.
        leave_out_unanswered: as for `read_part`.

    Raises:
        InputError: as `read_part`.
    """
    folder = part_table(part).parent
    images = ImageFolder(folder)
    return [
        Example(
            segment.segment_id,
            tuple(images.find(name) for name in segment.images),
            tuple((qa,) for qa in segment.questions),
            label_maps=() if labels is None else tuple(_map(folder / labels, n) for n in segment.images),
        )
        for segment in read_part(part, leave_out_unanswered)
    ]


def read_part(part: str | Path, leave_out_unanswered: bool = False) -> list[Segment]:
    """All segments of a part, in the order of the table, with the names that it has for their images.

    Ids that are whole numbers become their text.

    Args:
        leave_out_unanswered: do without rows that have no answer, where most have one, and say which. A part
            to measure with has to have them all.

    Raises:
        InputError: no table or two, a table that cannot be read, missing columns, no rows, or rows that
            cannot be used; the same of its table of kinds, or one that says of a question twice what kind it
            is.
    """
    table = part_table(part)
    rows = _read(table)
    if missing := [c for c in COLUMNS if c not in rows.columns]:
        raise InputError(
            f"{table}: the column {', '.join(missing)} is missing; LingoQA has {', '.join(COLUMNS)}"
        )
    if rows.empty:
        raise InputError(f"{table}: has no rows; give a part with questions")
    kinds = _read_kinds(table)
    segments: dict[tuple[str, tuple[str, ...]], Segment] = {}
    for question_id, segment_id, images, question, answer in _checked(rows, table, leave_out_unanswered):
        segment = segments.setdefault((segment_id, images), Segment(segment_id, images))
        known = kinds.get(question_id, {})
        choices = known.get("choices")
        segment.questions.append(
            QuestionAnswer(
                question_id,
                question,
                answer,
                kind=known.get("kind"),
                value=known.get("value"),
                choices=tuple(choices) if choices is not None else None,
            )
        )
    return list(segments.values())


def _read_kinds(table: Path) -> dict[str, dict[str, Any]]:
    """What the part's table of kinds says, by question; nothing where there is no such table."""
    path = table.with_name(f"{table.stem}_kinds.parquet")
    if not path.is_file():
        return {}
    rows = _read(path)
    # Without any of them no question would be closed, and nobody would hear why.
    if missing := [c for c in _KIND_COLUMNS if c not in rows.columns]:
        raise InputError(
            f"{path}: the column {', '.join(missing)} is missing; it needs {', '.join(_KIND_COLUMNS)}: "
            f"add it, or remove the file, and kinds are inferred"
        )
    rows["question_id"] = [_id_text(value) for value in rows["question_id"]]
    if doubled := list(rows["question_id"][rows["question_id"].duplicated()].unique()):
        raise InputError(
            f"{path}: has question {some(doubled)} more than once; keep one row of each question",
            [f"{path}: has question {question} more than once" for question in doubled],
        )
    # pandas has NaN for what a row of text lacks.
    rows = rows.astype(object).where(rows.notna(), None)
    problems = [
        _kind_problem(*row) for row in rows[list(_KIND_COLUMNS[1:])].itertuples(index=False, name=None)
    ]
    rest = rows[np.array([problem is None for problem in problems], bool)]  # also of a table without rows
    _refuse(path, [f"row {i}: {problem}" for i, problem in enumerate(problems) if problem], list(rest.index))
    return rest.set_index("question_id").to_dict("index")


def _kind_problem(kind: Any, value: Any, choices: Any) -> str | None:
    """What is wrong with a closed question's kind, its answer's value and the values it may have."""
    if not (kind is None or (isinstance(kind, str) and kind.strip())):
        return f"the kind is no text; found {kind!r:.60}"
    if not value and (choices is None or not len(choices)):
        return None  # an open question
    if kind is None:
        return "a value or choices, and no kind to count it with"
    listed = isinstance(choices, list | np.ndarray)
    if not listed or not all(isinstance(c, str) and c.strip() for c in choices):
        return f"choices is no list of texts; found {choices!r:.60}"
    if value not in list(choices):
        return f"the value {value!r:.60} is none of the choices {', '.join(choices)}"
    return None


def _checked(rows: pd.DataFrame, table: Path, leave_out_unanswered: bool) -> list[_Row]:
    """The rows that can be used, ids and texts as text and images as tuple; the others are told."""
    read: list[_Row] = []
    wrong, unanswered = [], []
    for number, row in enumerate(rows[list(COLUMNS)].itertuples(index=False, name=None)):
        question_id, segment_id, images, question, answer = row
        values = (_id_text(question_id), _id_text(segment_id), images, question, answer)
        problems = {c: p for c, value in zip(COLUMNS, values, strict=True) if (p := _problem(c, value))}
        if leave_out_unanswered and problems.keys() == {"answer"} and _is_lacking(answer):
            unanswered.append(f"row {number}")
        elif problems:
            wrong.append(f"row {number}: {', '.join(problems.values())}")
        else:
            read.append((values[0], values[1], tuple(images), question, answer))
    if 2 * len(unanswered) > len(rows):
        raise InputError(
            f"{table}: {len(unanswered)} of {len(rows)} rows have no answer ({some(unanswered)}); give a "
            f"table with answers",
            [f"{table}: {row}: there is no answer" for row in unanswered],
        )
    _refuse(table, wrong, read)
    leave_out(table, UNANSWERED, unanswered)
    return read


def _refuse(table: Path, wrong: list[str], rest: Sequence[object]) -> None:
    refuse(table, wrong, f"{some(wrong, '; ')}{' rows are wrong' if len(wrong) > SHOWN else ''}", rest)


def _id_text(value: Any) -> Any:
    """An id that is a whole number as its text; anything else as it is."""
    if isinstance(value, bool | np.bool_):
        return value
    if isinstance(value, int | np.integer):
        return str(value)
    # pandas makes floats of whole numbers where one is missing.
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else value


def _problem(column: str, value: Any) -> str | None:
    if column == "images":
        return None if _is_names(value) else f"images is no list of paths; found {value!r:.60}"
    if _is_lacking(value):
        return f"the {column} is empty" if isinstance(value, str) else f"there is no {column}"
    return None if isinstance(value, str) else f"{column} is no text; found {value!r:.60}"


def _is_lacking(value: Any) -> bool:
    """Whether it is an empty text, or nothing."""
    if isinstance(value, str):
        return not value.strip()
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _is_names(images: Any) -> bool:
    if isinstance(images, str) or not hasattr(images, "__len__"):
        return False
    return len(images) > 0 and all(isinstance(name, str) and name for name in images)


def _map(labels: Path, image: str) -> ImageFile:
    """The label map of images/SPLIT/x/y.jpg: x/y.png in the folder of label maps."""
    return ImageFile(labels.joinpath(*PurePosixPath(image).parts[2:]).with_suffix(".png"))


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable parquet file ({one_line(error):.200})") from None
