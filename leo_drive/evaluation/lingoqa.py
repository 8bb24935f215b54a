"""LingoQA: answer a part's questions, each segment encoded once, or take answers from a file; then score.

Files in the output folder: predictions.csv as the benchmark's scorer reads it, questions.csv with
everything about each question, report.json and report.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from PIL import Image

from leo_drive.data.example import Example, Picture
from leo_drive.data.kinds import infer_kinds
from leo_drive.data.lingoqa import part_table, read_lingoqa
from leo_drive.errors import InputError, some
from leo_drive.evaluation import LINGOQA, MAX_NEW_TOKENS
from leo_drive.evaluation.answering import (
    Progress,
    Show,
    answer_examples,
    asked_once,
    check_pictures,
    clip_of,
    grey_clip,
)
from leo_drive.evaluation.bootstrap import interval, paired
from leo_drive.evaluation.closed import balanced_accuracy, score_table
from leo_drive.evaluation.judge import LingoJudge, as_the_scorer_reads
from leo_drive.evaluation.notes import notes_on, warnings_on
from leo_drive.evaluation.page import Section
from leo_drive.evaluation.partial import PARTIAL, finished, kept_answers, made_by, what_answers_depend_on
from leo_drive.evaluation.predictions import (
    COLUMNS,
    check_apart,
    match,
    read_predictions,
)
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
from leo_drive.evaluation.scores import GAINS, measure
from leo_drive.evaluation.sections import kinds_section, mistakes_section, scores_section, settings_section
from leo_drive.evaluation.table import (
    QUESTIONS,
    Answered,
    csv_text,
    question_table,
    subjects_of,
)
from leo_drive.inference import Leo

SIGHTED, BLIND = "predictions", "predictions_blind"

ROBUSTNESS_PLOT = "robustness.png"
RESULTS = (f"{SIGHTED}.csv", f"{BLIND}.csv", QUESTIONS, REPORT, PAGE, ROBUSTNESS_PLOT)
"""What an evaluation writes, or removes where an earlier one left it."""


@dataclass(frozen=True)
class Answers:
    """What an evaluation has when everything is answered.

    Attributes:
        tables: of each pass, the extras' own and SIGHTED and BLIND, the table of questions, its rows in one
            order.
        clips: the clips' names.
        besides: of what was asked besides, by its name: of each clip, an answer a question.
    """

    tables: Mapping[str, pd.DataFrame]
    clips: Sequence[str]
    besides: Mapping[str, Sequence[Sequence[Answered]]]


@dataclass(frozen=True)
class Finding:
    """What an extra has found.

    Attributes:
        entry: for report.json.
        sections: of the page.
        files: to be written beside them, by name; of RESULTS.
    """

    entry: Any
    sections: Sequence[Section] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


class Extra(Protocol):
    """Something more to measure in the same evaluation, such as robustness."""

    @property
    def name(self) -> str:
        """Its key in report.json."""

    def passes(self, frames: int) -> Mapping[str, Show]:
        """More passes over the same clips, by a name that says what is shown wholly.

        Args:
            frames: most that a clip is shown with.

        Raises:
            InputError: so many frames are too few for what it measures.
        """

    def besides(self) -> Mapping[str, Sequence[str]]:
        """More questions about every clip, by a name that says them wholly."""

    def finish(self, answers: Answers) -> Finding:
        """What it found, when everything is answered."""


@dataclass(frozen=True)
class _Part:
    """A part as it was read: where, its questions with all references and kinds, and who says these."""

    path: Path
    examples: list[Example]
    told: bool

    @property
    def name(self) -> str:
        return part_table(self.path).absolute().parent.name

    @property
    def table(self) -> Callable[..., pd.DataFrame]:
        """`question_table` for this part."""
        return partial(question_table, **self.of_table)

    @property
    def of_table(self) -> dict[str, Any]:
        return {"part": self.name, "subjects": subjects_of(part_table(self.path))}


def evaluate_part(
    leo: Leo,
    part: Path,
    out: Path,
    blind: bool = True,
    progress: Progress | None = None,
    judge: LingoJudge | None = None,
    no_judge: str = "not asked for",
    extras: Sequence[Extra] = (),
    command: str = "",
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[str, Any]:
    """Answer a part's questions, score the answers, and write the evaluation's files to `out`.

    Answers are kept as they come: run again after it was stopped, it goes on where it was.

    Args:
        part: folder with val.parquet or train.parquet.
        blind: where there are closed questions or a judge, answer a second time from grey frames: what the
            questions give away. Those answers are in `predictions_blind.csv`.
        progress: called with clips done and all, over all passes; then with texts judged and all.
        judge: Lingo-Judge; without it the report says `no_judge` in its place.
        extras: what else to measure; each adds passes, an entry of the report and sections of the page.
        command: what the report says that it was made by.
        max_new_tokens: of an answer.

    Returns:
        The report: what was evaluated, every score with its interval, and where there are closed questions,
        their scores. Which are closed is said by the part's table of kinds, or inferred from wording and
        answers (`leo_drive.data.kinds`).

    Raises:
        InputError: the part cannot be read, pictures are missing, or `out` has part of the answers of another
            model, or to other questions.
    """
    read = _read(part)
    asked = [asked_once(example) for example in read.examples]
    folder_for(out, LINGOQA)
    check_pictures(asked, str(part), out)
    about = what_answers_depend_on(leo, asked, max_new_tokens)
    with kept_answers(out / PARTIAL, about) as kept:
        frames = min(leo.model.config.trained_frames, max(len(example.pictures) for example in asked))
        closed = any(qa.choices for example in asked for qa in example.questions)
        passes: dict[str, Show] = {SIGHTED: lambda clip: clip}
        if blind and (closed or judge):
            passes[BLIND] = grey_clip
        besides: dict[str, Sequence[str]] = {}
        for extra in extras:
            passes |= extra.passes(frames)
            besides |= extra.besides()
        said = answer_examples(leo, asked, passes, kept, read.name, progress, besides, max_new_tokens)
        tables = {name: read.table(read.examples, said[name]) for name in passes}
        _judge(judge, tables, progress)
        answers = Answers(tables, [e.example_id for e in asked], {name: said[name] for name in besides})
        shown = made_by(leo, about, frames=leo.model.config.trained_frames)
        report = _finish(read, answers, Origin(leo.name, shown, command), out, judge, no_judge, extras)
    return report


def evaluate_predictions(
    part: Path,
    predictions: Path,
    out: Path,
    judge: LingoJudge | None = None,
    no_judge: str = "not asked for",
    extras: Sequence[Extra] = (),
    command: str = "",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the answers in a file against a part's references, without a model.

    Args:
        predictions: a csv with question_id, segment_id and answer, as the benchmark's scorer reads it; a
            column confidence, 0 to 1, is read as well.
        extras: as for `evaluate_part`, such as need no more answers.
        progress: called with texts judged and all.

    Returns:
        As `evaluate_part`, with `matching`: how many questions were matched, and the ids of those that were
        not. They are warned about, and left out of the scores as LingoQA's scorer leaves them out.

    Raises:
        InputError: the part or the file cannot be read, they have no question in common, or the file is one
            that would be written over.
    """
    check_apart(predictions, out, RESULTS)
    read = _read(part)
    matching = match(read.examples, read_predictions(predictions), predictions, **read.of_table)
    folder_for(out, LINGOQA)
    finished(out / PARTIAL).unlink(missing_ok=True)  # of an earlier evaluation, by a model
    tables = {SIGHTED: matching.table}
    _judge(judge, tables, progress)
    answers = Answers(tables, [e.example_id for e in read.examples], {})
    origin = Origin.of_file(predictions, command, matching)
    return _finish(read, answers, origin, out, judge, no_judge, extras)


