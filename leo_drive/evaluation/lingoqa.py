"""Answer every question of a LingoQA part, each segment encoded once, and score the closed questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from leo_drive.clips import Clip, LingoQASegment
from leo_drive.data.lingoqa import Segment, part_table, read_part
from leo_drive.evaluation.closed import score_closed
from leo_drive.inference import Leo

Progress = Callable[[int, int], None]


def evaluate_part(
    leo: Leo, part: Path, out: Path, blind: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Answer a part's questions and write `predictions.csv` and `report.json` to `out`.

    Args:
        part: folder with val.parquet or train.parquet.
        blind: where kinds are known, answer a second time from grey frames: what the questions give away.
        progress: called with segments done and all.

    Returns:
        The report: what was evaluated, and where kinds are known, the closed questions' scores.

    Raises:
        InputError: the part cannot be read.
    """
    segments = [asked_once(segment) for segment in read_part(part)]
    out.mkdir(parents=True, exist_ok=True)
    passes = 2 if blind else 1
    sighted = _answer_all(leo, part, segments, grey=False, progress=progress, offset=0, passes=passes)
    predictions = [
        {"question_id": qa.question_id, "segment_id": segment.segment_id, "answer": answer}
        for segment, answers in zip(segments, sighted, strict=True)
        for qa, answer in zip(segment.questions, answers, strict=True)
    ]
    pd.DataFrame(predictions).to_csv(out / "predictions.csv", index=False)
    report: dict[str, Any] = {
        "model": leo.name,
        "part": str(part),
        "segments": len(segments),
        "questions": len(predictions),
        "closed": score_closed(segments, sighted),
    }
    if blind and report["closed"] is not None:
        grey = _answer_all(
            leo, part, segments, grey=True, progress=progress, offset=len(segments), passes=passes
        )
        report["blind"] = score_closed(segments, grey)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _answer_all(
    leo: Leo,
    part: Path,
    segments: Sequence[Segment],
    grey: bool,
    progress: Progress | None,
    offset: int,
    passes: int,
) -> list[list[str]]:
    answers, folder = [], part_table(part).parent
    for i, segment in enumerate(segments):
        frames = min(len(segment.images), leo.model.config.trained_frames)
        source = LingoQASegment(folder, segment.segment_id, images=segment.images)
        clip = source.clip(seconds=frames / source.rate, frames=frames)
        if grey:
            clip = grey_clip(clip)
        answers.append([a.text for a in leo.ask(clip, [qa.question for qa in segment.questions])])
        if progress:
            progress(offset + i + 1, passes * len(segments))
    return answers


def asked_once(segment: Segment) -> Segment:
    """The segment with every question once: LingoQA's evaluation part has a row for each reference answer."""
    return Segment(
        segment.segment_id, segment.images, list({q.question_id: q for q in segment.questions}.values())
    )


def grey_clip(clip: Clip) -> Clip:
    """The same clip with nothing to see."""
    grey = Image.new("RGB", clip.size, (127, 127, 127))
    return Clip((grey,) * len(clip.frames), clip.timestamps, clip.camera, clip.source)
