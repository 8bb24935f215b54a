"""OUT/report.html: an evaluation on one page that needs nothing beside it.

A page is a list of sections; whoever measures something more adds sections of his own.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

INK, BLUE, GREY, ORANGE = "#14171c", "#0f62b0", "#9aa1ab", "#d9822b"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #14171c;
       max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.2rem } h3 { margin: 1.2rem 0 .3rem; font-size: 1rem }
.faint { color: #6b7280 } .warning { background: #fff3cd; padding: .4rem .8rem }
table { border-collapse: collapse } th { text-align: left; font-weight: 600 }
td, th { padding: .15rem .9rem .15rem 0; vertical-align: top; border-bottom: 1px solid #eef0f3 }
td.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100% } figure { margin: 0 0 1.4rem } figcaption { font-size: .9rem }
code { overflow-wrap: anywhere }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem }
.two > * { min-width: 0; overflow-wrap: anywhere } .two td:first-child { white-space: nowrap }
"""

_NUMBER = re.compile(r"[+-]?[\d.]+(?:e-?\d+)?(?: to [+-]?[\d.]+)?")


@dataclass(frozen=True)
class Section:
    """A part of the page: its heading, and HTML in which all text from outside is escaped."""

    title: str
    html: str


def page(title: str, sections: Iterable[Section], date: str) -> str:
    """The whole page.

    Args:
        date: when it was made; the only thing in it that changes from one run to the next.
    """
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<section><h2>{escape(s.title)}</h2>\n{s.html}</section>" for s in sections),
        f"<p class=faint>Made {escape(date)} by leo-drive evaluate.</p>",
        "</body></html>\n",
    ]
    return "\n".join(parts).encode("utf-8", "backslashreplace").decode()


def table_html(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; numbers are right-aligned, None is a dash."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def text_html(text: str, style: str = "") -> str:
    """A paragraph."""
    return f"<p{f' class={style}' if style else ''}>{escape(text)}</p>"


def figure_html(figure: Figure, alt: str) -> str:
    """A matplotlib figure as a picture in the page."""
    return _img(figure_png(figure), "png", alt)


def figure_png(figure: Figure) -> bytes:
    """A matplotlib figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Questions in other scripts name kinds; their letters are in the table.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def frames_html(frames: Sequence[Image.Image], width: int = 960) -> str:
    """Frames side by side as one small JPEG in the page, no wider than `width` pixels."""
    each = min(320, width // len(frames))
    small = [f.resize((each, max(1, round(f.height * each / f.width)))) for f in frames]
    strip = Image.new("RGB", (each * len(small), max(f.height for f in small)))
    for i, frame in enumerate(small):
        strip.paste(frame, (i * each, 0))
    buffer = io.BytesIO()
    strip.save(buffer, "JPEG", quality=70)
    return _img(buffer.getvalue(), "jpeg", "")


def figure(width: float = 8.0, height: float = 4.0) -> Figure:
    """An empty matplotlib figure, in inches, in the page's style; no window and no global state."""
    return Figure(figsize=(width, height), layout="constrained")


def hundredths(score: float | None) -> str:
    """A fraction for people: times 100, one digit; a dash for None."""
    return "–" if score is None or score != score else f"{100 * score:.1f}"


def between(interval: Sequence[float] | None) -> str:
    """An interval for people, times 100."""
    return "" if interval is None else f"{hundredths(interval[0])} to {hundredths(interval[1])}"


def with_interval(
    score: float | None,
    interval: Sequence[float] | None,
    show: Callable[[float | None], str] = hundredths,
    show_end: Callable[[float], str] | None = None,
) -> str:
    """A score and its interval for people, in one cell.

    Args:
        interval: None where there is none, or no room for it.
        show, show_end: how a score is written, and an end of its interval where that differs.
    """
    if not interval:
        return show(score)
    low, high = (show_end or show)(interval[0]), (show_end or show)(interval[1])
    return f"{show(score)} ({low} to {high})"


def _cell(value: Any) -> str:
    if value is None or value == "–":
        return "<td class=number>–</td>"
    if isinstance(value, int | float):
        return f"<td class=number>{value if isinstance(value, int) else format(value, '.3f')}</td>"
    text = str(value)
    return f"<td{' class=number' if _NUMBER.fullmatch(text) else ''}>{escape(text)}</td>"


def _img(data: bytes, kind: str, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
