"""ROS bags: folders of ROS 2 with sqlite3 or MCAP storage, single .db3 files, and .bag files of ROS 1."""

from __future__ import annotations

import os
import shlex
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from leo_drive.clips.container import check_readable
from leo_drive.clips.mcap import McapFile
from leo_drive.clips.message_log import MessageFile, MessageLog
from leo_drive.clips.messages import Topic, ros2_kind
from leo_drive.errors import InputError, one_line

METADATA = "metadata.yaml"


class RosBag(MessageLog):
    """A ROS bag; its topics with sensor_msgs Image or CompressedImage are the cameras.

    Args:
        path: the folder of a ROS 2 bag, one of its .db3 files, or a .bag file of ROS 1.
        camera: show only this one.

    Raises:
        InputError: no bag, a damaged one, or one without images.

    Example:
        >>> RosBag("rosbag2_2024_05_01").clip(camera="front")           # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str], camera: str | None = None) -> None:
        path = Path(path)
        super().__init__(path, _files_of(path), camera)


def is_ros2_bag(path: Path) -> bool:
    """Whether `path` is the folder of a ROS 2 bag: its metadata.yaml says so."""
    try:
        with (path / METADATA).open("rb") as file:
            return b"rosbag2_bagfile_information" in file.read(4096)
    except OSError:
        return False


def _files_of(path: Path) -> list[MessageFile]:
    """MCAP files are read as such, so that one that was cut off is read up to there; the rest by rosbags."""
    if path.is_dir():
        information, names = _information(path)
        if information.get("storage_identifier") == "mcap" and not information.get("compression_mode"):
            if not names:
                raise InputError(f"{path / METADATA}: names no files; run ros2 bag reindex on the folder")
            return [McapFile(path / name) for name in names]
        for name in names:
            _check_complete(path / name)
    else:
        check_readable(path)
        _check_complete(path)
    return [BagFile(path)]


def _check_complete(storage: Path) -> None:
    """Refuses a .db3 file whose last messages lie in sqlite's log beside it, which rosbags passes over."""
    wal = Path(f"{os.path.realpath(storage)}-wal")
    try:
        size = wal.stat().st_size
    except OSError:
        return
    if size:
        cure = shlex.join(["sqlite3", str(storage), "PRAGMA wal_checkpoint(TRUNCATE)"])
        raise InputError(
            f"{storage}: its last messages still lie in {wal.name}: it is being recorded, or its recorder "
            f"crashed; when the recording has ended, move them into the bag with {cure}"
        )


def _information(bag: Path) -> tuple[dict[str, Any], list[str]]:
    """What the bag's metadata say, and the names of its files."""
    try:
        information = dict(yaml.safe_load((bag / METADATA).read_text())["rosbag2_bagfile_information"])
        return information, [Path(str(name)).name for name in information.get("relative_file_paths") or []]
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{bag / METADATA}: not readable as a bag's metadata ({type(error).__name__}); run ros2 bag "
            f"reindex on the folder"
        ) from None


class BagFile:
    """A bag as a `MessageFile`, read through rosbags."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.topics: Sequence[Topic] = []
        self.stamps: dict[Topic, np.ndarray] = {}
        self._reader_: Any = None
        try:
            self.topics = [self._topic(connection) for connection in self._reader.connections]
            for topic in dict.fromkeys(self.topics):  # several connections may share one
                if topic.has_images and (times := self._times(topic)):
                    self.stamps[topic] = np.sort(np.array(times, np.int64))
        except BaseException:
            self.close()
            raise

    def read(self, topic: Topic, index: int) -> bytes:
        """See `MessageFile`."""
        stamps = self.stamps[topic]
        stamp = int(stamps[index])
        before = index - bisect_left(stamps, stamp)  # of several messages at one time
        own = self._of(topic, self._reader)
        for number, (_, _, data) in enumerate(self._reader.messages(own, stamp, stamp + 1)):
            if number == before:
                return bytes(data)
        raise ValueError("missing")

    def close(self) -> None:
        if self._reader_ is not None:
            self._reader_.close()
        self._reader_ = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader_": None}

    @property
    def _reader(self) -> Any:
        if self._reader_ is None:
            from rosbags import rosbag1, rosbag2

            cure = "copy it again, or run ros2 bag reindex"
            try:
                if self.path.suffix.lower() == ".bag":
                    cure = "copy it again, or run rosbag reindex"
                    reader: Any = rosbag1.Reader(self.path)
                else:
                    reader = rosbag2.Reader(self.path)
                    _escape_paths(reader.storage)
                reader.open()
            except Exception as error:  # asserts, sqlite errors, struct errors: the reader checks little
                reason = one_line(error)[:200].rstrip(".")
                raise InputError(f"{self.path}: not a readable ROS bag ({reason}); {cure}") from None
            self._reader_ = reader
        return self._reader_

    def _topic(self, connection: Any) -> Topic:
        encoding = getattr(connection.ext, "serialization_format", "ros1")
        return Topic(connection.topic, ros2_kind(connection.msgtype), encoding)

    def _of(self, topic: Topic, reader: Any) -> list[Any]:
        """A topic's connections in a bag or in one of its files."""
        return [connection for connection in reader.connections if self._topic(connection) == topic]

    def _times(self, topic: Topic) -> list[int]:
        """Nanoseconds at which a topic's messages were recorded, without reading the messages."""
        try:
            if self.path.suffix.lower() == ".bag":
                own = self._of(topic, self._reader)
                return [entry.time for known in own for entry in self._reader.indexes[known.id]]
            times: list[int] = []
            for storage in getattr(self._reader.storage, "storages", [self._reader.storage]):
                own = self._of(topic, storage)
                if hasattr(storage, "dbconn"):
                    query = "SELECT timestamp FROM messages WHERE topic_id == ?"
                    for known in own:
                        times += [time for (time,) in storage.dbconn.execute(query, (known.id,))]
                elif own:  # MCAP that was compressed as a whole, unpacked by the reader
                    times += [time for _, time, _ in storage.messages(own)]
            return times
        except Exception as error:
            raise InputError(
                f"{self.path}: {topic.name}: its message times cannot be read ({error}); copy the bag again"
            ) from None


def _escape_paths(storage: Any) -> None:
    """rosbags puts a .db3 file's path into a URI as it is, where some characters have other meanings."""
    from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

    def escaped(path: Any) -> Path:
        text = str(path)
        for character in "%?#":  # the first escapes the others
            text = text.replace(character, f"%{ord(character):02X}")
        return Path(text)

    if isinstance(storage, Sqlite3Reader):
        storage.path = escaped(storage.path)
    else:
        plugins = storage.STORAGE_PLUGINS
        storage.STORAGE_PLUGINS = {**plugins, "sqlite3": lambda path: Sqlite3Reader(escaped(path))}
