"""Does it see, and does it go on seeing: closed scores on corrupted clips, grey ones and single frames."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError
from leo_drive.evaluation.answering import Show
from leo_drive.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt, last_frame
from leo_drive.evaluation.page import GREY, figure

LAST_FRAME = "last_frame"
ALL = "all"

Score = Mapping[str, Any]
"""What `leo_drive.evaluation.closed.score_closed` gives."""


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


def passes(corruptions: tuple[str, ...], seed: int = 0) -> dict[str, Show]:
    """What to show of every clip, by the name of its pass: the last frame alone, and each corruption.

    Args:
        corruptions: their names; without any there is nothing to show.
        seed: of what they draw at random.
    """
    if not corruptions:
        return {}
    shown: dict[str, Show] = {LAST_FRAME: last_frame}
    for name in corruptions:
        for strength in STRENGTHS:
            shown[pass_name(name, strength, seed)] = partial(_corrupted, name, strength, seed)
    return shown


def pass_name(corruption: str, strength: int, seed: int = 0) -> str:
    """Of the pass with a corruption; it says all that the clips in it depend on."""
    return f"{corruption}_{strength}" + (f"_seed{seed}" if seed else "")


def _corrupted(name: str, strength: int, seed: int, clip: Clip) -> Clip:
    return corrupt(clip, name, strength, seed)


def robustness(
    plain: Score, blind: Score, last: Score, corrupted: Mapping[str, Mapping[int, Score]]
) -> dict[str, Any]:
    """What corruption costs, what seeing gains and what looking back gains.

    Args:
        plain, blind, last: closed scores with clips as they are, with grey ones, with their last frame alone.
        corrupted: closed scores by corruption and strength.

    Returns:
        balanced_accuracy of plain, blind and last_frame; gain_over_blind and temporal_gain, plain less each;
        corruptions, by name and strength: accuracy, balanced_accuracy, unread, and kept: the share of the
        gain over blind that is left, None where there is no gain to lose; mean_kept over all of them; kinds,
        by kind: the same three scores and two gains.
    """
    scores = {"plain": plain, "blind": blind, "last_frame": last}
    balanced = {name: float(score["balanced_accuracy"]) for name, score in scores.items()}
    gain = balanced["plain"] - balanced["blind"]

    def cell(score: Score) -> dict[str, Any]:
        left = float(score["balanced_accuracy"]) - balanced["blind"]
        kept = left / gain if gain > 0 else None
        return {**{k: score[k] for k in ("accuracy", "balanced_accuracy", "unread")}, "kept": kept}

    cells = {name: {str(s): cell(score) for s, score in by.items()} for name, by in corrupted.items()}
    every = [c["kept"] for by in cells.values() for c in by.values() if c["kept"] is not None]
    return {
        **_gains(balanced),
        "mean_kept": sum(every) / len(every) if every else None,
        "corruptions": cells,
        "kinds": {
            kind: {
                "questions": of_kind["questions"],
                **_gains({name: score["kinds"][kind]["balanced_accuracy"] for name, score in scores.items()}),
            }
            for kind, of_kind in plain["kinds"].items()
        },
    }


def _gains(balanced: Mapping[str, float]) -> dict[str, Any]:
    return {
        "balanced_accuracy": dict(balanced),
        "gain_over_blind": balanced["plain"] - balanced["blind"],
        "temporal_gain": balanced["plain"] - balanced["last_frame"],
    }


def print_robustness(found: Mapping[str, Any], console: Console) -> None:
    """Balanced accuracy by corruption and strength, then the gains by kind of question."""
    plain, blind = found["balanced_accuracy"]["plain"], found["balanced_accuracy"]["blind"]
    table = Table("balanced accuracy", "plain", *(f"strength {s}" for s in STRENGTHS), "kept at 3")
    for name, by_strength in found["corruptions"].items():
        numbers = [f"{by_strength[str(s)]['balanced_accuracy']:.3f}" for s in STRENGTHS]
        kept = by_strength[str(STRENGTHS[-1])]["kept"]
        table.add_row(name, f"{plain:.3f}", *numbers, "" if kept is None else f"{kept:.0%}")
    console.print(table)
    console.print(f"kept: of the gain over grey frames, which reach {blind:.3f}", highlight=False)
    kind_column = Column("kind", overflow="fold", min_width=14)
    gains = Table(
        kind_column, "questions", "plain", "blind", "gain over blind", "last frame", "temporal gain"
    )
    rows = [*((escape(kind), row, "") for kind, row in found["kinds"].items())]
    for kind, row, style in [*rows, (f"mean of {len(rows)}", {**found, "questions": ""}, "bold")]:
        scores = row["balanced_accuracy"]
        gains.add_row(
            kind,
            str(row["questions"]),
            f"{scores['plain']:.3f}",
            f"{scores['blind']:.3f}",
            f"{row['gain_over_blind']:+.3f}",
            f"{scores['last_frame']:.3f}",
            f"{row['temporal_gain']:+.3f}",
            style=style,
        )
    console.print(gains)


def robustness_figure(found: Mapping[str, Any]) -> Figure:
    """Balanced accuracy over strength, a line a corruption."""
    drawn = figure(7.5, 4.5)
    axes = drawn.subplots()
    scores = found["balanced_accuracy"]
    for number, (name, by_strength) in enumerate(found["corruptions"].items()):
        values = [scores["plain"], *(by_strength[str(s)]["balanced_accuracy"] for s in STRENGTHS)]
        axes.plot((0, *STRENGTHS), values, marker="os^Dv"[number % 5], ms=4, label=name.replace("_", " "))
    axes.axhline(scores["blind"], color=GREY, ls="--", lw=1, label="blind")
    axes.axhline(scores["last_frame"], color=GREY, ls=":", lw=1, label="last frame alone")
    axes.set(xlabel="strength (0: as it is)", ylabel="balanced accuracy", xticks=(0, *STRENGTHS))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    drawn.legend(frameon=False, loc="outside right upper")
    return drawn
