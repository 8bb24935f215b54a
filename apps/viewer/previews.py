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
    player: str,
    recording: Recording,
    camera: str | None,
    progress: gr.Progress,
    wanted: Callable[[], bool],
) -> Item | None:
    """A preview in the session's folder, or None as soon as nobody wants it any more.

    Args:
        player: that it is for; the one that was made for it before goes.

    Raises:
        InputError: no frame of the recording can be read.
    """
    for old in session.folder.glob(f"preview-{player}-*.mp4"):
        old.unlink(missing_ok=True)
    path = session.folder / f"preview-{player}-{time.monotonic_ns()}.mp4"
    whole = False
    try:
        for done in recording.preview(path, camera):
            progress(done, desc="making a preview that browsers play")
            if not wanted():
                return None
        whole = wanted()
        return video_item(path) if whole else None
    except InputError:
        if not wanted():
            return None  # closed, as another one has been opened
        raise
    finally:
        if not whole:
            path.unlink(missing_ok=True)
