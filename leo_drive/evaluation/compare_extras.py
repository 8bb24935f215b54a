"""Robustness, confidence and consistency of two evaluations beside each other, from their reports.

Answers to corrupted clips and to other wordings are in no table of questions: each side has the interval of
its own report, and the difference has none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from leo_drive.evaluation import STRENGTHS
from leo_drive.evaluation.page import Section, hundredths, table_html, text_html, with_interval

_Row = tuple[str, float | None, list[float] | None]
"""What it is, the number, its interval; what it is says all that two numbers must share to be compared."""

_NOTE = "Each side has the interval of its own report; none was made of these differences."
_NOTHING_ALIKE = "Both were asked other wordings: no two numbers can be compared."


def side_by_side(of_a: Mapping[str, Any], of_b: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What two reports have both measured.

    Returns:
        By robustness, confidence and consistency, of those that both reports have: rows with name, a, b, and
        the reports' intervals, interval_a and interval_b, None where there is none.
    """
    found = {}
    for name, rows in _ROWS.items():
        if of_a.get(name) and of_b.get(name):
            a, b = ({row[0]: row[1:] for row in rows(report[name])} for report in (of_a, of_b))
            found[name] = [
                {"name": what, "a": a[what][0], "b": b[what][0],
                 "interval_a": a[what][1], "interval_b": b[what][1]}
                for what in a if what in b
            ]  # fmt: skip
    return found


def only_in_one(of_a: Mapping[str, Any], of_b: Mapping[str, Any]) -> list[str]:
    """A line for each of them that just one of two reports has."""
    has = {name: (bool(of_a.get(name)), bool(of_b.get(name))) for name in _ROWS}
    return [f"Only {'A' if a else 'B'} has measured {name}." for name, (a, b) in has.items() if a != b]


def side_by_side_section(found: Mapping[str, Any], alone: list[str]) -> Section | None:
    """The tables of both; None where neither report has any.

    Args:
        found: of `side_by_side`.
        alone: of `only_in_one`.
    """
    if not found and not alone:
        return None
    html = ""
    for name, rows in found.items():
        cells = [
            [
                *(row["name"], with_interval(row["a"], row["interval_a"])),
                *(with_interval(row["b"], row["interval_b"]), _difference(row)),
            ]
            for row in rows
        ]
        html += f"<h3>{name.capitalize()}</h3>"
        html += table_html([_UNITS[name], "A", "B", "B - A"], cells) if cells else text_html(_NOTHING_ALIKE)
    html += text_html(_NOTE, "faint") if found else ""
    return Section("Beside the scores", html + "".join(text_html(line, "faint") for line in alone))


def _difference(row: Mapping[str, Any]) -> str:
    if row["a"] is None or row["b"] is None:
        return hundredths(None)
    return f"{100 * (row['b'] - row['a']):+.1f}"


def _robustness(found: Mapping[str, Any]) -> Iterator[_Row]:
    if "balanced_accuracy" in found:
        yield from _of_closed(found)
    if "lingo_judge" in found:
        for said, value, ends in _of_score("lingo_judge", found["lingo_judge"]):
            yield f"Lingo-Judge, {said}", value, ends


def _of_closed(found: Mapping[str, Any]) -> Iterator[_Row]:
    of_all = found.get("intervals", {})
    yield from _of_score("balanced_accuracy", found)
    for gain, said in (("gain_over_blind", "gain over grey frames"), ("temporal_gain", "temporal gain")):
        yield f"{said}, mean of {len(found['kinds'])} kinds", found[gain], of_all.get(gain)
        for kind, row in found["kinds"].items():
            yield f"{said}: {kind}", row[gain], row.get("intervals", {}).get(gain)


def _of_score(score: str, found: Mapping[str, Any]) -> Iterator[_Row]:
    of_all = found.get("intervals", {})
    for name, said in (("plain", "as it is"), ("blind", "grey frames"), ("last_frame", "last frame alone")):
        yield said, found[score][name], of_all.get(name)
    for corruption, by_strength in found["corruptions"].items():
        for strength, cell in by_strength.items():
            said = f"{corruption.replace('_', ' ')}, strength {strength}"
            yield said, cell[score], cell.get("interval")
    over = ", ".join(_over(name, by_strength) for name, by_strength in found["corruptions"].items())
    yield f"mean share of the gain over grey frames that is kept ({over})", found["mean_kept"], None


def _over(corruption: str, strengths: Collection[str]) -> str:
    """A corruption, and where there are not all its strengths, which."""
    name = corruption.replace("_", " ")
    return name if len(strengths) == len(STRENGTHS) else f"{name} at {' and '.join(strengths)}"


def _confidence(found: Mapping[str, Any]) -> Iterator[_Row]:
    yield "expected calibration error (less is better)", found["ece"], None
    yield "mean confidence", found["confidence"], None
    yield "accuracy", found["accuracy"], None
    for row in found["coverage"]:
        if row["coverage"] < 1:
            yield f"accuracy of the surest {row['coverage']:.0%}", row["accuracy"], None


def _consistency(found: Mapping[str, Any]) -> Iterator[_Row]:
    pairs = found["paraphrase"]["pairs"] + found["negation"]["pairs"]
    yield f"mean of both ({pairs} pairs)", found["contradictory"], found.get("interval")
    for name, group in [("all", found), *found["groups"].items()]:
        for relation in ("paraphrase", "negation"):
            if part := group.get(relation):
                # Asked other wordings, a group has another number of pairs.
                said = f"{name}, {relation}s ({part['pairs']} pairs)"
                yield said, part["contradictory"], part.get("interval")


_ROWS: dict[str, Callable[[Mapping[str, Any]], Iterator[_Row]]] = {
    "robustness": _robustness,
    "confidence": _confidence,
    "consistency": _consistency,
}
_UNITS = {
    "robustness": "balanced accuracy, or the score that is named; times 100",
    "confidence": "times 100",
    "consistency": "pairs that contradict, % (fewer are better)",
}
