"""What can be opened: bundled clips, logs of the served folder, uploads; and what is refused, and why."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from leo_drive.clips.container import open_video
from leo_drive.clips.discovery import LOG_SUFFIXES, LogEntry, find_logs
from leo_drive.clips.images import IMAGE_SUFFIXES, natural_order
from leo_drive.clips.opening import open_source
from leo_drive.clips.source import Source
from leo_drive.demo import CLIP
from leo_drive.errors import InputError

from .recording import Recording
from .settings import Limits

_FRESH = 10.0
"""Seconds for which the list of the served folder's logs is used again."""

BUNDLED, LOG = "clip:", "log:"
"""How a link begins that names a bundled clip, or a log of the served folder."""


class Library:
    """Everything that can be opened by name. Names are looked up, never put together to paths.

    Args:
        clips: folder of bundled clips, mp4, beside the library's own.
        logs: the served folder, or None.
    """

    def __init__(self, clips: Path, logs: Path | None, limits: Limits) -> None:
        self._clips = {"Red light": CLIP}
        self._clips |= {
            path.stem.replace("_", " ").capitalize(): path for path in sorted(clips.glob("*.mp4"))
        }
        self._root = None if logs is None else Path(os.path.realpath(logs))
        if self._root is not None and not self._root.is_dir():
            raise InputError(f"{logs}: no such folder; give --logs a folder of driving logs")
        self._limits = limits
        self._found: dict[str, LogEntry] = {}
        self._looked = -_FRESH
        self._lock = threading.Lock()

    @property
    def bundled(self) -> dict[str, Path]:
        """The bundled clips by name."""
        return self._clips

    @property
    def serves_logs(self) -> bool:
        """Whether there is a folder of logs."""
        return self._root is not None

    def logs(self, again: bool = False) -> list[str]:
        """Names of the logs in the served folder; a name leads nowhere else."""
        return list(self._entries(again))

    def open(self, link: str) -> Recording:
        """Open a bundled clip (`clip:NAME`) or a log (`log:NAME`).

        Raises:
            InputError: there is nothing of that name, or it cannot be read.
        """
        if link.startswith(BUNDLED):
            name = link.removeprefix(BUNDLED)
            if name not in self._clips:
                raise InputError(f"no bundled clip {name!r}; there is {', '.join(self._clips)}")
            return Recording(open_source(self._clips[name]), name, link)
        name = link.removeprefix(LOG)
        entry = self._entries().get(name) if link.startswith(LOG) else None
        if entry is None:
            raise InputError(f"no log {name!r} in the served folder; it may have been moved")
        return Recording(self.open_entry(entry), name, link)

    def open_entry(self, entry: LogEntry) -> Source:
        """Open a log of the served folder, unless what it reads lies outside.

        Raises:
            InputError: it does, or it cannot be read.
        """
        assert self._root is not None  # entries come from there
        self._check_inside(entry.name, [entry.path])
        if entry.path.is_dir():
            self._check_inside(entry.name, [path for path in entry.path.rglob("*") if path.is_symlink()])
        try:
            source = entry.open()
        except InputError as error:
            raise InputError(self._without_root(str(error))) from None
        try:
            self._check_inside(entry.name, [file.path for file in getattr(source, "files", ())])
        except InputError:
            source.close()
            raise
        return source

    def receive(self, paths: Sequence[str], folder: Path) -> Recording:
        """Take uploaded files over and open them: one recording, or the images of one.

        Args:
            paths: where they were put; they are moved away from there. Images are in the natural order of
                their names, those of one name as they came.
            folder: the session's own.

        Raises:
            InputError: too large, too long, of another type, or damaged; the files are gone then.
        """
        received = sorted(map(Path, paths), key=lambda path: natural_order(path.name))
        here = folder / f"upload-{time.monotonic_ns()}"
        try:
            here.mkdir()
            files = []
            for path in received:
                target = _free_name(here / path.name)
                try:
                    shutil.move(path, target)
                except FileNotFoundError:
                    raise InputError(f"{path.name}: the upload was interrupted; drop it again") from None
                files.append(target)
            return self._open_upload(files)
        except InputError as error:
            shutil.rmtree(here, ignore_errors=True)
            raise InputError(str(error).replace(f"{here}{os.sep}", "")) from None
        finally:
            for path in received:
                path.unlink(missing_ok=True)

    def _open_upload(self, files: list[Path]) -> Recording:
        limits = self._limits
        images = all(file.suffix.lower() in IMAGE_SUFFIXES for file in files)
        if len(files) > 1 and not images:
            raise InputError(
                "one recording at a time: a video, an MCAP file, a ROS bag, or the images of a drive"
            )
        for file in files:
            if not images and file.suffix.lower() not in LOG_SUFFIXES:
                known = "mp4, mov, mkv, webm, avi, ts, mcap, bag, db3, jpg, png and more"
                raise InputError(f"{file.name}: a file of this type cannot be read; it takes {known}")
        size = sum(file.stat().st_size for file in files) / 1e6
        if size > limits.megabytes:
            raise InputError(
                f"{files[0].name}: has {size:.0f} MB; at most {limits.megabytes:g} MB are taken here"
            )
        if not images and files[0].suffix.lower() not in (".mcap", ".bag", ".db3"):
            # From the header: a frame of a picture too large must not even be decoded.
            video = open_video(files[0])
            width, height = video.stream.codec_context.width, video.stream.codec_context.height
            video.close()
            self._check_pixels(files[0].name, width, height)
        source = open_source(files[0] if len(files) == 1 else files)
        try:
            for image in getattr(source, "files", ())[:1]:
                self._check_pixels(files[0].name, *image.size())
            if source.duration > limits.seconds:
                raise InputError(
                    f"{files[0].name}: runs {source.duration / 60:.1f} minutes; at most "
                    f"{limits.seconds / 60:g} are taken here: cut it"
                )
            frame = source.frames_at([0.0])[0].image
            self._check_pixels(files[0].name, *frame.size)
        except BaseException:
            source.close()
            raise
        name = files[0].name if len(files) == 1 else f"{len(files)} images"
        return Recording(source, name, None)

    def _check_pixels(self, name: str, width: int, height: int) -> None:
        if width * height > self._limits.pixels:
            raise InputError(
                f"{name}: frames of {width}x{height} are too large; at most "
                f"{self._limits.pixels / 1e6:.1f} megapixels are taken here (3840x2160): scale it down"
            )

    def _entries(self, again: bool = False) -> dict[str, LogEntry]:
        if self._root is None:
            return {}
        with self._lock:
            if again or time.monotonic() - self._looked > _FRESH:
                try:
                    found: Sequence[LogEntry] = find_logs([self._root], inside=True)
                except InputError:
                    found = []  # none in it yet
                self._found = {entry.name: entry for entry in found}
                self._looked = time.monotonic()
            return self._found

    def _check_inside(self, name: str, paths: Sequence[Any]) -> None:
        for path in paths:
            if not Path(os.path.realpath(path)).is_relative_to(str(self._root)):
                raise InputError(f"{name}: reads files outside the served folder; it is not opened here")

    def _without_root(self, message: str) -> str:
        return message.replace(f"{self._root}{os.sep}", "")


def _free_name(path: Path) -> Path:
    """The path, or where there is such a file already one with a number behind its name: f (2).png."""
    numbered = (path.with_stem(f"{path.stem} ({number})") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())
