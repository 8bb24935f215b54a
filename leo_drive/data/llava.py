"""LLaVA's layout: conversations about images, in JSON or JSON lines.

Source: the LLaVA project's data (GitHub haotian-liu/LLaVA): a list of {id, image, conversations: [{from:
human or gpt, value}]}, with <image> in the text where the image goes; where a text has none, its images go
in front, and so do several where one stands for all. These are a list in `image` or `images`; a row without
one is text alone. Other projects write speakers otherwise: Human, USER, ASSISTANT.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from leo_drive.clips.clip import frame_names
from leo_drive.clips.image_file import ImageFolder
from leo_drive.data.documents import Wrong, read_rows
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.data.unusable import refuse
from leo_drive.errors import SHOWN, InputError, some

PLACEHOLDER = "<image>"
DESCRIBE = "Give a brief description of the image."
"""What is asked where a picture is all of a question, as in LLaVA's plain captions."""

_PLACE = re.compile(rf"(?m)^\s*{PLACEHOLDER}|{PLACEHOLDER}\s*$")
_VIDEO = re.compile(r"\A\s*<video>(?!.*</video>)|<video>\s*\Z", re.S)
# A line with its pictures in front of the text, behind it, or both.
_AROUND = re.compile(rf"(?:\s*{PLACEHOLDER})*(?P<text>.*?)(?P<behind>(?:\s*{PLACEHOLDER})*)\s*")
_SENTENCE_ENDS = (".", "?", "!")

_PERSON, _MODEL, _SYSTEM = ("human", "user"), ("gpt", "assistant"), ("system",)


class _Turn(BaseModel):
    speaker: str = Field(alias="from")
    value: str

    @property
    def role(self) -> str:
        """Who speaks, as `_PERSON`, `_MODEL` and `_SYSTEM` have it."""
        return self.speaker.strip().lower()


class _Row(BaseModel):
    id: str | int | None = None
    image: str | list[str] | None = None
    images: str | list[str] | None = None
    video: Any = None
    conversations: list[_Turn]


def read_llava(root: str | Path, file: str | None = None, images: str | Path | None = None) -> list[Example]:
    """All rows as examples of one conversation each.

    A prompt has all its pictures before the first question, in their order, those of later turns too.
    Placeholders in front of a text or behind it are taken out. One within a sentence becomes the picture's
    name, Frame1, Frame2, ..., and so does every one of a conversation that shows pictures in several turns,
    so that the text tells which picture a turn is about. A question that is nothing but pictures becomes
    `DESCRIBE`.

    What the model says before anybody has asked, and a last question without an answer, are left out.

    Args:
        root: the file (.json or .jsonl, with a list or with rows in lines, whichever it is), or its folder.
        file: its name in the folder; need not be said where there is one only. (metadata.json is none.)
        images: folder or zip archive of the images, relative to the file's folder; by default that folder
            itself, or `images` or `images.zip` in it, whether names begin with images/ or not.

    Raises:
        InputError: no file, no rows, not LLaVA's layout, turns out of order, an empty turn, as many
            placeholders as there are no images, or rows of videos; the first few rows that are wrong are
            named, the others counted. The error's `problems` has each.

    Example:
        >>> read_llava("llava", file="chat.json")[0].questions[0].question      # doctest: +SKIP
        'Give a brief description of the image.'
    """
    path = _conversations_file(Path(root), file)
    rows = read_rows(path, _Row, "LLaVA's layout")
    if not rows:
        raise InputError(f"{path}: no examples: it has no rows; give a file with conversations")
    folder = _images(path, images)
    examples, taken, wrong, videos = [], set(), [], []
    shown = [[] if isinstance(row, Wrong) else _image_names(row) for row in rows]
    for number, (row, names, group) in enumerate(zip(rows, shown, _joined(shown), strict=True)):
        if isinstance(row, Wrong):
            wrong.append(row.problem)
            continue
        example_id = str(number) if row.id is None else str(row.id)
        if example_id in taken:
            # LLaVA's mixtures repeat ids; the row tells them apart.
            example_id = f"{example_id}#{number}"
        taken.add(example_id)
        if _is_of_video(row):
            videos.append(f"row {number}")
            continue
        try:
            system, asks, answers = _turns(row.conversations, len(names))
        except InputError as error:
            wrong.append(f"row {number}" + (f" (id {row.id})" if row.id is not None else "") + f": {error}")
            continue
        questions, called = _said(asks, len(names))
        asked = tuple(
            QuestionAnswer(f"{example_id}-{i}", question, answer)
            for i, (question, answer) in enumerate(zip(questions, answers, strict=True))
        )
        pictures = tuple(folder.find(name) for name in names)
        examples.append(Example(example_id, pictures, (asked,), called, system, group=group))
    _refuse(path, wrong, videos, examples)
    return examples


def _refuse(path: Path, wrong: Sequence[str], videos: Sequence[str], rest: Sequence[Example]) -> None:
    said = [some(wrong, "; ") + (" rows are wrong" if len(wrong) > SHOWN else "")] if wrong else []
    if videos:
        said.append(
            f"{len(videos)} rows are of videos ({some(videos)}); take them out, or put frames in their place "
            f"as images"
        )
    refuse(path, [*wrong, *(f"{row}: is of a video" for row in videos)], "; ".join(said), rest)


