"""LingoQA segments: unpacked, in the archive, by table or by list."""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from leo_drive.clips import LingoQASegment, find_logs, open_source
from leo_drive.errors import InputError
from tests.clips.numbered import draw, read

_SEGMENTS = {"aa11": range(5), "bb22": range(5, 10)}


def _part(folder: Path, table: str = "train.parquet") -> Path:
    rows = [
        {
            "question_id": f"{segment}-{i}",
            "segment_id": segment,
            "images": [f"images/train/{segment}/{number % 5}.jpg" for number in numbers],
            "question": "Is there a cyclist?",
            "answer": "No.",
        }
        for segment, numbers in _SEGMENTS.items()
        for i in range(2)
    ]
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / table)
    return folder


def _images() -> dict[str, bytes]:
    images = {}
    for segment, numbers in _SEGMENTS.items():
        for number in numbers:
            jpeg = BytesIO()
            Image.fromarray(draw(number)).save(jpeg, "JPEG")
            images[f"train/{segment}/{number % 5}.jpg"] = jpeg.getvalue()
    return images


@pytest.fixture(params=["folder", "archive", "archive without its leading folder"])
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = _part(tmp_path / "scenery")
    lead = "" if "without" in request.param else "images/"
    if request.param == "folder":
        for name, jpeg in _images().items():
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg)
    else:
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for name, jpeg in _images().items():
                archive.writestr(lead + name, jpeg)
    return folder


def test_segment(part: Path) -> None:
    for segment, numbers in _SEGMENTS.items():
        for source in (LingoQASegment(part, segment), open_source(part, segment=segment)):
            clip = source.clip()
            assert clip.timestamps == (0.0, 1.0, 2.0, 3.0, 4.0)
            assert [read(frame) for frame in clip.frames] == list(numbers)
            assert source.rate == 1.0 and source.duration == 5.0
            assert clip.source == f"scenery/{segment}"


def test_images_by_list(part: Path) -> None:
    source = LingoQASegment(part, "bb22", images=["images/train/bb22/0.jpg", "images/train/bb22/4.jpg"])
    assert [read(frame.image) for frame in source.frames_at([0.0, 1.0])] == [5, 9]


def test_pickles(part: Path) -> None:
    source = pickle.loads(pickle.dumps(LingoQASegment(part, "aa11")))
    assert read(source.frames_at([3.0])[0].image) == 3 and source.segment_id == "aa11"


def test_val_table(tmp_path: Path) -> None:
    part = _part(tmp_path / "evaluation", "val.parquet")
    with pytest.raises(InputError, match=r"0\.jpg: no such image, and no images\.zip"):
        LingoQASegment(part, "aa11")


def test_unknown_segment(part: Path) -> None:
    with pytest.raises(InputError, match="no segment 'cc33'; it has, for example, aa11, bb22"):
        LingoQASegment(part, "cc33")


def test_part_without_a_segment(part: Path) -> None:
    with pytest.raises(InputError, match=r"LingoQA part; say which segment"):
        open_source(part)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no LingoQA table"):
        LingoQASegment(tmp_path, "aa11")


def test_damaged_archive(tmp_path: Path) -> None:
    part = _part(tmp_path / "scenery")
    (part / "images.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"images\.zip: not a zip archive, or cut off"):
        LingoQASegment(part, "aa11")


def test_image_missing_from_the_archive(tmp_path: Path) -> None:
    part = _part(tmp_path / "scenery")
    with zipfile.ZipFile(part / "images.zip", "w") as archive:
        archive.writestr("other.jpg", b"")
    says = r"images\.zip: has no images/train/aa11/0\.jpg, it has names such as other\.jpg; download"
    with pytest.raises(InputError, match=says):
        LingoQASegment(part, "aa11")


def test_damaged_table(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(InputError, match=r"train\.parquet: not a readable parquet table") as refused:
        open_source(tmp_path, segment="aa11")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("images", None, "row 3: there are no images"),
        ("segment_id", None, "row 3: there is no segment_id"),
        ("images", ["a.jpg", None], r"row 2: images is no list of paths; found \['a.jpg', None\]"),
    ],
)
def test_row_that_lacks_something(column: str, value: object, says: str, tmp_path: Path) -> None:
    table = _part(tmp_path / "scenery") / "train.parquet"
    rows = pd.read_parquet(table)
    rows[column] = [*rows[column][: 3 if value is None else 2], *[value] * (1 if value is None else 2)]
    rows.to_parquet(table)
    with pytest.raises(InputError, match=rf"train\.parquet: {says}") as refused:
        open_source(table.parent, segment="aa11")
    assert "\n" not in str(refused.value)


def test_damaged_pages(tmp_path: Path) -> None:
    """The columns are named at the file's end, which is whole."""
    table = _part(tmp_path / "scenery") / "train.parquet"
    content = bytearray(table.read_bytes())
    content[4:200] = bytes(byte ^ 0x5A for byte in content[4:200])
    table.write_bytes(content)
    with pytest.raises(InputError, match=r"train\.parquet: not a readable .*; download it again") as refused:
        open_source(table.parent, segment="aa11")
    assert "\n" not in str(refused.value)
    Image.fromarray(draw(1)).save(tmp_path / "drive.png")
    assert [entry.path for entry in find_logs([tmp_path])] == [tmp_path, table.parent]


def test_real_part(shared_video: Path) -> None:
    part = shared_video.parent / "lingoqa_camvid" / "scenery"
    if not part.is_dir():
        pytest.skip("no LingoQA part beside the repository")
    segment = pd.read_parquet(part / "train.parquet", columns=["segment_id"])["segment_id"].iloc[100]
    clip = open_source(part, segment=segment).clip()
    assert clip.size == (480, 360) and len(clip.frames) == 5
