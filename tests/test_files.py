"""Folders to write to, and files that are never half there."""

from pathlib import Path

import pytest

from leo_drive.errors import InputError
from leo_drive.files import replacing, require_room, writable_folder


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    assert list(writable_folder(tmp_path / "a" / "b").iterdir()) == []


def test_a_full_disk_is_found_before_the_work(monkeypatch, tmp_path):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    with pytest.raises(InputError, match=r"cannot write here \(No space left on device\)"):
        writable_folder(tmp_path)


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    path = tmp_path / "report.md"
    path.write_text("earlier")
    with pytest.raises(ZeroDivisionError), replacing(path) as unfinished:
        unfinished.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "earlier"
    with replacing(path) as unfinished:
        unfinished.write_text("whole")
        assert path.read_text() == "earlier"
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_what_does_not_fit_the_disk_is_refused_also_for_a_folder_not_yet_there(tmp_path):
    place = tmp_path / "not" / "there"
    require_room(place, 1, "the model", "choose another disk")
    with pytest.raises(InputError, match=r"there: the model takes 900 TB.* are free; choose another disk"):
        require_room(place, 9e14, "the model", "choose another disk")
    require_room(Path("here"), 1, "a relative path", "")
    assert not place.exists()
