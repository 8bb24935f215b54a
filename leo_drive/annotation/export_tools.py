"""A table's answers for tools that people look at and correct labels with: Label Studio and FiftyOne."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import chain, count
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pandas as pd

from leo_drive.annotation.export import answered, choices_of
from leo_drive.annotation.export_lingoqa import windows


def export_labelstudio(rows: pd.DataFrame, out: Path, to: Path) -> int:
    """Write tasks.json (a task a window, the answers as predictions), config.xml and the frames.

    The frames are asked for from Label Studio's local storage: its document root is to be `to`.
    Source: Label Studio's JSON task format and labelling configuration.

    Raises:
        InputError: no row has an answer, or a log is not where it was.
    """
    found = answered(rows, out)
    names = _told_apart(found["question_id"].unique(), "_said")
    tasks: list[dict[str, Any]] = []
    frames: list[list[str]] = []
    for name, of_window, clip in windows(found, out):
        data: dict[str, Any] = {"log": str(of_window["log"].iloc[0]), "window": name}
        data |= {"start_s": float(of_window["start_s"].iloc[0]), "end_s": float(of_window["end_s"].iloc[0])}
        frames.append(
            [_save(frame, to / "images" / name / f"{i}.jpg", to) for i, frame in enumerate(clip.frames)]
        )
        results = [_result(row, *names[row["question_id"]]) for row in of_window.to_dict("records")]
        prediction = {
            "model_version": of_window["model"].iloc[0],
            "score": float(of_window["confidence"].min()),
            "result": results,
        }
        tasks.append({"data": data, "predictions": [prediction]})
    most = max(map(len, frames))
    for task, images in zip(tasks, frames, strict=True):
        # A window of a short log has fewer, yet a task must have all that the configuration names.
        images += images[-1:] * (most - len(images))
        task["data"] |= {f"frame{i}": f"/data/local-files/?d={image}" for i, image in enumerate(images)}
    (to / "config.xml").write_text(_config(found, most, names, choices_of(out)), encoding="utf-8")
    (to / "tasks.json").write_text(json.dumps(tasks, indent=1, ensure_ascii=False), encoding="utf-8")
    return len(found)


def _result(row: dict[str, Any], name: str, said: str) -> dict[str, Any]:
    about = {"id": name, "from_name": name, "to_name": "frame0", "score": float(row["confidence"])}
    if row["kind"] in ("yes_no", "choice") and isinstance(row["value"], str):
        return {**about, "type": "choices", "value": {"choices": [row["value"]]}}
    if row["kind"] == "number" and isinstance(row["value"], str):
        return {**about, "type": "number", "value": {"number": float(row["value"])}}
    # What could not be read as a value is shown as it was said.
    if row["kind"] != "free":
        about |= {"id": said, "from_name": said}
    return {**about, "type": "textarea", "value": {"text": [row["answer"]]}}


def _config(
    rows: pd.DataFrame, frames: int, names: dict[str, tuple[str, str]], choices: dict[str, tuple[str, ...]]
) -> str:
    lines = ["<View>"]
    lines += [f'  <Image name="frame{i}" value="$frame{i}"/>' for i in range(frames)]
    asked = rows[["kind", "question_id", "question"]].drop_duplicates()
    for kind, question_id, question in asked.itertuples(index=False):
        name, said = map(quoteattr, names[question_id])
        lines.append(f"  <Header value={quoteattr(question)}/>")
        if kind in ("yes_no", "choice"):
            lines.append(f'  <Choices name={name} toName="frame0" choice="single">')
            lines += [f"    <Choice value={quoteattr(value)}/>" for value in choices.get(question_id, ())]
            lines.append("  </Choices>")
        if kind == "number":
            lines.append(f'  <Number name={name} toName="frame0"/>')
        words = name if kind == "free" else said
        lines.append(f'  <TextArea name={words} toName="frame0" maxSubmissions="1"/>')
    return "\n".join([*lines, "</View>", ""])


def export_fiftyone(rows: pd.DataFrame, out: Path, to: Path) -> int:
    """Write a folder that FiftyOne imports as a FiftyOneDataset: its last frame is what a window shows.

    Every question is a field of text, and where there is a value a Classification with its confidence.
    Source: FiftyOne's FiftyOneDataset format (metadata.json and samples.json beside data/).

    Raises:
        InputError: no row has an answer, or a log is not where it was.
    """
    found = answered(rows, out)
    fields = _told_apart(found["question_id"].unique(), "_text", _field)
    samples = []
    for name, of_window, clip in windows(found, out):
        image = _save(clip.frames[-1], to / "data" / f"{name}.jpg", to)
        sample: dict[str, Any] = {
            "filepath": image,
            "tags": [],
            "log": str(of_window["log"].iloc[0]),
            "camera": str(of_window["camera"].iloc[0]),
            "start_s": float(of_window["start_s"].iloc[0]),
            "end_s": float(of_window["end_s"].iloc[0]),
        }
        for row in of_window.to_dict("records"):
            field, text = fields[row["question_id"]]
            sample[text] = row["answer"]
            if isinstance(row["value"], str):
                sample[field] = {
                    "_cls": "Classification",
                    "label": row["value"],
                    "confidence": float(row["confidence"]),
                }
        samples.append(sample)
    questions = {question_id: field for question_id, (field, _) in fields.items()}
    metadata = {"name": out.name or "annotations", "media_type": "image", "info": {"questions": questions}}
    (to / "metadata.json").write_text(json.dumps(metadata, indent=1), encoding="utf-8")
    (to / "samples.json").write_text(json.dumps({"samples": samples}, indent=1), encoding="utf-8")
    return len(found)


def _field(question_id: str) -> str:
    return "q_" + re.sub(r"\W", "_", question_id)


def _told_apart(
    question_ids: Iterable[str], suffix: str, form: Callable[[str], str] = str
) -> dict[str, tuple[str, str]]:
    """Of each question a name for its value and one for its words, of which no two are alike.

    Args:
        suffix: of the name for the words.
        form: makes a name of an id; where names would be alike, the later ones get a number.
    """
    names: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for question_id in question_ids:
        name = form(question_id)
        pairs = ((stem, stem + suffix) for stem in chain([name], (f"{name}_{n}" for n in count(2))))
        names[question_id] = next(pair for pair in pairs if taken.isdisjoint(pair))
        taken.update(names[question_id])
    return names


def _save(frame: Any, path: Path, root: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.save(path, quality=92)
    return path.relative_to(root).as_posix()
