"""Small videos, questions, and `leo-drive annotate` in this process."""

import shutil
from pathlib import Path

import pytest

from leo_drive.annotation.table import Table
from tests.clips import numbered

QUESTIONS = """
questions:
  - {id: vehicle, text: "Is there a vehicle ahead?", kind: yes_no}
  - {id: action, text: "What should the driver do?", kind: free}
"""


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
def annotate(run, logs, questions, model, tmp_path):
    """Run `leo-drive annotate` into tmp_path/out with windows of 2 seconds and 2 frames."""

    def go(*more: object, where: Path = logs) -> tuple[int, str, str]:
        small = ("--every", 2, "--seconds", 2, "--frames", 2, "--max-new-tokens", 6)
        places = (where, "--questions", questions, "--out", tmp_path / "out", "--model", model)
        return run("annotate", *places, *small, *more)

    return go


@pytest.fixture
def rows(tmp_path):
    """The table in tmp_path/out, without what the clock decides."""
    return lambda where=None: Table(tmp_path / "out").rows(where).drop(columns="seconds")
