"""Where the scenes of a source begin, found at a low rate without holding its frames."""

from __future__ import annotations

import numpy as np
from PIL import Image

from leo_drive.clips.samplers import fixed_fps, frame_differences, scene_changes
from leo_drive.clips.source import Source

THUMBNAIL_SIZE = (32, 18)
"""Width and height in pixels: enough to see a cut, too small for a passing car to look like one."""

_AT_ONCE = 16


def detect_scene_changes(
    source: Source,
    start: float = 0.0,
    end: float | None = None,
    rate: float = 2.0,
    threshold: float = 24.0,
    min_gap: float = 0.5,
    camera: str | None = None,
) -> list[float]:
    """Looks at `source` `rate` times a second and gives the seconds at which its scenes begin.

    `partial(detect_scene_changes, source)` is a sampler for `source.clip`. Of every frame only a grey
    thumbnail is kept, so that hours of recording fit in memory.

    Args:
        source: the recording.
        start: seconds where the search begins.
        end: seconds where it ends; the last frame by default.
        rate: looks per second.
        threshold: mean difference of grey levels (0..255) above which a scene begins.
        min_gap: seconds that a scene lasts at least.
        camera: one of `source.cameras`; the first by default.

    Raises:
        InputError: a window outside the recording, or a rate that is not above 0.
    """
    times = fixed_fps(start, source.last_time if end is None else end, rate)
    thumbnails: list[np.ndarray] = []
    for first in range(0, len(times), _AT_ONCE):
        for frame in source.frames_at(times[first : first + _AT_ONCE], camera):
            grey = frame.image.resize(THUMBNAIL_SIZE, Image.Resampling.BOX).convert("L")
            thumbnails.append(np.asarray(grey))
    return scene_changes(times, frame_differences(thumbnails), threshold, min_gap)
