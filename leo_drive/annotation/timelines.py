"""The timelines of report.html: a field a window, coloured by its value, and what the colours stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from leo_drive.annotation.table import Field, Table

_LOGS = 100
_MOST_VALUES = 24
"""That a question's legend has; a number may have more."""

_BLUE, _AMBER, _GREEN, _VIOLET, _BROWN = "#0f62b0", "#e39c1e", "#2f9e62", "#6b5bd2", "#7a4f32"
_PALETTE = (_BLUE, _AMBER, _GREEN, "#b03a6b", _VIOLET, "#2aa5b8", "#8a8f2f", _BROWN)
_FIXED = {
    "yes": _BLUE,
    "no": "#b9d3ea",
    "red": "#c62828",
    "orange": "#dd6b20",
    "amber": _AMBER,
    "yellow": "#f2d330",
    "green": _GREEN,
    "blue": _BLUE,
    "purple": _VIOLET,
    "brown": _BROWN,
    "black": "#1b1e24",
    "grey": "#8b929c",
    "gray": "#8b929c",
    "white": "#ffffff",
}
"""Values whose colour goes without saying."""

_WITHOUT_VALUE = {
    "failed": "repeating-linear-gradient(45deg, #c62828 0 2px, #fff 2px 5px)",
    "unreadable": "repeating-linear-gradient(45deg, #6b7280 0 1px, #fff 1px 4px)",
    "skipped": "repeating-linear-gradient(90deg, #d5d9e0 0 2px, #fff 2px 4px)",
    "not_asked": "#eef0f3",
}
"""Patterns, which no value has."""

STYLE = """
.line { display: flex; height: .9rem; width: 34rem; max-width: 60vw } .line i { flex: 1 1 0 }
.line i, .key { box-shadow: inset 0 0 0 1px rgb(0 0 0 / .12) }
.key { display: inline-block; width: .9rem; height: .9rem; vertical-align: -.1rem; margin: 0 .3rem 0 .9rem }
"""


def timelines(table: Table, choices: Mapping[str, Sequence[str]], logs: int) -> Iterator[str]:
    """The page's section, line by line.

    Args:
        choices: what the values of each question may be, by its id.
        logs: how many the table has.
    """
    lines = table.timelines(_LOGS)
    fields = [field for of_log in lines.values() for line in of_log.values() for field in line]
    if not fields:
        return
    colours = _colours_of_questions(fields, choices)
    yield "<h2>Timelines</h2>"
    yield "<p class=faint>A field a window, from a log's start to its end; point at one to read it.</p>"
    yield "<table>"
    for question_id, of_values in colours.items():
        yield f"<tr><td>{escape(question_id)}</td><td>{_legend(of_values)}</td></tr>"
    there = {field.lacks for field in fields}
    without = {what.replace("_", " "): look for what, look in _WITHOUT_VALUE.items() if what in there}
    if without:
        yield f"<tr><td></td><td>{_legend(without)}</td></tr>"
    yield "</table>"
    for log, of_log in lines.items():
        yield f"<h3>{escape(log)}</h3><table>"
        for name, line in of_log.items():
            yield f"<tr><td>{escape(name)}</td><td><div class=line>{_line(line, colours)}</div></td></tr>"
        yield "</table>"
    if logs > _LOGS:
        yield f"<p class=faint>The first {_LOGS} logs; leo-drive annotations has the others.</p>"


def colours_of(values: Sequence[str]) -> dict[str, str]:
    """A colour for each value, no two alike: of words for colours their own, of others by their place."""
    found: dict[str, str] = {}
    for value in values:
        colour = _FIXED.get(value.lower())
        if colour is not None and colour not in found.values():
            found[value] = colour
    spare = (colour for colour in _many_colours() if colour not in found.values())
    return {value: found.get(value) or next(spare) for value in values}


def _many_colours() -> Iterator[str]:
    yield from _PALETTE
    hue = 0
    while True:
        # Neighbours far apart, and 360 hues before one comes again.
        hue += 131
        yield f"hsl({hue % 360} {45 + hue // 360 % 50}% 62%)"


def _shades_of(numbers: Sequence[str]) -> dict[str, str]:
    """A shade of blue for each number, darker the greater it is."""
    steps = max(1, len(numbers) - 1)
    return {number: f"hsl(210 65% {88 - 60 * i / steps:.0f}%)" for i, number in enumerate(numbers)}


def _colours_of_questions(
    fields: Sequence[Field], choices: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    values: dict[str, set[str]] = {}
    numbers = {field.question_id for field in fields if field.kind == "number"}
    for field in fields:
        of_question = values.setdefault(field.question_id, set())
        if field.value is not None:
            of_question.add(field.value)
    return {
        question_id: _shades_of(sorted(there, key=float))
        if question_id in numbers
        else colours_of(list(dict.fromkeys([*choices.get(question_id, ()), *sorted(there)])))
        for question_id, there in values.items()
    }


def _legend(colours: Mapping[str, str]) -> str:
    """Every colour beside what it stands for; of very many values those between are left out."""
    names = list(colours)
    step = max(1, -(-len(names) // _MOST_VALUES))
    shown = dict.fromkeys([*names[::step], *names[-1:]])
    return "".join(f'<i class=key style="background:{colours[name]}"></i>{escape(name)}' for name in shown)


def _line(line: Sequence[Field], colours: Mapping[str, Mapping[str, str]]) -> str:
    drawn = []
    for field in line:
        if field.lacks is None:
            says = field.value or ""
            look = colours[field.question_id][says]
        else:
            says, look = field.lacks.replace("_", " "), _WITHOUT_VALUE[field.lacks]
        title = f"{field.start:g} to {field.end:g} s: {says}"
        drawn.append(f'<i style="background:{look}" title="{escape(title)}"></i>')
    return "".join(drawn)
