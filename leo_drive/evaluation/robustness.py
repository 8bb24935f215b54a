"""Does it see, and does it go on seeing: scores on corrupted clips, grey ones and single frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Column, Table

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError
from leo_drive.evaluation import STRENGTHS
from leo_drive.evaluation.answering import Show
from leo_drive.evaluation.bootstrap import Metric, interval, paired
from leo_drive.evaluation.closed import balanced_accuracy, closed_rows, score_table
from leo_drive.evaluation.corruptions import CORRUPTIONS, corrupt, last_frame, strengths_of
from leo_drive.evaluation.page import GREY, INK, figure, with_interval
from leo_drive.evaluation.scores import NAMES, lingo_judge
from leo_drive.terminal import print_table

LAST_FRAME = "last_frame"
ALL = "all"
BALANCED, JUDGED = "balanced_accuracy", "lingo_judge"
"""The scores that corruption may cost, as they are called in a report."""

NOTHING_TO_KEEP = "kept is a dash: the interval of the gain over grey frames is not wholly above 0"

_ROOM = 120
"""Columns of a terminal that has room for intervals."""

_NAME = 17
"""Letters that the name of a kind has fewer of; kinds that are whole questions have more."""


def read_corruptions(text: str) -> tuple[str, ...]:
    """The corruptions that `--corrupt` names, in the order in which they are shown.

    Args:
        text: names with commas between them, or "all".

    Raises:
        InputError: a name that is no corruption.

    Example:
        >>> read_corruptions("rain,fog")
        ('fog', 'rain')
    """
    asked = {name.strip().lower().replace("-", "_") for name in text.split(",")} - {""}
    if ALL in asked:
        return tuple(CORRUPTIONS)
    if not asked or asked - set(CORRUPTIONS):
        wrong = ", ".join(sorted(asked - set(CORRUPTIONS))) or "nothing"
        raise InputError(f"--corrupt {wrong}: name some of {', '.join(CORRUPTIONS)}, or {ALL}")
    return tuple(name for name in CORRUPTIONS if name in asked)


def passes(corruptions: tuple[str, ...], frames: int, seed: int = 0) -> dict[str, Show]:
    """What to show of every clip, by the name of its pass: the last frame alone, and each corruption.

    Args:
        corruptions: their names.
        frames: most that a clip is shown with; strengths that are the same for so few are left out.
        seed: of what they draw at random.

    Returns:
        Nothing where there is no corruption that changes anything.
    """
    shown: dict[str, Show] = {
        pass_name(name, strength, seed): partial(_corrupted, name, strength, seed)
        for name in corruptions
        for strength in strengths_of(name, frames)
    }
    return {LAST_FRAME: last_frame, **shown} if shown else {}


def pass_name(corruption: str, strength: int, seed: int = 0) -> str:
    """Of the pass with a corruption; it says all that the clips in it depend on."""
    return f"{corruption}_{strength}" + (f"_seed{seed}" if seed else "")


def _corrupted(name: str, strength: int, seed: int, clip: Clip) -> Clip:
    return corrupt(clip, name, strength, seed)


def robustness(
    plain: pd.DataFrame,
    blind: pd.DataFrame,
    last: pd.DataFrame,
    corrupted: Mapping[str, Mapping[int, pd.DataFrame]],
) -> dict[str, Any]:
    """What corruption costs, what seeing gains and what looking back gains, with 95 % intervals.

    Args:
        plain, blind, last: the questions answered from clips as they are, from grey ones, from their last
            frame alone; in one order, some of them closed or all judged.
        corrupted: the same by corruption and strength.

    Returns:
        Of closed questions: balanced_accuracy of plain, blind and last_frame; gain_over_blind and
        temporal_gain, plain less each; intervals of these five; corruptions, by name and strength: accuracy,
        balanced_accuracy and its interval, unread, and kept: the share of the gain over blind that is left,
        None where that gain's interval is not wholly above 0 (or there is none), since a share of a gain that
        may be nothing says nothing; mean_kept over all of them; kinds, by kind: questions, and the scores,
        gains and intervals.
        Where Lingo-Judge has judged the answers, lingo_judge: the same of its score over all questions, but
        for accuracy, unread and kinds.
    """
    tables = {"plain": plain, "blind": blind, LAST_FRAME: last}
    found = _of_closed(tables, corrupted) if len(closed_rows(plain)) else {}
    if plain["judge"].notna().all():
        found[JUDGED] = _by_strength(JUDGED, _judged, tables, corrupted)
    return found


def _of_closed(
    tables: Mapping[str, pd.DataFrame], corrupted: Mapping[str, Mapping[int, pd.DataFrame]]
) -> dict[str, Any]:
    found = _by_strength(BALANCED, balanced_accuracy, tables, corrupted)
    for name, by_strength in found["corruptions"].items():
        for strength, cell in by_strength.items():
            score = score_table(corrupted[name][int(strength)])
            assert score is not None
            cell |= {"accuracy": score["accuracy"], "unread": score["unread"]}
    closed = {name: closed_rows(table) for name, table in tables.items()}
    found["kinds"] = {
        kind: {
            "questions": int(count),
            **_gains(BALANCED, balanced_accuracy, {n: t[t["kind"] == kind] for n, t in closed.items()}),
        }
        for kind, count in sorted(closed["plain"]["kind"].value_counts().items())
    }
    return found


def _judged(table: pd.DataFrame) -> Metric:
    metric = lingo_judge(table)
    assert metric is not None  # the judge sees every pass, or none
    return metric


def _by_strength(
    score: str,
    metric: Callable[[pd.DataFrame], Metric],
    tables: Mapping[str, pd.DataFrame],
    corrupted: Mapping[str, Mapping[int, pd.DataFrame]],
) -> dict[str, Any]:
    """What `robustness` returns of one score."""
    whole = _gains(score, metric, tables)
    gain, ends = whole["gain_over_blind"], whole["intervals"]["gain_over_blind"]
    sees = ends is not None and ends[0] > 0

    def cell(table: pd.DataFrame) -> dict[str, Any]:
        measured = metric(table)
        return {
            score: measured.value,
            "interval": interval(measured, list(table["segment_id"])),
            "kept": (measured.value - whole[score]["blind"]) / gain if sees else None,
        }

    cells = {name: {str(s): cell(table) for s, table in by.items()} for name, by in corrupted.items()}
    every = [c["kept"] for by in cells.values() for c in by.values() if c["kept"] is not None]
    return {**whole, "mean_kept": sum(every) / len(every) if every else None, "corruptions": cells}


def _gains(
    score: str, metric: Callable[[pd.DataFrame], Metric], tables: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """Of the same questions answered from three sorts of clips: the scores, their differences, intervals."""
    metrics = {name: metric(table) for name, table in tables.items()}
    segments = list(tables["plain"]["segment_id"])
    over_blind, over_blind_ends = paired(metrics["blind"], metrics["plain"], segments)
    temporal, temporal_ends = paired(metrics[LAST_FRAME], metrics["plain"], segments)
    return {
        score: {name: metric.value for name, metric in metrics.items()},
        "gain_over_blind": over_blind,
        "temporal_gain": temporal,
        "intervals": {
            **{name: interval(metric, segments) for name, metric in metrics.items()},
            "gain_over_blind": over_blind_ends,
            "temporal_gain": temporal_ends,
        },
    }


def print_robustness(found: Mapping[str, Any], console: Console) -> None:
    """Each score by corruption and strength, then the gains by kind of question.

    With intervals where the terminal has room.
    """
    room = console.width >= _ROOM

    def cell(score: float, ends: Sequence[float] | None, sign: str = "") -> str:
        formats = (f"{{:{sign}.3f}}".format, f"{{:{sign}.2f}}".format)
        return with_interval(score, ends if room else None, *formats)

    for score, name, of in measured(found):
        plain, blind = of[score]["plain"], of[score]["blind"]
        table = Table(name, "plain", *(f"strength {s}" for s in STRENGTHS), "kept at 3")
        for corruption, by_strength in of["corruptions"].items():
            cells = [by_strength.get(str(s)) for s in STRENGTHS]
            numbers = [cell(c[score], c["interval"]) if c else "" for c in cells]
            kept = [("–" if c["kept"] is None else f"{c['kept']:.0%}") if c else "" for c in cells]
            table.add_row(corruption, f"{plain:.3f}", *numbers, kept[-1])
        print_table(table, console)
        console.print(f"kept: of the gain over grey frames, which reach {blind:.3f}")
        if of["mean_kept"] is None:
            console.print(NOTHING_TO_KEEP)
    for line in left_out(found):
        console.print(line)
    # Names stay whole; where kinds are whole questions, these are folded.
    names = all(len(kind) < _NAME for kind in found.get("kinds", ()))
    kind_column = Column("kind", overflow="fold", min_width=10, no_wrap=names)
    gains = Table(kind_column, "asked", "plain", "blind", "gain over blind", "last frame", "temporal gain")
    for kind, score, row in gain_rows(found):
        scores, ends = row[score], row["intervals"]
        gains.add_row(
            kind,
            str(row.get("questions", "")),
            f"{scores['plain']:.3f}",
            f"{scores['blind']:.3f}",
            cell(row["gain_over_blind"], ends["gain_over_blind"], "+"),
            f"{scores[LAST_FRAME]:.3f}",
            cell(row["temporal_gain"], ends["temporal_gain"], "+"),
            style="" if "questions" in row else "bold",
        )
    print_table(gains, console)


def measured(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each score of `robustness`: its key, its name for people, and what was found of it."""
    if BALANCED in found:
        yield BALANCED, "balanced accuracy", found
    if JUDGED in found:
        yield JUDGED, NAMES[JUDGED], found[JUDGED]


