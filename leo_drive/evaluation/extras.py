"""What an evaluation can measure besides its scores: robustness, confidence and consistency.

Each is a `leo_drive.evaluation.lingoqa.Extra`: it may add passes over the same clips, or questions about
them, and turns the answers into an entry of report.json and a section of the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console

from leo_drive.data.kinds import infer_kinds
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.errors import InputError
from leo_drive.evaluation import STRENGTHS
from leo_drive.evaluation.answering import Show, grey_clip
from leo_drive.evaluation.calibration import confidence_section, in_a_line, table_reliability
from leo_drive.evaluation.consistency import Wordings, consistency, print_consistency, read_wordings
from leo_drive.evaluation.lingoqa import BLIND, ROBUSTNESS_PLOT, SIGHTED, Answers, Finding
from leo_drive.evaluation.page import (
    Section,
    figure_html,
    figure_png,
    hundredths,
    table_html,
    text_html,
    with_interval,
)
from leo_drive.evaluation.robustness import (
    LAST_FRAME,
    NOTHING_TO_KEEP,
    gain_rows,
    left_out,
    measured,
    pass_name,
    passes,
    print_robustness,
    read_corruptions,
    robustness,
    robustness_figure,
)


@dataclass(frozen=True)
class Robustness:
    """Scores on corrupted clips and on last frames alone; `robustness.png` beside the report."""

    corruptions: tuple[str, ...]
    name: ClassVar[str] = "robustness"

    @classmethod
    def of(cls, part: Path, corruptions: str, judged: bool = False) -> Robustness:
        """For a part, and what `--corrupt` says.

        Args:
            judged: whether there is a judge, who scores open questions too.

        Raises:
            InputError: no such corruption, or nothing whose score could fall.
        """
        found = read_corruptions(corruptions)
        questions = (qa for example in infer_kinds(read_lingoqa(part)) for qa in example.questions)
        if not judged and not any(qa.choices for qa in questions):
            raise InputError(
                f"{part}: none of its questions is closed, and there is no judge: --corrupt has nothing to "
                f"score; give a --judge"
            )
        return cls(found)

    def passes(self, frames: int) -> Mapping[str, Show]:
        changing = passes(self.corruptions, frames)
        if not changing:
            raise InputError(f"--corrupt {','.join(self.corruptions)}: changes nothing in {frames} frames")
        return {BLIND: grey_clip, **changing}

    def besides(self) -> Mapping[str, Sequence[str]]:
        return {}

    def finish(self, answers: Answers) -> Finding:
        tables = answers.tables
        asked = {c: {s: tables.get(pass_name(c, s)) for s in STRENGTHS} for c in self.corruptions}
        shown = {c: {s: t for s, t in by.items() if t is not None} for c, by in asked.items()}
        changing = {c: by for c, by in shown.items() if by}
        found = robustness(tables[SIGHTED], tables[BLIND], tables[LAST_FRAME], changing)
        found["unchanged"] = [c for c in self.corruptions if c not in changing]
        found["same"] = {
            c: [s for s in STRENGTHS if s not in by] for c, by in changing.items() if len(by) < len(STRENGTHS)
        }
        drawn = robustness_figure(found)
        section = _robustness_section(found, figure_html(drawn, "scores by strength"))
        return Finding(found, [section], {ROBUSTNESS_PLOT: figure_png(drawn)})


@dataclass(frozen=True)
class Confidence:
    """Reliability of the answers to closed questions, and accuracy when unsure ones are withheld."""

    name: ClassVar[str] = "confidence"

    def passes(self, frames: int) -> Mapping[str, Show]:
        return {}

    def besides(self) -> Mapping[str, Sequence[str]]:
        return {}

    def finish(self, answers: Answers) -> Finding:
        found = table_reliability(answers.tables[SIGHTED])
        return Finding(found, [confidence_section(found)] if found else [])


@dataclass(frozen=True)
class Consistency:
    """Paraphrased and negated questions, asked of every clip besides its own."""

    wordings: Wordings = field(default_factory=read_wordings)
    name: ClassVar[str] = "consistency"

    def passes(self, frames: int) -> Mapping[str, Show]:
        return {}

    def besides(self) -> Mapping[str, Sequence[str]]:
        return {self.wordings.key: self.wordings.questions}

    def finish(self, answers: Answers) -> Finding:
        found = consistency(self.wordings, answers.clips, answers.besides[self.wordings.key])
        return Finding(found, [_consistency_section(found)])


def print_extras(report: Mapping[str, Any], console: Console) -> None:
    """What the extras put into a report, as tables on the terminal."""
    if found := report.get(Robustness.name):
        print_robustness(found, console)
    if found := report.get(Consistency.name):
        print_consistency(found, console)
    if found := report.get(Confidence.name):
        console.print(in_a_line(found))


def _robustness_section(found: Mapping[str, Any], plot: str) -> Section:
    html = plot + "".join(_strengths_table(*one) for one in measured(found))
    gains = [
        (
            kind,
            *(hundredths(row[score][n]) for n in ("plain", "blind", LAST_FRAME)),
            *(
                with_interval(row[gain], row["intervals"][gain])
                for gain in ("gain_over_blind", "temporal_gain")
            ),
        )
        for kind, score, row in gain_rows(found)
    ]
    html += text_html("Kept: the share of the gain over grey frames that is left.", "faint")
    html += "".join(text_html(line, "faint") for line in left_out(found))
    if any(of["mean_kept"] is None for *_, of in measured(found)):
        html += text_html(f"{NOTHING_TO_KEEP[0].upper()}{NOTHING_TO_KEEP[1:]}.", "faint")
    html += "<h3>What seeing and looking back gain</h3>"
    html += table_html(["kind", "plain", "blind", "last frame", "gain over blind", "temporal gain"], gains)
    return Section("Robustness", html)


def _strengths_table(score: str, name: str, of: Mapping[str, Any]) -> str:
    strengths = [str(s) for s in STRENGTHS]
    rows = [
        (
            corruption.replace("_", " "),
            *(with_interval(by[s][score], by[s]["interval"]) if s in by else "" for s in strengths),
            *(hundredths(by[s]["kept"]) if s in by else "" for s in strengths),
        )
        for corruption, by in of["corruptions"].items()
    ]
    columns = [name, *(f"strength {s}" for s in strengths), *(f"kept at {s}" for s in strengths)]
    shown = (("plain", "As it is"), ("blind", "grey frames"), (LAST_FRAME, "last frame alone"))
    besides = (f"{said} {with_interval(of[score][key], of['intervals'][key])}" for key, said in shown)
    return table_html(columns, rows) + text_html(f"{', '.join(besides)}. All times 100.", "faint")


def _consistency_section(found: Mapping[str, Any]) -> Section:
    def share(part: Mapping[str, Any] | None) -> str:
        return with_interval(part["contradictory"], part["interval"]) if part else ""

    rows = [
        (name, share(group.get("paraphrase")), share(group.get("negation")))
        for name, group in [*found["groups"].items(), ("all", found)]
    ]
    html = table_html(["wordings of", "paraphrases contradict, %", "negations contradict, %"], rows)
    html += text_html(
        f"{found['clips']} clips. An answer that could not be told is not counted: "
        f"{hundredths(found['paraphrase']['unread'])} % of paraphrased and "
        f"{hundredths(found['negation']['unread'])} % of negated pairs.",
        "faint",
    )
    shown = [
        (e["clip"], *(f"{question} {said}" for question, said in e["answers"].items()))
        for e in found["examples"]
    ]
    if shown:
        html += "<h3>Contradictions</h3>" + table_html(["clip", "", ""], shown)
    return Section("Consistency", html)
