"""A video file as a recording: the frame that shows at a time, decoding only what that needs."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame
from PIL import Image

from leo_drive.clips.container import check_readable, open_video
from leo_drive.clips.cutting import SourceMixin
from leo_drive.clips.decoding import Decoder
from leo_drive.clips.picture import Picture
from leo_drive.clips.source import Frame, check_camera, check_times
from leo_drive.clips.timeline import Timeline, probe
from leo_drive.errors import InputError

logger = logging.getLogger(__name__)


class VideoSource(SourceMixin):
    """A video file that FFmpeg can read: MP4, MOV, MKV, AVI, MPEG-TS, raw H.264 and HEVC and more.

    Time 0 is the file's first frame, whatever its timestamps start at. The file is opened when first
    asked something and stays open until `close` (or the end of a `with`); asked again, it opens again.
    Of several video streams it reads the first. Pickles by path. One thread at a time.

    Args:
        path: the file.
        camera: what its camera is called.

    Raises:
        InputError: at once for a file that is missing, empty or not readable; when first asked something
            for one that holds no video or was cut off before its index was written.

    Example:
        >>> with VideoSource("drive.mp4") as video:                         # doctest: +SKIP
        ...     first, last = video.frames_at([0.0, video.last_time])
    """

    def __init__(self, path: str | os.PathLike[str], camera: str = "front") -> None:
        self.path = Path(path)
        check_readable(self.path)
        self._cameras = (camera,)
        self._timeline_: Timeline | None = None
        self._decoder_: Decoder | None = None
        self._picture: Picture | None = None
        self._decoded_before = 0

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def cameras(self) -> tuple[str, ...]:
        return self._cameras

    @property
    def duration(self) -> float:
        """Seconds from the first frame to where the last readable one stops showing."""
        return self._timeline.duration

    @property
    def last_time(self) -> float:
        """Seconds at which the last readable frame begins to show."""
        return self._timeline.seconds(self._timeline.end)

    @property
    def rate(self) -> float:
        """Frames per second, on average."""
        return self._timeline.rate

    @property
    def decoded_frames(self) -> int:
        """Frames decoded since the source was made: what `frames_at` cost."""
        return self._decoded_before + (self._decoder_.decoded if self._decoder_ else 0)

    def frames_at(self, times: Sequence[float], camera: str | None = None) -> list[Frame]:
        """The frame that shows at each of `times` (seconds), in the order asked; times may repeat.

        That is the last frame that begins at or before the time, give or take half a millisecond.

        Raises:
            InputError: a time outside 0..duration, an unknown camera, a part that does not decode, or colours
                that FFmpeg cannot convert to RGB.
        """
        check_camera(self.name, self._cameras, camera)
        check_times(str(self.path), times, self.duration, self._timeline.why_it_ends)
        timeline = self._timeline
        ticks = [min(max(timeline.ticks(float(time)), timeline.start), timeline.end) for time in times]
        decoder, picture = self._open()
        frames: dict[int, Frame] = {}
        images: dict[int, Frame] = {}
        for target, tick, decoded in decoder.read(sorted(set(ticks))):
            if tick not in images:
                seconds = max(0.0, timeline.seconds(tick))
                images = {tick: Frame(self._image(picture, decoded, seconds), seconds)}
            frames[target] = images[tick]
        if lost := [float(time) for time, tick in zip(times, ticks, strict=True) if tick not in frames]:
            raise InputError(self._does_not_decode(min(lost)))  # later ones were not tried any more
        return [frames[tick] for tick in ticks]

    def close(self) -> None:
        """Closes the file; the source can still be asked and opens it again."""
        if self._decoder_ is not None:
            self._decoded_before += self._decoder_.decoded
            self._decoder_.video.close()
        self._decoder_ = None
        self._picture = None

    def __getstate__(self) -> dict[str, Any]:
        # An open decoder cannot travel to another process; what is known of the file can.
        return {**self.__dict__, "_decoder_": None, "_picture": None, "_decoded_before": self.decoded_frames}

    def __repr__(self) -> str:
        return f"VideoSource({str(self.path)!r})"

    @property
    def _timeline(self) -> Timeline:
        if self._timeline_ is None:
            self._open()
        assert self._timeline_ is not None
        return self._timeline_

    def _open(self) -> tuple[Decoder, Picture]:
        if self._decoder_ is None or self._picture is None:
            video = open_video(self.path)
            try:
                if self._timeline_ is None:
                    self._timeline_ = probe(video)
                    if lack := self._timeline_.lack:
                        logger.warning("%s: %s; it is read up to there; copy it again", self.path, lack)
            except BaseException:
                video.close()
                raise
            self._decoder_ = Decoder(video, self._timeline_)
            self._picture = Picture(video.stream.sample_aspect_ratio)
        return self._decoder_, self._picture

    def _image(self, picture: Picture, decoded: VideoFrame, seconds: float) -> Image.Image:
        try:
            return picture.of(decoded)
        except av.FFmpegError:  # of matrices, such as YCgCo and ICtCp, that its scaler does not know
            raise InputError(
                f"{self.path}: the frame at {seconds:.3f} s cannot be turned into RGB from "
                f"{decoded.format.name} with colour matrix {decoded.colorspace} (its number in ITU-T H.273); "
                "convert the file to H.264 in bt709"
            ) from None

    def _does_not_decode(self, time: float) -> str:
        if time < self.duration:
            return f"{self.path}: no frame can be decoded at {time:g} s, it is damaged there; ask elsewhere"
        return (
            f"{self.path}: no frame can be decoded at {time:g} s; the video is readable to "
            f"{self.duration:.3f} s, what follows is damaged: copy it again, or ask earlier"
        )
