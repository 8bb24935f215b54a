"""A log of messages as a recording: its image topics are the cameras."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from leo_drive.clips.indexed import IndexedSource, only_camera
from leo_drive.clips.messages import Topic, picture
from leo_drive.errors import InputError

_COMMON_PARTS = """
image images image_raw image_color image_mono image_rect image_rect_color image_compressed compressed
compressed_image raw rect color rgb bgr data
"""
_SAYS_LITTLE = frozenset(_COMMON_PARTS.split())
"""Parts of a topic's name that say what the images are, not where the camera looks."""


class MessageFile(Protocol):
    """A file of messages whose times have been read, and whose messages are read when asked for.

    Attributes:
        path: of the file.
        topics: all of them.
        stamps: of each topic with images that holds any: (messages,) nanoseconds, ascending.
    """

    path: Path
    topics: Sequence[Topic]
    stamps: dict[Topic, np.ndarray]

    def read(self, topic: Topic, index: int) -> bytes:
        """A message as recorded; raises whatever its reader does where it is damaged."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class _Where:
    """Where a camera's messages lie.

    Attributes:
        pieces: the topics that hold them, each in its file.
        piece: (messages,) which of those.
        index: (messages,) number within the piece.
    """

    pieces: Sequence[tuple[MessageFile, Topic]]
    piece: np.ndarray
    index: np.ndarray


class MessageLog(IndexedSource):
    """The image topics of one or several files as cameras. Times are those at which messages were recorded.

    A camera is called by the part of its topic that tells it from the others (/camera/front/image_raw is
    `front`); it may be asked for by the whole topic too. Files are read when frames are asked for and
    reopened after `close`. Pickles by path and index. One thread at a time.

    Args:
        path: of the log, for messages.
        files: that it consists of.
        camera: show only this one.

    Raises:
        InputError: no topic with images, or no such camera.
    """

    def __init__(self, path: Path, files: Sequence[MessageFile], camera: str | None = None) -> None:
        self.path = path
        self._files = tuple(files)
        topics = {topic.name for file in files for topic in file.stamps}
        if not topics:
            raise InputError(_no_images(path, [topic for file in files for topic in file.topics]))
        names = camera_names(sorted(topics, key=_front_first))
        self._topics = {name: topic for topic, name in names.items()}
        aliases = {topic: name for topic, name in names.items()}
        aliases |= {topic.strip("/"): name for topic, name in names.items()}
        self._topics = only_camera(path.name, self._topics, camera, aliases)
        self._where: dict[str, _Where] = {}
        stamps = {name: self._joined(name, topic) for name, topic in self._topics.items()}
        super().__init__(path.name, stamps, {a: name for a, name in aliases.items() if name in self._topics})

    def topic(self, camera: str) -> str:
        """The whole topic of one of `cameras`."""
        return self._topics[camera]

    def close(self) -> None:
        for file in self._files:
            file.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def _joined(self, camera: str, topic: str) -> np.ndarray:
        """The stamps of a topic in all files, ascending; remembers where each message lies.

        A file may have several topics of one name: of two publishers whose schemas differ, or of two types.
        """
        pieces = [(file, own) for file in self._files for own in file.stamps if own.name == topic]
        each = [file.stamps[own] for file, own in pieces]
        stamps = np.concatenate(each)
        piece = np.concatenate([np.full(len(own), number, np.int32) for number, own in enumerate(each)])
        index = np.concatenate([np.arange(len(own)) for own in each])
        order = np.argsort(stamps, kind="stable")
        self._where[camera] = _Where(pieces, piece[order], index[order])
        return stamps[order]

    def _read(self, camera: str, indices: Sequence[int]) -> Iterator[Image.Image]:
        where = self._where[camera]
        for i in indices:
            file, topic = where.pieces[where.piece[i]]
            index = int(where.index[i])
            try:
                data = file.read(topic, index)
            except InputError:
                raise
            except Exception as error:  # sqlite, decompressors and the record readers have each their own
                raise InputError(
                    f"{file.path}: {topic.name}: its message {index} is damaged "
                    f"({type(error).__name__}); copy it again, or ask elsewhere"
                ) from None
            try:
                yield picture(topic, data)
            except ValueError as error:
                seconds = (int(self._stamps[camera][i]) - self._start) / 1e9
                raise InputError(f"{file.path}: {topic.name} at {seconds:.3f} s: {error}") from None


def camera_names(topics: Sequence[str]) -> dict[str, str]:
    """Topic to a short name that no other topic has: the last telling part, more of it where two are alike.

    Example:
        >>> camera_names(["/front/image_raw/compressed", "/left/image_raw"])
        {'/front/image_raw/compressed': 'front', '/left/image_raw': 'left'}
    """
    telling = {}
    for topic in topics:
        parts = topic.strip("/").split("/")
        told = [part for part in parts if part.lower() not in _SAYS_LITTLE]
        telling[topic] = told or parts
    names: dict[str, str] = {}
    for topic, parts in telling.items():
        shorter = ("/".join(parts[-n:]) for n in range(1, len(parts) + 1))
        unique = (
            name
            for name in shorter
            if Counter("/".join(other[-name.count("/") - 1 :]) for other in telling.values())[name] == 1
        )
        names[topic] = next(unique, topic.strip("/"))
    return names


def _front_first(topic: str) -> tuple[bool, bool, str]:
    """The front camera is the default; depth images are the last choice."""
    lower = topic.lower()
    return "depth" in lower, "front" not in lower or "left" in lower or "right" in lower, topic


def _no_images(path: Path, topics: Sequence[Topic]) -> str:
    some = sorted({f"{topic.name} ({topic.kind})" for topic in topics})
    if any(topic.has_images for topic in topics):
        named = ", ".join(sorted({topic.name for topic in topics if topic.has_images}))
        return f"{path}: no image was recorded on {named}; use a log that has some"
    if not some:
        return f"{path}: holds no messages; use a log that has images"
    shown = ", ".join(some[:4]) + (f" and {len(some) - 4} more" if len(some) > 4 else "")
    return f"{path}: no topic with images (sensor_msgs or foxglove, raw or compressed); it has {shown}"
