"""The page: a header, and a tab for each of its parts."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from .asking_page import build_ask
from .looking import Looking
from .looking_page import build_compare
from .reviewing import build_review
from .settings import ASSETS
from .shown import Shown
from .viewer import QUIET, Viewer

TITLE = "LEO-Drive"


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
                controls = build_ask(viewer, shown, looking, blocks)
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
        look.click(None, js="() => leo.theme()", **QUIET)
    clock = gr.Timer(1.0)

    def tick() -> list[Any]:
        settled = viewer.engine.ready or viewer.engine.failed
        return [_status(viewer), gr.Timer(active=not settled)]

    clock.tick(tick, None, [status, clock], show_progress="hidden", queue=False, **QUIET)


def _status(viewer: Viewer) -> str:
    engine = viewer.engine
    state = "failed" if engine.failed else "ready" if engine.ready else "loading"
    more = "" if state != "loading" else ": look around, the first answer waits for it"
    return f'<span class="leo-state leo-{state}" role="status">{html.escape(engine.status)}{more}</span>'
