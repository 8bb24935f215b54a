"""Cutting a clip out of a source: which window, which times, and what happens at the recording's edges."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Self

from leo_drive.clips.clip import Clip
from leo_drive.clips.samplers import Sampler, check_count, check_positive, last_n
from leo_drive.clips.source import TIME_TOLERANCE, Source, check_camera, check_times
from leo_drive.errors import InputError

logger = logging.getLogger(__name__)


def cut(
    source: Source,
    at: float | None = None,
    seconds: float = 5.0,
    frames: int = 5,
    camera: str | None = None,
    sampler: Sampler | None = None,
) -> Clip:
    """The clip of `source` whose last frame shows at `at`.

    By default LingoQA's frames: the last `frames` at an interval of `seconds / frames`, so that 5 s and
    5 frames at 12 s are those of 8, 9, 10, 11 and 12 s. Where that would begin before the recording, the
    interval shrinks to fit and the logger "leo_drive" warns, with the numbers.

    Args:
        source: the recording.
        at: seconds of the last frame; the last frame of the recording by default. Up to `source.duration`.
        seconds: length of the window.
        frames: how many, for the default sampling.
        camera: one of `source.cameras`; the first by default.
        sampler: from the window's start and end to times, instead of the default sampling and of `frames`:
            `partial(uniform, n=8)`, `partial(fixed_fps, fps=2)`, `partial(detect_scene_changes, source)`.
            The window is the last `seconds` before `at`, cut at the start of the recording.

    Raises:
        InputError: `at` outside the recording, `seconds` or `frames` not above 0, an unknown camera, or a
            sampler that gives no time.
    """
    try:
        check_count("frames", frames)
        check_positive("seconds", seconds)
    except InputError as error:
        raise InputError(f"{source.name}: {error}") from None
    aliases = source.aliases if isinstance(source, SourceMixin) else {}
    camera = check_camera(source.name, source.cameras, camera, aliases)
    if at is None:
        return _last_clip(source, seconds, frames, camera, sampler)
    if isinstance(at, int | float) and at > source.duration:
        source.frames_at([at], camera)  # refuses it, and knows why the recording ends there
    check_times(source.name, [at], source.duration)
    at = min(max(float(at), 0.0), source.last_time)
    return _clip_before(source, at, seconds, frames, camera, sampler)


def _last_clip(source: Source, seconds: float, frames: int, camera: str, sampler: Sampler | None) -> Clip:
    """The clip up to the last frame that decodes: how far a damaged tail does only shows on trying."""
    while True:
        at = source.last_time
        try:
            return _clip_before(source, at, seconds, frames, camera, sampler)
        except InputError:
            if source.last_time >= at:
                raise


def _clip_before(
    source: Source, at: float, seconds: float, frames: int, camera: str, sampler: Sampler | None
) -> Clip:
    if sampler is None:
        times = _last_frames(source, at, seconds, frames)
    else:
        times = sorted(float(t) for t in sampler(max(0.0, at - seconds), at))
        if not times:
            raise InputError(
                f"{source.name}: the sampler gives no time in the {seconds:g} s before {at:.3f} s"
            )
    found = source.frames_at(times, camera)
    return Clip(
        tuple(frame.image for frame in found), tuple(frame.timestamp for frame in found), camera, source.name
    )


def _last_frames(source: Source, at: float, seconds: float, frames: int) -> list[float]:
    interval = seconds / frames
    if frames > 1 and at - (frames - 1) * interval < -TIME_TOLERANCE:
        shorter = at / (frames - 1)
        repeats = ", frames repeat" if shorter * source.rate < 1 - 1e-6 else ""
        logger.warning(
            "%s: %d frames at an interval of %.3f s do not fit between the start and %.3f s; "
            "the interval is cut to %.3f s%s",
            *(source.name, frames, interval, at, shorter, repeats),
        )
        interval = shorter
    return [max(0.0, time) for time in last_n(at, frames, interval)]


class SourceMixin:
    """What every source gets: `clip`, and use in a `with`, which closes it at the end.

    Attributes:
        aliases: other names that its cameras may be asked for by, such as a topic's whole name.
    """

    aliases: Mapping[str, str] = MappingProxyType({})

    def close(self) -> None:
        """Lets go of what is open; nothing is, unless a source says otherwise."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def clip(
        self: Source,
        at: float | None = None,
        seconds: float = 5.0,
        frames: int = 5,
        camera: str | None = None,
        sampler: Sampler | None = None,
    ) -> Clip:
        """A clip of this source: `leo_drive.clips.cutting.cut` says what the arguments do."""
        return cut(self, at, seconds, frames, camera, sampler)
