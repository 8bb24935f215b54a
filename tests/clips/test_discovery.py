"""What is found under files and folders: every kind of log, in order, each once, broken ones too."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from leo_drive.clips import Source, VideoSource, find_logs
from leo_drive.clips.message_log import MessageLog
from leo_drive.errors import InputError
from tests.clips.conftest import Make
from tests.clips.numbered import Kind, draw, read
from tests.clips.nuscenes_tables import write_tables
from tests.clips.recorded import write_bag1, write_bag2, write_mcap


def _image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw(number)).save(path)


@pytest.fixture
def fleet(tmp_path: Path, make_video: Make) -> Path:
    """A folder with a log of every kind, and much that is none."""
    root = tmp_path / "fleet"
    video = make_video(Kind(frames=10))
    for name in ("day10/a.mp4", "day2/b.MKV", "day2/no_suffix", "day2/.hidden.mp4", ".trash/c.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, root / name)
    for name in ("day2/notes.txt", "day2/table.csv", "day2/meta.json", "day2/unknown.xyz", "README"):
        (root / name).write_text("no log at all, whatever a video reader takes it for\n" * 20)
    (root / "day2" / "broken.mp4").write_bytes(video.read_bytes()[:500])
    (root / "day2" / "empty.mcap").touch()
    write_mcap(root / "day2" / "log.mcap", frames=3)
    write_bag2(root / "bags" / "two", frames=3)
    write_bag1(root / "bags" / "one.bag", frames=3)
    for number in range(3):
        _image(root / "frames" / "seq" / f"{number}.png", number)
        for segment, first in (("s1", 10), ("s0", 20)):
            _image(root / "lingo" / "images" / "val" / segment / f"{number}.jpg", first + number)
    names = {segment: [f"images/val/{segment}/{i}.jpg" for i in range(3)] for segment in ("s1", "s0")}
    rows = [
        {"question_id": s, "segment_id": s, "images": n, "question": "?", "answer": "."}
        for s, n in names.items()
    ]
    pd.DataFrame(rows).to_parquet(root / "lingo" / "val.parquet")
    for number in range(4):
        _image(root / "nu" / "samples" / "CAM_FRONT" / f"{number}.jpg", number)
    shots = [(f"samples/CAM_FRONT/{i}.jpg", 10**15 + i * 500_000, True) for i in range(4)]
    write_tables(
        root / "nu", {"scene-0001": {"CAM_FRONT": shots[:2]}, "scene-0002": {"CAM_FRONT": shots[2:]}}
    )
    return root


_ALL = [
    "bags/one.bag", "bags/two", "day2/b.MKV", "day2/broken.mp4", "day2/empty.mcap", "day2/log.mcap",
    "day2/no_suffix", "day10/a.mp4", "frames/seq", "lingo#s1", "lingo#s0", "nu#scene-0001", "nu#scene-0002",
]  # fmt: skip


def test_everything_in_order_and_opens(fleet: Path) -> None:
    entries = find_logs([fleet])
    assert [entry.name for entry in entries] == _ALL
    first = {}
    for entry in pickle.loads(pickle.dumps(entries)):
        if entry.name in ("day2/broken.mp4", "day2/empty.mcap"):
            with pytest.raises(InputError, match=Path(entry.name).name):
                entry.open()
            continue
        with entry.open() as source:
            assert isinstance(source, Source)
            first[entry.name] = read(source.frames_at([0.0])[0].image)
    found = {name: number for name, number in first.items() if number}
    assert found == {"lingo#s1": 10, "lingo#s0": 20, "nu#scene-0002": 2}


def test_files_and_folders_together(fleet: Path) -> None:
    names = [
        entry.name for entry in find_logs([fleet / "day10" / "a.mp4", fleet / "frames" / "seq", fleet / "nu"])
    ]
    assert names == ["a.mp4", "seq", "nu#scene-0001", "nu#scene-0002"]
    # Once each, however often it is named.
    assert len(find_logs([fleet, fleet / "day2", fleet / "day2" / "b.MKV"])) == len(_ALL)
    # A file that is named is an entry, whatever it is.
    (notes,) = find_logs([fleet / "day2" / "notes.txt"])
    with pytest.raises(InputError, match=r"notes\.txt"):
        notes.open()


def test_same_names_in_two_folders(fleet: Path, make_video: Make) -> None:
    shutil.copy(make_video(Kind(frames=10)), fleet / "day2" / "a.mp4")
    shutil.copytree(fleet / "nu", fleet / "day2" / "nu")
    entries = find_logs([fleet / "day10", fleet / "day2", fleet / "nu"])
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names)
    assert f"{fleet}/day10/a.mp4" in names and f"{fleet}/day2/a.mp4" in names
    assert f"{fleet}/nu#scene-0001" in names and f"{fleet}/day2/nu#scene-0001" in names and "b.MKV" in names
    assert names == [entry.name for entry in find_logs([fleet / "day10", fleet / "day2", fleet / "nu"])]


def test_names_as_given_that_others_have_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/b/x.mp4", "b/x.mp4", "c/x.mp4"):
        Path(name).parent.mkdir(parents=True)
        Path(name).touch()
    entries = find_logs(["a", "b", "c"])
    assert [entry.name for entry in entries] == ["b/x.mp4", f"{tmp_path}/b/x.mp4", "c/x.mp4"]
    assert [entry.path.as_posix() for entry in entries] == ["a/b/x.mp4", "b/x.mp4", "c/x.mp4"]


def test_names_are_text_and_paths_lead_to_the_file(tmp_path: Path) -> None:
    strange = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    try:
        strange.touch()
    except OSError:
        pytest.skip("this disk takes only names that are text")
    (tmp_path / "caf\\udce9.mp4").touch()  # what the other one's name is written as
    entries = find_logs([tmp_path])
    assert len({entry.name.encode() for entry in entries}) == 2
    assert {os.fsencode(entry.path) for entry in entries} == set(map(os.fsencode, tmp_path.iterdir()))


def test_options_reach_what_they_apply_to(fleet: Path) -> None:
    entries = {entry.name: entry for entry in find_logs([fleet], rate=2.0, scene="scene-0002", camera=None)}
    assert entries["frames/seq"].open().duration == 1.5
    assert "nu#scene-0001" not in entries and "nu#scene-0002" in entries
    assert entries["day10/a.mp4"].options == {}
    with pytest.raises(InputError, match="sweeps does not apply to any of the 1 logs"):
        find_logs([fleet / "day10"], sweeps=True)


def test_links(fleet: Path, make_video: Make) -> None:
    (fleet / "day2" / "loop").symlink_to(fleet)
    (fleet / "self").symlink_to(fleet / "self")
    (fleet / "again").symlink_to(fleet / "day10")
    (fleet / "gone.mp4").symlink_to(fleet / "nowhere.mp4")
    os.mkfifo(fleet / "pipe.mp4")
    outside = fleet.parent / "outside"
    outside.mkdir()
    shutil.copy(make_video(Kind(frames=10)), outside / "linked.mp4")
    (fleet / "link").symlink_to(outside)
    names = [entry.name for entry in find_logs([fleet])]
    new = set(names) - set(_ALL)
    # A folder reached by two ways is there once, and a link to nowhere is a log that fails.
    assert "link/linked.mp4" in new and "gone.mp4" in new and len(names) == len(_ALL) + 2
    assert "pipe.mp4" not in names


def test_broken_tables_are_entries(fleet: Path) -> None:
    (fleet / "lingo" / "val.parquet").write_bytes(b"PAR1 and then nothing")
    (fleet / "nu" / "v1.0-mini" / "scene.json").write_text("[{")
    (fleet / "bags" / "two" / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    entries = {entry.name: entry for entry in find_logs([fleet])}
    for name, says in (
        ("lingo", "not a readable parquet"),
        ("nu", "scene.json"),
        ("bags/two", "metadata.yaml"),
    ):
        with pytest.raises(InputError, match=says):
            entries[name].open()


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match="empty: no log in it"):
        find_logs([tmp_path / "empty"])
    with pytest.raises(InputError, match="gone: no such file or folder"):
        find_logs([tmp_path / "gone"])
    assert find_logs([]) == []


def test_thousands_of_files_fast(tmp_path: Path, make_video: Make) -> None:
    content = make_video(Kind(frames=10)).read_bytes()
    for number in range(3000):
        path = tmp_path / f"car{number % 30}" / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content[:100])
    start = time.process_time()
    entries = find_logs([tmp_path])
    assert len(entries) == 3000 and time.process_time() - start < 3.0
    assert [entry.name for entry in entries[:2]] == ["car0/0.mp4", "car0/30.mp4"]


def test_shared_data(shared_video: Path) -> None:
    entries = find_logs([shared_video])
    assert [entry.name for entry in entries] == [
        "drive_0006R0.mp4",
        "drive_0016E5.mp4",
        "highway_960x540.mp4",
    ]
    with entries[2].open() as source:
        assert isinstance(source, VideoSource) and not isinstance(source, MessageLog)
