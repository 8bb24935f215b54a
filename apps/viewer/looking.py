"""The events of "what did it look at" and of the comparison."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from leo_drive.errors import InputError, LeoDriveError

from .conversation import Moment, about, checked_question, clock, in_html
from .engine import Said
from .media import jpeg
from .shown import Shown
from .understanding import drawn, in_words, measure
from .viewer import Viewer, said_in_page

_WIDTH = 640


class Looking:
    """Events about answers that are there.

    Args:
        shown: knows the moment that the page shows.
    """

    def __init__(self, viewer: Viewer, shown: Shown) -> None:
        self.viewer, self.shown = viewer, shown

    def attribute(
        self,
        answer: int | None,
        per_frame: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        """Measure an answer: pictures, words, stop button, as the map grows."""
        with said_in_page():
            session = self.viewer.session(request)
            answered = session.conversation.answered() if session.conversation is not None else []
            if not answered:
                raise InputError("nothing has been answered yet; ask something first")
            if answer is None or not 0 <= answer < len(answered):
                answer = len(answered) - 1
            thread, turn = answered[answer]
            clip = session.clip_at(session.require_recording(), thread.moment)
            assert turn.said is not None  # only answered ones are listed
            text = turn.said.answer.text
            session.measuring.clear()
            yield [gr.skip(), "Measuring…", gr.update(visible=True)]
            found = None
            for found in measure(self.viewer.engine, clip, thread.history(turn), turn, per_frame):
                progress((found.done, found.total), desc="greying patches", unit="patches")
                urls = self.viewer.show(
                    session, "attribution", [jpeg(p, _WIDTH) for p in drawn(clip, found)], request
                )
                names = [f"{clock(t)}" for t in clip.timestamps]
                words = in_words(clip, found, text)
                state = f"{found.done} of {found.total} patches measured. "
                yield [list(zip(urls, names, strict=True)), in_html(state + words), gr.update(visible=True)]
                if session.measuring.is_set():
                    break
            whole = found is not None and found.done == found.total
            words = in_words(clip, found, text) if found is not None else ""
            ending = (
                "" if whole or found is None else f"Stopped after {found.done} of {found.total} patches. "
            )
            yield [gr.skip(), in_html(ending + words), gr.update(visible=False)]

    def stop(self, request: gr.Request) -> Any:
        """End the measurement after the batch at hand."""
        with said_in_page():
            self.viewer.session(request).measuring.set()
            return gr.update(visible=False)

    # Comparing

    def take(self, side: str) -> Callable[..., list[Any]]:
        """The event that puts the moment which the page shows on a side: its frames and its name."""

        def take(
            timeline: dict[str, Any] | None,
            seconds: float,
            frames: float,
            camera: str | None,
            request: gr.Request,
        ) -> list[Any]:
            with said_in_page():
                session, moment = self.shown.moment(timeline, seconds, frames, camera, request)
                clip = session.look_at(moment)
                recording = session.require_recording()
                session.sides[side] = (moment, clip)
                urls = self.viewer.show(
                    session, f"side-{side}", [jpeg(f, _WIDTH) for f in clip.frames], request
                )
                named = [(url, f"{t:.2f} s") for url, t in zip(urls, clip.timestamps, strict=True)]
                return [named, f"{html.escape(recording.name)}, {clock(moment.at)}"]

        return take

    def compare(self, question: str | None, what: str, request: gr.Request) -> Iterator[list[str]]:
        """The same question on both sides, one after the other: both answers as they grow."""
        with said_in_page():
            session = self.viewer.session(request)
            text = checked_question(question, self.viewer.settings.limits.question)
            first = session.sides.get("A")
            second = session.sides.get("B") if what == "moments" else first
            if first is None or second is None:
                missing = "A" if first is None else "B"
                raise InputError(
                    f"side {missing} has no moment yet; choose one in the player and take it over"
                )
            models = self.viewer.engine.models
            sides: list[tuple[tuple[Moment, Any], str]] = [
                (first, models[0]),
                (second, models[0] if what == "moments" else models[-1]),
            ]
            shown = ["…", "…"]
            yield shown
            for k, ((_, clip), model) in enumerate(sides):
                said = ""
                try:
                    for piece in self.viewer.engine.stream(clip, text, (), threading.Event(), model):
                        if isinstance(piece, Said):
                            label = f"<strong>{html.escape(model)}</strong>" if what == "models" else ""
                            shown[k] = f"{label}{in_html(piece.answer.text)}{about(piece)}"
                        else:
                            said += piece
                            shown[k] = in_html(said)
                        yield list(shown)
                except LeoDriveError as error:
                    shown[k] = f'<div class="leo-note">{html.escape(str(error))}</div>'
                    yield list(shown)
