"""Cutting one log: its windows and their frames, in order; what `decoder` does in its own process.

Nothing here imports torch, so that a decoder starts in a blink.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from leo_drive.annotation.windows import Window, windows_at_scenes, windows_every
from leo_drive.clips.clip import Clip, together
from leo_drive.clips.discovery import LogEntry
from leo_drive.clips.samplers import frame_differences
from leo_drive.clips.scenes import THUMBNAIL_SIZE, detect_scene_changes
from leo_drive.clips.source import Source, check_camera
from leo_drive.errors import describe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cutting:
    """How windows are cut.

    Attributes:
        every, seconds, frames: as in `leo_drive.annotation.windows.windows_every`.
        scenes: a window a scene instead of one every `every` seconds.
        skip_similar: a window is passed over when no frame of it differs by more than this mean difference of
            grey levels (0..255) from the last window that was not; None asks about every window.
        cameras: none means a log's first, "all" means each that a log has.
        together: show the cameras in one prompt, named, instead of each on its own.
    """

    every: float = 5.0
    seconds: float = 5.0
    frames: int = 5
    scenes: bool = False
    skip_similar: float | None = None
    cameras: tuple[str, ...] = ()
    together: bool = False


@dataclass(frozen=True)
class Task:
    """A log to cut.

    Attributes:
        entry: the log.
        cutting: how.
        done: (camera, window) that need no frames any more, with the start of the window that each repeats,
            or None for one that was asked about.
        windows: of each camera, which windows to cut, as an earlier `Opened` had them; all unless told.
        only_open: say which windows there are, and cut none.
    """

    entry: LogEntry
    cutting: Cutting
    done: Mapping[tuple[str, int], float | None] = field(default_factory=dict)
    windows: Mapping[str, list[Window]] | None = None
    only_open: bool = False


@dataclass(frozen=True)
class Opened:
    """A log could be opened.

    Attributes:
        windows: of each of its cameras.
        warnings: what the library had to say of it meanwhile, such as that it was cut off.
    """

    windows: Mapping[str, list[Window]]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cut:
    """What became of one window.

    Attributes:
        camera, window: which.
        clip: its frames, or None.
        error: why there are none.
        repeats: start in seconds of the window that it looks like, if it is passed over.
    """

    camera: str
    window: Window
    clip: Clip | None = None
    error: str | None = None
    repeats: float | None = None


@dataclass(frozen=True)
class Broken:
    """The log as a whole cannot be used."""

    error: str


@dataclass(frozen=True)
class Finished:
    """All windows of the log have been sent."""


Message = Opened | Cut | Broken | Finished


def cut_log(task: Task) -> Iterator[Message]:
    """What there is in a log, window by window. Raises nothing that a log can be the cause of."""
    try:
        with _warnings() as said:
            source = task.entry.open()
    except Exception as error:
        yield Broken(describe(error))
        return
    try:
        with source:
            try:
                views = _views(source, task.cutting)
                windows = task.windows
                if windows is None:
                    windows = {view.name: _windows(source, view, task.cutting) for view in views}
            except Exception as error:
                yield Broken(describe(error))
                return
            yield Opened(windows, tuple(said))
            for view in () if task.only_open else views:
                yield from _cut_view(view, windows.get(view.name, []), task)
    except Exception as error:  # closing it
        logger.debug("%s: %s", task.entry.name, error)
    yield Finished()


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The library's warnings, as they come: nobody sees what the process of a decoder prints."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    library, listener = logging.getLogger("leo_drive"), Listener(logging.WARNING)
    library.addHandler(listener)
    try:
        yield said
    finally:
        library.removeHandler(listener)


@dataclass(frozen=True)
class View:
    """What is seen of a log at once: one camera, or several together.

    Attributes:
        source: the log.
        cameras: shown together.
    """

    source: Source
    cameras: tuple[str, ...]

    @property
    def name(self) -> str:
        """In the table: the camera's, several joined by +."""
        return "+".join(self.cameras)

    def clip(self, times: Sequence[float]) -> Clip:
        """The frames at some times, of several cameras as `leo_drive.clips.together` has them."""
        clips = []
        for camera in self.cameras:
            found = self.source.frames_at(times, camera)
            images, stamps = tuple(f.image for f in found), tuple(f.timestamp for f in found)
            clips.append(Clip(images, stamps, camera, self.source.name))
        return clips[0] if len(clips) == 1 else together(clips)


def _views(source: Source, cutting: Cutting) -> list[View]:
    cameras = cutting.cameras or source.cameras[:1]
    if cameras == ("all",):
        cameras = source.cameras
    for camera in cameras:
        check_camera(source.name, source.cameras, camera)
    if cutting.together:
        return [View(source, tuple(cameras))]
    return [View(source, (camera,)) for camera in cameras]


def _windows(source: Source, view: View, cutting: Cutting) -> list[Window]:
    span = (source.duration, source.last_time, source.rate)
    if cutting.scenes:
        begins = detect_scene_changes(source, camera=view.cameras[0])
        return windows_at_scenes(begins, *span, cutting.seconds, cutting.frames)
    return windows_every(*span, cutting.every, cutting.seconds, cutting.frames)


def _cut_view(view: View, windows: list[Window], task: Task) -> Iterator[Cut]:
    camera = view.name
    limit = task.cutting.skip_similar
    shown: Window | None = None  # the last one that was asked about
    seen: np.ndarray | None = None  # its thumbnails, read again after a resume
    for window in windows:
        if (camera, window.index) in task.done:
            if task.done[camera, window.index] is None:
                shown, seen = window, None
            continue
        try:
            clip = view.clip(window.times)
            if limit is not None:
                looks = _thumbnails(clip)
                if shown is not None and seen is None:
                    seen = _thumbnails(view.clip(shown.times))
                if shown is not None and seen is not None and _alike(seen, looks, limit):
                    yield Cut(camera, window, repeats=shown.start)
                    continue
                shown, seen = window, looks
        except Exception as error:
            yield Cut(camera, window, error=describe(error))
            continue
        yield Cut(camera, window, clip)


def _thumbnails(clip: Clip) -> np.ndarray:
    small = [f.resize(THUMBNAIL_SIZE, Image.Resampling.BOX).convert("L") for f in clip.frames]
    return np.stack([np.asarray(s) for s in small])


def _alike(a: np.ndarray, b: np.ndarray, limit: float) -> bool:
    if a.shape != b.shape:
        return False
    return all(frame_differences(pair)[1] <= limit for pair in zip(a, b, strict=True))
