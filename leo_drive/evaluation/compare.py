"""Two evaluations of the same questions, side by side: is the difference more than chance?

Every score is compared over the questions that both have: the difference with a bootstrap interval over
segments, drawn for both alike, and of scores that are right or wrong question by question, McNemar's exact
test (McNemar 1947, the binomial test on the questions where just one of the two is right).

Of DriveLM's questions only some count, and which ones depends on the answers (see `challenge_score`): each
score is over the questions that count for it, right and wrong are compared where a question counts in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from leo_drive.errors import InputError, some
from leo_drive.evaluation import JUDGE_THRESHOLD
from leo_drive.evaluation.bootstrap import Metric, paired
from leo_drive.evaluation.calibration import table_reliability
from leo_drive.evaluation.closed import balanced_accuracy, closed_rows
from leo_drive.evaluation.compare_extras import only_in_one, side_by_side, side_by_side_section
from leo_drive.evaluation.page import (
    Section,
    between,
    figure,
    figure_html,
    hundredths,
    page,
    table_html,
    text_html,
)
from leo_drive.evaluation.predictions import repeated
from leo_drive.evaluation.report import now, plain, read_report, write_json
from leo_drive.evaluation.scores import GAINS, NAMES, measure
from leo_drive.evaluation.table import counting, csv_text, read_table
from leo_drive.files import writable_folder, write
from leo_drive.terminal import print_table

CHANGED, JSON, PAGE = "changed.csv", "compare.json", "compare.html"
_SHOWN = 40
_BINARY = {"lingo_judge": "judge", "closed_accuracy": "correct", "accuracy": "correct"}
"""Scores that are a share of right answers, and the column that says which are right."""
COUNTS = "counts"
ALONE = "counts in A alone", "counts in B alone"
"""What changed.csv says of a question that one of the two scores leaves out."""


def compare(a: Path, b: Path, out: Path, command: str = "") -> dict[str, Any]:
    """Compare evaluation B with evaluation A; write changed.csv, compare.json and compare.html to `out`.

    Args:
        a, b: folders that `leo-drive evaluate` wrote.
        command: what the page says that it was made by.

    Returns:
        questions (that both have), only_a and only_b (how many just one has), scores (of each: a, b,
        difference, interval, and where it is right or wrong by question: only_a_right, only_b_right,
        mcnemar_p), missing (of scores that cannot be compared, why), tokenizer (of BLEU, METEOR and CIDEr,
        which are counted anew), notes (how the scores are to be read), changed (how many answers),
        kinds (of closed questions, the same of each one's balanced accuracy), extras (see `side_by_side`),
        and of DriveLM counted: how many questions count in both, a alone and b
        alone.

    Raises:
        InputError: a folder without an evaluation or without scores, evaluations of different parts, a
            question with several answers, or `out` cannot be written to.
    """
    reports = read_report(a), read_report(b)
    _check_comparable(a, b, *reports)
    tables = [_once(folder, read_table(folder)) for folder in (a, b)]
    of_b = set(tables[1].index)
    common = [i for i in tables[0].index if i in of_b]
    if not common:
        raise InputError(f"{b}: has no question in common with {a}")
    writable_folder(out)
    first, second = (table.loc[common].reset_index(drop=True) for table in tables)
    # Of the reports' own entries only this one can be over fewer questions than the other side's.
    for report, table in zip(reports, (first, second), strict=True):
        if report.get("confidence"):
            report["confidence"] = table_reliability(table)
    scores, missing, tokenizer = _scores(first, second, reports[0]["benchmark"])
    notes = _notes(reports, tokenizer)
    if gains := _gains(*reports):
        scores |= gains
        if any(len(table) > len(common) for table in tables):
            notes.append("Gains over grey frames are each over its own questions.")
    judges = [report["settings"].get("judge_hash") for report in reports]
    if judges[0] != judges[1]:
        for name in scores.keys() & {"lingo_judge", "judge_gain_over_blind"}:
            del scores[name]
            missing[name] = f"judged by different judges ({judges[0]}, {judges[1]})"
        for report in reports:
            (report.get("robustness") or {}).pop("lingo_judge", None)
    # What one judge alone has said makes no answer better or worse than the other's.
    verdicts = ("correct", "judge") if "lingo_judge" in scores else ("correct",)
    changed = _changed(first, second, verdicts)
    found = plain(
        {
            "a": str(a),
            "b": str(b),
            "model_a": reports[0]["model"],
            "model_b": reports[1]["model"],
            "part": reports[0]["part"],
            "questions": len(common),
            "only_a": len(tables[0]) - len(common),
            "only_b": len(tables[1]) - len(common),
            "scores": scores,
            "missing": missing,
            "tokenizer": tokenizer,
            "notes": notes,
            "changed": len(changed),
            "kinds": _kinds(first, second) if reports[0].get("closed") else {},
            "extras": side_by_side(*reports),
            **({"counted": _counted(first, second)} if COUNTS in first else {}),
            **({"command": command} if command else {}),
        }
    )
    write(out / CHANGED, csv_text(changed))
    write_json(out / JSON, found)
    write(out / PAGE, _page(found, reports, changed))
    return found


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value: how often chance alone is this one-sided among the questions that differ.

    Args:
        only_a, only_b: questions that just one of the two has right.

    Example:
        >>> round(mcnemar(1, 9), 4)
        0.0215
    """
    from scipy.stats import binomtest

    count = only_a + only_b
    return float(binomtest(only_a, count).pvalue) if count else 1.0


def print_comparison(found: Mapping[str, Any], console: Console) -> None:
    """The scores of both with the difference, for the terminal."""
    console.print(f"A: {found['model_a']}, {found['a']}")
    console.print(f"B: {found['model_b']}, {found['b']}")
    table = Table(*_COLUMNS)
    for row in _rows(found):
        table.add_row(*row)
    print_table(table, console)
    for line in (_summary(found), *found["notes"]):
        console.print(line)


_COLUMNS = (
    "score, times 100",
    "A",
    "B",
    "B - A",
    "95 % interval",
    "A alone right",
    "B alone right",
    "McNemar p",
)


def _check_comparable(a: Path, b: Path, of_a: Mapping[str, Any], of_b: Mapping[str, Any]) -> None:
    for folder, report in ((a, of_a), (b, of_b)):
        if not report["scores"]:
            raise InputError(f"{folder}: has no scores to compare; evaluate on a file that has answers")
    if of_a["benchmark"] != of_b["benchmark"]:
        raise InputError(f"{b}: is an evaluation on {of_b['benchmark']}, {a} one on {of_a['benchmark']}")
    if of_a["part_hash"] != of_b["part_hash"]:
        raise InputError(
            f"{b}: answers another part, or one with other kinds ({of_b['part']}, {of_b['part_hash']}), "
            f"than {a} ({of_a['part']}, {of_a['part_hash']}); evaluate both on the same questions"
        )


def _once(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    if twice := repeated(table):
        raise InputError(
            f"{folder}: {len(twice)} question ids have several answers ({some(twice)}); keep one of each"
        )
    return table.set_index(["question_id", "segment_id"], drop=False)


def _scores(
    first: pd.DataFrame, second: pd.DataFrame, benchmark: str
) -> tuple[dict[str, dict[str, Any]], dict[str, str], str]:
    """Scores, why others are missing, and the tokenizer."""
    segments = list(first["segment_id"])
    scores: dict[str, dict[str, Any]] = {}
    a, b = measure(first, benchmark), measure(second, benchmark)
    missing = a.missing | b.missing
    for name, metric in a.metrics.items():
        if name not in b.metrics:
            missing.setdefault(name, "B has none")
            continue
        scores[name] = _compared(metric, b.metrics[name], segments)
    missing |= {name: "A has none" for name in b.metrics if name not in a.metrics}
    for name, column in _BINARY.items():
        if name in scores:
            both = counting(first) & counting(second)
            right_a, right_b = both & _right(first, column), both & _right(second, column)
            only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
            p = mcnemar(only_a, only_b)
            scores[name] |= {"only_a_right": only_a, "only_b_right": only_b, "mcnemar_p": p}
    return scores, missing, a.tokenizer


def _gains(of_a: Mapping[str, Any], of_b: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What both gain over grey frames, without interval: of those answers no verdicts are kept."""
    gains = {name: [report["scores"].get(name, {}).get("score") for report in (of_a, of_b)] for name in GAINS}
    return {
        name: {"a": a, "b": b, "difference": b - a, "interval": None}
        for name, (a, b) in gains.items()
        if a is not None and b is not None
    }


def _notes(reports: Sequence[Mapping[str, Any]], tokenizer: str) -> list[str]:
    return [
        f"BLEU, METEOR and CIDEr are counted anew, with the tokenizer {tokenizer}; {side}'s report has those "
        f"of {theirs}."
        for side, report in zip("AB", reports, strict=True)
        if (theirs := report["settings"].get("tokenizer")) not in (None, tokenizer)
    ]


def _right(table: pd.DataFrame, column: str) -> np.ndarray:
    if column == "judge":
        return (table["judge"] > JUDGE_THRESHOLD).to_numpy()
    return np.array([value is True for value in table["correct"]])


def _counted(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, int]:
    a, b = counting(first), counting(second)
    return {"both": int((a & b).sum()), "a": int((a & ~b).sum()), "b": int((b & ~a).sum())}


def _changed(first: pd.DataFrame, second: pd.DataFrame, verdicts: Sequence[str]) -> pd.DataFrame:
    """The questions whose answer or verdict is not the same, those that turned worse first.

    Args:
        verdicts: the columns that say whether an answer is right, of both.
    """
    rows = []
    gained = sum(
        (_right(second, column).astype(int) - _right(first, column).astype(int) for column in verdicts),
        start=np.zeros(len(first), int),
    )
    counts = zip(counting(first), counting(second), strict=True)
    each = zip(first.iterrows(), second.iterrows(), counts, gained, strict=True)
    for (_, a), (_, b), (in_a, in_b), gain in each:
        if in_a != in_b:
            change = ALONE[0] if in_a else ALONE[1]
        elif in_a and gain:
            change = "worse" if gain < 0 else "better"
        elif a["answer"] != b["answer"]:
            change = "other words"
        else:
            continue
        rows.append(
            {
                "change": change,
                **{c: a[c] for c in ("question_id", "segment_id", "kind", "question")},
                "references": " / ".join(a["references"]),
                "answer_a": a["answer"],
                "answer_b": b["answer"],
                **{
                    f"{c}_{x}": row[c]
                    for c in ("correct", "judge", "confidence")
                    for x, row in (("a", a), ("b", b))
                },
            }
        )
    order = ("worse", "better", *ALONE, "other words")
    return pd.DataFrame(
        sorted(rows, key=lambda row: order.index(row["change"])), columns=None if rows else ["change"]
    )


def _rows(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, score in found["scores"].items():
        p = score.get("mcnemar_p")
        rows.append(
            [
                NAMES[name],
                *_cells(score),
                str(score.get("only_a_right", "")),
                str(score.get("only_b_right", "")),
                "" if p is None else f"{p:.3g}",
            ]
        )
    return [*rows, *([NAMES[name], "", "", "", why, "", "", ""] for name, why in found["missing"].items())]


def _summary(found: Mapping[str, Any]) -> str:
    one = [f"{found[key]} only in {key[-1].upper()}" for key in ("only_a", "only_b") if found[key]]
    if counted := found.get("counted"):
        one.append(f"{counted['both']} count in both (right and wrong are compared over these)")
        one += [f"{counted[side]} count in {side.upper()} alone" for side in "ab" if counted[side]]
    more = ", or whether they count" if counted else ""
    return ", ".join([f"{found['questions']} questions", *one, f"{found['changed']} answers changed{more}"])


def _page(found: Mapping[str, Any], reports: tuple[dict, dict], changed: pd.DataFrame) -> str:
    sections = [
        Section(
            "Scores",
            text_html(f"A: {found['model_a']}, {found['a']}")
            + text_html(f"B: {found['model_b']}, {found['b']}")
            + table_html(_COLUMNS, _rows(found)) + _plot(found)
            + "".join(text_html(line, "faint") for line in (_summary(found), *found["notes"])),
        )
    ]  # fmt: skip
    if found["kinds"]:
        sections.append(Section("Closed questions by kind", _kinds_table(found["kinds"])))
    if extras := side_by_side_section(found["extras"], only_in_one(*reports)):
        sections.append(extras)
    columns = ["change", "question", "references", "answer_a", "answer_b"]
    if len(changed):
        rows = changed.head(_SHOWN)[columns].itertuples(index=False, name=None)
        html = table_html(["", "question", "right", "A", "B"], rows)
        if len(changed) > _SHOWN:
            html += text_html(f"The first {_SHOWN} of {len(changed)}; {CHANGED} has all.", "faint")
        sections.append(Section("Answers that changed", html))
    sides = (
        f"<div><h3>{side}</h3>{table_html(['', ''], report.get('settings', {}).items())}</div>"
        for side, report in zip("AB", reports, strict=True)
    )
    made = f"<div class=two>{''.join(sides)}</div>" + text_html(found.get("command", ""), "faint")
    return page(
        f"{found['model_b']} against {found['model_a']}", [*sections, Section("Made with", made)], now()
    )


def _kinds(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = {}
    for kind, rows in closed_rows(first).groupby("kind"):
        a, b = balanced_accuracy(rows), balanced_accuracy(second.loc[rows.index])
        found[str(kind)] = {"questions": len(rows), **_compared(a, b, list(rows["segment_id"]))}
    return found


def _compared(a: Metric, b: Metric, segments: Sequence[str]) -> dict[str, Any]:
    difference, ends = paired(a, b, segments)
    return {"a": a.value, "b": b.value, "difference": difference, "interval": ends}


def _kinds_table(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ["kind, balanced accuracy", "questions", "A", "B", "B - A", "95 % interval"]
    rows = [[kind, str(score["questions"]), *_cells(score)] for kind, score in kinds.items()]
    return table_html(columns, rows)


def _cells(score: Mapping[str, Any]) -> list[str]:
    return [
        *(hundredths(score[key]) for key in ("a", "b")),
        f"{100 * score['difference']:+.1f}",
        between(score["interval"]),
    ]


def _plot(found: Mapping[str, Any]) -> str:
    known = [(n, s) for n, s in found["scores"].items() if s["interval"] and n != "cider"][::-1]
    if not known:
        return ""
    drawn = figure(8.0, 1.0 + 0.35 * len(known))
    axes = drawn.subplots()
    for place, (_, score) in enumerate(known):
        low, high = score["interval"]
        axes.plot(
            [100 * low, 100 * high], [place, place], color="#9aa1ab", linewidth=3, solid_capstyle="round"
        )
        axes.plot([100 * score["difference"]], [place], "o", color="#0f62b0")
    axes.axvline(0, color="#14171c", linewidth=0.8)
    axes.set_yticks(range(len(known)), [NAMES[name] for name, _ in known])
    axes.set_ylim(-0.6, len(known) - 0.4)
    axes.set_xlabel("B - A, times 100, with its 95 % interval")
    return figure_html(drawn, "differences")
