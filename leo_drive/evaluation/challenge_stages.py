"""DriveLM's scores by kind of question: perception, prediction, planning and behavior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from leo_drive.evaluation.bootstrap import Metric, interval
from leo_drive.evaluation.challenge import STAGES
from leo_drive.evaluation.page import Section, table_html, text_html, with_interval
from leo_drive.evaluation.scores import NAMES
from leo_drive.terminal import print_table

_LANGUAGE = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")
_SCORED_BY = {"accuracy": ("accuracy",), "match": ("match_f1",), "language": _LANGUAGE}
"""The scores that a question of a sort adds to; ChatGPT's are not computed."""
_NOTE = "Only ChatGPT: questions that count, and that it alone could rate; of match it would rate half."
_ROOM = 115
"""Columns of a terminal that has room for intervals."""


def by_stage(table: pd.DataFrame, metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """The scores of each kind's questions.

    Args:
        table: of the challenge's questions, with `counts`; `part` is the kind, `kind` how it is scored.
        metrics: of all its questions; statistics of every row.

    Returns:
        By kind: questions, counted (how many count), only_chatgpt (how many of these are scored by nothing
        else) and scores: of those that are defined for it, score and interval.
    """
    found = {}
    for stage in STAGES:
        here = table["part"] == stage
        counted = here & (table["counts"] == "yes")
        scores = {}
        for sort in table["kind"][counted].unique():
            for name in _SCORED_BY.get(sort, ()):
                if name in metrics:
                    metric = Metric(metrics[name].statistics[here.to_numpy()], metrics[name].score)
                    ends = interval(metric, list(table["segment_id"][here]))
                    scores[name] = {"score": metric.value, "interval": ends}
        found[stage] = {
            "questions": int(here.sum()),
            "counted": int(counted.sum()),
            "only_chatgpt": int((counted & (table["kind"] == "chatgpt")).sum()),
            "scores": {name: scores[name] for name in metrics if name in scores},
        }
    return found


def print_stages(report: Mapping[str, Any], console: Console) -> None:
    """A column a kind, with intervals where there is room; nothing where the report has no scores."""
    if stages := report.get("stages"):
        table = Table("times 100", *stages)
        for row in _rows(stages, intervals=console.width >= _ROOM):
            table.add_row(*row)
        print_table(table, console)


def stages_section(report: Mapping[str, Any]) -> Section:
    """The same on the page."""
    stages = report["stages"]
    html = table_html(["times 100", *stages], _rows(stages, intervals=True)) + text_html(_NOTE, "faint")
    return Section("Kinds of question", html)


def _rows(stages: Mapping[str, Mapping[str, Any]], intervals: bool) -> list[list[str]]:
    def numbers(key: str) -> list[str]:
        return [str(of_stage[key]) for of_stage in stages.values()]

    def cell(score: Mapping[str, Any]) -> str:
        return with_interval(score.get("score"), score.get("interval") if intervals else None)

    defined = [name for name in NAMES if any(name in of_stage["scores"] for of_stage in stages.values())]
    return [
        ["questions", *numbers("questions")],
        ["that count", *numbers("counted")],
        *([NAMES[name], *(cell(s["scores"].get(name, {})) for s in stages.values())] for name in defined),
        ["only ChatGPT", *numbers("only_chatgpt")],
    ]
