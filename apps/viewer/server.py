"""Serving the page: Gradio's server with our routes, our limits, and nothing open that need not be."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import re
import socket
import tempfile
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from leo_drive.errors import InputError, one_line

from .settings import ASSETS

if TYPE_CHECKING:
    from .viewer import Viewer

logger = logging.getLogger("leo_drive")

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
        InputError: it cannot listen where the settings say.
    """
    from .page import build, head, theme

    settings = viewer.settings
    free_port(settings.host, settings.port)
    blocks = build(viewer)
    blocks.queue(max_size=200, default_concurrency_limit=8)
    try:
        blocks.launch(
            server_name=settings.host,
            # Without one Gradio takes the first that is free then: one that was free before may be taken.
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
    except OSError as error:  # as Gradio says it: another program was quicker
        raise InputError(f"--port: {one_line(error)}; choose another") from None
    if block:
        print(f"LEO-Drive viewer: {blocks.local_url}", flush=True)
        if not settings.accounts and is_open(settings.host):
            logger.warning(
                f"whoever reaches {settings.host} port {blocks.server_port} can ask and upload; "
                f"--auth USER:FILE asks for a password"
            )
        blocks.block_thread()
    return blocks


def is_open(host: str) -> bool:
    """Whether other machines than this one can reach what listens there."""
    addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    return not all(ip_address(address).is_loopback for address in addresses)


def free_port(host: str, port: int | None) -> int:
    """A port that can be listened on now, as a socket was bound to it: the given one, or the first free one.

    Gradio itself takes whatever goes wrong for a port that is taken, and tries the next.

    Raises:
        InputError: the host is none of this machine's, or the port is taken or not for this user.
    """
    from gradio.http_server import INITIAL_PORT_VALUE, LOCALHOST_NAME, TRY_NUM_PORTS

    last = INITIAL_PORT_VALUE + TRY_NUM_PORTS - 1
    for tried in range(INITIAL_PORT_VALUE, last + 1) if port is None else [port]:
        try:
            # Gradio wants the port to be free on this machine's own address too.
            for name in (host, LOCALHOST_NAME):
                _bind(name, tried)
            return tried
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
            if getattr(error, "errno", None) != errno.EADDRINUSE:
                raise InputError(
                    f"--host {host}: cannot listen on port {tried} there: {one_line(error)}; "
                    "give an address of this machine, and a --port that is yours to use"
                ) from None
    if port is None:
        raise InputError(f"--port: {INITIAL_PORT_VALUE} to {last} are taken; choose another")
    raise InputError(f"--port {port}: is taken; choose another, or leave it out for the first free one")


def _bind(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)


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
