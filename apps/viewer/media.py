"""Pictures, videos and exports for the page, each under a secret address that ends with its session.

Gradio's own file route would hand a file to whoever knows its path, and keep copies; this hands out what was
registered, nothing else, and forgets it with the session.
"""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

ROUTE = "/media"

_NAMES = {"video/mp4": "video.mp4", "video/webm": "video.webm", "image/jpeg": "frame.jpg"}

_QUALITY = 88


@dataclass(frozen=True)
class Item:
    """What an address gives.

    Attributes:
        content: bytes, or the file that holds them.
        kind: its media type.
        download: the name to save it under, or None for what is shown in the page.
    """

    content: bytes | Path
    kind: str
    download: str | None = None


class Media:
    """Addresses and what they give, by session.

    Args:
        allowed: whether a request may have anything at all; the page's own log-in.
    """

    def __init__(self, allowed: Callable[[Request], bool]) -> None:
        self._allowed = allowed
        self._items: dict[str, Item] = {}
        self._shelves: dict[tuple[str, str], list[str]] = {}
        self._lock = threading.Lock()

    @property
    def route(self) -> Route:
        """To be added to the server's routes."""
        return Route(f"{ROUTE}/{{token}}/{{name}}", self._serve, methods=["GET", "HEAD"])

    def put(self, session: str, shelf: str, items: list[Item]) -> list[str]:
        """Register items in the place of what was on that shelf; returns paths from the page's root.

        Args:
            shelf: what they are for, such as the frames of the moment.
        """
        paths, tokens = [], []
        for item in items:
            token = secrets.token_urlsafe(24)
            name = item.download or _NAMES.get(item.kind, "file")
            tokens.append(token)
            paths.append(f"{ROUTE}/{token}/{name}")
        with self._lock:
            for old in self._shelves.pop((session, shelf), []):
                self._items.pop(old, None)
            self._shelves[session, shelf] = tokens
            self._items.update(zip(tokens, items, strict=True))
        return paths

    def drop(self, session: str) -> None:
        """Forget everything of a session."""
        with self._lock:
            for key in [key for key in self._shelves if key[0] == session]:
                for token in self._shelves.pop(key):
                    self._items.pop(token, None)

    def __len__(self) -> int:
        return len(self._items)

    async def _serve(self, request: Request) -> Response:
        if not self._allowed(request):
            return PlainTextResponse("not logged in", 401)
        item = self._items.get(request.path_params["token"])
        if item is None or (isinstance(item.content, Path) and not item.content.is_file()):
            return PlainTextResponse("not here, or not any more", 404)
        headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
        if isinstance(item.content, Path):
            return FileResponse(item.content, media_type=item.kind, headers=headers, filename=item.download)
        if item.download:
            headers["Content-Disposition"] = f'attachment; filename="{item.download}"'
        return Response(item.content, media_type=item.kind, headers=headers)


def jpeg(image: Image.Image, width: int | None = None) -> Item:
    """A picture as JPEG, at most so many pixels wide."""
    if width is not None and image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return Item(buffer.getvalue(), "image/jpeg")


def video_item(path: Path) -> Item:
    """A video file that browsers play."""
    return Item(path, "video/webm" if path.suffix.lower() == ".webm" else "video/mp4")
