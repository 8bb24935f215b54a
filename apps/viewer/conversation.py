"""A conversation about moments of one recording: threads, questions, answers, and how they look."""

from __future__ import annotations

import html
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from leo_drive.annotation.questions import read_questions, ready_sets
from leo_drive.errors import InputError
from leo_drive.models import unlearned

from .engine import Said

_GROUPS = {
    "scenery": "Scene",
    "traffic_lights_and_signs": "Signs",
    "vulnerable_road_users": "People",
    "hazards": "Hazards",
    "ego_behaviour": "Action",
}
_LEADING = {"Why": "Why", "What should": "Next"}
"""Questions that begin so are a group of their own, whichever set they stand in."""

_UNLEARNED = (
    "This small model understands the questions of its training alone: what it says here may mean nothing."
)
_SURE = "from the probabilities of the answer's tokens; not calibrated unless the model's card says so"


@dataclass(frozen=True)
class Moment:
    """What is asked about.

    Attributes:
        at: seconds of the last frame.
        seconds: how far back the frames reach.
        frames: how many.
        camera: one of the recording's.
    """

    at: float
    seconds: float
    frames: int
    camera: str | None = None


@dataclass
class Turn:
    """A question, and its answer once it is there.

    Attributes:
        partial: what has been said so far.
        said: the whole answer.
        note: why there is none.
        stopped: set to end the answer early.
    """

    question: str
    partial: str = ""
    said: Said | None = None
    note: str | None = None
    stopped: threading.Event = field(default_factory=threading.Event)


@dataclass
class Thread:
    """Questions about one moment: each is asked with those before it.

    Attributes:
        timestamps: of the moment's frames, seconds. The frames themselves are the session's, which keeps few.
    """

    moment: Moment
    timestamps: tuple[float, ...]
    turns: list[Turn] = field(default_factory=list)

    def history(self, before: Turn) -> list[tuple[str, str]]:
        """The answered questions before a turn."""
        earlier = self.turns[: self.turns.index(before)]
        return [(turn.question, turn.said.answer.text) for turn in earlier if turn.said is not None]


class Conversation:
    """All threads about one recording."""

    def __init__(self) -> None:
        self.threads: list[Thread] = []

    def thread(self, moment: Moment, timestamps: Sequence[float]) -> Thread:
        """The last thread where it is about this moment, otherwise a new one."""
        if not self.threads or self.threads[-1].moment != moment:
            if self.threads and not self.threads[-1].turns:
                self.threads.pop()
            self.threads.append(Thread(moment, tuple(timestamps)))
        return self.threads[-1]

    def answered(self) -> list[tuple[Thread, Turn]]:
        """Every question that has an answer, oldest first."""
        return [(thread, turn) for thread in self.threads for turn in thread.turns if turn.said is not None]

    def stop(self) -> None:
        """End the answer at hand, and those that wait for their turn."""
        for thread in self.threads:
            for turn in thread.turns:
                turn.stopped.set()

    def messages(self) -> list[dict[str, Any]]:
        """As gr.Chatbot shows it, in HTML. Text from outside is escaped."""
        shown: list[dict[str, Any]] = []
        for number, thread in enumerate(self.threads):
            if number:
                at = time_link(thread.moment.at)
                note = f"New thread at {at}: what was said before is not part of it."
                shown.append(_message("assistant", f'<div class="leo-note">{note}</div>'))
            for turn in thread.turns:
                shown.append(_message("user", html.escape(turn.question, quote=False)))
                shown.append(_message("assistant", _answer(thread, turn)))
        return shown

    def turn_at(self, index: int) -> tuple[Thread, Turn] | None:
        """The thread and turn that a message of `messages` belongs to."""
        count = 0
        for number, thread in enumerate(self.threads):
            count += bool(number)
            for turn in thread.turns:
                count += 2
                if index < count:
                    return thread, turn
        return None

    def cut(self, thread: Thread, turn: Turn) -> None:
        """Forget a turn and all that came after it."""
        del self.threads[self.threads.index(thread) + 1 :]
        del thread.turns[thread.turns.index(turn) :]


def time_link(seconds: float) -> str:
    """A time that goes there when it is clicked; assets/page.js listens."""
    return f'<a class="leo-at" href="#t={seconds:.3f}">{clock(seconds)}</a>'


def clock(seconds: float) -> str:
    """A time for people: 7.2 s, or 12:07.2 in a long recording.

    Example:
        >>> clock(7.25), clock(727.2)
        ('7.2 s', '12:07.2')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


def checked_question(text: str | None, most: int) -> str:
    """A question as it is asked.

    Raises:
        InputError: it is empty or too long.
    """
    question = " ".join((text or "").split())
    if not question:
        raise InputError("the question is empty; ask something, for example: What should the driver do?")
    if len(question) > most:
        raise InputError(f"the question has {len(question)} characters; at most {most} are taken: shorten it")
    return question


def ready_questions(model: str) -> dict[str, list[str]]:
    """Questions to click, by group: those of `leo-drive annotate`'s ready sets that a model can be asked."""
    groups: dict[str, list[str]] = {title: [] for title in [*_GROUPS.values(), *_LEADING.values()]}
    for name in ready_sets():
        title = _GROUPS.get(name, name.replace("_", " ").capitalize())
        for question in read_questions(name).questions:
            group = next((g for start, g in _LEADING.items() if question.text.startswith(start)), title)
            if question.text not in groups.setdefault(group, []):
                groups[group].append(question.text)
    for title, questions in groups.items():
        strange = unlearned(model, questions)
        groups[title] = [question for question in questions if question not in strange]
    return {title: questions for title, questions in groups.items() if questions}


def about(said: Said, at: float | None = None) -> str:
    """One line about an answer: its time, its confidence, how long it took."""
    answer = said.answer
    parts = [] if at is None else [f"at {time_link(at)}"]
    parts.append(f'<span class="leo-sure" title="{_SURE}">confidence {answer.confidence:.2f}</span>')
    reused = answer.timings["encode"] == 0
    parts.append(f"{said.seconds:.1f} s" + (", frames already read" if reused else ""))
    if not answer.complete:
        parts.append("stopped early")
    if not said.learned:
        parts.append(f'<span class="leo-unlearned" title="{_UNLEARNED}">a question it has not learned</span>')
    return f'<div class="leo-about">{" · ".join(parts)}</div>'


def in_html(text: str) -> str:
    """Text from outside, such as a model's: shown as the characters that it is, line by line."""
    return f'<div class="leo-words">{html.escape(text)}</div>'


def _answer(thread: Thread, turn: Turn) -> str:
    if turn.said is not None:
        text = html.escape(turn.said.answer.text) or "<em>(no words)</em>"
        return f"{text}\n{about(turn.said, thread.moment.at)}"
    if turn.note is not None:
        return f'<div class="leo-note">{html.escape(turn.note)}</div>'
    return html.escape(turn.partial) or '<span class="leo-waiting">…</span>'


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def questions_of(conversation: Conversation | None) -> Sequence[str]:
    """Every question asked, each once."""
    threads = conversation.threads if conversation is not None else []
    return list(dict.fromkeys(turn.question for thread in threads for turn in thread.turns))
