"""The sections that every evaluation's page has: scores, kinds, mistakes, and what made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
from PIL import Image

from leo_drive.errors import InputError
from leo_drive.evaluation import JUDGE_THRESHOLD
from leo_drive.evaluation.page import (
    BLUE,
    GREY,
    Section,
    between,
    figure,
    figure_html,
    frames_html,
    hundredths,
    table_html,
    text_html,
)
from leo_drive.evaluation.scores import score_rows, what_is_missing
from leo_drive.evaluation.table import counting

SHOWN = 10
"""Mistakes of a sort that are shown."""

Frames = Callable[[str], Sequence[Image.Image]]
"""A segment's frames, by its id."""


def scores_section(report: Mapping[str, Any]) -> Section:
    """Every score with its interval, and what could not be computed."""
    html = "".join(text_html(line, "warning") for line in report["warnings"])
    html += table_html(*score_rows(report))
    html += "".join(text_html(line, "faint") for line in (*what_is_missing(report), *report["notes"]))
    return Section("Scores", html)


def kinds_section(report: Mapping[str, Any]) -> Section | None:
    """Closed questions by kind and by part, beside the blind baseline; None when no question is closed."""
    closed, blind = report["closed"], report.get("blind")
    if closed is None:
        return None
    columns = ["kind", "questions", "values", "accuracy", "balanced", "95 % interval", "unread"]
    rows = []
    for kind, score in closed["kinds"].items():
        row = _row(kind, score)
        rows.append([*row, hundredths(blind["kinds"][kind]["balanced_accuracy"])] if blind else row)
    html = table_html([*columns, "blind, balanced"] if blind else columns, rows) + _kinds_plot(closed, blind)
    html += "<h3>By part</h3>" + table_html(
        columns[:-1], [_row(part, score)[:-1] for part, score in report["parts"].items()]
    )
    html += text_html(
        f"Times 100. Kinds {report['kinds']}; parts {report['parts_from']}. Balanced: the mean over values, "
        "so that always the same answer is worth 100 / values. Unread: could not be told, counted as wrong. "
        "Blind: the same questions with grey frames.",
        "faint",
    )
    return Section("Closed questions", html)


def mistakes_section(table: pd.DataFrame, frames: Frames) -> Section | None:
    """The wrong answers that the model was surest of, and the ones furthest from right, with their frames.

    Where nobody said how sure, the first wrong ones.

    Of DriveLM, only of questions that count: the scores leave out the others, so they are no mistakes.
    """
    table = table[counting(table)]
    refused = table["judge"] <= JUDGE_THRESHOLD
    # Of a closed question its value says what is right; the judge, of an open one.
    wrong = table[table["correct"].isin([False]) | (table["correct"].isna() & refused)]
    sure = wrong.sort_values("confidence", ascending=False, kind="stable", na_position="last")
    worst = table[refused].sort_values("judge", kind="stable")
    parts = []
    first = "Most confident mistakes" if wrong["confidence"].notna().any() else "Wrong answers"
    for title, rows in ((first, sure), ("Worst answers by the judge", worst)):
        if len(rows):
            shown = rows.head(SHOWN)
            parts.append(f"<h3>{title}</h3>" + "".join(_mistake(row, frames) for _, row in shown.iterrows()))
    return Section("Mistakes", "".join(parts)) if parts else None


def settings_section(report: Mapping[str, Any]) -> Section:
    """What made the report: model, part, settings, hashes and the command."""
    rows = [(key.replace("_", " "), str(value)) for key, value in report["settings"].items()]
    html = table_html(["setting", ""], rows)
    if report.get("command"):
        html += f"<p><code>{escape(report['command'])}</code></p>"
    return Section("Made with", html)


def _row(name: str, score: Mapping[str, Any]) -> list[Any]:
    numbers = (score["accuracy"], score["balanced_accuracy"])
    interval = score.get("interval")
    if interval and interval[0] == interval[1]:
        interval = None  # of a few questions that are all right, which says nothing of others
    return [
        *(name, score["questions"], score.get("values")),
        *map(hundredths, numbers),
        between(interval) or "–",
        hundredths(score["unread"]),
    ]


def _kinds_plot(closed: Mapping[str, Any], blind: Mapping[str, Any] | None) -> str:
    kinds = list(closed["kinds"])[::-1]
    drawn = figure(8.0, 0.9 + 0.28 * len(kinds))
    axes = drawn.subplots()
    scores = [100 * closed["kinds"][kind]["balanced_accuracy"] for kind in kinds]
    intervals = [closed["kinds"][kind].get("interval") for kind in kinds]
    ends = [[100 * e for e in i] if i else [s, s] for i, s in zip(intervals, scores, strict=True)]
    low = [max(0.0, s - e[0]) for s, e in zip(scores, ends, strict=True)]
    high = [max(0.0, e[1] - s) for s, e in zip(scores, ends, strict=True)]
    names = [kind if len(kind) < 60 else f"{kind[:57]}..." for kind in kinds]
    places = range(len(kinds))
    axes.barh(places, scores, xerr=[low, high], color=BLUE, ecolor=GREY, height=0.6, label="with frames")
    if blind:
        behind = [100 * blind["kinds"][kind]["balanced_accuracy"] for kind in kinds]
        axes.plot(behind, places, "|", color="#d9822b", markersize=11, markeredgewidth=2, label="blind")
    axes.set_yticks(list(places), [name.replace("$", r"\$") for name in names])
    axes.set_xlim(0, 100)
    axes.margins(y=0.01)
    axes.set_xlabel("balanced accuracy, times 100, with its 95 % interval")
    drawn.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure_html(drawn, "balanced accuracy by kind")


def _mistake(row: pd.Series, frames: Frames) -> str:
    try:
        pictures = frames_html(frames(row["segment_id"]))
    except InputError as error:
        pictures = text_html(str(error), "faint")
    right = row["truth"] if row["truth"] is not None else " / ".join(row["references"])
    sure = "" if pd.isna(row["confidence"]) else f"confidence {row['confidence']:.2f}, "
    judged = "" if pd.isna(row["judge"]) else f"judge {row['judge']:+.2f}, "
    about = f"{sure}{judged}{row['segment_id']}, {row['question_id']}"
    return (
        f"<figure>{pictures}<figcaption>{escape(row['question'])} "
        f"<b>{escape(row['answer'] or '(empty)')}</b> Right: {escape(right)}<br>"
        f"<span class=faint>{escape(about)}</span></figcaption></figure>"
    )