def gain_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Whatever has gains, for the tables: its name for people, the key of its score, and what was found.

    Each kind of closed question, the mean over them, and what the judge has said of all questions.
    """
    kinds = found.get("kinds", {})
    yield from ((kind, BALANCED, row) for kind, row in kinds.items())
    for score, name, of in measured(found):
        yield f"mean of {len(kinds)}" if score == BALANCED else name, score, of


def left_out(found: Mapping[str, Any]) -> list[str]:
    """Which corruptions and strengths were left out, and why."""
    lines = []
    if unchanged := found.get("unchanged"):
        lines.append(f"Left out: {', '.join(unchanged)}. So few frames stay as they are.")
    for name, strengths in found.get("same", {}).items():
        numbers, before = " and ".join(map(str, strengths)), strengths[0] - 1
        lines.append(f"Left out: {name} at {numbers}. Of so few frames it makes the same as at {before}.")
    return lines


def robustness_figure(found: Mapping[str, Any]) -> Figure:
    """Each score over strength, a line a corruption, with 95 % intervals as whiskers."""
    scores = list(measured(found))
    drawn = figure(8.5, 5.0 * len(scores))
    panels = drawn.subplots(len(scores), squeeze=False)[:, 0]
    for axes, (score, name, of) in zip(panels, scores, strict=True):
        _draw(axes, score, of)
        axes.set_ylabel(f"{name}, with its 95 % interval")
    drawn.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside right upper")
    return drawn


def _draw(axes: Axes, score: str, of: Mapping[str, Any]) -> None:
    scores, intervals, corruptions = of[score], of["intervals"], of["corruptions"]
    for number, (name, by_strength) in enumerate(corruptions.items()):
        # Side by side: whiskers in one place would hide each other.
        aside = 0.06 * (number - (len(corruptions) - 1) / 2)
        strengths, cells = [int(s) for s in by_strength], list(by_strength.values())
        color, marker, label = f"C{number}", "os^Dv"[number % 5], name.replace("_", " ")
        places, values = [s + aside for s in strengths], [c[score] for c in cells]
        axes.plot([0, *places], [scores["plain"], *values], color=color, lw=1, alpha=0.6)
        axes.plot(places, values, marker, color=color, ms=4, label=label)
        for place, cell in zip(places, cells, strict=True):
            _whisker(axes, place, cell["interval"], color)
    axes.plot([0], [scores["plain"]], "o", color=INK, ms=4, zorder=3)
    _whisker(axes, 0, intervals["plain"], INK)
    for name, style, label in (("blind", "--", "blind"), (LAST_FRAME, ":", "last frame alone")):
        axes.axhline(scores[name], color=GREY, ls=style, lw=1, label=label)
        # Of a line the whisker stands beside the curves.
        _whisker(axes, -0.2 if name == "blind" else -0.13, intervals[name], GREY)
    axes.set(xlabel="strength (0: as it is)", xticks=(0, *STRENGTHS))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3, axis="y")


def _whisker(axes: Axes, place: float, ends: Sequence[float] | None, color: str) -> None:
    if ends:
        axes.plot([place, place], ends, "_-", color=color, lw=1, ms=5)
