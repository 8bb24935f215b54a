"""A Source: a recording that frames are taken from by time, and the checks that all sources share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.clips.samplers import Sampler
from leo_drive.errors import InputError

TIME_TOLERANCE = 0.0005
"""Seconds by which an asked time may fall short of a frame's and still find it.

Half a millisecond: containers such as Matroska round to milliseconds, and so do people and tables.
"""


@dataclass(frozen=True)
class Frame:
    """One picture of a recording.

    Attributes:
        image: RGB, upright, square pixels.
        timestamp: seconds from the start of the recording at which this very frame begins to show.
    """

    image: Image.Image
    timestamp: float


@runtime_checkable
class Source(Protocol):
    """A recording by one or several cameras, read by time. Nothing is decoded until frames are asked for.

    Attributes:
        name: for messages and tables, usually the file's name.
        cameras: what `camera` may be; the first is the default.
        duration: seconds; the last frame stops showing there.
        last_time: seconds; the last frame begins to show there.
        rate: frames per second, on average where it varies.
    """

    @property
    def name(self) -> str: ...
    @property
    def cameras(self) -> tuple[str, ...]: ...
    @property
    def duration(self) -> float: ...
    @property
    def last_time(self) -> float: ...
    @property
    def rate(self) -> float: ...

    def frames_at(self, times: Sequence[float], camera: str | None = None) -> list[Frame]:
        """The frame that shows at each of `times` (seconds), in the order asked; times may repeat.

        A time before the camera's first frame gives the first.

        Raises:
            InputError: a time outside 0..duration or an unknown camera.
        """
        ...

    def clip(
        self,
        at: float | None = None,
        seconds: float = 5.0,
        frames: int = 5,
        camera: str | None = None,
        sampler: Sampler | None = None,
    ) -> Clip:
        """See `leo_drive.clips.cutting.cut`."""
        ...

    def close(self) -> None:
        """Lets go of open files; a `with` does it at its end."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_times(name: str, times: Sequence[float], duration: float, why: str = "") -> None:
    """Refuses a time that is not a number or lies outside the recording.

    Args:
        name: of the source.
        times: seconds.
        duration: seconds, itself still allowed.
        why: what to add when a time is past the end, such as that the file was cut off.

    Raises:
        InputError: with the time and the allowed range.
    """
    for time in times:
        allowed = f"allowed are 0 to {duration:.3f} s"
        if isinstance(time, bool) or not hasattr(time, "__float__"):
            raise InputError(f"{name}: time {time!r} is not a number of seconds; {allowed}")
        if not math.isfinite(time):
            raise InputError(f"{name}: time {time} is not a time; {allowed}")
        if time < -TIME_TOLERANCE:
            raise InputError(f"{name}: time {time:g} s is before the start; {allowed}")
        if time > duration + TIME_TOLERANCE:
            raise InputError(f"{name}: time {time:.10g} s is past the end; {allowed}{why}")


def check_camera(
    name: str, cameras: tuple[str, ...], camera: str | None, aliases: Mapping[str, str] | None = None
) -> str:
    """The camera to use: the one asked for, or the first.

    Args:
        name: of the source.
        cameras: what it has.
        camera: what is asked for: one of `cameras` or of `aliases`.
        aliases: other names of the cameras.

    Raises:
        InputError: the source has no such camera; names those it has.
    """
    if camera is None:
        return cameras[0]
    if aliases and camera not in cameras:
        camera = aliases.get(camera, camera)
    if camera not in cameras:
        raise InputError(f"{name}: no camera {camera!r}; there is {', '.join(cameras)}")
    return camera
