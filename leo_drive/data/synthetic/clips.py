"""A generated clip: five frames at 1 Hz of a drive, their label maps and its questions."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from leo_drive.data.synthetic.facts import Facts, gather
from leo_drive.data.synthetic.questions import Question, ask
from leo_drive.data.synthetic.render import Frame, render
from leo_drive.data.synthetic.sampling import sample_drive
from leo_drive.data.synthetic.world import Drive

FRAME_TIMES = (0.0, 1.0, 2.0, 3.0, 4.0)
"""Seconds of a clip's frames, oldest first."""


def frame_times(frames: int) -> tuple[float, ...]:
    """Of so many frames: the last ones of the five, or more of them spread over the same seconds.

    Example:
        >>> frame_times(2), frame_times(9)[:3]
        ((3.0, 4.0), (0.0, 0.5, 1.0))
    """
    if frames <= len(FRAME_TIMES):
        return FRAME_TIMES[-frames:]
    return tuple(FRAME_TIMES[-1] * i / (frames - 1) for i in range(frames))


@dataclass(frozen=True)
class SyntheticClip:
    """Frames of a generated drive with everything that is true of them.

    Attributes:
        drive: the world behind it.
        rendered: the frames with their label and instance maps, oldest first.
        timestamps: seconds.
        facts: what is true at the last frame and of the whole clip.
        questions: all that the clip settles (a data set takes a balanced part of them).
    """

    drive: Drive
    rendered: tuple[Frame, ...]
    timestamps: tuple[float, ...]
    facts: Facts
    questions: list[Question]

    @property
    def frames(self) -> list[Image.Image]:
        """The frames as RGB images."""
        return [Image.fromarray(frame.image) for frame in self.rendered]

    @property
    def labels(self) -> list:
        """(H, W) uint8 label maps, one a frame."""
        return [frame.labels for frame in self.rendered]


def clip_of(drive: Drive, size: tuple[int, int] = (640, 360), frames: int = 5) -> SyntheticClip:
    """The clip of a drive, which may have been changed by hand, with as many frames as `frame_times` says."""
    times = frame_times(frames)
    rendered = tuple(render(drive, t, size) for t in times)
    facts = gather(drive, rendered[-1])
    return SyntheticClip(drive, rendered, times, facts, ask(facts))


def clip(seed: int, size: tuple[int, int] = (640, 360)) -> SyntheticClip:
    """The clip of a seed.

    Example:
        >>> made = clip(7, size=(192, 108))
        >>> len(made.frames), made.frames[0].size
        (5, (192, 108))
    """
    return clip_of(sample_drive(seed), size)
