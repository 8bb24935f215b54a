"""MCAP files: message times from the file's own index, or from going through one that was cut off."""

from __future__ import annotations

import logging
import os
import struct
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from leo_drive.clips.container import check_readable
from leo_drive.clips.message_log import MessageLog
from leo_drive.clips.messages import Topic, ros2_kind
from leo_drive.errors import InputError

if TYPE_CHECKING:
    from mcap.records import Channel, Chunk, Schema

logger = logging.getLogger(__name__)

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
"""Opcode and length of a record."""
_MESSAGE = struct.Struct("<HIQQ")
"""Channel, sequence, log time and publish time, before a message's data."""
_OUTSIDE = -1
"""In place of a chunk's offset, for messages that lie outside chunks."""
_LARGEST_CHUNK = 1 << 31


class McapLog(MessageLog):
    """An MCAP file; its topics with images are the cameras.

    Reads ROS 2 and ROS 1 `sensor_msgs` Image and CompressedImage, and Foxglove's RawImage and CompressedImage
    as protobuf or JSON. A file that was cut off before its summary was written is read up to the cut.

    Args:
        path: the file.
        camera: show only this one.

    Raises:
        InputError: no MCAP file, a damaged one, or one without images.

    Example:
        >>> McapLog("drive.mcap").clip(at=12.0, camera="front")         # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str], camera: str | None = None) -> None:
        super().__init__(Path(path), [McapFile(Path(path))], camera)


class McapFile:
    """One MCAP file as a `MessageFile`. The chunk read last is kept, so that its neighbours cost nothing."""

    def __init__(self, path: Path) -> None:
        check_readable(path)
        self.path = path
        self.topics: Sequence[Topic] = []
        self.stamps: dict[Topic, np.ndarray] = {}
        self._where: dict[Topic, tuple[np.ndarray, np.ndarray]] = {}
        self._stream_: IO[bytes] | None = None
        self._chunk: tuple[int, bytes] = (_OUTSIDE, b"")
        if self._stream.read(len(MAGIC)) != MAGIC:
            self.close()
            raise InputError(f"{path}: not an MCAP file, or its beginning is damaged; copy it again")
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def read(self, topic: Topic, index: int) -> bytes:
        """See `MessageFile`."""
        chunks, offsets = self._where[topic]
        chunk, offset = int(chunks[index]), int(offsets[index])
        if chunk == _OUTSIDE:
            self._stream.seek(offset)
            _, length = _HEAD.unpack(self._stream.read(_HEAD.size))
            body = self._stream.read(length)
        else:
            data = self._chunk_data(chunk)
            _, length = _HEAD.unpack_from(data, offset)
            body = data[offset + _HEAD.size : offset + _HEAD.size + length]
        if len(body) != length or _MESSAGE.unpack_from(body)[2] != self.stamps[topic][index]:
            raise ValueError("not the message that the index promises")
        return body[_MESSAGE.size :]

    def close(self) -> None:
        if self._stream_ is not None:
            self._stream_.close()
        self._stream_, self._chunk = None, (_OUTSIDE, b"")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream_": None, "_chunk": (_OUTSIDE, b"")}

    @property
    def _stream(self) -> IO[bytes]:
        if self._stream_ is None:
            try:
                self._stream_ = self.path.open("rb")
            except OSError as error:
                raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None
        return self._stream_

    def _chunk_data(self, at: int) -> bytes:
        if self._chunk[0] != at:
            self._chunk = at, _records_of(_read_chunk(self._stream, at))
        return self._chunk[1]

    def _index(self) -> None:
        found = _Found()
        try:
            complete = _index_from_summary(self._stream, found)
        except Exception:  # a damaged summary or index: the messages may be whole all the same
            complete = False
        if not complete:
            found = _Found()
            _index_by_scan(self.path, self._stream, found)
        self.topics = found.all_topics()
        for topic, (times, chunks, offsets) in found.by_topic().items():
            order = np.argsort(times, kind="stable")
            self.stamps[topic] = times[order]
            self._where[topic] = chunks[order], offsets[order]


class _Found:
    """What an index is put together from."""

    def __init__(self) -> None:
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, tuple[array, array, array]] = defaultdict(
            lambda: (array("q"), array("q"), array("q"))
        )
        self._wanted: dict[int, bool] = {}

    def add(self, channel: int, log_time: int, chunk: int, offset: int) -> None:
        for column, value in zip(self.messages[channel], (log_time, chunk, offset), strict=True):
            column.append(value)

    def declare(self, channel: Channel) -> None:
        self.channels[channel.id] = channel
        self._wanted.pop(channel.id, None)

    def topic(self, channel: int) -> Topic:
        own = self.channels[channel]
        schema = self.schemas.get(own.schema_id)
        kind = ros2_kind(schema.name) if schema else "no type"
        descriptors = schema.data if schema is not None and schema.encoding == "protobuf" else b""
        return Topic(own.topic, kind, own.message_encoding, descriptors)

    def is_wanted(self, channel: int) -> bool:
        """Whether a channel carries images; asked of every message."""
        if channel not in self._wanted:
            self._wanted[channel] = channel in self.channels and self.topic(channel).has_images
        return self._wanted[channel]

    def all_topics(self) -> list[Topic]:
        return [self.topic(channel) for channel in self.channels]

    def by_topic(self) -> dict[Topic, tuple[np.ndarray, ...]]:
        """Log times, chunks and offsets of every topic with images; several channels may share a topic."""
        pieces: dict[Topic, list[list[np.ndarray]]] = defaultdict(list)
        for channel, columns in self.messages.items():
            if self.is_wanted(channel):
                pieces[self.topic(channel)].append([np.array(column, np.int64) for column in columns])
        return {topic: tuple(map(np.concatenate, zip(*own, strict=True))) for topic, own in pieces.items()}


def _index_from_summary(stream: IO[bytes], found: _Found) -> bool:
    """Reads the indexes that the writer left; False where there are none, or not of every chunk."""
    from mcap.data_stream import ReadDataStream
    from mcap.reader import SeekingReader
    from mcap.records import MessageIndex

    stream.seek(0)
    summary = SeekingReader(stream).get_summary()
    if summary is None or not summary.channels:
        return False
    found.schemas, found.channels = summary.schemas, summary.channels
    for chunk in summary.chunk_indexes:
        if not chunk.message_index_offsets:
            return False
        for channel, offset in chunk.message_index_offsets.items():
            if channel not in summary.channels:
                return False
            if not found.is_wanted(channel):
                continue
            stream.seek(offset + _HEAD.size)
            for log_time, at in MessageIndex.read(ReadDataStream(stream)).records:
                if not chunk.message_start_time <= log_time <= chunk.message_end_time:
                    return False  # a time that was damaged would stretch the log by years
                found.add(channel, log_time, chunk.chunk_start_offset, at)
    # Messages outside chunks have no index; without statistics there may be some.
    none = summary.statistics is not None and not summary.statistics.message_count
    return bool(summary.chunk_indexes) or none


def _index_by_scan(path: Path, stream: IO[bytes], found: _Found) -> None:
    """Goes through the file up to its end or to where it was cut, one chunk in memory at a time."""
    from mcap.opcode import Opcode

    damaged = 0
    size = stream.seek(0, os.SEEK_END)
    at = len(MAGIC)
    cut = True
    while at + _HEAD.size <= size:
        stream.seek(at)
        opcode, length = _HEAD.unpack(stream.read(_HEAD.size))
        if at + _HEAD.size + length > size or not opcode:
            break
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            cut = False
            break
        try:
            if opcode == Opcode.CHUNK:
                data = _records_of(_read_chunk(stream, at))
                for inner, kind, body in _inner_records(data):
                    _take(found, kind, body, at, inner)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                _take(found, opcode, stream.read(length), _OUTSIDE, at)
            elif opcode == Opcode.MESSAGE:
                _take(found, opcode, stream.read(_MESSAGE.size), _OUTSIDE, at)
        except Exception:  # decompressors and the record readers have each their own
            damaged += 1
        at += _HEAD.size + length
    if cut:
        logger.warning("%s: was cut off; it is read up to the cut, %d bytes from its start", path, at)
    if damaged:
        logger.warning(
            "%s: %s left out", path, "1 damaged part is" if damaged == 1 else f"{damaged} damaged parts are"
        )


def _inner_records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Offset, opcode and body of each record of a chunk, of messages only the head."""
    from mcap.opcode import Opcode

    at = 0
    while at + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, at)
        body = at + _HEAD.size
        if body + length > len(data):
            return
        yield at, opcode, data[body : body + (_MESSAGE.size if opcode == Opcode.MESSAGE else length)]
        at = body + length


