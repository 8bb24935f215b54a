"""The page: its parts and which event each of them has."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from .asking import Asking
from .conversation import ready_questions
from .library import BUNDLED, LOG
from .looking import Looking
from .looking_page import build_attribution, build_compare
from .opening import Opening
from .player import Player
from .reviewing import build_review
from .settings import ASSETS
from .shown import Shown
from .viewer import MODEL_QUEUE, Viewer

TITLE = "LEO-Drive"
_QUIET: dict[str, Any] = {"api_visibility": "undocumented"}
_MODEL: dict[str, Any] = {"concurrency_id": MODEL_QUEUE, "concurrency_limit": 1}


def theme() -> gr.themes.Base:
    """Dark first; fonts of the system, so that nothing is fetched from elsewhere."""
    sans = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.amber,
        secondary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_sm,
        font=sans,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(
        body_background_fill="#f4f6f9",
        body_background_fill_dark="#0b0f15",
        block_background_fill_dark="#131922",
        block_border_color_dark="#222b38",
        input_background_fill_dark="#0f151d",
        button_primary_background_fill="#f5a524",
        button_primary_background_fill_dark="#f5a524",
        button_primary_background_fill_hover="#ffb938",
        button_primary_background_fill_hover_dark="#ffb938",
        button_primary_text_color="#1a1205",
        button_primary_text_color_dark="#1a1205",
    )


def head() -> str:
    """What goes into the page's head: our script, and how wide a phone is."""
    script = (ASSETS / "page.js").read_text(encoding="utf-8")
    return f'<meta name="viewport" content="width=device-width, initial-scale=1"><script>{script}</script>'


def build(viewer: Viewer) -> gr.Blocks:
    """The page of a viewer."""
    shown = Shown(viewer)
    looking = Looking(viewer, shown)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(300, 1800)) as blocks:
        _build_header(viewer)
        with gr.Tabs(elem_id="parts"):
            with gr.Tab("Ask", elem_id="part-ask"):
                controls = _build_ask(viewer, shown, looking, blocks)
            with gr.Tab("Compare", elem_id="part-compare"):
                build_compare(viewer, looking, controls)
            with gr.Tab("Review", elem_id="part-review"):
                build_review(viewer, blocks)

        def leave(request: gr.Request) -> None:
            viewer.sessions.leave(request.session_hash)

        blocks.unload(leave)
    return blocks


def _build_header(viewer: Viewer) -> None:
    with gr.Row(elem_id="header", equal_height=True):
        gr.HTML(
            '<h1><span class="leo-eye" aria-hidden="true"></span>LEO-Drive <small>ask a dashcam</small></h1>',
            scale=6,
        )
        status = gr.HTML(lambda: _status(viewer), elem_id="status", scale=3)
        look = gr.Button("◐ Light or dark", size="sm", elem_id="theme", scale=0, min_width=130)
        look.click(None, js="() => leo.theme()", **_QUIET)
    clock = gr.Timer(1.0)

    def tick() -> list[Any]:
        settled = viewer.engine.ready or viewer.engine.failed
        return [_status(viewer), gr.Timer(active=not settled)]

    clock.tick(tick, None, [status, clock], show_progress="hidden", queue=False, **_QUIET)


def _status(viewer: Viewer) -> str:
    engine = viewer.engine
    state = "failed" if engine.failed else "ready" if engine.ready else "loading"
    more = "" if state != "loading" else ": look around, the first answer waits for it"
    return f'<span class="leo-state leo-{state}" role="status">{html.escape(engine.status)}{more}</span>'


