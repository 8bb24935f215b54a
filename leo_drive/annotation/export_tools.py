"""A table's answers for tools that people look at and correct labels with: Label Studio and FiftyOne."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pandas as pd

from leo_drive.annotation.export import answered
from leo_drive.annotation.export_lingoqa import windows

_TIMES_ANSWERED = ["kind", "question_id", "question"]


def export_labelstudio(rows: pd.DataFrame, out: Path, to: Path) -> int:
    """Write tasks.json (a task a window, the answers as predictions), config.xml and the frames.

    The frames are asked for from Label Studio's local storage: its document root is to be `to`.
    Source: Label Studio's JSON task format and labelling configuration.

    Raises:
        InputError: no row has an answer, or a log is not where it was.
    """
    found = answered(rows, out)
    tasks: list[dict[str, Any]] = []
    most = 0
    for name, of_window, clip in windows(found, out):
        most = max(most, len(clip.frames))
        data: dict[str, Any] = {"log": str(of_window["log"].iloc[0]), "window": name}
        data |= {"start_s": float(of_window["start_s"].iloc[0]), "end_s": float(of_window["end_s"].iloc[0])}
        for i, frame in enumerate(clip.frames):
            image = _save(frame, to / "images" / name / f"{i}.jpg", to)
            data[f"frame{i}"] = f"/data/local-files/?d={image}"
        results = [_result(row) for row in of_window.to_dict("records")]
        prediction = {
            "model_version": of_window["model"].iloc[0],
            "score": float(of_window["confidence"].min()),
            "result": results,
        }
        tasks.append({"data": data, "predictions": [prediction]})
    (to / "config.xml").write_text(_config(found, most), encoding="utf-8")
    (to / "tasks.json").write_text(json.dumps(tasks, indent=1, ensure_ascii=False), encoding="utf-8")
    return len(found)


def _result(row: dict[str, Any]) -> dict[str, Any]:
    about = {"id": row["question_id"], "from_name": row["question_id"], "to_name": "frame0"}
    about["score"] = float(row["confidence"])
    if row["kind"] in ("yes_no", "choice") and isinstance(row["value"], str):
        return {**about, "type": "choices", "value": {"choices": [row["value"]]}}
    if row["kind"] == "number" and isinstance(row["value"], str):
        return {**about, "type": "number", "value": {"number": float(row["value"])}}
    # What could not be read as a value is shown as it was said.
    suffix = "" if row["kind"] == "free" else "_said"
    about |= {"id": about["id"] + suffix, "from_name": about["from_name"] + suffix}
    return {**about, "type": "textarea", "value": {"text": [row["answer"]]}}


def _config(rows: pd.DataFrame, frames: int) -> str:
    lines = ["<View>"]
    lines += [f'  <Image name="frame{i}" value="$frame{i}"/>' for i in range(frames)]
    for (kind, question_id, question), of_question in rows.groupby(_TIMES_ANSWERED, sort=False):
        name = quoteattr(question_id)
        lines.append(f"  <Header value={quoteattr(question)}/>")
        values = set(of_question["value"].dropna()) | ({"yes", "no"} if kind == "yes_no" else set())
        if kind in ("yes_no", "choice") and values:
            lines.append(f'  <Choices name={name} toName="frame0" choice="single">')
            lines += [f"    <Choice value={quoteattr(value)}/>" for value in sorted(values)]
            lines.append("  </Choices>")
        if kind == "number":
            lines.append(f'  <Number name={name} toName="frame0"/>')
        said = quoteattr(question_id if kind == "free" else f"{question_id}_said")
        lines.append(f'  <TextArea name={said} toName="frame0" maxSubmissions="1"/>')
    return "\n".join([*lines, "</View>", ""])


def export_fiftyone(rows: pd.DataFrame, out: Path, to: Path) -> int:
    """Write a folder that FiftyOne imports as a FiftyOneDataset: its last frame is what a window shows.

    Every question is a field of text, and where there is a value a Classification with its confidence.
    Source: FiftyOne's FiftyOneDataset format (metadata.json and samples.json beside data/).

    Raises:
        InputError: no row has an answer, or a log is not where it was.
    """
    found = answered(rows, out)
    fields = {question_id: _field(question_id) for question_id in found["question_id"].unique()}
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
            field = fields[row["question_id"]]
            sample[f"{field}_text"] = row["answer"]
            if isinstance(row["value"], str):
                sample[field] = {
                    "_cls": "Classification",
                    "label": row["value"],
                    "confidence": float(row["confidence"]),
                }
        samples.append(sample)
    metadata = {"name": out.name or "annotations", "media_type": "image", "info": {"questions": fields}}
    (to / "metadata.json").write_text(json.dumps(metadata, indent=1), encoding="utf-8")
    (to / "samples.json").write_text(json.dumps({"samples": samples}, indent=1), encoding="utf-8")
    return len(found)


def _field(question_id: str) -> str:
    return "q_" + re.sub(r"\W", "_", question_id)


def _save(frame: Any, path: Path, root: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.save(path, quality=92)
    return path.relative_to(root).as_posix()
