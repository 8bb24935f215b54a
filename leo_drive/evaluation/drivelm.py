"""DriveLM: answer the challenge's questions about several cameras, or take answers from a file; then score.

Files in the output folder: output.json in the challenge's format, output_blind.json with the answers from
grey frames, questions.csv, report.json and report.html.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import pandas as pd
from PIL import Image
from pydantic import BaseModel

from leo_drive.data.documents import read_json
from leo_drive.data.drivelm import ARCHIVES
from leo_drive.errors import InputError
from leo_drive.evaluation import DRIVELM, MAX_NEW_TOKENS_DRIVELM
from leo_drive.evaluation.answering import (
    Progress,
    Show,
    answer_examples,
    check_pictures,
    clip_of,
    grey_clip,
)
from leo_drive.evaluation.calibration import confidence_section, table_reliability
from leo_drive.evaluation.challenge import Challenge, bare_question, same_question
from leo_drive.evaluation.challenge_score import WITHOUT_CHATGPT, known_part, scored, shares
from leo_drive.evaluation.challenge_stages import by_stage, stages_section
from leo_drive.evaluation.notes import cut_short
from leo_drive.evaluation.page import Section, table_html
from leo_drive.evaluation.partial import PARTIAL, finished, kept_answers, made_by, what_answers_depend_on
from leo_drive.evaluation.predictions import Matching, check_apart, match
from leo_drive.evaluation.report import (
    PAGE,
    REPORT,
    Origin,
    begin_report,
    end_report,
    folder_for,
    made_with,
    write_evaluation,
)
from leo_drive.evaluation.scores import measure
from leo_drive.evaluation.sections import mistakes_section, scores_section, settings_section
from leo_drive.evaluation.table import QUESTIONS, Answered, question_table
from leo_drive.inference import Leo

SIGHTED, BLIND = "output", "output_blind"
OUTPUT, OUTPUT_BLIND = f"{SIGHTED}.json", f"{BLIND}.json"
RESULTS = (OUTPUT, OUTPUT_BLIND, QUESTIONS, REPORT, PAGE)


class _Prediction(BaseModel):
    id: str
    answer: str
    question: str | None = None


def evaluate_challenge(
    leo: Leo,
    challenge: Challenge,
    out: Path,
    blind: bool = True,
    progress: Progress | None = None,
    command: str = "",
    max_new_tokens: int = MAX_NEW_TOKENS_DRIVELM,
) -> dict[str, Any]:
    """Answer the challenge's questions, score the answers where the file has some, and write it all to `out`.

    Answers are kept as they come: run again after it was stopped, it goes on where it was.

    Args:
        blind: where there are answers to score against, answer a second time from grey frames: what the
            questions give away.
        progress: called with key frames done and all, over all passes.
        command: what the report says that it was made by.
        max_new_tokens: of an answer; the objects of a key frame take about 150, and stand at its end.

    Returns:
        The report: scores with intervals, beside them the blind ones, by sort how many questions count, and
        what the official score has besides.

    Raises:
        InputError: pictures are missing, cameras and questions do not fit the model's context, or `out` has
            part of the answers of another model, or to other questions.
    """
    folder_for(out, DRIVELM)
    check_pictures(
        challenge.examples,
        str(challenge.path),
        out,
        f"put {ARCHIVES} beside it, or say with --nuscenes where they are",
    )
    about = what_answers_depend_on(leo, challenge.examples, max_new_tokens)
    with kept_answers(out / PARTIAL, about) as kept:
        name = challenge.path.stem
        passes: dict[str, Show] = {SIGHTED: lambda clip: clip}
        if blind and challenge.answered:
            passes[BLIND] = grey_clip
        said = answer_examples(
            leo, challenge.examples, passes, kept, name, progress, max_new_tokens=max_new_tokens
        )
        tables = {key: question_table(challenge.examples, said[key], name) for key in passes}
        shown = made_by(leo, about, cameras=", ".join(challenge.examples[0].names or ()))
        report = _finish(challenge, tables, Origin(leo.name, shown, command), out)
    return report


def score_challenge(challenge: Challenge, predictions: Path, out: Path, command: str = "") -> dict[str, Any]:
    """Score the answers in a file of the challenge's format (a list of id and answer), without a model.

    Where it has the questions too, they have to be the challenge's.

    Raises:
        InputError: the file cannot be read, has no answer to a question of the challenge or answers to others
            under its ids, would be written over, or there is nothing to score against.
    """
    check_apart(predictions, out, RESULTS)
    if not challenge.answered:
        raise InputError(f"{challenge.path}: has no answers to score {predictions} against")
    segments = {
        qa.question_id: example.example_id for example in challenge.examples for qa in example.questions
    }
    given = read_json(predictions, list[_Prediction], "the challenge's output: a list of id and answer")
    _refuse_other_questions(challenge, given, predictions)
    answers: dict[tuple[str, str], list[Answered]] = {}
    doubled = []
    for one in given:
        key = one.id, segments.get(one.id, "")
        doubled += [one.id] if key in answers else []
        # The challenge puts answers into a dict by id: of several the last counts.
        answers[key] = [Answered(one.answer)]
    matching = replace(
        match(challenge.examples, answers, predictions, part=challenge.path.stem),
        doubled=list(dict.fromkeys(doubled)),
        of_doubled="the last counts",
    )
    folder_for(out, DRIVELM)
    finished(out / PARTIAL).unlink(missing_ok=True)  # of an earlier evaluation, by a model
    origin = Origin.of_file(predictions, command, matching)
    return _finish(challenge, {SIGHTED: matching.table}, origin, out)


def _refuse_other_questions(challenge: Challenge, given: Sequence[_Prediction], path: Path) -> None:
    """Raise InputError if answers are to other questions than the challenge has under their ids."""
    asked = {qa.question_id: qa.question for example in challenge.examples for qa in example.questions}
    said = [(one.id, bare_question(one.question or "")) for one in given if one.id in asked]
    others = [(id_, text) for id_, text in said if text and not same_question(text, asked[id_])]
    if others:
        id_, text = others[0]
        theirs, ours = _where_they_part(text, bare_question(asked[id_]))
        drawn = ", which are drawn from a training file and numbered anew" if challenge.drawn else ""
        raise InputError(
            f"{path}: {len(others)} of {len(said)} answers are to other questions than {challenge.path} has "
            f"under their ids: {id_} is {theirs}, and not {ours}; answer the challenge's questions{drawn}: "
            f"leo-drive evaluate drivelm --model nano lists them in {OUTPUT}"
        )


def _where_they_part(one: str, other: str) -> tuple[str, str]:
    """Two texts for a message, each short and from a little before where they are no longer the same."""
    apart = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))
    start = max(0, apart - 20)
    ends = (shorten(text[start:], 70, placeholder=" ...") for text in (one, other))
    first, second = (repr(f"... {end}" if start else end) for end in ends)
    return first, second


def _finish(
    challenge: Challenge, tables: dict[str, pd.DataFrame], origin: Origin, out: Path
) -> dict[str, Any]:
    """Score, and write everything."""
    tables = {name: _scored(challenge, table) for name, table in tables.items()}
    table = tables[SIGHTED]
    report = begin_report(DRIVELM, challenge.path, challenge.examples, table, origin)
    report |= {"scores": {}, "notes": [], "warnings": _warnings(table, origin.matching)}
    tokenizer = None
    if challenge.answered:
        measured = measure(table, DRIVELM)
        blind = measure(tables[BLIND], DRIVELM) if BLIND in tables else None
        report["scores"] = measured.as_dict(table, blind)
        tokenizer = measured.tokenizer
        report["stages"] = by_stage(table, measured.metrics)
        report["sorts"], report["official"] = shares(table), known_part(report["scores"])
        report["scores"]["chatgpt"] = {"score": None, "missing": "needs ChatGPT"}
        if (confidence := table_reliability(table)) is not None:
            report["confidence"] = confidence
        report["notes"] = _notes(challenge, report["official"], report["sorts"])
    else:
        report["notes"] = [
            f"{challenge.path} has no answers: {OUTPUT} is for the challenge's server to score."
        ]
    if origin.matching:
        report["matching"] = origin.matching.as_dict()
    report["settings"] = made_with(report, origin, tokenizer=tokenizer)
    report = end_report(report, origin)
    files = {f"{name}.json": _output(challenge, one) for name, one in tables.items()}
    title = f"{origin.name} on {challenge.path.name}"
    write_evaluation(out, report, table, files, RESULTS, title, _sections(challenge, report, table))
    return report


def _scored(challenge: Challenge, table: pd.DataFrame) -> pd.DataFrame:
    """The table with stages and sorts, and where the challenge has answers, what each answer scores."""
    ids = table["question_id"]
    table = table.assign(part=[challenge.stages[i] for i in ids], kind=[challenge.sorts[i] for i in ids])
    if not challenge.answered:
        return table
    table = scored(table, {example.questions[0].question_id for example in challenge.examples})
    exact = table["kind"] == "accuracy"
    table["correct"] = [bool(p) if e else None for p, e in zip(table["points"], exact, strict=True)]
    table["truth"] = [r[0] if e else None for r, e in zip(table["references"], exact, strict=True)]
    table["value"] = [a if e else None for a, e in zip(table["answer"], exact, strict=True)]
    return table


def _output(challenge: Challenge, table: pd.DataFrame) -> str:
    rows = [
        {
            "id": row["question_id"],
            "question": f"<image>\n{row['question']}",
            **({"gt_answer": row["references"][0]} if challenge.answered else {}),
            "answer": row["answer"],
        }
        for _, row in table.iterrows()
    ]
    return json.dumps(rows, indent=4, ensure_ascii=True) + "\n"


def _warnings(table: pd.DataFrame, matching: Matching | None) -> list[str]:
    lines = []
    if matching and matching.missing:
        lines.append("questions without an answer: the challenge's server refuses such a file")
    lines += [*(matching.warnings() if matching else []), *cut_short(table)]
    empty = sum(not answer.strip() for answer in table["answer"])
    return [*lines, *([f"{empty} of {len(table)} answers are empty; they count as wrong"] if empty else [])]


def _notes(challenge: Challenge, official: dict[str, Any], sorts: dict[str, dict[str, int]]) -> list[str]:
    lines = [
        WITHOUT_CHATGPT.format(
            share=official["most"], known=100 * official["known"], most=100 * official["most"]
        )
    ]
    if left := sum(sort["questions"] - sort["counted"] for sort in sorts.values()):
        lines.append(
            f"{left} questions do not count: they name an object that the answer to their key frame's first "
            f"question did not name."
        )
    if challenge.drawn:
        lines.append(
            "Questions drawn from a training file by the challenge's rules; the options of multiple choice "
            "are drawn anew, the same ones every time."
        )
    return lines


def _sections(challenge: Challenge, report: dict[str, Any], table: pd.DataFrame) -> list[Section | None]:
    by_id = {example.example_id: example for example in challenge.examples}

    def frames(segment: str) -> Sequence[Image.Image]:
        return clip_of(by_id[segment], 1, challenge.path.stem).frames

    sections: list[Section | None] = [scores_section(report)]
    if "sorts" in report:
        sections.append(stages_section(report))
        rows = [[sort, n["questions"], n["counted"]] for sort, n in report["sorts"].items()]
        sections.append(Section("Questions", table_html(["scored by", "questions", "that count"], rows)))
    if "confidence" in report:
        sections.append(confidence_section(report["confidence"]))
    return [*sections, mistakes_section(table, frames), settings_section(report)]