def _read(part: Path) -> _Part:
    examples = read_lingoqa(part)
    _refuse_shared_ids(examples, part)
    told = any(qa.kind for example in examples for qa in example.questions)
    return _Part(part, infer_kinds(examples), told)


def _refuse_shared_ids(examples: Sequence[Example], part: Path) -> None:
    """Raise InputError if several questions have the same ids: their answers could not be told apart.

    Rows with the same ids are one question's reference answers, if they ask the same of the same pictures.
    """
    asked: dict[tuple[str, str], tuple[str, tuple[Picture, ...]]] = {}
    shared = []
    for example in examples:
        for qa in example.questions:
            ids, of = (qa.question_id, example.example_id), (qa.question, example.pictures)
            if asked.setdefault(ids, of) != of:
                shared.append(f"question_id {ids[0]} of segment_id {ids[1]}")
    if shared:
        raise InputError(
            f"{part}: several questions have the same ids: {some(list(dict.fromkeys(shared)))}; give each "
            f"an id of its own"
        )


def _finish(
    read: _Part,
    answers: Answers,
    origin: Origin,
    out: Path,
    judge: LingoJudge | None,
    no_judge: str,
    extras: Sequence[Extra],
) -> dict[str, Any]:
    """Score, and write everything."""
    tables = answers.tables
    table = tables[SIGHTED]
    found = {extra.name: extra.finish(answers) for extra in extras}
    scored, tokenizer = _scored(read, tables, judge, no_judge)
    report = begin_report(LINGOQA, read.path, read.examples, table, origin) | scored
    if origin.matching:
        report["matching"] = origin.matching.as_dict()
    report["warnings"] = warnings_on(read.examples, table, origin.matching)
    report["notes"] = notes_on(read.examples, table, report["closed"], judge, origin.matching, tokenizer)
    judged_by = {"judge": judge.name, "judge_hash": judge.hash} if judge else {"judge": None}
    report["settings"] = made_with(report, origin, **judged_by, tokenizer=tokenizer)
    report = end_report(report | {name: one.entry for name, one in found.items()}, origin)
    files: dict[str, str | bytes] = {
        f"{name}.csv": csv_text(tables[name][list(COLUMNS)]) for name in (SIGHTED, BLIND) if name in tables
    }
    sections = [scores_section(report), kinds_section(report)]
    for one in found.values():
        files |= one.files
        sections += one.sections
    sections += [mistakes_section(table, _frames(read)), settings_section(report)]
    write_evaluation(out, report, table, files, RESULTS, f"{origin.name} on {read.name}", sections)
    return report


