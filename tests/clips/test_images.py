"""Images as a recording: folders, lists, stills."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leo_drive.clips import ImageSource, open_source
from leo_drive.clips.image_file import ImageFile
from leo_drive.errors import InputError
from leo_drive.model.tiling import tile
from tests.clips.numbered import draw, read


def _save(path: Path, number: int, size: tuple[int, int] = (96, 64), **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw(number, size)).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".PNG", ".webp", ".bmp"])
def test_folder_in_natural_order(suffix: str, tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 11, 100):
        _save(tmp_path / f"frame{number}{suffix}", number)
    (tmp_path / "notes.txt").write_text("not an image")
    source = open_source(tmp_path)
    assert source.duration == 6.0 and source.last_time == 5.0 and source.rate == 1.0
    found = source.frames_at([0.0, 0.99, 1.0, 5.0, 6.0, 2.5])
    assert [read(frame.image) for frame in found] == [1, 1, 2, 100, 100, 9]
    assert [frame.timestamp for frame in found] == [0.0, 0.0, 1.0, 5.0, 5.0, 2.0]
    assert source.name == tmp_path.name and found[0].image.mode == "RGB"
    assert [read(frame) for frame in source.clip().frames] == [2, 9, 10, 11, 100]


def test_list_and_rate(tmp_path: Path) -> None:
    paths = [_save(tmp_path / f"{name}.png", number) for number, name in enumerate("zyx")]
    source = open_source([str(path) for path in paths], rate=10.0)
    assert source.duration == pytest.approx(0.3)
    times = [i / 10 for i in range(3)]
    assert [read(frame.image) for frame in source.frames_at(times)] == [0, 1, 2]
    assert source.frames_at([0.2])[0].timestamp == pytest.approx(0.2)


def test_still(tmp_path: Path) -> None:
    source = open_source(_save(tmp_path / "still.jpg", 7))
    assert source.duration == 1.0 and source.last_time == 0.0
    assert read(source.clip(frames=1).frames[0]) == 7


def test_exif_orientation(tmp_path: Path) -> None:
    upright = Image.fromarray(draw(77, (96, 64)))
    stored = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for orientation, turn in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright.transpose(turn).save(tmp_path / f"{orientation}.jpg", exif=exif)
    upright.save(tmp_path / "1.jpg")
    frames = ImageSource(tmp_path).frames_at([0.0, 1.0, 2.0, 3.0])
    assert [read(frame.image) for frame in frames] == [77] * 4
    assert {frame.image.size for frame in frames} == {(96, 64)}


def test_other_modes(tmp_path: Path) -> None:
    for i, mode in enumerate(("L", "P", "RGBA", "1", "CMYK")):
        Image.fromarray(draw(i)).convert("RGB").convert(mode).save(
            tmp_path / f"{i}.{'jpg' if mode == 'CMYK' else 'png'}"
        )
    frames = ImageSource(tmp_path).frames_at(range(5))
    assert [read(frame.image) for frame in frames] == [0, 1, 2, 3, 4]


def test_opening_reads_no_pixels(tmp_path: Path) -> None:
    for number in range(3):
        path = _save(tmp_path / f"{number}.png", number)
    path.write_bytes(path.read_bytes()[:60])  # its header is intact, its pixels are gone
    source = ImageSource(tmp_path)
    assert read(source.frames_at([1.0])[0].image) == 1
    with pytest.raises(InputError, match=r"2\.png: not an image, or a damaged one"):
        source.frames_at([2.0])


def test_pickles(tmp_path: Path) -> None:
    _save(tmp_path / "0.png", 5)
    assert read(pickle.loads(pickle.dumps(ImageSource(tmp_path))).frames_at([0.0])[0].image) == 5


def test_mixed_sizes(tmp_path: Path) -> None:
    _save(tmp_path / "0.png", 0)
    _save(tmp_path / "1.png", 1, (64, 96))
    with pytest.raises(
        InputError, match=r"different sizes: .*0\.png is 96x64 but .*1\.png is 64x96"
    ) as refused:
        open_source(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder, "a folder without images"),
        (lambda folder: folder / "gone.jpg", "no such file"),
        (lambda folder: [], "the list of images is empty"),
        (lambda folder: [folder / "gone.jpg"], "gone.jpg: no such image"),
        (lambda folder: _write(folder / "empty.jpg", b""), "empty.jpg: is empty"),
        (lambda folder: _write(folder / "text.jpg", b"hello there"), "text.jpg: not an image"),
    ],
)
def test_bad_input(make, says: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says) as refused:
        open_source(make(tmp_path))
    assert "\n" not in str(refused.value)


def test_a_folder_of_videos_names_them(tmp_path: Path) -> None:
    for name in ("10.mp4", "2.MP4", "c.mcap", "d.mp4", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"it holds 4 logs: 2\.MP4, 10\.mp4, c\.mcap, and 1 more; name one"):
        open_source(tmp_path)


def test_no_permission(tmp_path: Path) -> None:
    path = _save(tmp_path / "secret.png", 0)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(InputError, match="no permission"):
        open_source(path)


@pytest.mark.parametrize(
    ("time", "says"), [(3.5, "past the end; allowed are 0 to 3.000 s"), (-0.1, "before"), (np.nan, "nan")]
)
def test_times(time: float, says: str, tmp_path: Path) -> None:
    for number in range(3):
        _save(tmp_path / f"{number}.png", number)
    source = ImageSource(tmp_path, name="drive")
    for ask in (lambda: source.frames_at([time]), lambda: source.clip(at=time)):
        with pytest.raises(InputError, match=says) as refused:
            ask()
        assert "drive" in str(refused.value)


def test_rate_must_be_positive(tmp_path: Path) -> None:
    _save(tmp_path / "0.png", 0)
    with pytest.raises(InputError, match="rate must be a number above 0"):
        ImageSource(tmp_path, rate=0)


@pytest.mark.parametrize("rate", [1e-12, 1e-320])
def test_rate_that_64_bits_cannot_hold(rate: float, tmp_path: Path) -> None:
    for number in range(3):
        _save(tmp_path / f"{number}.png", number)
    with pytest.raises(InputError, match=rf"drive: rate {rate} is too small, 3 images would show") as refused:
        ImageSource(tmp_path, rate=rate, name="drive")
    assert "\n" not in str(refused.value)
    assert ImageSource(tmp_path, rate=1e-9).last_time == pytest.approx(2e9)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "grey.pgm"])
def test_grey_with_16_bits(name: str, tmp_path: Path) -> None:
    """Infrared and raw cameras: Pillow would cut them off at 255, to black and white."""
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / name)
    picture = ImageFile(tmp_path / name).read()
    expected = np.repeat((ramp >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    assert picture.mode == "RGB" and np.array_equal(np.asarray(picture), expected)
    with Image.open(tmp_path / name) as opened:
        (single,) = tile(opened, tile_size=64, max_tiles=1)
    assert np.array_equal(np.asarray(single), expected)


def test_folder_named_as_an_image_is_left_out(tmp_path: Path) -> None:
    _save(tmp_path / "1.png", 1)
    (tmp_path / "2.jpg").mkdir()
    assert [file.path.name for file in ImageSource(tmp_path).files] == ["1.png"]


def test_link_to_an_image_that_is_gone(tmp_path: Path) -> None:
    _save(tmp_path / "1.png", 1)
    (tmp_path / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(
        InputError, match=r"2\.png: a link to a file that is gone; mend the link or delete it"
    ):
        ImageSource(tmp_path)
