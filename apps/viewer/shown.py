"""What the page shows of a session: the frames of its moment, the timeline, what a question is about."""

from __future__ import annotations

import html
import math
from typing import Any

import gradio as gr

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError

from .conversation import Moment, clock, time_link
from .media import jpeg
from .recording import Recording
from .sessions import Session
from .viewer import Viewer

_FRAME_WIDTH = 960


class Shown:
    """From a session to the values of the page's components, and from its controls to a moment."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer

    def moment(
        self,
        timeline: dict[str, Any] | None,
        seconds: float,
        frames: float,
        camera: str | None,
        request: gr.Request,
    ) -> tuple[Session, Moment]:
        """A page's session, and the moment that its controls say.

        Raises:
            InputError: nothing is open, or a control says what it cannot.
        """
        session = self.viewer.session(request)
        recording = session.require_recording()
        known = session.timeline or {}
        given = timeline if isinstance(timeline, dict) and timeline.get("id") == known.get("id") else {}
        at = number(given.get("at"), session.at)
        session.at = at = round(min(max(at, 0.0), recording.last_time), 3)
        limits = self.viewer.settings.limits
        seconds, frames = number(seconds, 5.0), number(frames, 5)
        if not limits.shortest <= seconds <= limits.longest or not 1 <= frames <= limits.frames:
            raise InputError(
                f"seconds must be {limits.shortest:g} to {limits.longest:g}, and frames 1 to {limits.frames}"
            )
        camera = camera if camera in recording.cameras else recording.cameras[0]
        return session, Moment(at, seconds, int(frames), camera)

    def frames(self, session: Session, clip: Clip, request: gr.Request) -> Any:
        """The gallery of the frames with their times, unless it shows them already."""
        if session.gallery is clip:
            return gr.skip()
        session.gallery = clip
        urls = self.viewer.show(
            session, "frames", [jpeg(frame, _FRAME_WIDTH) for frame in clip.frames], request
        )
        return gr.update(value=[(url, f"{t:.2f} s") for url, t in zip(urls, clip.timestamps, strict=True)])

    def timeline(self, session: Session, moment: Moment, clip: Clip) -> dict[str, Any]:
        """What assets/timeline.js draws."""
        return {
            **(session.timeline or {}),
            "at": moment.at,
            "seconds": moment.seconds,
            "times": list(clip.timestamps),
        }

    def thread_line(self, session: Session, moment: Moment) -> str:
        """What the next question will be about, and what it follows up on."""
        conversation = session.conversation
        last = conversation.threads[-1] if conversation is not None and conversation.threads else None
        where = f"Asking about {time_link(moment.at)}"
        if last is None or not last.turns:
            return f"<div>{where}.</div>"
        count = len(last.turns)
        many = f"{count} question{'s' if count > 1 else ''}"
        if last.moment == moment:
            return f"<div>{where}, after {many} about it.</div>"
        before = f"the {many} about {time_link(last.moment.at)} will not be part of it"
        return f"<div>{where}: a new thread, {before}.</div>"

    def title(self, recording: Recording, needs_preview: bool) -> str:
        """What is open, in a line."""
        note = " · browsers cannot play this file, a preview is made" if needs_preview else ""
        own = " · yours alone, deleted when you leave" if recording.link is None else ""
        about = f"{clock(recording.duration)}, {recording.source.rate:.3g} frames a second{note}{own}"
        return f"<strong>{html.escape(recording.name)}</strong> <span>{about}</span>"


def number(value: Any, otherwise: float) -> float:
    """A finite number, or the other one."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return number if math.isfinite(number) else otherwise
