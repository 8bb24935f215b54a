"""Answers of a model to the questions of a data set: every clip encoded once a pass, kept as they come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from PIL import Image

from leo_drive.clips import Clip
from leo_drive.clips.lingoqa import RATE
from leo_drive.data.check import UNASKED, check_examples
from leo_drive.data.example import Example
from leo_drive.errors import InputError
from leo_drive.evaluation import MAX_NEW_TOKENS
from leo_drive.evaluation.partial import PartialAnswers, finished, what_is_shown
from leo_drive.evaluation.table import Answered, by_question
from leo_drive.files import writable_folder, write
from leo_drive.inference import Leo

logger = logging.getLogger(__name__)

MISSING = "missing_pictures.txt"
"""In the output folder, when more pictures are missing than an error can name."""

Progress = Callable[[int, int], None]

Show = Callable[[Clip], Clip]
"""What a pass does to a clip before the model sees it."""


def answer_examples(
    leo: Leo,
    examples: Sequence[Example],
    passes: Mapping[str, Show],
    kept: PartialAnswers,
    source: str = "",
    progress: Progress | None = None,
    besides: Mapping[str, Sequence[str]] | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[str, list[list[Answered]]]:
    """Answer every question of every example, once a pass.

    Args:
        passes: what each shows of a clip, by a name that says it wholly: answers are found again by it.
        kept: where answers are kept as they come; those that it has are not asked for again.
        source: the data set's name, for messages.
        progress: called with clips done and all, over all passes and what is asked besides.
        besides: more questions, by a name that says them wholly; asked of every clip as the first pass shows
            it, while that pass has it encoded.
        max_new_tokens: of an answer.

    Returns:
        Of each pass, and of what was asked besides, of each example, an answer a question, greedily decoded.

    Raises:
        InputError: a picture is damaged, or frames and questions do not fit the model's context.
    """
    besides = besides or {}
    shown = [what_is_shown(example) for example in examples]
    every = [(name, i) for name in (*passes, *besides) for i in range(len(examples))]
    there = sum(kept.get(name, i, shown[i]) is not None for name, i in every)
    if there == len(every):
        name = finished(kept.path).name
        logger.warning("%s: has all answers already; remove its %s to answer again", kept.path.parent, name)
    elif there:
        logger.warning("%s: going on after %d of %d clips", kept.path, there, len(every))
    answers: dict[str, list[list[Answered]]] = {name: [] for name in (*passes, *besides)}
    for number, (name, show) in enumerate(passes.items()):
        for i, example in enumerate(examples):
            asked: dict[str, Sequence[str]] = {name: [qa.question for qa in example.questions]}
            if number == 0:
                asked |= besides
            clip = None
            for of, questions in asked.items():
                found = kept.get(of, i, shown[i])
                if found is None:
                    # Several calls on one clip: the model encodes it once, and an answer does not depend on
                    # what else is asked, as it may where questions share a batch.
                    clip = clip or show(clip_of(example, leo.model.config.trained_frames, source))
                    said = leo.ask(clip, questions, max_new_tokens=max_new_tokens)
                    short = [Answered(a.text, round(a.confidence, 6), not a.complete) for a in said]
                    found = kept.keep(of, i, shown[i], short)
                answers[of].append(found)
                if progress:
                    progress(sum(map(len, answers.values())), len(every))
    return answers


def check_pictures(
    examples: Sequence[Example], where: str, out: Path, cure: str = "get the data set's images again"
) -> None:
    """Raise InputError with the pictures that are missing, before anything is answered.

    Args:
        out: a folder for the whole list of them, where a line has no room for it.
    """
    report = check_examples(examples)
    report.problems.pop(UNASKED, None)  # no fault here: nothing is asked about them
    listed = out / MISSING
    listed.unlink(missing_ok=True)  # of an earlier evaluation
    if every := report.whole_list():
        writable_folder(out)
        write(listed, "".join(f"{line}\n" for line in every))
    if not report.ok:
        said = "; ".join(report.lines()[1:])
        raise InputError(f"{where}: {said}{f' (all in {listed})' if every else ''}; {cure}")


def clip_of(example: Example, frames: int, source: str = "") -> Clip:
    """The example's last pictures as a clip, at LingoQA's one a second; of several cameras, one of each.

    Args:
        frames: most of one camera.

    Raises:
        InputError: a picture is missing or damaged, or they differ in size.
    """
    name = f"{source}/{example.example_id}"
    if not example.pictures:
        raise InputError(f"{name}: has no pictures")
    if example.names:
        now = (0.0,) * len(example.pictures)
        camera = "+".join(example.names)
        return Clip(tuple(p.read() for p in example.pictures), now, camera, name, names=example.names)
    first = max(0, len(example.pictures) - frames)
    shown = example.pictures[first:]
    times = tuple((first + i) / RATE for i in range(len(shown)))
    return Clip(tuple(p.read() for p in shown), times, source=name)


def asked_once(example: Example) -> Example:
    """The example with every question once: LingoQA's evaluation part has a row for each reference answer."""
    once = by_question(example.questions)
    return replace(example, conversations=tuple((qas[0],) for qas in once.values()))


def grey_clip(clip: Clip) -> Clip:
    """A clip of the same shape with nothing to see.

    The same one for clips of one shape, so that the model encodes it once.
    """
    return _grey(clip.sizes, clip.timestamps, clip.camera, clip.names)


@lru_cache(maxsize=4)
def _grey(
    sizes: tuple[tuple[int, int], ...], times: tuple[float, ...], camera: str, names: tuple[str, ...] | None
) -> Clip:
    frames = tuple(Image.new("RGB", size, (127, 127, 127)) for size in sizes)
    return Clip(frames, times, camera, "grey", names)
