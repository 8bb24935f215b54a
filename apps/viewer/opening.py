"""Opening a recording: the first part of the page's events."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import Any

import gradio as gr

from leo_drive.errors import InputError

from .conversation import Moment
from .library import BUNDLED
from .media import jpeg, video_item
from .previews import make_preview
from .recording import Recording
from .sessions import Session
from .shown import Shown, number
from .viewer import Viewer, said_in_page


@dataclass(frozen=True)
class Opened:
    """What the page shows of a recording that was opened, in the order of the page's outputs."""

    title: str
    video: Any
    timeline: Any
    camera: Any
    frames: Any
    thread: str
    chat: list[dict[str, Any]]
    answers: Any

    def values(self) -> list[Any]:
        """One an output."""
        return [
            self.title,
            self.video,
            self.timeline,
            self.camera,
            self.frames,
            self.thread,
            self.chat,
            self.answers,
        ]


class Opening:
    """Events that open a recording."""

    def __init__(self, viewer: Viewer, shown: Shown) -> None:
        self.viewer, self.shown = viewer, shown

    def greet(self, request: gr.Request) -> list[Any]:
        """The page was opened: with what its link names, or the first bundled clip."""
        query = dict(request.query_params)
        link = str(query.get("open", "")) or BUNDLED + next(iter(self.viewer.library.bundled))
        seconds, frames = number(query.get("seconds"), 5.0), int(number(query.get("frames"), 5))
        limits = self.viewer.settings.limits
        seconds = min(max(seconds, limits.shortest), limits.longest)
        frames = min(max(frames, 1), limits.frames)
        questions = [str(q) for q in _all_of(request, "q")]
        asked = [[" ".join(q.split())[: limits.question]] for q in questions if q.strip()]
        at = number(query.get("at"), math.nan)
        camera = str(query["camera"]) if "camera" in query else None
        shown = gr.Dataset(samples=asked, visible=bool(asked))
        try:
            with said_in_page():
                opened = self._open_link(
                    link, seconds, frames, request, None if math.isnan(at) else at, camera
                )
        except gr.Error as error:
            gr.Warning(str(error.message), title="The link leads nowhere")
            opened = self._open_link(
                BUNDLED + next(iter(self.viewer.library.bundled)), seconds, frames, request
            )
        return [*opened.values(), seconds, frames, shown]

    def open_link(self, link: str | None, seconds: float, frames: float, request: gr.Request) -> list[Any]:
        """A bundled clip or a log was chosen."""
        with said_in_page():
            if not link:
                raise InputError("choose a clip first")
            return self._open_link(link, seconds, int(frames), request).values()

    def receive(
        self, paths: list[str] | str | None, seconds: float, frames: float, request: gr.Request
    ) -> list[Any]:
        """Files were uploaded."""
        with said_in_page():
            session = self.viewer.session(request)
            files = [paths] if isinstance(paths, str) else list(paths or [])
            if not files:
                raise InputError("no file arrived; drop it again")
            recording = self.viewer.library.receive(files, session.folder)
            return self._show(session, recording, seconds, int(frames), request).values()

    def _open_link(
        self,
        link: str,
        seconds: float,
        frames: int,
        request: gr.Request,
        at: float | None = None,
        camera: str | None = None,
    ) -> Opened:
        session = self.viewer.session(request)
        recording = self.viewer.library.open(link)
        return self._show(session, recording, seconds, frames, request, at, camera)

    def _show(
        self,
        session: Session,
        recording: Recording,
        seconds: float,
        frames: int,
        request: gr.Request,
        at: float | None = None,
        camera: str | None = None,
    ) -> Opened:
        with session.lock:
            camera = camera if camera in recording.cameras else recording.cameras[0]
            at = min(
                max(at if at is not None else min(recording.last_time, seconds), 0.0), recording.last_time
            )
            moment = Moment(round(at, 3), seconds, frames, camera)
            clip = session.open(recording, moment)
        playable = recording.playable()
        url = None
        if playable is not None:
            url = self.viewer.show(session, "video", [video_item(playable)], request)[0]
        cameras = gr.Dropdown(
            choices=list(recording.cameras), value=camera, visible=len(recording.cameras) > 1, label="Camera"
        )
        session.timeline = {
            "id": secrets.token_hex(8),
            "name": recording.name,
            "duration": recording.duration,
            "last": recording.last_time,
            "video": url,
            "strip": None,
            "asked": [],
        }
        return Opened(
            self.shown.title(recording, playable is None),
            gr.update(value=url, label="Video" if url else "Video (a preview is being made)"),
            self.shown.timeline(session, moment, clip),
            cameras,
            self.shown.frames(session, clip, request),
            self.shown.thread_line(session, moment),
            [],
            gr.update(choices=[], value=None),
        )

    def thumbnails(self, request: gr.Request) -> Any:
        """The strip under the video, once the rest is there."""
        with said_in_page():
            session = self.viewer.session(request)
            recording = session.recording
            timeline = session.timeline
            if recording is None or timeline is None or session.shown is None:
                return gr.skip()
            try:
                strip = recording.strip(session.shown[0].camera)
            except InputError:
                return gr.skip()  # another one has been opened meanwhile
            if recording is not session.recording:
                return gr.skip()
            timeline["strip"] = self.viewer.show(session, "strip", [jpeg(strip)], request)[0]
            return self.shown.timeline(session, *session.shown)

    def preview(self, request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        """A video that the browser plays, for a recording that it does not."""
        with said_in_page():
            session = self.viewer.session(request)
            recording = session.recording
            if recording is None or session.shown is None or recording.playable() is not None:
                return gr.skip()
            video = make_preview(
                session,
                "open",
                recording,
                session.shown[0].camera,
                progress,
                wanted=lambda: session.recording is recording,
            )
            if video is None:
                return gr.skip()
            url = self.viewer.show(session, "video", [video], request)[0]
            rate = recording.preview_rate
            return gr.update(
                value=url, label=f"Preview, {rate:.3g} frames a second; the model sees the original"
            )


def _all_of(request: gr.Request, name: str) -> list[str]:
    inner = request.request
    return inner.query_params.getlist(name) if inner is not None else []
