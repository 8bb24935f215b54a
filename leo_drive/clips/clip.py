"""A Clip: the few frames of a drive that one set of questions is asked about."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from leo_drive.errors import InputError


@dataclass(frozen=True)
class Clip:
    """Frames of one camera, oldest first.

    Attributes:
        frames: RGB images, all of one size.
        timestamps: seconds from the start of the source, one a frame, never decreasing.
        camera: which camera of the source.
        source: where the frames come from, for messages and tables.

    Raises:
        InputError: no frames, sizes that differ, or timestamps that do not fit the frames.

    Example:
        >>> clip = Clip((Image.new("RGB", (640, 360)),), (0.0,), source="still.jpg")
        >>> clip.size, len(clip.frames)
        ((640, 360), 1)
    """

    frames: tuple[Image.Image, ...]
    timestamps: tuple[float, ...]
    camera: str = "front"
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", tuple(self.frames))
        object.__setattr__(self, "timestamps", tuple(float(t) for t in self.timestamps))
        name = self.source or "clip"
        if not self.frames:
            raise InputError(f"{name}: a clip needs at least one frame")
        if len(self.frames) != len(self.timestamps):
            raise InputError(f"{name}: {len(self.frames)} frames but {len(self.timestamps)} timestamps")
        if any(b < a for a, b in zip(self.timestamps, self.timestamps[1:], strict=False)):
            raise InputError(f"{name}: timestamps must not decrease: {list(self.timestamps)}")
        sizes = {frame.size for frame in self.frames}
        if len(sizes) > 1:
            found = ", ".join(f"{w}x{h}" for w, h in sorted(sizes))
            raise InputError(f"{name}: the frames of a clip must have one size, found {found}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every frame, in pixels."""
        return self.frames[0].size
