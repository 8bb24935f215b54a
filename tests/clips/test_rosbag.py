"""ROS bags that are unlike others: after a crash, under odd names, with topics of two types."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rosbags import rosbag2

from leo_drive.clips import open_source
from leo_drive.errors import InputError
from tests.clips.numbered import read
from tests.clips.recorded import START, STEP, compressed, raw, types, write_bag2


def _crashed(folder: Path) -> Path:
    """A bag as ROS's resilient profile leaves it after a crash: its later messages are in the -wal alone."""
    whole = write_bag2(folder / "whole" / "bag")
    with closing(sqlite3.connect(next(whole.glob("*.db3")))) as database:
        database.execute("PRAGMA journal_mode=WAL")
        later = database.execute(
            "SELECT * FROM messages WHERE timestamp > ?", (START + 10 * STEP,)
        ).fetchall()
        database.execute("DELETE FROM messages WHERE timestamp > ?", (START + 10 * STEP,))
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA wal_autocheckpoint=0")
        places = ",".join("?" * len(later[0]))
        database.executemany(f"INSERT INTO messages VALUES ({places})", later)
        database.commit()
        return Path(shutil.copytree(whole, folder / "bag"))  # closing would move them into the file


def test_bag_whose_recorder_crashed(tmp_path: Path) -> None:
    bag = _crashed(tmp_path)
    storage = next(bag.glob("*.db3"))
    for path in (bag, storage):
        with pytest.raises(InputError, match=r"its last messages still lie in bag\.db3-wal") as refused:
            open_source(path)
        assert str(storage) in str(refused.value) and "\n" not in str(refused.value)
    program, file, statement = shlex.split(str(refused.value).split(" with ")[1])
    assert program == "sqlite3" and Path(file) == storage
    with closing(sqlite3.connect(file)) as database:
        database.execute(statement)
    for path in (bag, storage):
        with open_source(path) as log:
            assert log.duration == pytest.approx(3.0)
            assert [read(frame.image) for frame in log.frames_at([1.0, 1.1, 2.9])] == [10, 11, 29]


@pytest.mark.parametrize("name", ["100%", "b%41", "c?x=1", "a#1"])
def test_names_that_mean_something_in_a_uri(name: str, tmp_path: Path) -> None:
    bag = write_bag2(tmp_path / "bag", frames=5).rename(tmp_path / name)
    alone = Path(shutil.copy(bag / "bag.db3", tmp_path / f"{name}.db3"))
    for path in (bag, alone):
        with open_source(path) as log:
            assert read(log.frames_at([0.4])[0].image) == 4


@pytest.mark.parametrize("alone", [False, True], ids=["folder", "db3 alone"])
def test_topic_of_two_types(alone: bool, tmp_path: Path) -> None:
    made = {"sensor_msgs/msg/CompressedImage": compressed, "sensor_msgs/msg/Image": raw}
    bag = tmp_path / "bag"
    with rosbag2.Writer(bag, version=9) as writer:
        connections = {kind: writer.add_connection("/cam", kind, typestore=types) for kind in made}
        for i in range(10):
            kind = list(made)[i % 2]
            stamp = START + i * STEP
            writer.write(connections[kind], stamp, types.serialize_cdr(made[kind](i, stamp), kind))
    with open_source(next(bag.glob("*.db3")) if alone else bag) as log:
        assert len(log.times()) == 10
        assert [read(frame.image) for frame in log.frames_at([i / 10 for i in range(10)])] == list(range(10))
