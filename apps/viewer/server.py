"""Serving the page: Gradio's server with our routes, our limits, and nothing open that need not be."""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .settings import ASSETS

if TYPE_CHECKING:
    from .viewer import Viewer

_SESSIONS = 500
"""Pages of which Gradio remembers what it showed; the oldest is forgotten first."""

# Gradio fetches what these name from other hosts, or records what visitors ask; the page needs none of it.
_CLOSED = re.compile(
    r"/gradio_api/(file=\s*[a-z][a-z0-9+.-]*:|file/[a-z][a-z0-9+.-]*:|proxy=|deep_link|run-history|runs)",
    re.IGNORECASE,
)


class Closed:
    """Answers 404 on Gradio's routes that the page does not need."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _CLOSED.search(Request(scope).url.path):
            await PlainTextResponse("not here", 404)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def serve(viewer: Viewer, block: bool = True) -> Any:
    """Serve until stopped, or, without `block`, until `.close()` of the page that this returns.

    Raises:
        OSError: the port is taken.
    """
    from .page import build, head, theme

    settings = viewer.settings
    blocks = build(viewer)
    blocks.queue(max_size=200, default_concurrency_limit=8)
    blocks.launch(
        server_name=settings.host,
        server_port=settings.port,
        root_path=settings.root_path,
        auth=viewer.let_in if settings.accounts else None,
        max_file_size=f"{settings.limits.megabytes:g}mb",
        allowed_paths=[],
        share=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        state_session_capacity=_SESSIONS,
        app_kwargs={"routes": [viewer.media.route], "middleware": [Middleware(Closed)]},
        theme=theme(),
        css_paths=[ASSETS / "page.css"],
        head=head(),
        quiet=True,
        prevent_thread_lock=True,
    )
    if block:
        print(f"LEO-Drive viewer: {blocks.local_url}", flush=True)
        blocks.block_thread()
    return blocks


def prepare() -> tempfile.TemporaryDirectory[str]:
    """Before Gradio is imported: no statistics are sent, and its files lie where only we look."""
    folder = tempfile.TemporaryDirectory(prefix="leo-gradio-")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = folder.name
    # Gradio keeps statistics of the last ten thousand events, and sums them up after every one.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "100"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000"
    _share_memory_between_threads()
    return folder


def _share_memory_between_threads() -> None:
    """Have glibc give threads their memory from two pools; its own eight a core each keep what was freed."""
    arenas = -8  # M_ARENA_MAX of malloc.h
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(arenas, 2)
