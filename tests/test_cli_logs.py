"""`leo-drive ask` on logs with several cameras, from a shell."""

import json
from pathlib import Path

import pytest

from tests.clips.recorded import write_mcap


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mcap(tmp_path_factory.mktemp("logs") / "log.mcap")


@pytest.fixture
def ask(run, log):
    return lambda *options: run("ask", log, "What?", "--at", 2, "--json", *options)


@pytest.mark.parametrize(
    ("cameras", "frames", "called", "times"),
    [(["left"], "2", "left", [1.0, 2.0]), (["left", "front"], "1", "left+front", [2.0, 2.0])],
)
def test_cameras(ask, cameras: list[str], frames: str, called: str, times: list[float]) -> None:
    named = [word for camera in cameras for word in ("--camera", camera)]
    status, out, _ = ask(*named, "--frames", frames, "--seconds", "2", "--max-new-tokens", "4")
    (answer,) = json.loads(out)
    assert status == 0 and answer["camera"] == called and answer["timestamps"] == times


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--camera", "rear"], "no camera 'rear'; there is front, left"),
        (["--scene", "scene-0061"], "scene does not apply to a log in MCAP; it takes camera"),
        (["--camera", "left", "--camera", "left"], "a camera twice among left, left"),
    ],
)
def test_refused(ask, options: list[str], says: str) -> None:
    status, out, err = ask(*options, "--seconds", "1")
    assert status == 2 and says in err
    assert err.count("\n") == 1 and not out
