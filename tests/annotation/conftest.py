"""A tiny model in a folder, small videos, and the command line in this process."""

import shutil
import sys
from pathlib import Path

import pytest

from leo_drive import cli
from leo_drive.annotation.table import Table
from tests.clips import numbered
from tests.model.tiny import tiny_leo

QUESTIONS = """
questions:
  - {id: vehicle, text: "Is there a vehicle ahead?", kind: yes_no}
  - {id: action, text: "What should the driver do?", kind: free}
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    network, processor = tiny_leo(tied=False)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    """Three videos of 6, 8 and 10 seconds at 10 frames a second, every frame with its number."""
    folder = tmp_path_factory.mktemp("videos")
    for i in range(3):
        numbered.write(folder / f"d{i}.mp4", numbered.Kind(frames=60 + 20 * i))
    return folder


@pytest.fixture
def logs(videos, tmp_path) -> Path:
    return Path(shutil.copytree(videos, tmp_path / "logs"))


@pytest.fixture
def questions(tmp_path) -> Path:
    path = tmp_path / "questions.yaml"
    path.write_text(QUESTIONS)
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process: (exit status, standard output, standard error)."""

    def run_main(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["leo-drive", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_main


@pytest.fixture
def annotate(run, logs, questions, model, tmp_path):
    """Run `leo-drive annotate` into tmp_path/out with windows of 2 seconds and 2 frames."""

    def go(*more: object, where: Path = logs) -> tuple[int, str, str]:
        small = ("--every", 2, "--seconds", 2, "--frames", 2, "--max-tokens", 6)
        places = (where, "--questions", questions, "--out", tmp_path / "out", "--model", model)
        return run("annotate", *places, *small, *more)

    return go


@pytest.fixture
def rows(tmp_path):
    """The table in tmp_path/out, without what the clock decides."""
    return lambda where=None: Table(tmp_path / "out").rows(where).drop(columns="seconds")
