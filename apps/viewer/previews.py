"""Videos that browsers play, of recordings that they do not."""

from __future__ import annotations

import time
from collections.abc import Callable

import gradio as gr

from leo_drive.errors import InputError

from .media import Item, video_item
from .recording import Recording
from .sessions import Session


def make_preview(
    session: Session,
    recording: Recording,
    camera: str | None,
    progress: gr.Progress,
    wanted: Callable[[], bool],
) -> Item | None:
    """A preview in the session's folder, or None as soon as nobody wants it any more.

    Raises:
        InputError: no frame of the recording can be read.
    """
    path = session.folder / f"preview-{time.monotonic_ns()}.mp4"
    try:
        for done in recording.preview(path, camera):
            progress(done, desc="making a preview that browsers play")
            if not wanted():
                return None
    except InputError:
        if not wanted():
            return None  # closed, as another one has been opened
        raise
    return video_item(path) if wanted() else None
