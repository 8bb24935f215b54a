"""Answer every question of a LingoQA part, each segment encoded once, and score the closed questions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from leo_drive.clips import Clip
from leo_drive.clips.lingoqa import RATE
from leo_drive.data.example import Example
from leo_drive.data.kinds import infer_kinds
from leo_drive.data.lingoqa import part_table, read_lingoqa
from leo_drive.errors import InputError
from leo_drive.evaluation.closed import score_closed
from leo_drive.evaluation.partial import PartialAnswers, what_answers_depend_on
from leo_drive.inference import Leo

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

SIGHTED, BLIND = "predictions", "predictions_blind"
PARTIAL = "answers.partial.jsonl"
"""In the output folder while an evaluation is under way."""


def evaluate_part(
    leo: Leo, part: Path, out: Path, blind: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Answer a part's questions and write `predictions.csv` and `report.json` to `out`.

    Answers are kept as they come: run again after it was stopped, it goes on where it was.

    Args:
        part: folder with val.parquet or train.parquet.
        blind: where there are closed questions, answer a second time from grey frames: what the questions
            give away. Those answers are in `predictions_blind.csv`.
        progress: called with segments done and all.

    Returns:
        The report: what was evaluated, and where there are closed questions, their scores. Which are closed
        is said by the part's table of kinds, or inferred from wording and answers (`leo_drive.data.kinds`).

    Raises:
        InputError: the part cannot be read, or `out` has part of the answers of another model, or to other
            questions.
    """
    read = read_lingoqa(part)
    told = any(qa.kind for example in read for qa in example.questions)
    examples = [asked_once(example) for example in infer_kinds(read)]
    questions = [example.questions for example in examples]
    out.mkdir(parents=True, exist_ok=True)
    kept = PartialAnswers(out / PARTIAL, what_answers_depend_on(leo, examples))
    closed = any(qa.choices for qas in questions for qa in qas)
    passes = [SIGHTED, BLIND] if blind and closed else [SIGHTED]
    answers: dict[str, list[list[str]]] = {name: [] for name in passes}
    source = part_table(part).parent.name
    if kept:
        log.warning("%s: going on after %d of %d clips", kept.path, len(kept), len(passes) * len(examples))
    for name in passes:
        for i, example in enumerate(examples):
            texts = kept.get(name, i)
            if texts is None:
                clip = clip_of(example, leo.model.config.trained_frames, source)
                asked = [qa.question for qa in example.questions]
                found = leo.ask(grey_clip(clip) if name == BLIND else clip, asked)
                texts = kept.keep(name, i, [answer.text for answer in found])
            answers[name].append(texts)
            if progress:
                progress(sum(map(len, answers.values())), len(passes) * len(examples))
    report: dict[str, Any] = {
        "model": leo.name,
        "part": str(part),
        "segments": len(examples),
        "questions": sum(map(len, questions)),
        "kinds": "told by the part" if told else "inferred from wording and answers",
        "closed": score_closed(questions, answers[SIGHTED]),
    }
    if BLIND in answers:
        report["blind"] = score_closed(questions, answers[BLIND])
    else:
        (out / f"{BLIND}.csv").unlink(missing_ok=True)  # of an earlier evaluation
    for name in passes:
        _write(out / f"{name}.csv", _predictions(examples, answers[name]).to_csv(index=False))
    _write(out / "report.json", json.dumps(report, indent=2) + "\n")
    kept.remove()
    return report


def clip_of(example: Example, frames: int, source: str = "") -> Clip:
    """The example's last pictures as a clip, at LingoQA's one a second.

    Raises:
        InputError: a picture is missing or damaged, or they differ in size.
    """
    if not example.pictures:
        raise InputError(f"{source}/{example.example_id}: has no pictures")
    first = max(0, len(example.pictures) - frames)
    shown = example.pictures[first:]
    times = tuple((first + i) / RATE for i in range(len(shown)))
    return Clip(tuple(p.read() for p in shown), times, source=f"{source}/{example.example_id}")


def asked_once(example: Example) -> Example:
    """The example with every question once: LingoQA's evaluation part has a row for each reference answer."""
    return replace(
        example,
        conversations=tuple({tuple(qa.question_id for qa in c): c for c in example.conversations}.values()),
    )


def grey_clip(clip: Clip) -> Clip:
    """The same clip with nothing to see."""
    grey = Image.new("RGB", clip.size, (127, 127, 127))
    return Clip((grey,) * len(clip.frames), clip.timestamps, clip.camera, clip.source)


def _predictions(examples: Sequence[Example], answers: Sequence[Sequence[str]]) -> pd.DataFrame:
    """As the benchmark's scorer reads them: question_id, segment_id, answer."""
    rows = [
        {"question_id": qa.question_id, "segment_id": example.example_id, "answer": answer}
        for example, texts in zip(examples, answers, strict=True)
        for qa, answer in zip(example.questions, texts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["question_id", "segment_id", "answer"])


def _write(path: Path, text: str) -> None:
    """Write beside its place and move there, so that an earlier result is whole until this one is."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
