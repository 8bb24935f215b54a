"""New folders that fill whole or not at all: a built model's, and an export's."""

import subprocess
import sys
from pathlib import Path

import pytest

from leo_drive.errors import InputError
from leo_drive.files import filling


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_come_when_all_are_made_and_the_one_named_comes_last(tmp_path, monkeypatch):
    moved = []
    plain = Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, to: moved.append(path.name) or plain(path, to))
    with filling(tmp_path / "new" / "part", last="b") as folder:
        for name in "bca":
            (folder / name).write_text(name)
        assert not {"a", "b", "c"} & set(names(tmp_path / "new" / "part"))
    assert names(tmp_path / "new" / "part") == ["a", "b", "c"] == sorted(moved) and moved[-1] == "b"


def test_a_block_that_fails_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(ZeroDivisionError), filling(tmp_path / name, last="b") as folder:
            (folder / "a").write_text("half")
            _ = 1 / 0
    assert names(tmp_path) == ["empty"] and not names(tmp_path / "empty")


def test_what_is_in_use_is_refused(tmp_path):
    def refused(folder, reason):
        with pytest.raises(InputError, match=reason), filling(folder, last="b"):
            pass

    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file", "file: cannot write here")
    with filling(tmp_path / "part", last="b") as folder:
        for name in "abc":
            (folder / name).write_text(name)
        refused(tmp_path / "part", "another run is writing here")
    refused(tmp_path / "part", "part: already holds b; choose a new or an empty folder")
    assert names(tmp_path / "part") == ["a", "b", "c"]


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_what_was_killed_is_filled_anew(tmp_path, signal):
    code = f"""
import os, signal, sys
from pathlib import Path
from leo_drive.files import filling
with filling(Path(sys.argv[1]), "b") as folder:
    (folder / "a").write_text("half")
    os.kill(os.getpid(), signal.{signal})
"""
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "part"])
    assert killed.returncode < 0 and names(tmp_path / "part")
    with filling(tmp_path / "part", last="b") as folder:
        (folder / "b").write_text("whole")
    assert names(tmp_path / "part") == ["b"]
