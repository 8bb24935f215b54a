"""A picture of a data set: a file or a member of an archive, read when asked for."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leo_drive.clips.image_file import ImageFolder, open_archive
from leo_drive.data.example import Picture
from leo_drive.errors import InputError
from tests.data.pictures import SIZE, jpeg, pack, shade, write


@pytest.fixture(params=["file", "member"])
def picture(request, tmp_path) -> Picture:
    if request.param == "file":
        write(tmp_path, {"a/0.jpg": jpeg(100)})
        return Picture(tmp_path / "a/0.jpg")
    pack(tmp_path / "images.zip", {f"a/{i}.jpg": jpeg(100 + 10 * i) for i in range(3)})
    return Picture(tmp_path / "images.zip", "a/0.jpg")


def test_reads(picture):
    image = picture.read()
    assert image.mode == "RGB" and image.size == SIZE == picture.size() and shade(image) == 100
    assert picture.exists() and picture.name.endswith("0.jpg")
    assert pickle.loads(pickle.dumps(picture)) == picture and len({picture, picture}) == 1


def _rewrite(picture: Picture, data: bytes) -> None:
    if picture.member is None:
        picture.path.write_bytes(data)
    else:
        # A process has one view of an archive; what changes between runs is seen by the next.
        pack(picture.path, {"a/0.jpg": data})


def _key_elsewhere(picture: Picture) -> str:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(picture.key).result()


def test_the_key_changes_with_the_image_only(picture):
    key = picture.key()
    assert key == Picture(picture.path, picture.member).key() == _key_elsewhere(picture)
    time.sleep(0.01)
    _rewrite(picture, jpeg(105))
    assert _key_elsewhere(picture) != key


def test_archives_of_a_large_mixture_all_stay_open(tmp_path):
    for i in range(12):
        pack(tmp_path / f"{i}.zip", {"0.jpg": jpeg(100)})
    opened = [open_archive(tmp_path / f"{i}.zip") for i in range(12)]
    assert all(open_archive(tmp_path / f"{i}.zip") is archive for i, archive in enumerate(opened))


def test_missing(picture):
    if picture.member is None:
        gone = Picture(picture.path.with_name("1.jpg"))
    else:
        gone = Picture(picture.path, "a/9.jpg")
    assert not gone.exists()
    for ask in (gone.read, gone.size, gone.key, gone.content, gone.values):
        with pytest.raises(InputError, match="no such image") as refused:
            ask()
        assert gone.name in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "data, message", [(b"", "is empty"), (jpeg(90)[:200], "damaged"), (b"GIF", "damaged")]
)
def test_damaged(tmp_path, data, message):
    write(tmp_path, {"0.jpg": data})
    pack(tmp_path / "images.zip", {"0.jpg": data})
    for damaged in (Picture(tmp_path / "0.jpg"), Picture(tmp_path / "images.zip", "0.jpg")):
        assert damaged.exists()
        with pytest.raises(InputError, match=message) as refused:
            damaged.read()
        assert damaged.name in str(refused.value)


def test_a_member_with_a_wrong_checksum_is_damaged(tmp_path):
    archive = tmp_path / "images.zip"
    pack(archive, {"0.jpg": jpeg(90)})
    written = bytearray(archive.read_bytes())
    written[300] ^= 0xFF  # within the image, which is stored as it is
    archive.write_bytes(written)
    picture = Picture(archive, "0.jpg")
    for ask in (picture.read, picture.content, picture.values):
        with pytest.raises(InputError, match=r"images\.zip:0\.jpg: .*damaged"):
            ask()


def test_bytes_and_numbers_as_they_are_stored(picture, tmp_path):
    assert picture.content() == jpeg(100) and picture.values().shape == (*SIZE[::-1], 3)
    classes = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(classes).save(tmp_path / "map.png")
    assert np.array_equal(Picture(tmp_path / "map.png").values(), classes)


def test_an_archive_that_is_not_there(tmp_path):
    gone = Picture(tmp_path / "images.zip", "0.jpg")
    assert not gone.exists()
    with pytest.raises(InputError, match=r"images\.zip: cannot be read"):
        gone.read()


def _shades(picture_of: list[Picture]) -> tuple[int, list[int]]:
    return os.getpid(), [shade(picture.read()) for picture in picture_of]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_an_archive_is_read_by_several_processes_at_once(tmp_path, start):
    shades = [10 * i for i in range(1, 25)]
    pack(tmp_path / "images.zip", {f"{s}.jpg": jpeg(s) for s in shades})
    pictures = [Picture(tmp_path / "images.zip", f"{s}.jpg") for s in shades]
    assert pictures[0].read()  # opened here first: a forked process must not share the file's position
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(start)) as pool:
        results = list(pool.map(_shades, [pictures] * 8))
    assert all(found == shades for _, found in results)
    assert os.getpid() not in {process for process, _ in results}


def test_a_folder_finds_files_first_then_the_archive(tmp_path):
    write(tmp_path, {"images/train/0.jpg": jpeg(50)})
    folder = ImageFolder(tmp_path)
    assert folder.find("images/train/1.jpg") == Picture(tmp_path / "images/train/1.jpg")
    pack(tmp_path / "images.zip", {"train/0.jpg": jpeg(70), "train/1.jpg": jpeg(80)})
    folder = ImageFolder(tmp_path)
    assert shade(folder.find("images/train/0.jpg").read()) == 50
    assert shade(folder.find("images/train/1.jpg").read()) == 80
    assert folder.find("images/train/2.jpg") == Picture(tmp_path / "images.zip", "images/train/2.jpg")


def test_paths_are_compared_as_they_are_given(tmp_path, monkeypatch):
    write(tmp_path, {"0.jpg": jpeg(50)})
    monkeypatch.chdir(tmp_path)
    assert Picture(Path("0.jpg")).key() == Picture(tmp_path / "0.jpg").key()
