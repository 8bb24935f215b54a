"""Checkpoints and a command line for the tests of `leo-drive build`."""

from pathlib import Path

import pytest

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
def build(run):
    """Run `leo-drive build` in this process: (exit status, standard output, standard error)."""
    return lambda *arguments: run("build", *arguments)
