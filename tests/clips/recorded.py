"""Message logs whose every frame carries its number: MCAP files and ROS bags."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from PIL import Image
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

from tests.clips.numbered import draw

START = 1_700_000_000_000_000_000
"""Nanoseconds of the first message."""
STEP = 100_000_000
"""Nanoseconds between frames: 10 Hz."""
SIZE = (96, 64)
FRONT, LEFT = "/camera/front/image_raw/compressed", "/camera/left/image_raw"
_LEFT_NUMBERS = 100

types = get_typestore(Stores.ROS2_HUMBLE)
types1 = get_typestore(Stores.ROS1_NOETIC)
_FIELD = descriptor_pb2.FieldDescriptorProto


def jpeg(number: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(draw(number, SIZE)).save(stream, "JPEG")
    return stream.getvalue()


def write_images(path: Path, images: Sequence[Image.Image]) -> Path:
    """Given pictures at 10 Hz, JPEG in front and raw to the left: an .mcap file, or the folder of a bag."""
    folder = path.with_suffix(".folder") if path.suffix == ".mcap" else path
    with rosbag2.Writer(folder, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        kinds = {FRONT: "sensor_msgs/msg/CompressedImage", LEFT: "sensor_msgs/msg/Image"}
        connections = {t: writer.add_connection(t, kind, typestore=types) for t, kind in kinds.items()}
        for i, image in enumerate(images):
            stamp, stream = START + i * STEP, BytesIO()
            image.save(stream, "JPEG", quality=95)
            small = compressed(0, stamp)
            small.data = np.frombuffer(stream.getvalue(), np.uint8)
            large = raw(0, stamp, "rgb8")
            large.width, large.height = image.size
            large.step, large.data = 3 * image.width, np.frombuffer(image.tobytes(), np.uint8)
            for topic, message in ((FRONT, small), (LEFT, large)):
                writer.write(connections[topic], stamp, types.serialize_cdr(message, kinds[topic]))
    return next(folder.glob("*.mcap")).rename(path) if path.suffix == ".mcap" else path


def _header(stamp: int, store: Any = types) -> Any:
    time = store.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    seq = {"seq": 0} if store is types1 else {}
    return store.types["std_msgs/msg/Header"](stamp=time, frame_id="camera", **seq)


def compressed(number: int, stamp: int, store: Any = types, form: str = "jpeg") -> Any:
    """A sensor_msgs CompressedImage."""
    data = np.frombuffer(jpeg(number), np.uint8)
    return store.types["sensor_msgs/msg/CompressedImage"](_header(stamp, store), format=form, data=data)


def raw(number: int, stamp: int, encoding: str = "bgr8", padding: int = 0, store: Any = types) -> Any:
    """A sensor_msgs Image, red where `draw` is light and blue where it is dark if it has colour."""
    pixels = encoded(draw(number, SIZE), encoding)
    width, height = SIZE
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)))
    return store.types["sensor_msgs/msg/Image"](
        _header(stamp, store), height=height, width=width, encoding=encoding, is_bigendian=0,
        step=rows.shape[1], data=rows.reshape(-1),
    )  # fmt: skip


def encoded(grey: np.ndarray, encoding: str) -> np.ndarray:
    """A grey picture (height, width) as the bytes of an encoding; coloured ones have a red of 255, blue 0."""
    red, blue = np.full_like(grey, 255), np.zeros_like(grey)
    if encoding in ("rgb8", "bgr8"):
        return np.stack((red, grey, blue) if encoding == "rgb8" else (blue, grey, red), -1)
    if encoding in ("rgba8", "bgra8"):
        four = (red, grey, blue, red) if encoding == "rgba8" else (blue, grey, red, red)
        return np.stack(four, -1)
    if encoding == "mono16":
        return np.ascontiguousarray(grey.astype("<u2") * 257).view(np.uint8)
    if encoding in ("yuv422", "yuv422_yuy2"):
        chroma = np.full_like(grey, 128)
        return np.stack((chroma, grey) if encoding == "yuv422" else (grey, chroma), -1)
    return grey


def write_mcap(
    path: Path,
    frames: int = 30,
    encoding: str = "cdr",
    topics: Sequence[str] = (FRONT, LEFT),
    chunk_size: int = 16_000,
    start: int = START,
    first: int = 0,
    other_bytes: int = 64,
    **options: Any,
) -> Path:
    """An MCAP file with numbered frames on `topics`, the left camera's from 100, and an IMU's bytes."""
    noise = np.random.default_rng(0)
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=chunk_size, **options)
        writer.start(profile="ros2" if encoding == "cdr" else "", library="tests")
        compressed_kind, raw_kind, schema_encoding, schema = _schemas(encoding)
        serialize = _serializer(encoding)
        channels = {}
        for topic in topics:
            kind = compressed_kind if topic.endswith("compressed") else raw_kind
            number = writer.register_schema(kind, schema_encoding, schema)
            channels[topic] = writer.register_channel(topic, encoding, number)
        imu = writer.register_channel(
            "/imu", encoding, writer.register_schema("sensor_msgs/msg/Imu", "ros2msg", b"")
        )
        for i in range(frames):
            stamp = start + i * STEP
            writer.add_message(imu, stamp, noise.bytes(other_bytes), stamp)
            for topic, channel in channels.items():
                number = first + i + (_LEFT_NUMBERS if "left" in topic else 0)
                writer.add_message(channel, stamp, serialize(topic, number, stamp), stamp)
        writer.finish()
    return path


def write_shared_topic(
    path: Path, publishers: Sequence[tuple[str, str, str]], frames: int = 20, topic: str = "/cam"
) -> Path:
    """An MCAP file with numbered frames on one topic, from several publishers by turns.

    Args:
        path: of the file.
        publishers: of each the encoding, "compressed" or "raw", and the package that its protobuf schema is
            said to be of, which tells the bytes of the schemas apart.
        frames: of all of them.
        topic: that they share.
    """
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=16_000)
        writer.start(profile="", library="tests")
        channels = []
        for encoding, form, package in publishers:
            compressed_kind, raw_kind, schema_encoding, schema = _schemas(encoding)
            if encoding == "protobuf":
                descriptors = _foxglove()
                descriptors.file[0].options.java_package = package
                schema = descriptors.SerializeToString()
            kind = compressed_kind if form == "compressed" else raw_kind
            number = writer.register_schema(kind, schema_encoding, schema)
            channels.append((writer.register_channel(topic, encoding, number), form, _serializer(encoding)))
        for i in range(frames):
            channel, form, serialize = channels[i % len(channels)]
            stamp = START + i * STEP
            writer.add_message(channel, stamp, serialize(form, i, stamp), stamp)
        writer.finish()
    return path


UNINDEXED = {"index_types": IndexType.NONE, "use_statistics": False, "use_summary_offsets": False}
UNCHUNKED = {"use_chunking": False}
LZ4 = {"compression": CompressionType.LZ4}


def _schemas(encoding: str) -> tuple[str, str, str, bytes]:
    if encoding == "cdr":
        return "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image", "ros2msg", b""
    if encoding == "ros1":
        return "sensor_msgs/CompressedImage", "sensor_msgs/Image", "ros1msg", b""
    schema = _foxglove().SerializeToString() if encoding == "protobuf" else b"{}"
    return "foxglove.CompressedImage", "foxglove.RawImage", encoding.replace("json", "jsonschema"), schema


def _foxglove() -> descriptor_pb2.FileDescriptorSet:
    """The fields of Foxglove's two image messages, by the numbers in its schemas."""
    text, many, number = _FIELD.TYPE_STRING, _FIELD.TYPE_BYTES, _FIELD.TYPE_FIXED32
    fields = {
        "CompressedImage": {"data": (2, many), "format": (3, text), "frame_id": (4, text)},
        "RawImage": {"width": (2, number), "height": (3, number), "encoding": (4, text), "step": (5, number),
                     "data": (6, many), "frame_id": (7, text)},
    }  # fmt: skip
    file = descriptor_pb2.FileDescriptorProto(name="foxglove.proto", package="foxglove", syntax="proto3")
    for name, own in fields.items():
        message = file.message_type.add(name=name)
        for field, (place, kind) in own.items():
            message.field.add(name=field, number=place, type=kind, label=_FIELD.LABEL_OPTIONAL)
    return descriptor_pb2.FileDescriptorSet(file=[file])


