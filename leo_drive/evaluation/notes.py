"""What a report on a LingoQA part says in words: what may be wrong, and how its scores are to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from leo_drive.data.example import Example
from leo_drive.evaluation import JUDGE_THRESHOLD
from leo_drive.evaluation.judge import LINGO_JUDGE, LingoJudge, as_the_scorer_reads
from leo_drive.evaluation.language import WORDS
from leo_drive.evaluation.predictions import Matching

OFFICIAL = {"segments": 100, "questions": 500, "references": 1000}
"""How large LingoQA's evaluation part is, by the README of GitHub wayveai/LingoQA."""


def warnings_on(examples: Sequence[Example], table: pd.DataFrame, matching: Matching | None) -> list[str]:
    """What may be wrong with the answers themselves, and whether published scores are over the same."""
    lines = matching.warnings() if matching else []
    if why := _not_comparable(examples, table, matching):
        lines.append(f"WARNING: not to be compared with published scores: {why}")
    lines += cut_short(table)
    empty = table[[not answer.strip() for answer in table["answer"]]]
    if len(empty):
        line = f"{len(empty)} of {len(table)} answers are empty: wrong as closed answers"
        if empty["judge"].notna().all():
            # As its own scorer reads them; one of spaces alone reaches the judge as it is.
            as_none = as_the_scorer_reads(list(empty["answer"])).count("none")
            passed = int((empty["judge"] > JUDGE_THRESHOLD).sum())
            line += f'; judged all the same, {as_none} of them as "none", and {passed} of them passed'
        lines.append(line)
    return lines


def cut_short(table: pd.DataFrame) -> list[str]:
    """That answers were not let end."""
    cut = int((table["cut"] == "yes").sum())
    if not cut:
        return []
    return [f"{cut} of {len(table)} answers were cut short; a larger --max-new-tokens lets them end"]


def notes_on(
    examples: Sequence[Example],
    table: pd.DataFrame,
    closed: Mapping[str, Any] | None,
    judge: LingoJudge | None,
    matching: Matching | None,
    tokenizer: str,
) -> list[str]:
    """What somebody should know who reads the scores of a LingoQA part.

    Args:
        examples: the part's, with every reference.
        table: what was answered and scored.
        closed: the report's closed scores.
    """
    lines = []
    if judge:
        lines.append(
            f"Lingo-Judge by {judge.name}: right above a logit of {JUDGE_THRESHOLD:g}, best of the "
            f"references, over {len(table)} answers."
        )
        if judge.name != LINGO_JUDGE:
            lines.append(f"The judge is a folder; whether it holds {LINGO_JUDGE} is told by its hash alone.")
    if single := [kind for kind, score in (closed or {"kinds": {}})["kinds"].items() if score["values"] == 1]:
        lines.append(
            f"Kinds of which one value alone occurs here, so that always giving it is worth 100; in the mean "
            f"over kinds they count like any other: {', '.join(single)}."
        )
    if not _not_comparable(examples, table, matching):
        lines.append(
            f"The part is as large as LingoQA's evaluation part ({_spoken(OFFICIAL)}). Only if it is that "
            f"part are the scores to be compared with published ones."
        )
    if tokenizer == WORDS:
        lines.append(
            "BLEU and CIDEr without Java: words by a simpler rule than the benchmark's tokenizer, so not to "
            "be compared with published scores."
        )
    return lines


def _not_comparable(examples: Sequence[Example], table: pd.DataFrame, matching: Matching | None) -> str:
    """Why published scores are over something else; nothing where, as far as a size tells, they are not."""
    references = [qa for example in examples for qa in example.questions]
    asked = {(e.example_id, qa.question_id) for e in examples for qa in e.questions}
    segments = {segment for segment, _ in asked}
    size = {"segments": len(segments), "questions": len(asked), "references": len(references)}
    if size != OFFICIAL:
        return f"the part has {_spoken(size)}, LingoQA's evaluation part {_spoken(OFFICIAL)}"
    if matching and (matching.missing or matching.doubled):
        counts = f"{len(table)} answers to {size['questions']} questions"
        return f"not every question has one answer ({counts})"
    return ""


def _spoken(size: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {what}" for what, n in size.items())