def _build_ask(viewer: Viewer, shown: Shown, looking: Looking, blocks: gr.Blocks) -> list[Any]:
    opening, asking = Opening(viewer, shown), Asking(viewer, shown)
    limits = viewer.settings.limits
    library = viewer.library
    with gr.Row(elem_id="ask-columns"):
        with gr.Column(scale=7, min_width=320, elem_id="watch"):
            with gr.Row(elem_id="open"):
                bundled = gr.Dataset(
                    components=[gr.Textbox(visible=False)],
                    samples=[[name] for name in library.bundled],
                    label="Bundled clips",
                    elem_id="bundled",
                    type="values",
                    samples_per_page=12,
                )
                upload = gr.UploadButton(
                    "Open a video, or drop it here",
                    file_count="multiple",
                    elem_id="upload",
                    size="sm",
                    min_width=180,
                    scale=0,
                )
            with gr.Row(visible=library.serves_logs, elem_id="served"):
                log = gr.Dropdown(
                    library.logs() if library.serves_logs else [],
                    value=None,
                    label="Logs of the served folder",
                    elem_id="logs",
                    filterable=True,
                    scale=5,
                )
                again = gr.Button("Look again", size="sm", scale=0, min_width=90)
            title = gr.HTML("", elem_id="title")
            video = Player(label="Video", elem_id="player", interactive=False, buttons=[], height=400)
            timeline = gr.HTML(
                {},
                html_template='<div class="tl-root"></div>',
                js_on_load=(ASSETS / "timeline.js").read_text(encoding="utf-8"),
                elem_id="timeline",
            )
            with gr.Row(equal_height=True):
                seconds = gr.Slider(
                    limits.shortest,
                    limits.longest,
                    5,
                    step=0.5,
                    label="Seconds back",
                    elem_id="seconds",
                    min_width=140,
                )
                frames = gr.Slider(
                    1, limits.frames, 5, step=1, label="Frames", elem_id="frame-count", min_width=140
                )
                camera = gr.Dropdown([], label="Camera", visible=False, min_width=140, elem_id="camera")
            gallery = gr.Gallery(
                label="The frames that the model sees",
                columns=5,
                height="auto",
                elem_id="frames",
                elem_classes="leo-frames",
                object_fit="contain",
                buttons=[],
            )
            with gr.Accordion("Tiles and tokens", open=False, elem_id="tiles") as accordion:
                tokens = gr.HTML("")
                tiles = gr.Gallery(
                    label="Tiles",
                    columns=6,
                    height="auto",
                    elem_classes="leo-frames",
                    show_label=False,
                    buttons=[],
                )
        with gr.Column(scale=5, min_width=320, elem_id="talk"):
            chat = gr.Chatbot(
                elem_id="chat",
                label="Conversation",
                height=430,
                show_label=False,
                editable="user",
                buttons=["copy"],
                layout="bubble",
                placeholder="Ask about the moment under the marker.",
                feedback_options=None,
                group_consecutive_messages=False,
                # What is said comes from outside: as Markdown it could have pictures of other hosts.
                render_markdown=False,
                latex_delimiters=[],
            )
            line = gr.HTML("", elem_id="thread")
            with gr.Row(equal_height=True, elem_id="compose"):
                question = gr.Textbox(
                    label="Question",
                    show_label=False,
                    placeholder="What should the driver do?",
                    elem_id="question",
                    lines=1,
                    max_lines=3,
                    scale=6,
                    min_width=160,
                )
                ask = gr.Button("Ask", variant="primary", elem_id="ask", scale=0, min_width=72)
                stop = gr.Button("Stop", variant="stop", elem_id="stop", scale=0, min_width=72, visible=False)
            linked = gr.Dataset(
                components=[gr.Textbox(visible=False)],
                samples=[],
                label="Questions of the link",
                visible=False,
                elem_id="linked",
                type="values",
                samples_per_page=12,
            )
            sets = []
            with gr.Tabs(elem_id="ready"):
                for group, questions in ready_questions().items():
                    with gr.Tab(group):
                        sets.append(
                            gr.Dataset(
                                components=[gr.Textbox(visible=False)],
                                samples=[[q] for q in questions],
                                show_label=False,
                                type="values",
                                samples_per_page=20,
                            )
                        )
            with gr.Accordion("What did it look at?", open=False, elem_id="look"):
                answers = gr.Dropdown([], label="Answer", elem_id="answers")
                build_attribution(looking, answers)
            with gr.Row(elem_id="keep"):
                markdown = gr.Button("Export Markdown", size="sm", elem_id="export-markdown", min_width=110)
                as_json = gr.Button("Export JSON", size="sm", elem_id="export-json", min_width=90)
                share = gr.Button("Copy link", size="sm", elem_id="share", min_width=90)
            address = gr.Textbox(visible="hidden")
            link = gr.Textbox(label="Link to this moment", visible=False, elem_id="link", interactive=False)

    where = [timeline, seconds, frames, camera]
    opened = [title, video, timeline, camera, gallery, line, chat, answers]
    sized = [seconds, frames]
    more: dict[str, Any] = {"show_progress": "hidden", **_QUIET}

    def then_rest(event: Any) -> None:
        """Thumbnails, and a preview where the browser needs one, after what can be shown at once."""
        event.success(opening.thumbnails, None, timeline, **more).then(
            opening.preview, None, video, show_progress="full", concurrency_limit=2, **_QUIET
        )

    def link_of(prefix: str) -> Any:
        def open_link(name: Any, seconds: float, frames: float, request: gr.Request) -> list[Any]:
            name = name[0] if isinstance(name, list | tuple) else name
            return opening.open_link(name and prefix + str(name), seconds, frames, request)

        return open_link

    show: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": [title]}
    then_rest(blocks.load(opening.greet, None, [*opened, *sized, linked], **show, **_QUIET))
    then_rest(
        bundled.click(
            link_of(BUNDLED),
            [bundled, *sized],
            opened,
            api_name="open_clip",
            concurrency_limit=4,
            **show,
            **_QUIET,
        )
    )
    then_rest(upload.upload(opening.receive, [upload, *sized], opened, concurrency_limit=4, **show, **_QUIET))
    then_rest(
        log.input(
            link_of(LOG), [log, *sized], opened, api_name="open_log", concurrency_limit=4, **show, **_QUIET
        )
    )
    again.click(lambda: gr.update(choices=library.logs(again=True)), None, log, **_QUIET)

    gr.on(
        [timeline.input, seconds.release, frames.release, camera.input],
        asking.move,
        where,
        [line, gallery, timeline],
        trigger_mode="always_last",
        concurrency_limit=4,
        **more,
    )
    gr.on([accordion.expand], asking.tiles, None, [tokens, tiles], show_progress="minimal", **_QUIET)

    begun = [chat, question, stop, line, gallery, timeline]
    written = [chat, stop, answers, timeline]

    def then_answer(event: Any, name: str | None = None) -> None:
        event.success(
            asking.answer,
            None,
            written,
            show_progress="minimal",
            show_progress_on=[chat],
            api_name=name,
            **_MODEL,
            **_QUIET,
        )

    pause = "(...values) => leo.paused(values)"
    then_answer(
        gr.on(
            [ask.click, question.submit],
            asking.begin,
            [question, *where],
            begun,
            js=pause,
            api_name="begin",
            **more,
        ),
        "answer",
    )
    then_answer(gr.on([s.select for s in [linked, *sets]], asking.ask_ready, where, begun, js=pause, **more))
    then_answer(chat.retry(asking.retry, None, begun, **more))
    then_answer(chat.edit(asking.edit, None, begun, **more))
    chat.clear(asking.clear, None, [chat, line, answers], **more)
    stop.click(asking.stop, None, stop, queue=False, **more)

    def keep_as(form: str) -> Any:
        def keep(request: gr.Request) -> str:
            return asking.keep(form, request)

        return keep

    for button, form in ((markdown, "markdown"), (as_json, "json")):
        button.click(keep_as(form), None, address, **_QUIET).success(
            None, address, None, js="(url) => leo.download(url)", **_QUIET
        )
    share.click(asking.link, where, link, **_QUIET).success(
        None, link, link, js="(query) => leo.link(query)", **_QUIET
    )
    return where