def _serializer(encoding: str) -> Callable[[str, int, int], bytes]:
    def ros(topic: str, number: int, stamp: int) -> bytes:
        store = types1 if encoding == "ros1" else types
        make = compressed if topic.endswith("compressed") else raw
        message = make(number, stamp, store=store)
        kind = message.__msgtype__
        return bytes(
            store.serialize_ros1(message, kind) if encoding == "ros1" else store.serialize_cdr(message, kind)
        )

    def foxglove(topic: str, number: int, stamp: int) -> bytes:
        if topic.endswith("compressed"):
            name, fields = "foxglove.CompressedImage", {"data": jpeg(number), "format": "jpeg"}
        else:
            width, height = SIZE
            data = encoded(draw(number, SIZE), "bgr8").tobytes()
            name = "foxglove.RawImage"
            fields = {"width": width, "height": height, "encoding": "bgr8", "step": width * 3, "data": data}
        if encoding == "json":
            return json.dumps({**fields, "data": base64.b64encode(fields["data"]).decode()}).encode()
        pool = descriptor_pool.DescriptorPool()
        pool.Add(_foxglove().file[0])
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))(**fields).SerializeToString()

    return ros if encoding in ("cdr", "ros1") else foxglove


def write_bag2(
    path: Path,
    frames: int = 30,
    storage: str = "sqlite3",
    compression: str | None = None,
    images: bool = True,
) -> Path:
    """The folder of a ROS 2 bag with the same frames as `write_mcap`'s."""
    plugins = {"sqlite3": rosbag2.StoragePlugin.SQLITE3, "mcap": rosbag2.StoragePlugin.MCAP}
    writer = rosbag2.Writer(path, version=9, storage_plugin=plugins[storage])
    if compression is not None:
        writer.set_compression(rosbag2.CompressionMode[compression.upper()], rosbag2.CompressionFormat.ZSTD)
    with writer:
        imu = writer.add_connection("/imu", "std_msgs/msg/String", typestore=types)
        writer.write(
            imu, START, types.serialize_cdr(types.types["std_msgs/msg/String"]("x"), "std_msgs/msg/String")
        )
        if images:
            _write_frames(writer, frames, types, types.serialize_cdr)
    return path


def write_bag1(path: Path, frames: int = 30) -> Path:
    """A ROS 1 bag with the same frames."""
    with rosbag1.Writer(path) as writer:
        _write_frames(writer, frames, types1, types1.serialize_ros1)
    return path


def _write_frames(writer: Any, frames: int, store: Any, serialize: Callable[[Any, str], Any]) -> None:
    made = {FRONT: compressed, LEFT: raw}
    kinds = {FRONT: "sensor_msgs/msg/CompressedImage", LEFT: "sensor_msgs/msg/Image"}
    connections = {
        topic: writer.add_connection(topic, kind, typestore=store) for topic, kind in kinds.items()
    }
    for i in range(frames):
        for topic, make in made.items():
            stamp = START + i * STEP
            message = make(i + (_LEFT_NUMBERS if topic == LEFT else 0), stamp, store=store)
            writer.write(connections[topic], stamp, serialize(message, kinds[topic]))
