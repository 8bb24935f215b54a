"""An open recording as the page shows it: thumbnails, moments, and something that a browser plays."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.clips.source import Source
from leo_drive.clips.video import VideoSource
from leo_drive.errors import InputError

_THUMBNAILS, _THUMBNAIL = 12, (120, 68)
_PREVIEW_FRAMES, _PREVIEW_RATE, _PREVIEW_WIDTH = 1200, 10.0, 640
_AT_ONCE = 8
"""Frames of a preview that are read before others may have the source."""


class Recording:
    """A source with what the page needs of it. Threads may share it.

    Args:
        source: closed with it.
        name: for people.
        link: what a shared link calls it, or None for an upload, which nobody else can open.
    """

    def __init__(self, source: Source, name: str, link: str | None) -> None:
        self.source, self.name, self.link = source, name, link
        self._lock = threading.Lock()
        self._closed = False

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.source.duration

    @property
    def last_time(self) -> float:
        """Seconds at which the last frame begins to show."""
        return self.source.last_time

    @property
    def cameras(self) -> tuple[str, ...]:
        """What its cameras are called."""
        return self.source.cameras

    def clip(self, at: float, seconds: float, frames: int, camera: str | None = None) -> Clip:
        """The frames of a moment.

        Raises:
            InputError: the recording has been closed, or is damaged there.
        """
        with self._open():
            return self.source.clip(
                at=min(max(at, 0.0), self.last_time), seconds=seconds, frames=frames, camera=camera
            )

    def strip(self, camera: str | None = None) -> Image.Image:
        """Thumbnails from the beginning to the end, side by side."""
        width, height = _THUMBNAIL
        picture = Image.new("RGB", (width * _THUMBNAILS, height))
        for i in range(_THUMBNAILS):
            time = min((i + 0.5) / _THUMBNAILS * self.duration, self.last_time)
            with self._open():
                try:
                    frame = self.source.frames_at([time], camera)[0].image
                except InputError:
                    continue  # damaged there: a gap in the strip
            picture.paste(_filled(frame, _THUMBNAIL), (i * width, 0))
        return picture

    def playable(self) -> Path | None:
        """The file itself where browsers play it."""
        if isinstance(self.source, VideoSource) and _plays_in_browsers(self.source.path):
            return self.source.path
        return None

    @property
    def preview_rate(self) -> float:
        """Frames a second of the preview: fewer, the longer the recording."""
        return min(self.source.rate, _PREVIEW_RATE, _PREVIEW_FRAMES / max(self.duration, 0.1))

    def preview(self, path: Path, camera: str | None = None) -> Iterator[float]:
        """Write an mp4 that browsers play: small, with fewer frames, on the recording's own time axis.

        Yields:
            The share that is done, 0 to 1.

        Raises:
            InputError: the recording was closed meanwhile, or no frame of it can be read.
        """
        # A whole number of frames in a hundred seconds, so that the rate is one that mp4 can hold.
        rate = Fraction(max(1, round(self.preview_rate * 100)), 100)
        times = [float(i / rate) for i in range(max(1, math.floor(self.last_time * rate + 1e-6) + 1))]
        size: tuple[int, int] | None = None
        last = None
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "26", "preset": "veryfast"})
            stream.pix_fmt = "yuv420p"
            for start in range(0, len(times), _AT_ONCE):
                for time in times[start : start + _AT_ONCE]:
                    with self._open():
                        try:
                            last = self.source.frames_at([min(time, self.last_time)], camera)[0].image
                        except InputError:
                            if last is None and start + _AT_ONCE >= len(times):
                                raise
                    if last is None:
                        continue
                    if size is None:
                        size = _even(last.size)
                        stream.width, stream.height = size
                    picture = np.asarray(last.resize(size, Image.Resampling.BILINEAR))
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                yield min(1.0, (start + _AT_ONCE) / len(times))
            container.mux(stream.encode())

    def close(self) -> None:
        """Let go of the files; whoever still wants frames is told."""
        with self._lock:
            self._closed = True
            self.source.close()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """One thread's turn at the source."""
        with self._lock:
            if self._closed:
                raise InputError(f"{self.name}: has been closed; open it again")
            yield


def _plays_in_browsers(path: Path) -> bool:
    """Whether every common browser plays it: H.264 of 8 bits in mp4, or VP8, VP9 or AV1 in WebM."""
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            video = container.streams.video[0]
            codec, pixels = video.codec_context.name, video.codec_context.pix_fmt
            if "mp4" in container.format.name.split(","):
                return codec == "h264" and pixels in ("yuv420p", "yuvj420p")
            return path.suffix.lower() == ".webm" and codec.startswith(
                ("vp8", "vp9", "libvpx", "av1", "libdav1d")
            )
    except (av.FFmpegError, IndexError):
        return False


def _filled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of an image, scaled to fill a size."""
    scale = max(size[0] / image.width, size[1] / image.height)
    wide = image.resize((max(size[0], round(image.width * scale)), max(size[1], round(image.height * scale))))
    left, top = (wide.width - size[0]) // 2, (wide.height - size[1]) // 2
    return wide.crop((left, top, left + size[0], top + size[1]))


def _even(size: tuple[int, int]) -> tuple[int, int]:
    """The size of a preview: as wide as the bound at most, both sides even."""
    scale = min(1.0, _PREVIEW_WIDTH / size[0])
    width, height = (max(2, round(length * scale / 2) * 2) for length in size)
    return width, height
