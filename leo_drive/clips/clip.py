"""A Clip: the few frames of a drive that one set of questions is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from leo_drive.errors import InputError


def frame_names(frames: int) -> tuple[str, ...]:
    """What a prompt calls frames that have no names of their own.

    Example:
        >>> frame_names(2)
        ('Frame1', 'Frame2')
    """
    return tuple(f"Frame{i + 1}" for i in range(frames))


@dataclass(frozen=True)
class Clip:
    """Frames of one camera, oldest first; or frames with names, such as those of several cameras.

    Attributes:
        frames: RGB images, without names all of one size.
        timestamps: seconds from the start of the source, one a frame, without names never decreasing.
        camera: which camera of the source; those of `together` joined by +.
        source: where the frames come from, for messages and tables.
        names: what each frame is called in the prompt; Frame1, Frame2 ... unless told.

    Raises:
        InputError: no frames, sizes that differ, or timestamps or names that do not fit the frames.

    Example:
        >>> clip = Clip((Image.new("RGB", (640, 360)),), (0.0,), source="still.jpg")
        >>> clip.size, len(clip.frames)
        ((640, 360), 1)
    """

    frames: tuple[Image.Image, ...]
    timestamps: tuple[float, ...]
    camera: str = "front"
    source: str = ""
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", tuple(self.frames))
        object.__setattr__(self, "timestamps", tuple(float(t) for t in self.timestamps))
        name = self.source or "clip"
        if not self.frames:
            raise InputError(f"{name}: a clip needs at least one frame")
        if len(self.frames) != len(self.timestamps):
            raise InputError(f"{name}: {len(self.frames)} frames but {len(self.timestamps)} timestamps")
        if self.names is not None:
            self._check_names(name)
            return
        if any(b < a for a, b in zip(self.timestamps, self.timestamps[1:], strict=False)):
            raise InputError(f"{name}: timestamps must not decrease: {list(self.timestamps)}")
        sizes = {frame.size for frame in self.frames}
        if len(sizes) > 1:
            found = ", ".join(f"{w}x{h}" for w, h in sorted(sizes))
            raise InputError(f"{name}: the frames of a clip must have one size, found {found}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame, in pixels; without names, of every frame."""
        return self.frames[0].size

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each frame, in pixels."""
        return tuple(frame.size for frame in self.frames)

    def _check_names(self, clip: str) -> None:
        names = tuple(self.names or ())
        object.__setattr__(self, "names", names)
        if len(names) != len(self.frames):
            raise InputError(f"{clip}: {len(self.frames)} frames but {len(names)} names")
        if any(not name.strip() or "\n" in name for name in names) or len(set(names)) < len(names):
            raise InputError(
                f"{clip}: each frame needs a name of its own, on one line; got {', '.join(names)}"
            )


def together(clips: Sequence[Clip]) -> Clip:
    """One clip of several cameras' clips of the same moment, its frames named by camera.

    Of cameras with several frames these are numbered, oldest first, and stand moment by moment, the cameras
    in the order given, so that the last moment is nearest to the question. Clips of fewer frames join in at
    the end. The sizes of cameras may differ.

    Args:
        clips: one a camera.

    Raises:
        InputError: no clip, a camera twice, or a clip whose frames have names already.

    Example:
        >>> still = Image.new("RGB", (64, 36))
        >>> front, left = (Clip((still, still), (0.0, 1.0), camera) for camera in ("front", "left"))
        >>> together([front, left]).names
        ('front 1', 'left 1', 'front 2', 'left 2')
    """
    cameras = [clip.camera for clip in clips]
    if not clips:
        raise InputError("no clips to put together; name at least one camera")
    if len(set(cameras)) < len(cameras):
        raise InputError(
            f"{clips[0].source or 'clip'}: a camera twice among {', '.join(cameras)}; name each once"
        )
    if named := [clip.camera for clip in clips if clip.names is not None]:
        raise InputError(f"{clips[0].source or 'clip'}: the frames of {named[0]} have names already")
    frames, timestamps, names = [], [], []
    for back in range(max(len(clip.frames) for clip in clips), 0, -1):
        for clip in clips:
            count = len(clip.frames)
            if back <= count:
                frames.append(clip.frames[-back])
                timestamps.append(clip.timestamps[-back])
                names.append(clip.camera if count == 1 else f"{clip.camera} {count - back + 1}")
    sources = dict.fromkeys(clip.source for clip in clips if clip.source)
    return Clip(tuple(frames), tuple(timestamps), "+".join(cameras), ", ".join(sources), tuple(names))
