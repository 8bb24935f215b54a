"""Image messages that are no images, or unusual ones."""

from __future__ import annotations

import base64
import json

import pytest

from leo_drive.clips.messages import Topic, picture
from tests.clips.recorded import jpeg

_JPEG = {"data": base64.b64encode(jpeg(7)).decode(), "format": "jpeg"}
_ROWS = {
    "data": base64.b64encode(bytes(96)).decode(),
    "width": 8,
    "height": 4,
    "step": 24,
    "encoding": "rgb8",
}


@pytest.mark.parametrize(
    ("whole", "change", "says"),
    [
        (_JPEG, {"format": None}, "its format is missing"),
        (_JPEG, {"format": 3}, "its format is 3"),
        (_JPEG, {"data": None}, "message ("),
        (_ROWS, {"step": None}, "its step is missing"),
        (_ROWS, {"width": "8"}, "its width is '8'"),
        (_ROWS, {"height": 4.5}, "its height is 4.5"),
        (_ROWS, {"encoding": None}, "its encoding is missing"),
    ],
)
def test_json_that_is_no_image(whole: dict[str, object], change: dict[str, object], says: str) -> None:
    kind = "foxglove.CompressedImage" if whole is _JPEG else "foxglove.RawImage"
    topic = Topic("/cam", kind, "json")
    assert picture(topic, json.dumps(whole).encode()).mode == "RGB"
    damaged = [{**whole, **change}]
    if None in change.values():  # null, or not there at all
        damaged.append({name: value for name, value in whole.items() if name not in change})
    for fields in damaged:
        with pytest.raises(ValueError, match=rf"not a {kind} message") as refused:
            picture(topic, json.dumps(fields).encode())
        assert says in str(refused.value) and "\n" not in str(refused.value)


def test_single_row_of_any_step() -> None:
    fields = {**_ROWS, "height": 1, "step": 10**15}
    assert picture(Topic("/cam", "foxglove.RawImage", "json"), json.dumps(fields).encode()).size == (8, 1)
