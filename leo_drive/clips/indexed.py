"""Recordings whose frame times are known before any frame is read: timed images, nuScenes, MCAP, ROS bags."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from leo_drive.clips.cutting import SourceMixin
from leo_drive.clips.source import TIME_TOLERANCE, Frame, check_camera, check_times
from leo_drive.errors import InputError

_NANOSECONDS = 1_000_000_000


class IndexedSource(SourceMixin):
    """Cameras with the times of their frames; a subclass reads the frames.

    Time 0 is the first frame of all cameras. A camera that starts later shows its first frame until then, one
    that stops earlier its last: `Frame.timestamp` says when a frame was taken.

    Args:
        name: for messages.
        stamps: of each camera, the first being the default: its frames' times in nanoseconds on one clock,
            ascending, at least one.
        aliases: other names of the cameras.

    Raises:
        InputError: no camera.
    """

    def __init__(
        self, name: str, stamps: Mapping[str, np.ndarray], aliases: Mapping[str, str] | None = None
    ) -> None:
        if not stamps:
            raise InputError(f"{name}: has no frames")
        self._name = name
        self._stamps = {camera: np.asarray(times, dtype=np.int64) for camera, times in stamps.items()}
        self._start = min(int(times[0]) for times in self._stamps.values())
        self._end = max(int(times[-1]) for times in self._stamps.values())
        self.aliases = dict(aliases or {})

    @property
    def name(self) -> str:
        return self._name

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(self._stamps)

    @property
    def start_ns(self) -> int:
        """What the log's own clock says at 0 seconds, in nanoseconds."""
        return self._start

    @property
    def duration(self) -> float:
        """Seconds; the last frame shows as long as the default camera's usually do."""
        return self.last_time + self._usual_gap()

    @property
    def last_time(self) -> float:
        """Seconds at which the last frame of any camera begins to show."""
        return (self._end - self._start) / _NANOSECONDS

    @property
    def rate(self) -> float:
        """Frames per second of the default camera, on average; 1 where it has a single frame."""
        times = self._stamps[self.cameras[0]]
        span = int(times[-1]) - int(times[0])
        return (len(times) - 1) * _NANOSECONDS / span if span else 1.0

    def times(self, camera: str | None = None) -> np.ndarray:
        """When each frame of a camera begins to show: (frames,) seconds, ascending.

        Raises:
            InputError: an unknown camera.
        """
        stamps = self._stamps[check_camera(self._name, self.cameras, camera, self.aliases)]
        return (stamps - self._start) / _NANOSECONDS

    def frames_at(self, times: Sequence[float], camera: str | None = None) -> list[Frame]:
        """The frame that shows at each of `times` (seconds), in the order asked; times may repeat.

        Raises:
            InputError: a time outside the recording, an unknown camera, or a frame that cannot be read.
        """
        camera = check_camera(self._name, self.cameras, camera, self.aliases)
        check_times(self._name, times, self.duration)
        stamps = self._stamps[camera]
        asked = [self._start + round((float(time) + TIME_TOLERANCE) * _NANOSECONDS) for time in times]
        shown = np.maximum(np.searchsorted(stamps, asked, side="right") - 1, 0).tolist()
        frames: dict[int, Frame] = {}
        needed = sorted(set(shown))
        for index, image in zip(needed, self._read(camera, needed), strict=True):
            frames[index] = Frame(image, (int(stamps[index]) - self._start) / _NANOSECONDS)
        return [frames[index] for index in shown]

    @abstractmethod
    def _read(self, camera: str, indices: Sequence[int]) -> Iterator[Image.Image]:
        """The frames of a camera with these numbers, ascending, each once: RGB, upright."""

    def _usual_gap(self) -> float:
        gaps = np.diff(self._stamps[self.cameras[0]])
        gaps = gaps[gaps > 0]
        return float(np.median(gaps)) / _NANOSECONDS if len(gaps) else 1.0


def only_camera(
    name: str, stamps: Mapping[str, Any], camera: str | None, aliases: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Of all cameras, the one asked for; all of them where none is.

    Raises:
        InputError: there is no such camera; names those there are.
    """
    if camera is None:
        return dict(stamps)
    camera = check_camera(name, tuple(stamps), camera, aliases)
    return {camera: stamps[camera]}