def _take(found: _Found, opcode: int, body: bytes, chunk: int, offset: int) -> None:
    from io import BytesIO

    from mcap.data_stream import ReadDataStream
    from mcap.opcode import Opcode
    from mcap.records import Channel, Schema

    if opcode == Opcode.SCHEMA:
        schema = Schema.read(ReadDataStream(BytesIO(body)))
        found.schemas[schema.id] = schema
    elif opcode == Opcode.CHANNEL:
        channel = Channel.read(ReadDataStream(BytesIO(body)))
        found.declare(channel)
    elif opcode == Opcode.MESSAGE:
        number, _, log_time, _ = _MESSAGE.unpack_from(body)
        if found.is_wanted(number):
            found.add(number, log_time, chunk, offset)


def _read_chunk(stream: IO[bytes], at: int) -> Chunk:
    from mcap.data_stream import ReadDataStream
    from mcap.opcode import Opcode
    from mcap.records import Chunk

    stream.seek(at)
    opcode, _ = _HEAD.unpack(stream.read(_HEAD.size))
    if opcode != Opcode.CHUNK:
        raise ValueError("no chunk")
    return Chunk.read(ReadDataStream(stream))


def _records_of(chunk: Chunk) -> bytes:
    """A chunk's records, decompressed and held against its checksum."""
    from mcap.stream_reader import get_chunk_data_stream

    if chunk.uncompressed_size > _LARGEST_CHUNK:
        raise ValueError("its size is damaged")
    data, length = get_chunk_data_stream(chunk, validate_crc=True)
    return data.read(length)
