"""Checkpoints and a command line for the tests of `leo-drive build`."""

import sys
from pathlib import Path

import pytest

from leo_drive import cli
from tests.building.checkpoints import write_internvl, write_sam


@pytest.fixture(scope="session")
def internvl(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("internvl")
    write_internvl(folder)
    return folder


@pytest.fixture(scope="session")
def sam(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sam")
    write_sam(folder)
    return folder


@pytest.fixture
def build(monkeypatch, capsys):
    """Run `leo-drive build` in this process: (exit status, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["leo-drive", "build", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
