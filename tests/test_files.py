"""Folders to write to."""

import pytest

from leo_drive.errors import InputError
from leo_drive.files import writable_folder


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    assert list(writable_folder(tmp_path / "a" / "b").iterdir()) == []


def test_a_full_disk_is_found_before_the_work(monkeypatch, tmp_path):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    with pytest.raises(InputError, match=r"cannot write here \(No space left on device\)"):
        writable_folder(tmp_path)