def _scored(
    read: _Part, tables: Mapping[str, pd.DataFrame], judge: LingoJudge | None, no_judge: str
) -> tuple[dict[str, Any], str]:
    """The report's scores, and the tokenizer of the language ones."""
    table = tables[SIGHTED]
    found: dict[str, Any] = {
        "kinds": "told by the part" if read.told else "inferred from wording and answers",
        "closed": _closed(table),
    }
    if BLIND in tables:
        found["blind"] = score_table(tables[BLIND])
    of_parts = {name: _closed(rows) for name, rows in table.groupby("part")}
    found["parts"] = {name: score for name, score in of_parts.items() if score}
    found["parts_from"] = (
        "told by the folder" if read.name in ("scenery", "action") else "told from the questions' wording"
    )
    measured = measure(table)
    blind = measure(tables[BLIND]) if BLIND in tables else None
    scores = measured.as_dict(table, blind)
    if judge is None:
        scores = {"lingo_judge": {"score": None, "missing": no_judge}} | scores
    for gain, of in GAINS.items():
        if blind and of in blind.metrics:
            more, ends = paired(blind.metrics[of], measured.metrics[of], list(table["segment_id"]))
            scores[gain] = {"score": more, "interval": ends}
    return {**found, "scores": scores}, measured.tokenizer


def _judge(judge: LingoJudge | None, tables: Mapping[str, pd.DataFrame], progress: Progress | None) -> None:
    """Put the judge's logits into the tables, all of them at once: many answers are the same."""
    if judge is None:
        return
    # As files of their own: what pandas makes of an answer may depend on the others.
    said = [text for table in tables.values() for text in as_the_scorer_reads(list(table["answer"]))]
    rows = pd.concat([table[["question", "references"]] for table in tables.values()])
    logits = judge.scores(list(rows["question"]), list(rows["references"]), said, progress)
    starts = np.cumsum([len(table) for table in tables.values()])[:-1]
    for table, of_table in zip(tables.values(), np.split(logits, starts), strict=True):
        table["judge"] = of_table


def _closed(table: pd.DataFrame) -> dict[str, Any] | None:
    """`score_closed`'s scores with intervals beside them; of a kind, of its balanced accuracy."""
    closed = score_table(table)
    if closed is None:
        return None
    closed["interval"] = interval(balanced_accuracy(table), list(table["segment_id"]))
    for kind, score in closed["kinds"].items():
        rows = table[(table["kind"] == kind) & table["truth"].notna()]
        score["interval"] = interval(balanced_accuracy(rows), list(rows["segment_id"]))
    return closed


def _frames(read: _Part) -> Callable[[str], list[Image.Image]]:
    """A segment's frames by its id."""
    by_id = {example.example_id: example for example in read.examples}

    def frames(segment: str) -> list[Image.Image]:
        example = by_id[segment]
        return list(clip_of(example, len(example.pictures), read.name).frames)

    return frames
