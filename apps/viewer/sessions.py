"""Who is here: each open page is a session with a clip, a conversation and a folder of its own."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from leo_drive.errors import InputError, LeoDriveError

from .conversation import Conversation, Moment, Thread, Turn
from .media import Media

if TYPE_CHECKING:
    from leo_drive.clips.clip import Clip

    from .recording import Recording

CLIPS_KEPT = 3
"""Moments whose frames a session holds, megabytes each; others are read again when they are needed."""

_SWEEP = 1.0
"""Seconds between looks for sessions that have ended."""


class Asked(NamedTuple):
    """A question that was sent, and what it is about."""

    conversation: Conversation
    thread: Thread
    turn: Turn
    clip: Clip


class Session:
    """What one open page has.

    Attributes:
        id: secret, and not the browser's own name for it.
        user: who logged in, or None.
        folder: for uploads; goes with the session.
        recording: what is open, or None.
        conversation: about it, or None.
        at: seconds into the recording that the player stands at.
        shown: the moment whose frames the page shows, with them.
        clips: the frames of moments, as long as anybody holds them: the page, `recent`, the model.
        recent: those that were looked at last.
        gallery: the frames that the page's gallery holds, so that they need not be sent again.
        timeline: what the page draws under the video, but for the moment.
        waiting: questions that were sent and whose answers have not begun.
        sides: moments that stand side by side, by side, with their frames.
        reviewed: table, log and camera of the row that is reviewed.
        review_plays: whether its player has a video of that, or will have.
        measuring: set to end the measurement at hand.
        lock: around whatever reads or changes the recording: a source is for one thread at a time.
    """

    def __init__(self, user: str | None, folder: Path) -> None:
        self.id, self.user, self.folder = secrets.token_hex(16), user, folder
        self.recording: Recording | None = None
        self.conversation: Conversation | None = None
        self.at = 0.0
        self.shown: tuple[Moment, Clip] | None = None
        self.clips: WeakValueDictionary[Moment, Clip] = WeakValueDictionary()
        self.recent: deque[Clip] = deque(maxlen=CLIPS_KEPT)
        self.gallery: Clip | None = None
        self.timeline: dict[str, Any] | None = None
        self.waiting: list[Asked] = []
        self.sides: dict[str, tuple[Moment, Clip]] = {}
        self.reviewed: tuple[str, str, str] | None = None
        self.review_plays = False
        self.measuring = threading.Event()
        self.lock = threading.RLock()
        self.touched = time.monotonic()
        self.left: float | None = None

    def open(self, recording: Recording, moment: Moment) -> Clip:
        """Show another recording at a moment, whose frames are returned; what was open is closed.

        Raises:
            LeoDriveError: it cannot be read there. What was open stays open, and the other one is closed.
        """
        with self.lock:
            try:
                clip = recording.clip(moment.at, moment.seconds, moment.frames, moment.camera)
            except LeoDriveError:
                recording.close()
                raise
            if self.conversation is not None:
                self.conversation.stop()
            if self.recording is not None:
                self.recording.close()
            self.recording, self.conversation = recording, Conversation()
            self.clips.clear()
            self.recent.clear()
            self.at = moment.at
            self.clips[moment] = clip
            return self.look_at(moment)

    def require_recording(self) -> Recording:
        """What is open.

        Raises:
            InputError: nothing is.
        """
        if self.recording is None:
            raise InputError("no clip is open; pick a bundled one, or drop a video on the page")
        return self.recording

    def look_at(self, moment: Moment) -> Clip:
        """The frames of a moment, which the page shows from now on.

        Raises:
            InputError: as `clip_at`.
        """
        with self.lock:
            clip = self.clip_at(self.require_recording(), moment)
            self.shown = (moment, clip)
            return clip

    def clip_at(self, recording: Recording, moment: Moment) -> Clip:
        """The frames of a moment: the same clip while anybody holds it, so that what was read of it is used
        again.

        Raises:
            InputError: another recording has been opened, or it is damaged there.
        """
        with self.lock:
            if recording is not self.recording:
                raise InputError(f"{recording.name}: another clip has been opened meanwhile")
            clip = self.clips.get(moment)
            if clip is None:
                clip = recording.clip(moment.at, moment.seconds, moment.frames, moment.camera)
            self.clips[moment] = clip
            self.recent.append(clip)
            return clip

    def close(self) -> None:
        """End what is under way and remove what was uploaded."""
        self.measuring.set()
        with self.lock:
            if self.conversation is not None:
                self.conversation.stop()
            if self.recording is not None:
                self.recording.close()
            self.recording = self.conversation = None
            self.shown = self.gallery = None
            self.waiting.clear()
            self.sides.clear()
            self.clips.clear()
            self.recent.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All open pages.

    Args:
        root: a folder that only this program may read.
        grace: seconds that a session outlives its page's connection.
        idle: seconds after which a session that asks nothing is ended.
        ended: called with each session that was ended.
    """

    def __init__(
        self,
        root: Path,
        media: Media,
        grace: float,
        idle: float,
        ended: Callable[[Session], None] | None = None,
    ) -> None:
        self.root, self._media, self._grace, self._idle = root, media, grace, idle
        self._ended = ended
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        threading.Thread(target=self._sweep, daemon=True, name="sessions").start()

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, key: str | None, user: str | None = None) -> Session:
        """The session of a page, made when it is new.

        Args:
            key: the page's name for itself, which its browser chose.
            user: who is logged in.

        Raises:
            InputError: the page has no name, or it is somebody else's.
        """
        if not key:
            raise InputError("this page has no session; reload it")
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                folder = self.root / secrets.token_hex(16)
                folder.mkdir(mode=0o700, parents=True)
                session = self._sessions[key] = Session(user, folder)
            if session.user != user:
                raise InputError("this session belongs to another user; reload the page")
            session.touched, session.left = time.monotonic(), None
            return session

    def leave(self, key: str | None) -> None:
        """The page was closed, or its connection broke: the session ends unless it is heard of soon."""
        with self._lock:
            if key in self._sessions:
                self._sessions[key].left = time.monotonic()

    def close(self) -> None:
        """End all sessions."""
        self._closing.set()
        with self._lock:
            ending = list(self._sessions.values())
            self._sessions.clear()
        for session in ending:
            self._end(session)

    def _sweep(self) -> None:
        while not self._closing.wait(_SWEEP):
            now = time.monotonic()
            with self._lock:
                over = [
                    key
                    for key, session in self._sessions.items()
                    if now - session.touched > self._idle
                    or (session.left is not None and now - session.left > self._grace)
                ]
                ending = [self._sessions.pop(key) for key in over]
            for session in ending:
                self._end(session)

    def _end(self, session: Session) -> None:
        session.close()
        self._media.drop(session.id)
        if self._ended is not None:
            self._ended(session)
