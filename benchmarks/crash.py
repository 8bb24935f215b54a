"""Kill an annotation run again and again: the table must come out as if nothing had happened.

    python -m benchmarks.crash [--model nano] [--logs 8] [--kills 20] [--seed 0]

Runs `leo-drive annotate` once in peace, then into another folder with `kill -9` at random moments, each time
going on, and compares the two tables row for row.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import pandas as pd
import typer

from leo_drive.annotation.table import Table

QUESTIONS = """
questions:
  - {id: vehicle, text: "Is there a vehicle ahead?", kind: yes_no}
  - {id: count, text: "How many pedestrians can you see?", kind: number}
  - {id: far, text: "Is it far?", kind: yes_no, ask_if: {vehicle: yes}}
  - {id: action, text: "What should the driver do?", kind: free}
"""


def make_logs(folder: Path, logs: int, seconds: int = 30, seed: int = 0) -> Path:
    """Small videos of coloured noise at 5 frames a second, and an empty one that fails."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for number in range(logs):
        with av.open(str(folder / f"log{number:03d}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for _ in range(seconds * 5):
                small = generator.integers(0, 255, (4, 6, 3), dtype=np.uint8)
                picture = np.kron(small, np.ones((16, 16, 1), np.uint8))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    (folder / "empty.mp4").touch()
    return folder


def command(logs: Path, questions: Path, out: Path, model: str) -> list[str]:
    """The run that is killed: small windows and small parts, so that there is much to lose."""
    options = {"--every": 3, "--seconds": 3, "--frames": 2, "--max-new-tokens": 8, "--part-rows": 20}
    words = [word for option, value in options.items() for word in (option, str(value))]
    start = [sys.executable, "-m", "leo_drive.cli", "annotate", str(logs)]
    return [*start, "--questions", str(questions), "--out", str(out), "--model", model, *words]


def rows_of(out: Path) -> pd.DataFrame:
    """The table without what the clock decides."""
    return Table(out).rows().drop(columns="seconds")


def start(words: list[str]) -> subprocess.Popen:
    """A run in a process of its own."""
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    """Wait for its end.

    Raises:
        SystemExit: it failed.
    """
    _, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run failed: {err[-2000:]}")


def kill_at(process: subprocess.Popen, out: Path, seconds: float) -> bool:
    """Kill a run so many seconds after it has begun to work; False if it had ended before."""
    owner = out / ".owner"
    while process.poll() is None:
        if owner.is_file() and f"process {process.pid} " in owner.read_text():
            break
        time.sleep(0.01)
    time.sleep(seconds)
    if process.poll() is not None:
        finish(process)
        return False
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return True


def crash(
    folder: Path,
    model: str,
    logs: int,
    kills: int,
    seed: int,
    start: Callable[[list[str]], subprocess.Popen] = start,
) -> tuple[int, int]:
    """Do it all in a folder; returns (rows of the table, runs that were killed).

    Args:
        folder: an empty one.
        model: as in `leo_drive.load`.
        logs, kills: how many.
        seed: of when they are killed.
        start: what starts a run.

    Raises:
        SystemExit: the tables differ, or a run fails.
    """
    random_ = random.Random(seed)
    questions = folder / "questions.yaml"
    questions.write_text(QUESTIONS)
    videos = make_logs(folder / "logs", logs)
    peaceful, stormy = folder / "peaceful", folder / "stormy"
    finish(start(command(videos, questions, peaceful, model)))
    expected = rows_of(peaceful)
    words = command(videos, questions, stormy, model)
    # Each life gets a small share of the work, so that there is some left for the last one.
    took = json.loads((peaceful / "manifest.json").read_text())["runs"][-1]["seconds"]
    killed = sum(
        kill_at(start(words), stormy, random_.uniform(0, 2 * took / max(2, kills))) for _ in range(kills)
    )
    finish(start(words))
    found = rows_of(stormy)
    if found.duplicated(["log", "camera", "window_index", "question_id"]).any():
        raise SystemExit("rows are there twice")
    pd.testing.assert_frame_equal(found, expected)
    return len(found), killed


def main(
    model: Annotated[str, typer.Option(help="An embedded model, a folder or a hub id.")] = "nano",
    logs: Annotated[int, typer.Option(help="Videos of half a minute.", min=1)] = 8,
    kills: Annotated[int, typer.Option(help="Runs that are killed.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
) -> None:
    """Print how many rows were compared."""
    with tempfile.TemporaryDirectory() as folder:
        rows, killed = crash(Path(folder), model, logs, kills, seed)
    print(f"{rows} rows equal, {killed} runs killed, {kills - killed} had ended before")


if __name__ == "__main__":
    typer.run(main)
