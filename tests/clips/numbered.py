"""Video and images whose every frame carries its number, as black and white blocks that survive coding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

COLUMNS, ROWS = 4, 3
_NUMBER_BITS = 8
_DARK, _LIGHT = 24, 228


def draw(number: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """A grey picture (height, width) of the number: 8 bits and a checksum of 4, one a block."""
    width, height = size
    code = number | _checksum(number) << _NUMBER_BITS
    bits = np.array([code >> i & 1 for i in range(COLUMNS * ROWS)]).reshape(ROWS, COLUMNS)
    rows = np.minimum(np.arange(height) * ROWS // height, ROWS - 1)
    columns = np.minimum(np.arange(width) * COLUMNS // width, COLUMNS - 1)
    return np.where(bits[rows][:, columns], _LIGHT, _DARK).astype(np.uint8)


def read(image: Image.Image) -> int:
    """The number in a picture that is upright and not mirrored; otherwise its checksum fails."""
    pixels = np.asarray(image.convert("L"), dtype=float)
    height, width = pixels.shape
    code = 0
    for i in range(COLUMNS * ROWS):
        row, column = divmod(i, COLUMNS)
        top, left = height * (4 * row + 1) // (4 * ROWS), width * (4 * column + 1) // (4 * COLUMNS)
        bottom, right = height * (4 * row + 3) // (4 * ROWS), width * (4 * column + 3) // (4 * COLUMNS)
        code |= int(pixels[top:bottom, left:right].mean() > (_DARK + _LIGHT) / 2) << i
    number = code & (1 << _NUMBER_BITS) - 1
    assert code >> _NUMBER_BITS == _checksum(number), f"not a numbered frame: {code:012b}"
    return number


def _checksum(number: int) -> int:
    return (number * 11 + (number >> 4) * 7 + 5) % 16


@dataclass(frozen=True)
class Kind:
    """A kind of video file.

    Attributes:
        suffix: of the file; picks the container unless `format` does.
        times: seconds of each frame from the first, if the rate varies.
        start: seconds of the first frame's timestamp.
        turn: quarter turns counter-clockwise that the display matrix asks of the player.
        mirror: whether it asks for a mirror image after that.
        shape: width of a pixel by its height.
        has_rate: whether the frames' times come from the file's timestamps (a raw stream has none).
        audio_first: an audio stream before the video.
        sound_start: seconds of its first timestamp; `start` by default.
        sound_seconds: how long it is; as long as the video by default.
    """

    suffix: str = ".mp4"
    codec: str = "libx264"
    format: str | None = None
    frames: int = 60
    rate: Fraction = Fraction(10)
    size: tuple[int, int] = (96, 64)
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    muxing: dict[str, str] = field(default_factory=dict)
    times: Sequence[Fraction] | None = None
    start: Fraction = Fraction(0)
    turn: int = 0
    mirror: bool = False
    shape: Fraction | None = None
    audio_first: bool = False
    sound_start: Fraction | None = None
    sound_seconds: float | None = None

    @property
    def frame_times(self) -> list[float]:
        """Seconds of each frame from the first."""
        exact = self.times if self.times is not None else [i / self.rate for i in range(self.frames)]
        return [float(time) for time in exact]


def write(path: Path, kind: Kind) -> Path:
    """Writes a file of that kind, its frames numbered from 0 in the order they show."""
    with av.open(str(path), "w", format=kind.format, options=kind.muxing) as container:
        sound = (
            container.add_stream("aac" if kind.suffix != ".ts" else "mp2", rate=48000)
            if kind.audio_first
            else None
        )
        if sound is not None:
            sound.layout = "mono"
        stream = container.add_stream(kind.codec, rate=kind.rate, options=_quiet(kind))
        width, height = kind.size
        stream.width, stream.height, stream.pix_fmt = width, height, kind.pixels
        if kind.shape is not None:
            stream.sample_aspect_ratio = kind.shape
        if kind.turn or kind.mirror:
            stream.set_display_rotation(kind.turn * 90, hflip=kind.mirror)
        tick = Fraction(1, 90000)
        stream.codec_context.time_base = 1 / kind.rate if kind.times is None else tick
        if sound is not None:
            start = kind.start if kind.sound_start is None else kind.sound_start
            _write_silence(container, sound, kind.sound_seconds or float(kind.frames / kind.rate), start)
        for number in range(kind.frames):
            frame = av.VideoFrame.from_ndarray(_stored(number, kind), format="gray").reformat(
                format=kind.pixels
            )
            exact = kind.start + (kind.times[number] if kind.times is not None else number / kind.rate)
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(exact / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _stored(number: int, kind: Kind) -> np.ndarray:
    """The picture as it lies in the file, which the display matrix turns upright."""
    width, height = kind.size
    upright = draw(number, (height, width) if kind.turn % 2 else (width, height))
    if kind.mirror:
        upright = upright[:, ::-1]
    return np.ascontiguousarray(np.rot90(upright, -kind.turn))


def _quiet(kind: Kind) -> dict[str, str]:
    """Encoder options: fast, keyframes only where asked, and no chatter on stderr."""
    if kind.codec == "libx264":
        return {"preset": "ultrafast", "bf": "0", "g": "12", "sc_threshold": "0", **kind.options}
    if kind.codec == "libx265":
        asked = kind.options.get("x265-params", "keyint=12")
        return {"preset": "ultrafast", "x265-params": f"log-level=none:scenecut=0:{asked}"}
    return {"g": "12", **kind.options}


def _write_silence(
    container: av.container.OutputContainer, sound: av.AudioStream, seconds: float, start: Fraction
) -> None:
    samples, first = 1024, round(start * 48000)
    for i in range(int(seconds * 48000 / samples)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, first + i * samples, Fraction(1, 48000)
        container.mux(sound.encode(frame))
    container.mux(sound.encode())
