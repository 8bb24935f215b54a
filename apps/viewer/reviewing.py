"""The review part of the page: its events and its layout."""

from __future__ import annotations

import html
import io
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from leo_drive.clips.discovery import LogEntry
from leo_drive.clips.opening import open_source
from leo_drive.errors import InputError

from .conversation import clock, in_html
from .media import Item, jpeg, video_item
from .player import Player
from .previews import make_preview
from .recording import Recording
from .reviews import FIXED, RIGHT, WRONG, Filter, Review
from .sessions import Session
from .viewer import QUIET, Viewer, said_in_page

_MOST = 200
"""Rows shown at once."""

_HEADERS = ["row", "log", "at", "question", "answer", "conf.", "mark"]
_ALL = "all"
_WIDTH = 640


class Reviewing:
    """Events about answers of a table."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer

    def table(
        self, name: str, question: str, log: str, answer: str, lowest: float, highest: float, mark: str
    ) -> list[Any]:
        """The rows that pass the filter, and how many there are."""
        with said_in_page():
            review = self._review(name)
            wanted = Filter(
                None if question in (None, _ALL) else question,
                None if log in (None, _ALL) else log,
                answer or "",
                lowest,
                highest,
                None if mark in (None, _ALL) else mark,
            )
            rows, count = review.shown(wanted, _MOST)
            cells = [
                [
                    number,
                    row["log"],
                    clock(row["end_s"]),
                    row["question"],
                    f"{row['answer']} → {row['corrected']}" if row["corrected"] else row["answer"],
                    "" if row["confidence"] != row["confidence"] else f"{row['confidence']:.2f}",
                    row["mark"],
                ]
                for number, row in zip(rows.index, rows.to_dict("records"), strict=True)
            ]
            more = f", the first {len(rows)} shown: filter to see the others" if count > len(rows) else ""
            counts = ", ".join(f"{n} {mark}" for mark, n in review.counts().items())
            return [cells, in_html(f"{count} of {len(review.rows)} answers{more} · {counts}")]

    def choose(self, name: str) -> list[Any]:
        """Another table: what its filters offer."""
        with said_in_page():
            review = self._review(name)
            return [
                gr.update(choices=[_ALL, *review.questions], value=_ALL),
                gr.update(choices=[_ALL, *review.logs], value=_ALL),
            ]

    def select(self, name: str, chosen: gr.SelectData, request: gr.Request) -> list[Any]:
        """A row was clicked: its moment."""
        with said_in_page():
            return self._moment(name, int(chosen.row_value[0]), request)

    def _moment(self, name: str, number: int, request: gr.Request) -> list[Any]:
        """Row, words, frames, video, correction."""
        review = self._review(name)
        session = self.viewer.session(request)
        row = review.rows.iloc[number]
        pictures = review.pictures()
        try:
            clip = pictures.clip(str(row["log"]), row["camera"], row["frame_times"])
        finally:
            pictures.close()
        frames = self.viewer.show(session, "review-frames", [jpeg(f, _WIDTH) for f in clip.frames], request)
        entry = review.entry(number)
        video = gr.skip()
        looked_at = (name, entry.name, str(row["camera"]))
        if session.reviewed != looked_at:
            with closing(_recording(entry)) as recording:
                playable = recording.playable()
            session.reviewed, session.review_plays = looked_at, playable is not None
            video = gr.update(visible=False)
            if playable is not None:
                video = self._playing(session, video_item(playable), row["end_s"], request)
        mark = review.mark_of(number)
        named = [(url, f"{t:.2f} s") for url, t in zip(frames, clip.timestamps, strict=True)]
        return [
            number,
            _words(row, mark),
            named,
            video,
            mark.get("corrected", ""),
            float(row["end_s"]),
        ]

    def preview(
        self,
        name: str,
        number: float | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """A video of the row's log, made where browsers do not play the log itself."""
        with said_in_page():
            session = self.viewer.session(request)
            if number is None or number < 0 or session.reviewed is None or session.review_plays:
                return gr.skip()
            review = self._review(name)
            row, entry = review.rows.iloc[int(number)], review.entry(int(number))
            being, session.review_plays = session.reviewed, True
            # Of cameras that were asked together the first is shown.
            camera = str(row["camera"]).split("+")[0]
            video = None
            try:
                with closing(_recording(entry)) as recording:
                    video = make_preview(
                        session, "review", recording, camera, progress, lambda: session.reviewed == being
                    )
            finally:
                if video is None and session.reviewed == being:
                    session.review_plays = False
            return gr.skip() if video is None else self._playing(session, video, row["end_s"], request)

    def _playing(self, session: Session, video: Item, at: Any, request: gr.Request) -> Any:
        url = self.viewer.show(session, "review-video", [video], request)[0]
        return gr.update(value=url, visible=True, playback_position=float(at))

    def mark(self, mark: str) -> Callable[..., str]:
        """The event of a mark's button: the row's words, with its mark."""

        def keep(name: str, number: float | None, corrected: str, request: gr.Request) -> str:
            with said_in_page():
                review = self._review(name)
                if number is None or number < 0:
                    raise InputError("choose a row of the table first")
                user = request.username
                review.mark(int(number), mark, corrected if mark == FIXED else "", user)
                return _words(review.rows.iloc[int(number)], review.mark_of(int(number)))

        return keep

    def export(self, name: str, request: gr.Request) -> str:
        """The address of a zip with the LingoQA part of what was marked right or fixed."""
        with said_in_page():
            session = self.viewer.session(request)
            review = self._review(name)
            with tempfile.TemporaryDirectory(prefix="leo-export-") as folder:
                part = Path(folder) / "part"
                review.export(part)
                buffer = io.BytesIO()
                with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                    for path in sorted(part.rglob("*")):
                        if path.is_file():
                            archive.write(path, f"lingoqa/{path.relative_to(part).as_posix()}")
            item = Item(buffer.getvalue(), "application/zip", "lingoqa-part.zip")
            return self.viewer.show(session, "export-review", [item], request)[0]

    def _review(self, name: str | None) -> Review:
        review = self.viewer.reviews.get(name or "")
        if review is None:
            raise InputError("there is no such table here; start the viewer with --review DIR")
        return review


