"""The layout of "what did it look at" and of the comparison."""

from __future__ import annotations

from typing import Any

import gradio as gr

from .looking import Looking
from .understanding import WHAT_IT_IS
from .viewer import HIDDEN, MODEL, QUIET, Viewer


def build_attribution(looking: Looking, answers: gr.Dropdown) -> None:
    """An accordion\'s content: choose an answer, measure it, see it drawn."""
    gr.Markdown(WHAT_IT_IS, elem_id="look-note")
    each = gr.Checkbox(False, label="Frame by frame (slower: each frame on its own)", elem_id="look-each")
    with gr.Row():
        start = gr.Button("Measure", variant="primary", size="sm", elem_id="look-start")
        stop = gr.Button("Stop measuring", variant="stop", size="sm", visible=False, elem_id="look-stop")
    words = gr.HTML("", elem_id="look-words")
    pictures = gr.Gallery(
        label="Occlusion: what the answer depends on",
        columns=2,
        height="auto",
        elem_id="look-pictures",
        elem_classes="leo-frames",
        object_fit="contain",
        buttons=[],
    )
    # Its batches take turns with other people's questions, so it has a queue of its own.
    start.click(
        looking.attribute,
        [answers, each],
        [pictures, words, stop],
        concurrency_id="measure",
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=[words],
        **QUIET,
    )
    stop.click(looking.stop, None, stop, queue=False, **HIDDEN)


def build_compare(viewer: Viewer, looking: Looking, where: list[Any]) -> None:
    """The compare tab: two sides that take over the moment which the page shows."""
    two = len(viewer.engine.models) > 1
    gr.Markdown(
        "The same question about two moments, of one recording or of two"
        + (", or to two models about one moment" if two else "")
        + ". Choose a moment in **Ask**, come here and take it over."
    )
    what = gr.Radio(
        [("two moments", "moments"), ("two models", "models")],
        value="moments",
        show_label=False,
        visible=two,
        elem_id="compare-what",
    )
    sides = {}
    with gr.Row():
        for side in ("A", "B"):
            with gr.Column(min_width=300):
                take = gr.Button(f"Take the moment as {side}", size="sm", elem_id=f"take-{side}")
                name = gr.HTML(f"Side {side} is empty.")
                shown = gr.Gallery(
                    label=f"Frames of {side}",
                    columns=5,
                    height="auto",
                    elem_classes="leo-frames",
                    object_fit="contain",
                    buttons=[],
                    elem_id=f"side-{side}",
                )
                answer = gr.HTML("", elem_id=f"answer-{side}", elem_classes="leo-answer", min_height=72)
                sides[side] = answer

                take.click(looking.take(side), where, [shown, name], show_progress="minimal", **QUIET)
    with gr.Row(equal_height=True):
        question = gr.Textbox(
            label="Question for both sides",
            show_label=False,
            placeholder="What should the driver do?",
            elem_id="compare-question",
            scale=6,
        )
        ask = gr.Button("Ask both", variant="primary", elem_id="compare-ask", scale=0, min_width=100)
    gr.on(
        [ask.click, question.submit],
        looking.compare,
        [question, what],
        [sides["A"], sides["B"]],
        show_progress="minimal",
        **MODEL,
        **QUIET,
    )
