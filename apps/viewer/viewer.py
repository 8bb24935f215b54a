"""What all parts of the page share: the model, the sessions, what can be opened, addresses."""

from __future__ import annotations

import hmac
import html
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.route_utils import API_PREFIX, get_root_url
from starlette.requests import Request

from leo_drive.errors import LeoDriveError

from .engine import Engine
from .library import Library
from .media import Item, Media
from .reviews import read_reviews
from .sessions import Session, Sessions
from .settings import Settings

# How events are listed and queued.
QUIET: dict[str, Any] = {"api_visibility": "undocumented"}
HIDDEN: dict[str, Any] = {"show_progress": "hidden", **QUIET}
MODEL: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
"""Gradio's queue for whatever waits for the model: one at a time, with its place shown."""


class Viewer:
    """One running viewer.

    Args:
        engine: shared with another viewer, or made from the settings.

    Raises:
        InputError: a folder of the settings is not there or holds nothing to review.
    """

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        self.library = Library(settings.clips, settings.logs, settings.limits)
        self.reviews = read_reviews(settings.reviews)
        self._own_folder = tempfile.TemporaryDirectory(prefix="leo-viewer-")
        self.media = Media(self.logged_in)
        root = Path(self._own_folder.name) / "sessions"
        self.sessions = Sessions(root, self.media, settings.grace, settings.idle)
        self._own_engine = engine is None
        models = [settings.model, *([settings.compare_model] if settings.compare_model else [])]
        self.engine = engine or Engine(models, settings.device, settings.dtype, settings.max_new_tokens)

    def session(self, request: gr.Request) -> Session:
        """The session of the page that asks."""
        return self.sessions.get(request.session_hash, request.username)

    def show(self, session: Session, shelf: str, items: Sequence[Item], request: gr.Request) -> list[str]:
        """Addresses of pictures or videos for the page, as whole URLs; those of the shelf before end."""
        root = root_url(request)
        return [root + path for path in self.media.put(session.id, shelf, list(items))]

    def logged_in(self, request: Request) -> bool:
        """Whether a request carries the log-in that Gradio asks for."""
        app = request.app
        if app.auth is None:
            return True
        cookies = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
        return any(request.cookies.get(cookie) in app.tokens for cookie in cookies)

    def let_in(self, user: str, password: str) -> bool:
        """Whether an account has this password; both kinds of failure take the same time."""
        known = self.settings.accounts.get(user, "")
        return hmac.compare_digest(known.encode(), password.encode()) and user in self.settings.accounts

    def close(self) -> None:
        """End everything and remove every upload."""
        self.sessions.close()
        for review in self.reviews.values():
            review.close()
        if self._own_engine:
            self.engine.close()
        self._own_folder.cleanup()


@contextmanager
def said_in_page() -> Iterator[None]:
    """The library's errors as a message in the page; anything else is a bug and goes to the server's log."""
    try:
        yield
    except LeoDriveError as error:
        raise gr.Error(html.escape(str(error)), print_exception=False, title="That did not work") from None


def root_url(request: gr.Request) -> str:
    """Where the page lies, from the browser's side of any proxy: as Gradio finds it for its own files."""
    inner = request.request
    assert inner is not None  # Gradio gives events the request that they came with
    path = inner.url.path
    start = path.rfind(f"{API_PREFIX}/")
    return get_root_url(inner, path[start:] if start >= 0 else "/", inner.app.root_path)
