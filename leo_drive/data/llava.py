"""LLaVA's layout: conversations about images, in JSON or JSON lines.

Source: the LLaVA project's data (GitHub haotian-liu/LLaVA): a list of {id, image, conversations: [{from:
human or gpt, value}]}, with <image> in the text where the image goes. Several images are a list in `image`
or `images`; a row without one is text alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from leo_drive.clips.image_file import ImageFolder
from leo_drive.data.documents import read_json, read_json_lines
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.errors import SHOWN, InputError, some

PLACEHOLDER = "<image>"
_PLACE = re.compile(rf"(?m)^\s*{PLACEHOLDER}|{PLACEHOLDER}\s*$")

_PERSON, _MODEL, _SYSTEM = ("human", "user"), ("gpt", "assistant"), ("system",)


class _Turn(BaseModel):
    speaker: str = Field(alias="from")
    value: str


class _Row(BaseModel):
    id: str | int | None = None
    image: str | list[str] | None = None
    images: list[str] | None = None
    conversations: list[_Turn]


def read_llava(root: str | Path, file: str | None = None, images: str | Path | None = None) -> list[Example]:
    """All rows as examples of one conversation each.

    Placeholders are taken out of the questions: a prompt has its pictures before them, in the same order.
    What the model says before anybody has asked, and a last question without an answer, are left out.

    Args:
        root: the file (.json or .jsonl), or its folder.
        file: its name in the folder; need not be said where there is one only. (metadata.json is none.)
        images: folder or zip archive of the images, relative to the file's folder; by default that folder
            itself, or `images` or `images.zip` in it, whether names begin with images/ or not.

    Raises:
        InputError: no file, not LLaVA's layout, turns out of order, an empty turn, or as many placeholders as
            there are no images; the first few rows that are wrong are named, the others counted.

    Example:
        >>> read_llava("llava", file="chat.json")[0].questions[0].question      # doctest: +SKIP
        'Give a brief description of the image.'
    """
    path = _conversations_file(Path(root), file)
    if path.suffix == ".jsonl":
        rows = read_json_lines(path, _Row, "LLaVA's layout")
    else:
        rows = read_json(path, list[_Row], "LLaVA's layout")
    folder = _images(path, images)
    examples, taken, wrong = [], set(), []
    for number, row in enumerate(rows):
        where = f"{path}: row {number}" + (f" (id {row.id})" if row.id is not None else "")
        example_id = str(number) if row.id is None else str(row.id)
        if example_id in taken:
            # LLaVA's mixtures repeat ids; the row tells them apart.
            example_id = f"{example_id}#{number}"
        taken.add(example_id)
        names = _image_names(row)
        try:
            system, turns = _turns(where, row.conversations, len(names))
        except InputError as error:
            wrong.append(str(error))
            continue
        asked = tuple(
            QuestionAnswer(f"{example_id}-{i}", question, answer)
            for i, (question, answer) in enumerate(turns)
        )
        pictures = tuple(folder.find(name) for name in names)
        group = " ".join(names) or None
        examples.append(Example(example_id, pictures, (asked,), system=system, group=group))
    if wrong:
        raise InputError(some(wrong, "; ") + (" rows are wrong" if len(wrong) > SHOWN else ""))
    return examples


def _image_names(row: _Row) -> list[str]:
    given = row.images if row.image is None else row.image
    return [given] if isinstance(given, str) else list(given or [])


def _turns(where: str, turns: Sequence[_Turn], images: int) -> tuple[str | None, list[tuple[str, str]]]:
    """The system's words, and questions with their answers."""
    turns, system = list(turns), None
    if turns and turns[0].speaker in _SYSTEM:
        system = turns.pop(0).value.strip() or None
    if turns and turns[0].speaker in _MODEL:
        turns.pop(0)
    if turns and turns[-1].speaker in _PERSON:
        turns.pop()
    for i, turn in enumerate(turns):
        due = _MODEL if i % 2 else _PERSON
        if turn.speaker not in due:
            raise InputError(f"{where}: turn {i} is from {turn.speaker!r}, where {due[0]!r} is due")
    if not turns:
        raise InputError(f"{where}: no question with an answer")
    placed = sum(turn.value.count(PLACEHOLDER) for turn in turns[::2])
    # Where there is no picture the text may be about the word, as in SVG; where a line begins or ends it
    # stands for a picture.
    spoken = not images and not any(_PLACE.search(turn.value) for turn in turns[::2])
    if placed != images and not spoken:
        raise InputError(f"{where}: {placed} {PLACEHOLDER} in the questions but {images} images")
    pairs = [
        (asked.value.strip() if spoken else _without_placeholders(asked.value), said.value.strip())
        for asked, said in zip(turns[::2], turns[1::2], strict=True)
    ]
    for i, (question, answer) in enumerate(pairs):
        if not question or not answer:
            raise InputError(f"{where}: {'answer' if question else 'question'} {i} is empty")
        if PLACEHOLDER in answer and not spoken:
            raise InputError(f"{where}: answer {i} has a {PLACEHOLDER}; only questions may")
    return system, pairs


def _without_placeholders(text: str) -> str:
    text = re.sub(rf"[ \t]*{PLACEHOLDER}[ \t]*", " ", text)
    return "\n".join(line.strip() for line in text.strip().splitlines()).strip()


def _conversations_file(root: Path, file: str | None) -> Path:
    if file is not None:
        return root / file
    if not root.is_dir():
        return root
    found = [
        p for p in sorted(root.iterdir()) if p.suffix in (".json", ".jsonl") and p.name != "metadata.json"
    ]
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:4]) or "none"
        raise InputError(f"{root}: name the file of conversations (.json or .jsonl); the folder has {names}")
    return found[0]


def _images(path: Path, images: str | Path | None) -> ImageFolder:
    if images is None:
        return ImageFolder(path.parent)
    given = path.parent / images
    if given.is_file():
        # A folder that is not there: all images are the archive's.
        return ImageFolder(given.with_suffix(""), [given])
    return ImageFolder(given)
