"""Image sequences whose times come from file names or from a csv."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from leo_drive.clips import ImageSource, open_source
from leo_drive.clips.stamps import stamps_from_names
from leo_drive.errors import InputError
from tests.clips.numbered import draw, read

_START = 1537291002262404000
_TIMES = (0.0, 0.25, 1.5, 1.75)
"""Seconds of the images: uneven, so that a steady rate would show."""


def _save(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(draw(number)).save(folder / name)
    return folder


def _numbers(source: ImageSource, times: list[float]) -> list[int]:
    return [read(frame.image) for frame in source.frames_at(times)]


@pytest.mark.parametrize(
    "form",
    [
        lambda ns: f"{ns}.png",
        lambda ns: f"{ns // 1000}.jpg",
        lambda ns: f"frame7_{ns // 1_000_000}.png",
        lambda ns: f"{ns // 10**9}.{ns % 10**9 // 1000:06d}.png",
        lambda ns: f"{ns // 10**9}_{ns % 10**9:09d}.jpg",
        lambda ns: f"cam-{ns // 10**9}-{ns % 10**9:09d}_rgb.png",
        lambda ns: f"n008-2018-09-18-13-10-39-0400__CAM_FRONT__{ns // 1000}.jpg",
    ],
)
def test_times_in_names(form, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = [form(_START + round(time * 1e9)) for time in _TIMES]
    source = open_source(_save(tmp_path / "seq", names))
    assert isinstance(source, ImageSource)
    assert source.last_time == pytest.approx(1.75) and source.rate == pytest.approx(3 / 1.75)
    assert source.duration == pytest.approx(2.0)  # the last shows for the median gap, 0.25 s
    assert _numbers(source, [0.0, 0.2, 0.25, 1.4, 1.5, 2.0]) == [0, 0, 1, 1, 2, 3]
    assert [f.timestamp for f in source.frames_at([1.4, 1.9])] == pytest.approx([0.25, 1.75])
    # A rate that the user gives holds over the names.
    assert open_source(tmp_path / "seq", rate=2.0).duration == 2.0


@pytest.mark.parametrize("names", [["006690.png", "006720.png"], ["1537291002.png", "last.png"], ["a.png"]])
def test_other_numbers_are_no_times(names: list[str]) -> None:
    assert stamps_from_names(names) is None


def test_only_nine_digits_are_nanoseconds() -> None:
    assert stamps_from_names(["1537291002_100000000.jpg", "1537291003_0001.jpg", "1537291004_12.jpg"]) == [
        1537291002_100000000, 1537291003_000000000, 1537291004_000000000,
    ]  # fmt: skip


def test_mostly_timed_names_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = _save(tmp_path / "seq", ["1537291002.png", "1537291003.png", "cover.png"])
    with caplog.at_level(logging.WARNING, "leo_drive"):
        assert ImageSource(folder).duration == 3.0
    assert "cover.png has no time in its name" in caplog.text


@pytest.mark.parametrize(
    ("heading", "scale"),
    [("file,timestamp_ns", 1e9), ("time_us,image", 1e6), ("Filename,Time_ms,x", 1e3), ("file,time [s]", 1.0),
     ("file,t", 1.0)],
)  # fmt: skip
def test_csv(heading: str, scale: float, tmp_path: Path) -> None:
    folder = _save(tmp_path / "seq", [f"{number}.png" for number in range(4)])
    columns = heading.split(",")
    time_first = columns[0].startswith("time")
    rows = [
        (f"{time * scale:.3f}", f"seq/{i}.png") if time_first else (f"seq/{i}.png", f"{time * scale:.3f}")
        for i, time in reversed(list(enumerate(_TIMES)))  # the order of the rows does not matter
    ]
    text = "\n".join([heading, *(",".join(row) + ("," if len(columns) == 3 else "") for row in rows)])
    (folder / "times.csv").write_text(text)
    source = ImageSource(folder)
    assert _numbers(source, [0.0, 0.25, 1.4, 1.5, 1.75]) == [0, 1, 1, 2, 3]
    assert source.last_time == pytest.approx(1.75)


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_unit_from_size(scale: int, tmp_path: Path) -> None:
    folder = _save(tmp_path / "seq", ["a.png", "b.png"])
    lines = [f"{name}.png,{(_START // 10**9 + i) * scale}" for i, name in enumerate("ba")]
    # Beside the folder, where the folder itself has none.
    (tmp_path / "seq.csv").write_text("\n".join(["file,timestamp", *lines]))
    source = ImageSource(folder)
    assert source.last_time == pytest.approx(1.0) and _numbers(source, [0.0, 1.0]) == [1, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,time\n0.png,0\nx.png,1", "line 3: no image 'x.png'"),
        ("file,time\n0.png,0\n0.png,1", "line 3: 0.png is named before, in line 2"),
        ("file,time\n0.png,1\n1.png,1", "0.png and 1.png have the same time"),
        ("file,time\n0.png,soon", "line 2: 'soon' is not a time"),
        ("file,time\n0.png", "line 2: None is not a time"),
        ("file,time\n0.png,0\n1.png,99999999999999999999999", "line 3: 99999999999999999999999 is too large"),
        ("file,time\n0.png,1e400", "line 2: 1E.400 is too large"),
        ("file,time_s\n0.png,-1e999999999", "line 2: -1E.999999999 is too large"),
        ("file,time_s\n0.png,-9e9\n1.png,9e9", "line 2: -9E.9 is too large"),
        ("file,time\n", "names no image"),
    ],
)
def test_bad_csv(text: str, says: str, tmp_path: Path) -> None:
    folder = _save(tmp_path / "seq", ["0.png", "1.png"])
    (folder / "times.csv").write_text(text)
    with pytest.raises(InputError, match=says) as refused:
        ImageSource(folder)
    assert "times.csv" in str(refused.value) and "\n" not in str(refused.value)
    assert ImageSource(folder, rate=1.0).duration == 2.0


def test_csv_that_leaves_images_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = _save(tmp_path / "seq", ["0.png", "1.png", "2.png"])
    (folder / "times.csv").write_text("file,time\n2.png,5\n1.png,4\n")
    (folder / "labels.csv").write_text("image,label\n0.png,car\n")  # has no times: not asked
    with caplog.at_level(logging.WARNING, "leo_drive"):
        source = ImageSource(folder)
    assert _numbers(source, [0.0, 1.0]) == [1, 2]
    assert "1 images that it does not name are left out: 0.png" in caplog.text


def test_several_tables_and_several_recordings(tmp_path: Path) -> None:
    folder = _save(tmp_path / "seq", ["0.png"])
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("file,time\n0.png,0\n")
    with pytest.raises(InputError, match=r"several tables of times \(a.csv, b.csv\)"):
        ImageSource(folder)
    mixed = _save(
        tmp_path / "mixed", [f"{log}__CAM_FRONT__{_START // 1000 + i}.jpg" for i, log in enumerate("ab")]
    )
    with pytest.raises(InputError, match=r"several recordings .* or set rate \(--rate\) to show"):
        ImageSource(mixed)
    assert ImageSource(mixed, rate=2.0).duration == 1.0
