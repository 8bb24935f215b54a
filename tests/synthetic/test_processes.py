"""Drawing in several processes, when it does not come to its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def drawing(folder: Path) -> subprocess.Popen:
    """A synth that is under way: its first clip is there."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "leo_drive.cli", "synth", "--out", str(folder), "--clips", "1000"),
            *("--workers", "2", "--width", "96", "--height", "64"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("images/*/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def test_ctrl_c_ends_synth_with_one_line(tmp_path):
    process = drawing(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    assert process.communicate(timeout=60) == ("", "leo-drive: interrupted\n") and process.returncode == 130


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes in /proc")
def test_a_killed_process_of_synth_is_one_line(tmp_path):
    process = drawing(tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    drawers = [c for c in children if "spawn_main" in Path(f"/proc/{c}/cmdline").read_text()]
    os.kill(int(drawers[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and len(err.splitlines()) == 1
    assert "a process that draws was killed" in err