def _joined(rows: Sequence[Sequence[str]]) -> list[str | None]:
    """A name for each row's group: rows of a picture belong together, and so do those that others join.

    Example:
        >>> _joined([["a"], ["b", "a"], ["c"], []])
        ['a', 'a', 'c', None]
    """
    towards: dict[str, str] = {}

    def group(name: str) -> str:
        while towards.setdefault(name, name) != name:
            towards[name] = towards[towards[name]]
            name = towards[name]
        return name

    for names in rows:
        for name in names[1:]:
            low, high = sorted((group(names[0]), group(name)))
            towards[high] = low
    return [group(names[0]) if names else None for names in rows]


def _image_names(row: _Row) -> list[str]:
    given = row.image or row.images or []
    return [name for name in ([given] if isinstance(given, str) else given) if name]


def _is_of_video(row: _Row) -> bool:
    # Within a text the word may be about HTML.
    return bool(row.video) or any(
        turn.role in _PERSON and _VIDEO.search(turn.value) for turn in row.conversations
    )


def _turns(turns: Sequence[_Turn], images: int) -> tuple[str | None, list[str], list[str]]:
    """The system's words, the questions, which have a placeholder for every image, and their answers.

    Raises:
        InputError: turns that cannot be used; it names no row.
    """
    unplaced = images and not any(PLACEHOLDER in turn.value for turn in turns)
    turns, system = list(turns), None
    if turns and turns[0].role in _SYSTEM:
        system = turns.pop(0).value.strip() or None
    if turns and turns[0].role in _MODEL:
        turns.pop(0)
    if turns and turns[-1].role in _PERSON:
        turns.pop()
    for i, turn in enumerate(turns):
        due = _MODEL if i % 2 else _PERSON
        if turn.role not in due:
            raise InputError(f"turn {i} is from {turn.speaker!r}, where {due[0]!r} is due")
    if not turns:
        raise InputError("no question with an answer")
    asks = [turn.value.strip() for turn in turns[::2]]
    answers = [turn.value.strip() for turn in turns[1::2]]
    if unplaced:
        asks[0] = f"{PLACEHOLDER}\n" * images + asks[0]
    placed = sum(ask.count(PLACEHOLDER) for ask in asks)
    if placed == 1 < images and asks[0].startswith(PLACEHOLDER):
        # DriveLM's own conversion writes one for six cameras.
        asks[0] = PLACEHOLDER * images + asks[0].removeprefix(PLACEHOLDER)
        placed = images
    # Where there is no picture the text may be about the word, as in SVG; where a line begins or ends it
    # stands for a picture.
    spoken = not images and not any(_PLACE.search(ask) for ask in asks)
    if placed != images and not spoken:
        raise InputError(f"{placed} {PLACEHOLDER} in the questions but {images} images")
    for i, (ask, answer) in enumerate(zip(asks, answers, strict=True)):
        if not ask or not answer:
            raise InputError(f"{'answer' if ask else 'question'} {i} is empty")
        if PLACEHOLDER in answer and not spoken:
            raise InputError(f"answer {i} has a {PLACEHOLDER}; only questions may")
    return system, asks, answers


def _said(asks: Sequence[str], images: int) -> tuple[list[str], tuple[str, ...] | None]:
    """The questions without placeholders, and what the pictures are called if one of them says so.

    Example:
        >>> _said(["<image>\\nCompare it with <image> now."], 2)
        (['Compare it with Frame2 now.'], ('Frame1', 'Frame2'))
        >>> _said(["<image>\\n<image>\\nWhich is darker?", "Why?"], 2)
        (['Which is darker?', 'Why?'], None)
    """
    if not images:
        return list(asks), None
    names = frame_names(images)
    left = iter(names)
    in_turns = sum(PLACEHOLDER in ask for ask in asks) > 1
    said, named = [], False
    for ask in asks:
        lines = []
        for line in ask.splitlines():
            own = [next(left) for _ in range(line.count(PLACEHOLDER))]
            if own and (in_turns or _is_in_sentence(line.strip(), images)):
                named = True
                for name in own:
                    line = line.replace(PLACEHOLDER, name, 1)
            lines.append(_without_placeholders(line))
        said.append("\n".join(lines).strip() or DESCRIBE)
    return said, names if named else None


def _is_in_sentence(line: str, images: int) -> bool:
    """Whether a line has a placeholder that its text cannot do without.

    Of one picture it is clear what a text is about; of several, what ends no sentence needs its picture.
    """
    around = _AROUND.fullmatch(line)
    assert around is not None
    text = around["text"].strip()
    ends = not text or text.endswith(_SENTENCE_ENDS)
    return PLACEHOLDER in text or (images > 1 and bool(around["behind"]) and not ends)


def _without_placeholders(line: str) -> str:
    return re.sub(rf"[ \t]*{PLACEHOLDER}[ \t]*", " ", line).strip()


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
