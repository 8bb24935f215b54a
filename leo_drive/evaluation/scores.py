"""Everything that is measured on a table of questions, each score with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leo_drive.evaluation import DRIVELM, JUDGE_THRESHOLD, LINGOQA
from leo_drive.evaluation.bootstrap import Metric, interval, share
from leo_drive.evaluation.closed import balanced_accuracy
from leo_drive.evaluation.language import NO_CIDER, bleu, cider, find_java, meteor, rouge_l, tokenize
from leo_drive.evaluation.page import between, hundredths

NAMES = {
    "lingo_judge": "Lingo-Judge",
    "closed_accuracy": "closed, accuracy",
    "closed_balanced_accuracy": "closed, balanced accuracy",
    "gain_over_blind": "closed, balanced, gain over blind",
    "judge_gain_over_blind": "Lingo-Judge, gain over blind",
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "meteor": "METEOR",
    "cider": "CIDEr",
    "rouge_l": "ROUGE-L",
    "accuracy": "accuracy",
    "match_f1": "match, F1",
    "chatgpt": "ChatGPT",
}
"""How scores are called on a page; as fractions in JSON, times 100 for people, as papers have them."""


GAINS = {"judge_gain_over_blind": "lingo_judge", "gain_over_blind": "closed_balanced_accuracy"}
"""Gains over grey frames that a LingoQA report gives with an interval, and of which score they are."""


def what_is_missing(report: Mapping[str, Any]) -> list[str]:
    """A line for each score that a report has no value of, and why."""
    scores = report.get("scores", {})
    return [f"{NAMES[name]}: {s['missing']}" for name, s in scores.items() if s.get("missing")]


def score_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a report's scores for people, times 100; beside them blind ones, if any."""
    scores = report.get("scores", {})
    columns = ["score, times 100", "", "95 % interval"]
    rows = [
        [NAMES[name], hundredths(score["score"]), between(score.get("interval"))]
        for name, score in scores.items()
    ]
    if any("blind" in score for score in scores.values()):
        columns.append("grey frames")
        for row, score in zip(rows, scores.values(), strict=True):
            row.append(hundredths(score["blind"]) if "blind" in score else "")
    return columns, rows


@dataclass(frozen=True)
class Measured:
    """The scores of a table.

    Attributes:
        metrics: by name; statistics of every row of the table.
        missing: why others could not be computed, by name.
        tokenizer: of the language scores.
    """

    metrics: dict[str, Metric]
    missing: dict[str, str]
    tokenizer: str

    def as_dict(self, table: pd.DataFrame, blind: Measured | None = None) -> dict[str, Any]:
        """For report.json: score and interval of each, or why it is missing.

        Args:
            table: that was measured.
            blind: the same of the answers from grey frames, to stand beside.
        """
        segments = list(table["segment_id"])
        known: dict[str, dict[str, Any]] = {
            name: {"score": metric.value, "interval": interval(metric, segments)}
            for name, metric in self.metrics.items()
        }
        if blind:
            for name, score in known.items():
                score["blind"] = blind.metrics[name].value if name in blind.metrics else None
        return known | {name: {"score": None, "missing": why} for name, why in self.missing.items()}


def measure(table: pd.DataFrame, benchmark: str = LINGOQA) -> Measured:
    """The scores of a benchmark on its table.

    Args:
        table: at least one row.
        benchmark: lingoqa or drivelm.

    Raises:
        LeoDriveError: a Java program broke off.
    """
    return _drivelm(table) if benchmark == DRIVELM else _lingoqa(table)


def lingo_judge(table: pd.DataFrame) -> Metric | None:
    """The share of answers that Lingo-Judge finds right; None where it has not judged them all."""
    if not table["judge"].notna().all():
        return None
    return share(list(table["judge"] > JUDGE_THRESHOLD))


def _lingoqa(table: pd.DataFrame) -> Measured:
    metrics: dict[str, Metric] = {}
    missing: dict[str, str] = {}
    if (judged := lingo_judge(table)) is not None:
        metrics["lingo_judge"] = judged
    if table["correct"].notna().any():
        closed = table["correct"].notna()
        metrics["closed_accuracy"] = share([c is True for c in table["correct"]], list(closed))
        metrics["closed_balanced_accuracy"] = balanced_accuracy(table)
    tokens = tokenize(list(table["answer"]), list(table["references"]))
    metrics["bleu_4"] = bleu(tokens)
    _add(metrics, missing, "meteor", meteor(tokens), find_java()[1])
    _add(metrics, missing, "cider", cider(tokens), NO_CIDER)
    return Measured(metrics, missing, tokens.tokenizer)


def _drivelm(table: pd.DataFrame) -> Measured:
    """Of the questions that count; see `leo_drive.evaluation.challenge`."""
    counts = table["counts"] == "yes"
    metrics: dict[str, Metric] = {}
    missing: dict[str, str] = {}
    for name, tag in (("accuracy", "accuracy"), ("match_f1", "match")):
        rows = counts & (table["kind"] == tag)
        if rows.any():
            values = [0.0 if pd.isna(v) else float(v) for v in table["points"]]
            metrics[name] = share(values, list(rows))
        else:
            missing[name] = "no question of this sort counts"
    spoken = counts & (table["kind"] == "language")
    tokens = tokenize(list(table["answer"][spoken]), list(table["references"][spoken]))
    if spoken.any():
        for order in (1, 2, 3, 4):
            metrics[f"bleu_{order}"] = _spread(bleu(tokens, order), spoken)
        metrics["rouge_l"] = _spread(rouge_l(tokens), spoken)
        # The challenge counts a CIDEr of 0 where there is too little to tell what is rare.
        metrics["cider"] = _spread(cider(tokens) or share([0.0] * int(spoken.sum())), spoken)
    else:
        missing |= dict.fromkeys(("bleu_4", "rouge_l", "cider"), "no question of this sort counts")
    return Measured(metrics, missing, tokens.tokenizer)


def _add(
    metrics: dict[str, Metric], missing: dict[str, str], name: str, metric: Metric | None, why: str
) -> None:
    """The metric, or why there is none."""
    if metric is None:
        missing[name] = why
    else:
        metrics[name] = metric


def _spread(metric: Metric, rows: pd.Series) -> Metric:
    """A metric of some rows as one of all: the others add nothing."""
    statistics = np.zeros((len(rows), metric.statistics.shape[1]))
    statistics[rows.to_numpy()] = metric.statistics
    return Metric(statistics, metric.score)
