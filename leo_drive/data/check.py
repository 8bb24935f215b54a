"""Whether everything that a list of examples names is there and whole, told all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leo_drive.clips.image_file import names_in
from leo_drive.data.example import Example, Picture
from leo_drive.data.unusable import Unusable
from leo_drive.errors import SHOWN, InputError, some

UNASKED = "examples without questions"
DAMAGED = "entries damaged"

Progress = Callable[[int, int], None]
Reader = Callable[[Picture], tuple[int, ...]]


@dataclass
class Report:
    """What was looked at, and what is wrong with it.

    Attributes:
        examples, questions, pictures: how many; a picture that several examples show counts once.
        problems: for each sort of problem ("pictures missing"), a name or a line each.
        left_out: what the reader does without, which is no problem, in the same way.
    """

    examples: int
    questions: int
    pictures: int
    problems: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def lines(self) -> list[str]:
        """For people: what there is, then a line for every sort of problem."""
        found = f"{self.examples} examples, {self.questions} questions, {self.pictures} pictures"
        return [
            found if self.problems else f"{found}: nothing missing",
            *(_line(*each) for each in self.problems.items()),
        ]

    def left_out_lines(self) -> list[str]:
        """For people: a line for every sort of what is left out."""
        return [f"left out: {_line(sort, places)}" for sort, places in self.left_out.items()]

    def every_line(self) -> list[str]:
        """Every problem on a line of its own, then everything that is left out."""
        sorts = {**self.problems, **{f"left out: {sort}": places for sort, places in self.left_out.items()}}
        return [f"{sort}: {name}" for sort, names in sorts.items() for name in names]

    def whole_list(self) -> list[str]:
        """`every_line`; nothing where `lines` and `left_out_lines` have room for them all."""
        sorts = (*self.problems.values(), *self.left_out.values())
        return [] if all(len(names) <= SHOWN for names in sorts) else self.every_line()


def _line(sort: str, names: Sequence[str]) -> str:
    return f"{len(names)} {sort}: {some(names)}"


def check_examples(
    examples: Sequence[Example],
    full: bool = False,
    one_size: bool = True,
    read_label_map: Callable[[Picture], np.ndarray] = Picture.values,
    threads: int = 8,
    progress: Progress | None = None,
    unusable: Unusable | None = None,
) -> Report:
    """Look for whatever is missing or damaged, without stopping at the first.

    Args:
        full: decode every picture; otherwise only whether pictures and label maps are there, which takes a
            moment.
        one_size: see that all pictures of an example have one size, as a clip's must (with `full`).
        read_label_map: raises InputError for what is no label map (with `full`).
        threads: that look at once.
        progress: called with pictures done and all.
        unusable: what the examples' reader passed over.

    Example:
        >>> check_examples(read_examples("lingoqa", "scenery")).lines()     # doctest: +SKIP
        ['342 examples, 2076 questions, 366 pictures: nothing missing']
    """
    pictures = list(dict.fromkeys(p for example in examples for p in example.pictures))
    maps = list(dict.fromkeys(p for example in examples for p in example.label_maps))
    report = Report(len(examples), sum(len(e.questions) for e in examples), len(pictures))
    add = report.problems.setdefault
    archives: dict[str, None] = {}
    strange: set[Path] = set()
    sizes: dict[Picture, tuple[int, ...]] = {}
    # Only sizes are kept of what is read.
    read: dict[str, Reader] = {
        "pictures": lambda picture: picture.read().size,
        "label maps": lambda label_map: np.shape(read_label_map(label_map)),
    }
    looks = [(picture, "pictures") for picture in pictures] + [(map_, "label maps") for map_ in maps]
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda look: _look(look[0], read[look[1]] if full else None), looks)
        for done, ((picture, what), (wrong, size)) in enumerate(zip(looks, found, strict=True), start=1):
            if wrong == _MISSING:
                add(f"{what} missing", []).append(picture.name)
                strange |= {picture.path} if picture.member and picture.path.is_file() else set()
            elif wrong.startswith(_ARCHIVE):
                archives[wrong.removeprefix(_ARCHIVE)] = None
            elif wrong:
                add(f"{what} damaged", []).append(wrong)
            else:
                sizes[picture] = size
            if progress:
                progress(done, len(looks))
    # An archive of which nothing is found has other names: which, tells what to do about it.
    for archive in sorted(strange - {picture.path for picture in sizes}):
        add("archives with other names", []).append(f"{archive} has {names_in(archive)}")
    if archives:
        report.problems = {"archives that cannot be read": list(archives), **report.problems}
    if one_size and (uneven := [e.example_id for e in examples if len(_sizes(e.pictures, sizes)) > 1]):
        add("examples with pictures of different sizes", []).extend(uneven)
    if unasked := [e.example_id for e in examples if not e.questions]:
        add(UNASKED, []).extend(unasked)
    if unusable is not None:
        report.left_out = unusable.left_out
        if unusable.damaged:
            report.problems = {DAMAGED: unusable.damaged, **report.problems}
    return report


_MISSING, _ARCHIVE = "missing", "archive: "


def _look(picture: Picture, read: Reader | None) -> tuple[str, tuple[int, ...]]:
    """What is wrong (nothing is "", missing, or a message), and the size if it was read."""
    try:
        if not picture.exists():
            return _MISSING, ()
    except InputError as error:
        return f"{_ARCHIVE}{error}", ()
    try:
        return "", read(picture) if read else ()
    except InputError as error:
        return str(error), ()


def _sizes(pictures: Iterable[Picture], known: dict[Picture, tuple[int, ...]]) -> set[tuple[int, ...]]:
    return {known[picture] for picture in pictures if picture in known}
