"""Opening a video file, and saying in one line why it cannot be opened."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from leo_drive.errors import InputError

MAX_THREADS = 8
"""Decoder threads at most: each holds frames of its own, and a 1080p frame takes 3 MB."""

# FFmpeg plays text files as terminal art and follows playlists to other files and hosts.
_NOT_RECORDINGS = frozenset({"tty", "hls", "concat", "dash", "sdp", "rtsp"})


_FIRST_ATOMS = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})

_LACKS_INDEX = (
    "truncated MP4: its index (the moov atom) is missing, the recording was cut off before it was "
    "written; copy it again, or repair it with untrunc and an intact file of the same camera"
)

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
"""What a Matroska file begins with, and the element after that, which holds all the rest."""


@dataclass
class OpenVideo:
    """An open file and the video stream to read in it; the other streams are not even demuxed."""

    path: Path
    container: InputContainer
    stream: VideoStream

    def close(self) -> None:
        self.container.close()

    def start_over(self) -> None:
        """Opens the file anew, at its first packet: not every file can be rewound by seeking."""
        fresh = open_video(self.path)
        self.close()
        self.container, self.stream = fresh.container, fresh.stream


def check_readable(path: Path) -> None:
    """Raises InputError unless `path` is a file with something in it that may be read."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not a video file")
        if path.exists() and not path.is_file():  # opening a pipe waits for its writer
            raise InputError(f"{path}: is a pipe or a device, not a file; record it to a file first")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path}: is empty (0 bytes); copy it again from the camera")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read it; change its mode or run as its owner") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def open_video(path: Path) -> OpenVideo:
    """Opens the file and finds its video stream.

    Raises:
        InputError: no file, an empty one, no permission, no video, a recording that was cut off before
            its index was written, or a codec that this FFmpeg cannot decode.
    """
    check_readable(path)
    try:
        # The prefix keeps FFmpeg from taking a name with a colon for a protocol.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        raise InputError(f"{path}: {_why_not(path, error)}") from None
    try:
        if _NOT_RECORDINGS & set(container.format.name.split(",")):
            raise InputError(f"{path}: not a video (FFmpeg takes it for {container.format.name})")
        stream = _video_stream(path, container)
    except BaseException:
        container.close()
        raise
    for other in container.streams:
        if other is not stream:
            other.discard = av.stream.Discard.all
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = min(MAX_THREADS, _cores())
    return OpenVideo(path, container, stream)


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise _refusal(path, f"has no video stream, only {kinds}; name the file with the pictures")
    stream = streams[0]
    if stream.codec_context is None:
        raise _refusal(path, "its video codec cannot be decoded here; convert it to H.264 with ffmpeg")
    if not stream.codec_context.width or not stream.codec_context.height:
        raise _refusal(path, "its video stream holds no picture that can be decoded; copy it again")
    return stream


def _refusal(path: Path, why: str) -> InputError:
    """The error that says `why`, unless that only follows from an index cut off half way."""
    return InputError(f"{path}: {_LACKS_INDEX if _lacks_index(path) else why}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _why_not(path: Path, error: Exception) -> str:
    if _lacks_index(path):
        return _LACKS_INDEX
    if isinstance(error, av.InvalidDataError):
        return "not a video: no known container or codec in it"
    if isinstance(error, EOFError):
        return "cut off inside its header; copy it again from the camera"
    if getattr(error, "errno", None) == errno.EIO:
        return "cannot be read: it was cut off near its start, or the disk fails; copy it again"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot be opened as a video: {reason}"


def _lacks_index(path: Path) -> bool:
    """Whether the file begins as an MP4 or MOV but holds no complete moov atom."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = struct.unpack(">I4s", head[:8])
            if at == 0 and kind not in _FIRST_ATOMS:
                return False
            if length == 1 and len(head) == 16:
                length = struct.unpack(">Q", head[8:])[0]
            if not 8 <= length <= size - at:
                return True
            if kind == b"moov":
                return False
            at += length
    return at > 0


def ends_too_early(path: Path) -> bool:
    """Whether a Matroska or WebM file is shorter than its recorder, once done, wrote at its beginning."""
    with path.open("rb") as file:
        if file.read(4) != _EBML:
            return False
        header = _ebml_size(file)
        if header is None:
            return False
        file.seek(header, os.SEEK_CUR)
        if file.read(4) != _SEGMENT:
            return False
        segment = _ebml_size(file)
        return segment is not None and file.tell() + segment > path.stat().st_size


def _ebml_size(file: BinaryIO) -> int | None:
    """The size of an element, of 1 to 8 bytes: the first 1 bit says how many. All ones: it is not known."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    bits = 7 * length
    size = int.from_bytes(first + file.read(length - 1)) & ((1 << bits) - 1)
    return None if size == (1 << bits) - 1 else size
