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

from leo_drive.clips import image_file
from leo_drive.clips.image_file import ImageFolder, _Folders, open_archive
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


@pytest.mark.parametrize(
    "named, looked_for",
    [
        ("scenery/images/train/0.jpg", " (looked for in {0} and {0}/images)"),
        ("train/0.jpg", " (looked for in {0} and {0}/images)"),
        ("/home/u/0.jpg", ""),
    ],
)
def test_a_picture_that_is_nowhere_has_its_own_name(tmp_path, named, looked_for):
    write(tmp_path, {"images/train/1.jpg": jpeg(50)})
    gone = ImageFolder(tmp_path).find(named)
    assert not gone.exists() and gone.name == named + looked_for.format(tmp_path)
    for read in (gone.read, gone.size):
        with pytest.raises(InputError, match="no such image") as refused:
            read()
        assert str(refused.value).startswith(gone.name)


FRAMES = [f"{segment}/{i}.jpg" for segment in ("aa", "bb") for i in range(2)]


@pytest.mark.parametrize(
    ("named", "packed"),
    [
        ("images/train/", "scenery/images/train/"),
        ("images/train/", "scenery/train/"),
        ("images/train/", "images/images/train/"),
        ("images/train/", "a/b/train/"),
        ("images/train/", ""),
        ("./images/train/", "scenery/images/train/"),
        ("train/", "scenery/images/train/"),
        ("scenery/train/", "scenery/images/train/"),
        ("scenery/images/train/", "scenery/train/"),
        ("scenery/images/train/", "images/train/"),
        ("scenery/images/train/", "train/"),
        ("scenery/images/train/", ""),
    ],
)
def test_an_archive_packed_from_further_up_or_down(tmp_path, named, packed):
    members = {packed + name: jpeg(50 * (i + 1)) for i, name in enumerate(FRAMES)}
    extra = {f"__MACOSX/{name}": b"" for name in members} | {"README.txt": b"", "a/notes.txt": b""}
    pack(tmp_path / "images.zip", members | extra)
    folder = ImageFolder(tmp_path)
    assert [shade(folder.find(named + name).read()) for name in FRAMES] == [50, 100, 150, 200]
    gone = folder.find(named + "cc/0.jpg")
    assert not gone.exists()
    with pytest.raises(
        InputError, match=rf"no such image in the archive, which has names such as {packed}aa/"
    ):
        gone.read()


def test_an_archive_of_two_parts(tmp_path):
    parts = {
        f"{part}/images/train/{name}": jpeg(100) for part in ("scenery", "action") for name in FRAMES[:2]
    }
    pack(tmp_path / "images.zip", {**parts, "action/images/train/bb/0.jpg": jpeg(200)})
    folder = ImageFolder(tmp_path)
    assert not folder.find("images/train/aa/0.jpg").exists()  # in both
    assert shade(folder.find("images/train/bb/0.jpg").read()) == 200
    assert not folder.find("images/train/bb/1.jpg").exists()


@pytest.mark.parametrize(
    "member, name",
    [
        ("images/xx/CAM_FRONT/0.jpg", "images/yy/CAM_FRONT/0.jpg"),
        ("a/train/xx/0.jpg", "images/train/yy/0.jpg"),
        ("xx/0.jpg", "yy/0.jpg"),
        ("0.jpg", "images/train/xx/0.jpg"),
        ("foo/xx/0.jpg", "images/train/xx/0.jpg"),
        ("train/xx/0.jpg", "train/xx/1.jpg"),
    ],
)
def test_another_folders_picture_is_none(tmp_path, member, name):
    pack(tmp_path / "images.zip", {member: jpeg(100)})
    assert not ImageFolder(tmp_path).find(name).exists()


def test_a_name_is_short_of_no_other_folders_than_the_first_was(tmp_path):
    pack(tmp_path / "images.zip", {f"CAM_FRONT/{i}.jpg": jpeg(100) for i in range(2)})
    folder = ImageFolder(tmp_path)
    found = [folder.find(f"images/{drive}/CAM_FRONT/{i}.jpg").exists() for drive in "xy" for i in range(2)]
    assert found == [True, True, False, False]


def test_an_archives_folders_are_looked_at_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(image_file, "_Folders", lambda names: looked.append(names) or _Folders(names))
    pack(tmp_path / "images.zip", {f"scenery/train/{i:03}/0.jpg": b"" for i in range(200)})
    for _ in range(2):
        folder = ImageFolder(tmp_path)
        found = [folder.find(f"images/train/{i:03}/0.jpg").member for i in range(200)]
        assert found == [f"scenery/train/{i:03}/0.jpg" for i in range(200)]
    assert len(looked) == 1


def test_paths_are_compared_as_they_are_given(tmp_path, monkeypatch):
    write(tmp_path, {"0.jpg": jpeg(50)})
    monkeypatch.chdir(tmp_path)
    assert Picture(Path("0.jpg")).key() == Picture(tmp_path / "0.jpg").key()
