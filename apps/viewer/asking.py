"""Looking at a moment, asking about it and keeping what was said: the second part of the page's events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError, LeoDriveError

from .conversation import Conversation, Moment, Thread, Turn, checked_question, clock
from .engine import Said
from .export import as_json, as_markdown, link_query
from .media import Item, jpeg
from .sessions import Asked, Session
from .shown import Shown
from .viewer import Viewer, said_in_page

_EVERY = 0.08
"""Seconds between two states of an answer that is being written."""


class Asking:
    """Events about the recording that is open: from the page's values to what it shows next."""

    def __init__(self, viewer: Viewer, shown: Shown) -> None:
        self.viewer, self.shown = viewer, shown

    # Watching

    def move(
        self,
        timeline: dict[str, Any] | None,
        seconds: float,
        frames: float,
        camera: str | None,
        request: gr.Request,
    ) -> list[Any]:
        """Another moment, or other frames of it: title of the thread, frames, timeline."""
        with said_in_page():
            session, moment = self.shown.moment(timeline, seconds, frames, camera, request)
            clip = session.look_at(moment)
            return [
                self.shown.thread_line(session, moment),
                self.shown.frames(session, clip, request),
                self.shown.timeline(session, moment, clip),
            ]

    def tiles(self, request: gr.Request) -> list[Any]:
        """What the frames are cut into, and the tokens that they cost."""
        with said_in_page():
            session = self.viewer.session(request)
            session.require_recording()
            assert session.shown is not None  # with the recording
            _, clip = session.shown
            engine = self.viewer.engine
            question = "What should the driver do?"
            plan, tiles, text, context = engine.run(
                lambda leo: (
                    plan := leo.processor.plan(clip, [question], answer_tokens=engine.max_new_tokens),
                    leo.processor.tiles(clip.frames, plan.max_tiles),
                    len(leo.processor.prompt(question, [0] * len(clip.frames), names=clip.names)),
                    leo.processor.leo.context_length,
                )
            )
            items = [jpeg(tile) for frame in tiles for tile in frame]
            names = [
                f"{clock(clip.timestamps[k])}, tile {i + 1} of {len(frame)}"
                for k, frame in enumerate(tiles)
                for i in range(len(frame))
            ]
            urls = self.viewer.show(session, "tiles", items, request)
            shares = [("frames", plan.tokens), ("text", text), ("answer", engine.max_new_tokens)]
            return [_token_bar(shares, context, len(items)), list(zip(urls, names, strict=True))]

    # Asking

    def begin(
        self,
        question: str | None,
        timeline: dict[str, Any] | None,
        seconds: float,
        frames: float,
        camera: str | None,
        request: gr.Request,
    ) -> list[Any]:
        """A question was sent: it stands in the conversation and waits for its turn."""
        with said_in_page():
            session, moment = self.shown.moment(timeline, seconds, frames, camera, request)
            text = checked_question(question, self.viewer.settings.limits.question)
            return self._add(session, moment, text, request)

    def ask_ready(
        self,
        timeline: dict[str, Any] | None,
        seconds: float,
        frames: float,
        camera: str | None,
        chosen: gr.SelectData,
        request: gr.Request,
    ) -> list[Any]:
        """A ready question was clicked."""
        value = chosen.value
        question = value[0] if isinstance(value, list | tuple) else value
        return self.begin(str(question), timeline, seconds, frames, camera, request)

    def retry(self, chosen: gr.RetryData, request: gr.Request) -> list[Any]:
        """An answer is to be given again; what came after it goes."""
        return self._again(_index(chosen.index), None, request)

    def edit(self, chosen: gr.EditData, request: gr.Request) -> list[Any]:
        """A question was changed: it is asked in its place; what came after it goes."""
        return self._again(_index(chosen.index), str(chosen.value), request)

    def _again(self, index: int, text: str | None, request: gr.Request) -> list[Any]:
        with said_in_page():
            session = self.viewer.session(request)
            session.require_recording()
            conversation = session.conversation
            found = conversation.turn_at(index) if conversation is not None else None
            if conversation is None or found is None:
                raise InputError("that answer is not here any more; ask again")
            thread, turn = found
            question = checked_question(
                turn.question if text is None else text, self.viewer.settings.limits.question
            )
            conversation.stop()
            with session.lock:
                conversation.cut(thread, turn)
                session.waiting = [asked for asked in session.waiting if asked.turn in asked.thread.turns]
            return self._add(session, thread.moment, question, request)

    def _add(self, session: Session, moment: Moment, question: str, request: gr.Request) -> list[Any]:
        clip = session.look_at(moment)
        with session.lock:
            conversation = session.conversation
            if conversation is None:
                conversation = session.conversation = Conversation()
            thread = conversation.thread(moment, clip.timestamps)
            turn = Turn(question)
            thread.turns.append(turn)
            session.waiting.append(Asked(conversation, thread, turn, clip))
            messages = conversation.messages()
        return [
            messages,
            "",
            gr.update(visible=True),
            self.shown.thread_line(session, moment),
            self.shown.frames(session, clip, request),
            self.shown.timeline(session, moment, clip),
        ]

    def answer(self, request: gr.Request) -> Iterator[list[Any]]:
        """The answer to the question that has waited longest: chat, stop button, answers, timeline."""
        with said_in_page():
            session = self.viewer.session(request)
            with session.lock:
                asked = session.waiting.pop(0) if session.waiting else None
            if asked is None:
                yield [gr.skip(), gr.update(visible=False), gr.skip(), gr.skip()]
                return
            conversation, thread, turn, clip = asked
            shown = 0.0
            for _ in self._write(thread, turn, clip):
                if time.monotonic() - shown > _EVERY and session.conversation is conversation:
                    shown = time.monotonic()
                    yield [conversation.messages(), gr.skip(), gr.skip(), gr.skip()]
            if session.conversation is not conversation:
                return
            choices = [(_label(t, u), i) for i, (t, u) in enumerate(conversation.answered())]
            if session.timeline is not None:
                session.timeline["asked"] = sorted({t.moment.at for t, _ in conversation.answered()})
            yield [
                conversation.messages(),
                gr.update(visible=bool(session.waiting)),
                gr.update(choices=choices, value=choices[-1][1] if choices else None),
                self.shown.timeline(session, *session.shown) if session.shown else gr.skip(),
            ]

    def _write(self, thread: Thread, turn: Turn, clip: Clip) -> Iterator[None]:
        try:
            for piece in self.viewer.engine.stream(clip, turn.question, thread.history(turn), turn.stopped):
                if isinstance(piece, Said):
                    turn.said = piece
                else:
                    turn.partial += piece
                yield
        except LeoDriveError as error:
            turn.note = str(error)
        if turn.said is None and turn.note is None:
            turn.note = "Stopped before it was answered."

    def clear(self, request: gr.Request) -> list[Any]:
        """Begin anew: nothing said so far counts any more."""
        with said_in_page():
            session = self.viewer.session(request)
            if session.conversation is not None:
                session.conversation.stop()
            session.conversation = Conversation()
            line = self.shown.thread_line(session, session.shown[0]) if session.shown else ""
            return [[], line, gr.update(choices=[], value=None)]

    def stop(self, request: gr.Request) -> Any:
        """Stop what is being written."""
        with said_in_page():
            session = self.viewer.session(request)
            if session.conversation is not None:
                session.conversation.stop()
            return gr.update(visible=False)

    # Keeping

    def keep(self, form: str, request: gr.Request) -> str:
        """The address of an export: markdown or json."""
        with said_in_page():
            session = self.viewer.session(request)
            recording = session.require_recording()
            model = self.viewer.settings.model
            if form == "json":
                item = Item(
                    as_json(recording, session.conversation, model), "application/json", "conversation.json"
                )
            else:
                content = as_markdown(
                    recording, session.conversation, model, partial(session.clip_at, recording)
                )
                item = Item(content, "application/zip", "conversation.zip")
            return self.viewer.show(session, f"export-{form}", [item], request)[0]

    def link(
        self,
        timeline: dict[str, Any] | None,
        seconds: float,
        frames: float,
        camera: str | None,
        request: gr.Request,
    ) -> Any:
        """The query of a link to the moment and its questions."""
        with said_in_page():
            session, moment = self.shown.moment(timeline, seconds, frames, camera, request)
            recording = session.require_recording()
            return gr.update(value=link_query(recording, moment, session.conversation), visible=True)


def _index(index: Any) -> int:
    return int(index[0] if isinstance(index, list | tuple) else index)


def _label(thread: Thread, turn: Turn) -> str:
    assert turn.said is not None  # only answers are listed
    return f"{clock(thread.moment.at)} · {turn.question} · {turn.said.answer.text}"[:120]


def _token_bar(shares: list[tuple[str, int]], context: int, tiles: int) -> str:
    used = sum(count for _, count in shares)
    parts = "".join(
        f'<i class="tok-{name}" style="width:{100 * count / context:.2f}%" title="{name}: {count}"></i>'
        for name, count in shares
    )
    words = ", ".join(f"{count} {name}" for name, count in shares)
    return (
        f'<div class="tok" role="img" aria-label="{used} of {context} tokens">{parts}</div>'
        f"<p>{tiles} tiles. {used} of {context} tokens of the context: {words}.</p>"
    )
