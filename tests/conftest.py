"""What several tests share."""

import os
import runpy
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

# Where tests run side by side, each takes one core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell has a job in the background ignore Ctrl-C, and so would every process that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests must pass without a network: no hub look-ups that would wait for one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from leo_drive import cli

ROOT = Path(__file__).parents[1]
WAITING = "viewer"
LONG = ("training", "annotation")
SHARED = ROOT.parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that none runs on alone at the end; the viewer's, which wait, evenly among all."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in sorted(items, key=lambda item: item.path.parent.name not in LONG):
        files.setdefault(item.path, []).append(item)
    kinds = [[f for f in files if (f.parent.name == WAITING) is waiting] for waiting in (True, False)]
    places = {file: (i + 0.5) / len(kind) for kind in kinds for i, file in enumerate(kind)}
    items[:] = [item for file in sorted(files, key=lambda file: places[file]) for item in files[file]]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and real footage beside the checkout, or a skip."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The reference implementation's values."""
    return shared / "golden"


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The folder of a model of a few thousand weights, which knows nothing."""
    from tests.model.tiny import tiny_leo  # PyTorch takes seconds, which tests without a model need not wait

    folder = tmp_path_factory.mktemp("tiny")
    network, processor = tiny_leo(tied=False)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def status_of(monkeypatch, capsys):
    """Run an entry point in this process: (exit status, standard output, standard error).

    A process of its own would take seconds to import PyTorch once more.
    """

    def go(entry: Callable[[], object], *words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        try:
            entry()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return go


@pytest.fixture
def run(status_of):
    """Run `leo-drive` with some arguments, as `status_of` does."""
    return lambda *arguments: status_of(cli.main, "leo-drive", *arguments)


@pytest.fixture
def run_module(status_of, monkeypatch):
    """Run `python -m MODULE` with some arguments from the repository's root, as `status_of` does."""

    def execute(module: str) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
            runpy.run_module(module, run_name="__main__", alter_sys=True)

    def go(module: str, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.chdir(ROOT)
        return status_of(lambda: execute(module), module, *arguments)

    return go
