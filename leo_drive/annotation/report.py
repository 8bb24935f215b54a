"""OUT/report.html: what a run found, on one page that needs nothing beside it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from leo_drive.annotation.export import choices_of
from leo_drive.annotation.pictures import Pictures
from leo_drive.annotation.table import Table
from leo_drive.annotation.timelines import STYLE, timelines
from leo_drive.errors import InputError
from leo_drive.files import write_whole

_EXAMPLES, _PICTURE_WIDTH = 12, 240
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #14171c;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2 } h3 { margin: 1.2rem 0 .3rem; font-size: 1rem }
.faint { color: #6b7280 } table { border-spacing: .5rem .1rem; margin-left: -.5rem }
td { vertical-align: middle } .bar { background: #0f62b0; height: .8rem; min-width: 1px }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 1rem }
figure { margin: 0 } figure img { width: 100%; display: block } figcaption { font-size: .85rem }
"""


def write_report(out: str | Path) -> Path:
    """Write the page from the table in OUT: shares, timelines, failures, and the least confident answers.

    Returns:
        Its path.

    Raises:
        InputError: there is no table.
        LeoDriveError: the disk is full.
    """
    folder = Path(out)
    table = Table(folder)
    summary = table.summary(lowest=_EXAMPLES)
    made_by = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    page = "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(folder.name)}</title>',
            f"<style>{_STYLE}{STYLE}</style></head><body>",
            *_head(folder, summary, made_by),
            *_shares(summary),
            *_failures(summary),
            *_examples(folder, summary),
            *timelines(table, choices_of(folder), summary["logs"]),
            "</body></html>\n",
        ]
    )
    path = folder / "report.html"
    write_whole(path, page.encode("utf-8", "backslashreplace"), folder)
    return path


def _head(folder: Path, summary: dict[str, Any], made_by: dict[str, Any]) -> Iterator[str]:
    statuses = ", ".join(f"{n} {status}" for status, n in summary["statuses"].items())
    run, model = made_by["runs"][-1], made_by["model"]
    yield f"<h1>{escape(folder.name)}</h1>"
    yield f"<p>{summary['logs']} logs, {summary['windows']} windows, {summary['rows']} rows: {statuses}.</p>"
    yield (
        f"<p class=faint>Model {escape(str(model['name']))} ({model['hash']}), questions "
        f"{escape(made_by['questions']['name'])}, last run {run['started']}: "
        f"<code>{escape(run['command'])}</code></p>"
    )


def _shares(summary: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Answers</h2>"
    for question in summary["questions"]:
        sure = "" if question["confidence"] is None else f", mean confidence {question['confidence']:.2f}"
        unread = f", {question['unreadable']} unreadable" if question["unreadable"] else ""
        yield f"<h3>{escape(question['question'])}</h3>"
        about = f"{question['question_id']}: {question['answers']} answers{sure}{unread}"
        yield f"<div class=faint>{about}</div><table>"
        for value, share in question["shares"].items():
            yield (
                f"<tr><td>{escape(value[:80])}</td><td>{share:.0%}</td>"
                f'<td><div class=bar style="width:{share * 18:.2f}rem"></div></td></tr>'
            )
        yield "</table>"


def _failures(summary: dict[str, Any]) -> Iterator[str]:
    if not summary["failures"]:
        return
    yield "<h2>Failures</h2><table>"
    for failure in summary["failures"]:
        yield f"<tr><td>{failure['rows']} rows</td><td>{escape(failure['error'] or '')}</td></tr>"
    yield "</table><p class=faint>--retry-failed asks these again.</p>"


def _examples(folder: Path, summary: dict[str, Any]) -> Iterator[str]:
    if not summary["lowest"]:
        return
    yield "<h2>Least confident</h2><div class=examples>"
    pictures = Pictures(folder)
    try:
        for row in summary["lowest"]:
            where = f"{escape(row['log'])}, {row['start_s']:g} to {row['end_s']:g} s"
            yield (
                f"<figure>{_picture(pictures, row)}<figcaption>{escape(row['question'])} "
                f"<b>{escape(row['answer'])}</b> ({row['confidence']:.2f})<br>"
                f"<span class=faint>{where}</span></figcaption></figure>"
            )
    finally:
        pictures.close()
    yield "</div>"


def _picture(pictures: Pictures, row: dict[str, Any]) -> str:
    """The window's last frame inside the page, or why there is none."""
    try:
        frame = pictures.clip(row["log"], row["camera"], row["frame_times"][-1:]).frames[0]
    except InputError as error:
        return f"<p class=faint>{escape(str(error))}</p>"
    height = max(1, round(frame.height * _PICTURE_WIDTH / frame.width))
    buffer = io.BytesIO()
    frame.resize((_PICTURE_WIDTH, height)).save(buffer, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
