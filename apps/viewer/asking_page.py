"""The layout of asking: the video with its moment on one side, the conversation on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from .asking import Asking
from .conversation import ready_questions
from .library import BUNDLED, LOG
from .looking import Looking
from .looking_page import build_attribution
from .opening import Opening
from .player import Player
from .settings import ASSETS
from .shown import Shown
from .viewer import HIDDEN, MODEL, QUIET, Viewer


@dataclass(frozen=True)
class Watch:
    """The parts that show a recording, a moment of it, and what the model sees of that."""

    bundled: gr.Dataset
    upload: gr.UploadButton
    log: gr.Dropdown
    again: gr.Button
    title: gr.HTML
    video: Player
    timeline: gr.HTML
    seconds: gr.Slider
    frames: gr.Slider
    camera: gr.Dropdown
    gallery: gr.Gallery
    accordion: gr.Accordion
    tokens: gr.HTML
    tiles: gr.Gallery

    @property
    def moment(self) -> list[Any]:
        """What says which frames are meant."""
        return [self.timeline, self.seconds, self.frames, self.camera]


@dataclass(frozen=True)
class Talk:
    """The parts of a conversation about it."""

    chat: gr.Chatbot
    line: gr.HTML
    question: gr.Textbox
    ask: gr.Button
    stop: gr.Button
    linked: gr.Dataset
    sets: list[gr.Dataset]
    answers: gr.Dropdown
    markdown: gr.Button
    as_json: gr.Button
    share: gr.Button
    address: gr.Textbox
    link: gr.Textbox


def build_ask(viewer: Viewer, shown: Shown, looking: Looking, blocks: gr.Blocks) -> list[Any]:
    """Both sides with their events; returns the parts that say which frames are meant."""
    with gr.Row(elem_id="ask-columns"):
        with gr.Column(scale=7, min_width=320, elem_id="watch"):
            watch = _build_watch(viewer)
        with gr.Column(scale=5, min_width=320, elem_id="talk"):
            talk = _build_talk(looking, viewer.engine.models[0])
    _wire_opening(viewer, shown, watch, talk, blocks)
    _wire_asking(viewer, shown, watch, talk)
    return watch.moment


def _build_watch(viewer: Viewer) -> Watch:
    library, limits = viewer.library, viewer.settings.limits
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
        frames = gr.Slider(1, limits.frames, 5, step=1, label="Frames", elem_id="frame-count", min_width=140)
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
    return Watch(
        bundled=bundled,
        upload=upload,
        log=log,
        again=again,
        title=title,
        video=video,
        timeline=timeline,
        seconds=seconds,
        frames=frames,
        camera=camera,
        gallery=gallery,
        accordion=accordion,
        tokens=tokens,
        tiles=tiles,
    )


def _build_talk(looking: Looking, model: str) -> Talk:
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
        for group, questions in ready_questions(model).items():
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
    return Talk(
        chat=chat,
        line=line,
        question=question,
        ask=ask,
        stop=stop,
        linked=linked,
        sets=sets,
        answers=answers,
        markdown=markdown,
        as_json=as_json,
        share=share,
        address=address,
        link=link,
    )


def _wire_opening(viewer: Viewer, shown: Shown, watch: Watch, talk: Talk, blocks: gr.Blocks) -> None:
    opening = Opening(viewer, shown)
    opened = [
        watch.title,
        watch.video,
        watch.timeline,
        watch.camera,
        watch.gallery,
        talk.line,
        talk.chat,
        talk.answers,
    ]
    sized = [watch.seconds, watch.frames]

    def then_rest(event: Any) -> None:
        """Thumbnails, and a preview where the browser needs one, after what can be shown at once."""
        event.success(opening.thumbnails, None, watch.timeline, **HIDDEN).then(
            opening.preview, None, watch.video, show_progress="full", concurrency_limit=2, **QUIET
        )

    def link_of(prefix: str) -> Any:
        def open_link(name: Any, seconds: float, frames: float, request: gr.Request) -> list[Any]:
            name = name[0] if isinstance(name, list | tuple) else name
            return opening.open_link(name and prefix + str(name), seconds, frames, request)

        return open_link

    show: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": [watch.title]}
    then_rest(blocks.load(opening.greet, None, [*opened, *sized, talk.linked], **show, **QUIET))
    then_rest(
        watch.bundled.click(
            link_of(BUNDLED),
            [watch.bundled, *sized],
            opened,
            api_name="open_clip",
            concurrency_limit=4,
            **show,
            **QUIET,
        )
    )
    then_rest(
        watch.upload.upload(
            opening.receive, [watch.upload, *sized], opened, concurrency_limit=4, **show, **QUIET
        )
    )
    then_rest(
        watch.log.input(
            link_of(LOG),
            [watch.log, *sized],
            opened,
            api_name="open_log",
            concurrency_limit=4,
            **show,
            **QUIET,
        )
    )
    watch.again.click(lambda: gr.update(choices=viewer.library.logs(again=True)), None, watch.log, **QUIET)


def _wire_asking(viewer: Viewer, shown: Shown, watch: Watch, talk: Talk) -> None:
    asking, where = Asking(viewer, shown), watch.moment
    gr.on(
        [watch.timeline.input, watch.seconds.release, watch.frames.release, watch.camera.input],
        asking.move,
        where,
        [talk.line, watch.gallery, watch.timeline],
        trigger_mode="always_last",
        concurrency_limit=4,
        **HIDDEN,
    )
    gr.on(
        [watch.accordion.expand],
        asking.tiles,
        None,
        [watch.tokens, watch.tiles],
        show_progress="minimal",
        **QUIET,
    )

    begun = [talk.chat, talk.question, talk.stop, talk.line, watch.gallery, watch.timeline]
    written = [talk.chat, talk.stop, talk.answers, watch.timeline]

    def then_answer(event: Any, name: str | None = None) -> None:
        event.success(
            asking.answer,
            None,
            written,
            show_progress="minimal",
            show_progress_on=[talk.chat],
            api_name=name,
            **MODEL,
            **QUIET,
        )

    pause = "(...values) => leo.paused(values)"
    then_answer(
        gr.on(
            [talk.ask.click, talk.question.submit],
            asking.begin,
            [talk.question, *where],
            begun,
            js=pause,
            api_name="begin",
            **HIDDEN,
        ),
        "answer",
    )
    then_answer(
        gr.on(
            [s.select for s in [talk.linked, *talk.sets]], asking.ask_ready, where, begun, js=pause, **HIDDEN
        )
    )
    then_answer(talk.chat.retry(asking.retry, None, begun, **HIDDEN))
    then_answer(talk.chat.edit(asking.edit, None, begun, **HIDDEN))
    talk.chat.clear(asking.clear, None, [talk.chat, talk.line, talk.answers], **HIDDEN)
    talk.stop.click(asking.stop, None, talk.stop, queue=False, **HIDDEN)

    def keep_as(form: str) -> Any:
        def keep(request: gr.Request) -> str:
            return asking.keep(form, request)

        return keep

    for button, form in ((talk.markdown, "markdown"), (talk.as_json, "json")):
        button.click(keep_as(form), None, talk.address, **QUIET).success(
            None, talk.address, None, js="(url) => leo.download(url)", **QUIET
        )
    talk.share.click(asking.link, where, talk.link, **QUIET).success(
        None, talk.link, talk.link, js="(query) => leo.link(query)", **QUIET
    )
