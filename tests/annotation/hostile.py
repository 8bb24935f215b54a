"""Logs of two cameras, and logs that do what a library in C can do to whoever opens them."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leo_drive.clips.cutting import SourceMixin
from leo_drive.clips.discovery import LogEntry
from leo_drive.clips.source import Frame, Source
from leo_drive.clips.video import VideoSource


class TwoVideos(SourceMixin):
    """A log of two cameras, a video each."""

    cameras = ("front", "left")
    name = "two"

    def __init__(self, folder: Path) -> None:
        self._videos = dict(zip(self.cameras, map(VideoSource, sorted(folder.glob("*.mp4"))), strict=False))

    @property
    def duration(self) -> float:
        return min(video.duration for video in self._videos.values())

    @property
    def last_time(self) -> float:
        return min(video.last_time for video in self._videos.values())

    @property
    def rate(self) -> float:
        return self._videos["front"].rate

    def frames_at(self, times: Sequence[float], camera: str | None = None) -> list[Frame]:
        return self._videos[camera or "front"].frames_at(times)


@dataclass(frozen=True)
class TwoCameras(LogEntry):
    """The first two videos of a folder as one log."""

    def open(self) -> Source:
        return TwoVideos(self.path)


@dataclass(frozen=True)
class Hanging(LogEntry):
    """Never opens."""

    def open(self) -> Source:
        time.sleep(3600)
        raise AssertionError


@dataclass(frozen=True)
class Crashing(LogEntry):
    """Takes its process with it."""

    def open(self) -> Source:
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError


class Meeting(SourceMixin):
    """A video that shows nothing before two runs' processes look at it, and then takes its time."""

    def __init__(self, video: VideoSource, place: Path) -> None:
        self._video, self._place = video, place
        self.cameras, self.name = video.cameras, video.name
        self.duration, self.last_time, self.rate = video.duration, video.last_time, video.rate

    def frames_at(self, times: Sequence[float], camera: str | None = None) -> list[Frame]:
        (self._place / str(os.getppid())).touch()  # of the worker whose decoder this is
        while len(list(self._place.iterdir())) < 2:
            time.sleep(0.05)
        time.sleep(0.2)
        return self._video.frames_at(times, camera)


@dataclass(frozen=True)
class MeetingPlace(LogEntry):
    """A log that needs two workers; the folder `place` says who has come."""

    def open(self) -> Source:
        return Meeting(VideoSource(self.path), Path(self.options["place"]))
