"""Cards of data sets: what a recipe names to say which data it learns from.

A card is the card.yaml in a folder of the catalogue (datasets/ in the repository, or a folder of your own):

    title: LingoQA
    format: lingoqa
    homepage: https://github.com/wayveai/LingoQA
    licence: ...
    parts:
      scenery: {root: scenery, rows: 267800, rows_to: 100}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from leo_drive.data.example import Example
from leo_drive.data.readers import read_examples
from leo_drive.errors import InputError
from leo_drive.yaml_files import read_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """One part of a data set.

    Attributes:
        root: its folder, or its file, relative to where the data set was put.
        rows: how many questions with an answer it has, where that is known; an evaluation part of LingoQA has
            a row for each reference answer.
        rows_to: what `rows` is rounded to, where only that was published.
        use: what it is for.
        options: for the reader, see `leo_drive.data.readers`.
    """

    root: Path = Path()
    rows: int | None = Field(None, gt=0)
    rows_to: int = Field(1, gt=0)
    use: Literal["train", "evaluate"] = "train"
    options: dict[str, Any] = {}

    def row_problem(self, examples: Sequence[Example]) -> str | None:
        """What is wrong with the number of questions read, as a line, or None."""
        found = sum(len(example.questions) for example in examples)
        if self.rows is None or abs(found - self.rows) * 2 <= self.rows_to - 1:
            return None
        about = f"{self.rows}" if self.rows_to == 1 else f"about {self.rows}"
        return f"{found} questions with answers, where the data set has {about}; was it cut or changed?"


class Card(_Strict):
    """A data set: what it is, where it comes from, under which licence, and how its parts are read.

    Attributes:
        title: its name for people.
        format: the reader, one of `leo_drive.data.readers.READERS`.
        homepage, licence: where to get it and what it may be used for.
        parts: by the names that recipes use.
    """

    title: str
    format: Literal["lingoqa", "synthetic", "drivelm", "llava"]
    homepage: str
    licence: str
    parts: dict[str, Part] = Field(min_length=1)

    def part(self, name: str) -> Part:
        """The part of that name.

        Raises:
            InputError: there is none.
        """
        if name not in self.parts:
            raise InputError(f"{self.title}: no part {name!r}; there are {', '.join(self.parts)}")
        return self.parts[name]

    def read(self, part: str, root: str | Path, **options: Any) -> list[Example]:
        """The examples of a part.

        Args:
            part: its name.
            root: where the data set was put.
            options: for the reader, over those of the card.

        Raises:
            InputError: no such part, or it cannot be read.
        """
        chosen = self.part(part)
        return read_examples(self.format, Path(root) / chosen.root, **{**chosen.options, **options})


def read_card(path: str | Path) -> Card:
    """Read and check a card.

    Args:
        path: the card, or its folder.

    Raises:
        InputError: no such file, not YAML, a wrong value, or a key that no card has, with the nearest right
            name.

    Example:
        >>> read_card("datasets/lingoqa").parts["evaluation"].rows      # doctest: +SKIP
        1000
    """
    file = Path(path) / "card.yaml" if Path(path).is_dir() else Path(path)
    return read_yaml(file, Card, "a card")


def read_catalogue(folder: str | Path) -> dict[str, Card]:
    """All cards in the folders of a folder, by these folders' names.

    Raises:
        InputError: there is none, or one is wrong.
    """
    cards = {file.parent.name: read_card(file) for file in sorted(Path(folder).glob("*/card.yaml"))}
    if not cards:
        raise InputError(f"{folder}: no data sets (FOLDER/card.yaml) in here")
    return cards
