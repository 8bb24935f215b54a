"""Image messages of ROS and Foxglove: which topics hold them, and the picture in each."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from leo_drive.clips.pixels import compressed_picture, raw_picture

_COMPRESSED = frozenset({"sensor_msgs/msg/CompressedImage", "foxglove.CompressedImage"})
_RAW = frozenset({"sensor_msgs/msg/Image", "foxglove.RawImage"})
_Types = type | tuple[type, ...]
_BYTES = (bytes, np.ndarray)
_COMPRESSED_FIELDS: dict[str, _Types] = {"data": _BYTES, "format": str}
_RAW_FIELDS: dict[str, _Types] = {"data": _BYTES, "width": int, "height": int, "step": int, "encoding": str}
"""What a message must have, and of which type."""
_ENCODINGS = {"sensor_msgs": ("cdr", "ros1"), "foxglove": ("protobuf", "json")}


@dataclass(frozen=True)
class Topic:
    """A topic of a log.

    Attributes:
        name: as recorded, such as /camera/front/image_raw/compressed.
        kind: the messages' type, ROS 1 names written as ROS 2's.
        encoding: how they are serialised: cdr, ros1, protobuf or json.
        schema: for protobuf, the serialised FileDescriptorSet.
    """

    name: str
    kind: str
    encoding: str
    schema: bytes = field(default=b"", repr=False)

    @property
    def has_images(self) -> bool:
        """Whether its messages are pictures that `picture` can read."""
        family = self.kind.replace(".", "/").split("/")[0]
        return (
            self.kind in _COMPRESSED | _RAW
            and self.encoding in _ENCODINGS[family]
            and not self.name.endswith("/compressedDepth")
        )


def ros2_kind(kind: str) -> str:
    """sensor_msgs/Image as sensor_msgs/msg/Image; what is no ROS 1 type stays."""
    package, slash, name = kind.partition("/")
    return f"{package}/msg/{name}" if slash and "/" not in name else kind


def picture(topic: Topic, data: bytes) -> Image.Image:
    """The picture in a message, RGB.

    Raises:
        ValueError: it cannot be read, with the reason.
    """
    try:
        message = _message(topic, data)
    except Exception as error:  # each deserializer has its own errors for damaged bytes
        raise ValueError(f"not a {topic.kind} message ({type(error).__name__})") from None
    _check_fields(topic, message)
    if topic.kind in _COMPRESSED:
        return compressed_picture(bytes(message.data), message.format)
    return raw_picture(
        message.data,
        message.width,
        message.height,
        message.step,
        message.encoding,
        bool(getattr(message, "is_bigendian", False)),
    )


def _check_fields(topic: Topic, message: Any) -> None:
    """Raises ValueError where a field is missing or of another type: JSON may hold anything."""
    for name, kind in (_COMPRESSED_FIELDS if topic.kind in _COMPRESSED else _RAW_FIELDS).items():
        value = getattr(message, name, None)
        if not isinstance(value, kind) or isinstance(value, bool):
            found = "missing" if value is None else f"{value!r:.40}"
            raise ValueError(f"not a {topic.kind} message (its {name} is {found})")


def _message(topic: Topic, data: bytes) -> Any:
    """The message with its fields as attributes."""
    if topic.encoding == "cdr":
        return _ros_types().deserialize_cdr(data, topic.kind)
    if topic.encoding == "ros1":
        return _ros1_types().deserialize_ros1(data, topic.kind)
    if topic.encoding == "protobuf":
        message = _protobuf_class(topic.schema, topic.kind)()
        message.ParseFromString(data)
        return message
    fields = json.loads(data)
    return SimpleNamespace(**{**fields, "data": base64.b64decode(fields["data"])})


@lru_cache(maxsize=1)
def _ros_types() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE)


@lru_cache(maxsize=1)
def _ros1_types() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS1_NOETIC)


@lru_cache(maxsize=8)
def _protobuf_class(schema: bytes, kind: str) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(schema).file
    waiting = {file.name: file for file in files}

    def add(name: str) -> None:
        file = waiting.pop(name, None)
        if file is not None:
            for needed in file.dependency:
                add(needed)
            pool.Add(file)

    for file in files:
        add(file.name)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(kind))
