"""A conversation to keep: Markdown with its frames in a zip, JSON, and a link that opens the moment again."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError

from .conversation import Conversation, Moment, clock, questions_of
from .media import jpeg
from .recording import Recording

_LINKED_QUESTIONS = 12


def as_json(recording: Recording, conversation: Conversation | None, model: str) -> bytes:
    """Every thread with its moment, frames' times and answers.

    Raises:
        InputError: nothing has been answered.
    """
    threads: list[dict[str, Any]] = []
    for thread in _answered(conversation).threads:
        turns = [turn for turn in thread.turns if turn.said is not None]
        if turns:
            threads.append(
                {
                    "at": thread.moment.at,
                    "seconds": thread.moment.seconds,
                    "frames": thread.moment.frames,
                    "camera": thread.moment.camera,
                    "timestamps": [round(t, 3) for t in thread.timestamps],
                    "turns": [
                        {**turn.said.answer.as_dict(), "seconds": round(turn.said.seconds, 3)}
                        for turn in turns
                        if turn.said is not None
                    ],
                }
            )
    content = {"recording": recording.name, "link": recording.link, "model": model, "threads": threads}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def as_markdown(
    recording: Recording, conversation: Conversation | None, model: str, clip_at: Callable[[Moment], Clip]
) -> bytes:
    """A zip with conversation.md, the frames that it shows, and conversation.json.

    Args:
        clip_at: reads a moment's frames.

    Raises:
        InputError: nothing has been answered, or a frame can be read no more.
    """
    lines = [f"# {recording.name}", "", f"Asked with LEO-Drive, model {model}.", ""]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, thread in enumerate(_answered(conversation).threads, 1):
            turns = [turn for turn in thread.turns if turn.said is not None]
            if not turns:
                continue
            lines += [f"## {clock(thread.moment.at)}", ""]
            frames = clip_at(thread.moment).frames
            for i, (frame, time) in enumerate(zip(frames, thread.timestamps, strict=True)):
                name = f"frames/{number}-{i}.jpg"
                content = jpeg(frame, 960).content
                assert isinstance(content, bytes)  # a picture is no file
                archive.writestr(name, content)
                lines.append(f"![Frame at {clock(time)}]({name})")
            lines.append("")
            for turn in turns:
                assert turn.said is not None  # chosen above
                answer = turn.said.answer
                lines += [f"**{turn.question}**", "", answer.text or "(no words)", ""]
                lines += [f"*confidence {answer.confidence:.2f}, {turn.said.seconds:.1f} s*", ""]
        archive.writestr("conversation.md", "\n".join(lines))
        archive.writestr("conversation.json", as_json(recording, conversation, model))
    return buffer.getvalue()


def link_query(recording: Recording, moment: Moment, conversation: Conversation | None) -> str:
    """The query that opens the same recording, moment and questions.

    Raises:
        InputError: the recording was uploaded, so that nobody else can open it.
    """
    if recording.link is None:
        raise InputError(
            "an uploaded clip ends with its session and cannot be linked to; export the conversation instead"
        )
    query: list[tuple[str, str]] = [
        ("open", recording.link),
        ("at", f"{moment.at:.3f}"),
        ("seconds", f"{moment.seconds:g}"),
        ("frames", str(moment.frames)),
    ]
    query += [("camera", moment.camera)] if moment.camera else []
    query += [("q", question) for question in questions_of(conversation)[-_LINKED_QUESTIONS:]]
    return urlencode(query)


def _answered(conversation: Conversation | None) -> Conversation:
    if conversation is None or not conversation.answered():
        raise InputError("nothing has been answered yet; ask something first")
    return conversation