def build_review(viewer: Viewer, blocks: gr.Blocks) -> None:
    """The review tab. Without tables it says how to get one."""
    if not viewer.reviews:
        gr.Markdown(
            "### Nothing to review yet\n\nStart the viewer with `--review DIR`: the folder that "
            "`leo-drive annotate` wrote (`--out`), or that of `leo-drive evaluate lingoqa`. Answers can then "
            "be filtered, watched and marked right, wrong or fixed; marks are kept in the folder at once and "
            "export as LingoQA rows."
        )
        return
    events = Reviewing(viewer)
    names = list(viewer.reviews)
    first = viewer.reviews[names[0]]
    with gr.Row(elem_id="review-filters"):
        name = gr.Dropdown(names, value=names[0], label="Table", visible=len(names) > 1, min_width=140)
        question = gr.Dropdown([_ALL, *first.questions], value=_ALL, label="Question", min_width=180, scale=2)
        log = gr.Dropdown([_ALL, *first.logs], value=_ALL, label="Log", min_width=140)
        answer = gr.Textbox(label="Answer has", placeholder="any words", min_width=120)
        mark = gr.Dropdown([_ALL, "unmarked", RIGHT, WRONG, FIXED], value=_ALL, label="Mark", min_width=110)
        lowest = gr.Slider(0, 1, 0, step=0.05, label="Confidence from", min_width=150, buttons=[])
        highest = gr.Slider(0, 1, 1, step=0.05, label="Confidence to", min_width=150, buttons=[])
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            count = gr.HTML("", elem_id="review-count")
            table = gr.Dataframe(
                headers=_HEADERS,
                datatype=["number", "str", "str", "str", "str", "str", "str"],
                interactive=False,
                elem_id="review-table",
                label="Answers",
                show_label=False,
                wrap=True,
                column_widths=["7%", "17%", "9%", "24%", "24%", "9%", "10%"],
                max_height=560,
            )
        with gr.Column(scale=5, min_width=320):
            video = Player(
                label="Video",
                elem_id="review-player",
                interactive=False,
                buttons=[],
                visible=False,
                height=300,
            )
            frames = gr.Gallery(
                label="The frames that the model saw",
                columns=5,
                height="auto",
                elem_id="review-frames",
                elem_classes="leo-frames",
                object_fit="contain",
                buttons=[],
            )
            words = gr.HTML("Click a row to see its moment.", elem_id="review-words")
            row = gr.Number(-1, visible="hidden")
            at = gr.Number(0, visible="hidden")
            with gr.Row():
                right = gr.Button("Right", elem_id="mark-right", min_width=80)
                wrong = gr.Button("Wrong", elem_id="mark-wrong", min_width=80)
            with gr.Row(equal_height=True):
                corrected = gr.Textbox(
                    show_label=False,
                    placeholder="The right answer",
                    elem_id="mark-text",
                    scale=3,
                    min_width=160,
                )
                fix = gr.Button("Fix", variant="primary", elem_id="mark-fix", scale=1, min_width=80)
            with gr.Row():
                export = gr.Button(
                    "Export right and fixed as LingoQA rows", size="sm", elem_id="review-export"
                )
                address = gr.Textbox(visible="hidden")
    filters: list[Any] = [name, question, log, answer, lowest, highest, mark]
    shown = [table, count]
    refresh: dict[str, Any] = {
        "fn": events.table,
        "inputs": filters,
        "outputs": shown,
        "show_progress": "hidden",
    }
    name.change(events.choose, name, [question, log], **QUIET).then(**refresh, **QUIET)
    gr.on([x.change for x in filters[1:]], **refresh, trigger_mode="always_last", **QUIET)
    moment = [row, words, frames, video, corrected, at]
    there = {"fn": None, "inputs": at, "outputs": None, "js": "(at) => leo.review(at)"}
    table.select(events.select, name, moment, show_progress="minimal", **QUIET).success(**there).success(
        events.preview, [name, row], video, show_progress="full", concurrency_limit=2, **QUIET
    ).success(**there)
    for button, kind in ((right, RIGHT), (wrong, WRONG), (fix, FIXED)):
        button.click(
            events.mark(kind), [name, row, corrected], words, api_name=f"mark_{kind}", **QUIET
        ).success(**refresh, **QUIET)
    corrected.submit(events.mark(FIXED), [name, row, corrected], words, **QUIET).success(**refresh, **QUIET)
    export.click(events.export, name, address, **QUIET).success(
        None, address, None, js="(url) => leo.download(url)"
    )
    blocks.load(**refresh, **QUIET)


def _recording(entry: LogEntry) -> Recording:
    return Recording(open_source(entry.path, **entry.options), entry.name, None)


def _words(row: Any, mark: dict[str, Any]) -> str:
    """A row in words, as HTML."""
    sure = row["confidence"]
    about = [
        f"{html.escape(str(row['log']))}, {clock(float(row['start_s']))} to {clock(float(row['end_s']))}"
    ]
    about += [f"confidence {sure:.2f}"] if sure == sure else []
    about += [f"reference: {html.escape(str(row['reference']))}"] if row["reference"] else []
    if mark:
        about.append(f"marked <strong>{html.escape(str(mark['mark']))}</strong>")
        if mark.get("corrected"):
            about.append(f"corrected: {html.escape(str(mark['corrected']))}")
    question, answer = html.escape(str(row["question"])), in_html(str(row["answer"]))
    return f'<strong>{question}</strong>{answer}<div class="leo-about">{" · ".join(about)}</div>'
