"""Does `leo-drive annotate` keep its memory over a long night? 20,000 windows of short logs.

    python -m benchmarks.annotate_memory [--windows 20000] [--model nano]

Prints the memory of the run and of its decoder, in megabytes, as windows go by, and how much it grew after
the first thousand.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import psutil
import typer

import leo_drive
from benchmarks.crash import make_logs
from leo_drive.annotation.job import Asking, Job
from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import Question, QuestionSet
from leo_drive.annotation.run import annotate
from leo_drive.annotation.tally import Tally
from leo_drive.clips.discovery import find_logs

WARM = 1000
"""Windows after which memory is to stay."""

_SECONDS, _EVERY = 40, 0.2
"""Of a log, and from one window to the next: 200 windows a log."""


def links_to(videos: Path, folder: Path, logs: int) -> Path:
    """A folder of so many logs, made of a few videos under many names."""
    folder.mkdir()
    originals = sorted(videos.glob("log*.mp4"))
    for number in range(logs):
        os.link(originals[number % len(originals)], folder / f"drive{number:05d}.mp4")
    return folder


def main(
    windows: Annotated[int, typer.Option(help="To ask about.", min=2 * WARM)] = 20_000,
    model: Annotated[str, typer.Option(help="An embedded model, a folder or a hub id.")] = "nano",
) -> None:
    """Print the memory as windows go by."""
    leo = leo_drive.load(model)
    cutting = Cutting(every=_EVERY, seconds=_EVERY, frames=1)
    question = Question(id="vehicle", text="Is there a vehicle ahead?", kind="yes_no")
    job = Job(QuestionSet(questions=(question,)), cutting, Asking(4), model, "0", "float32")
    process, sizes = psutil.Process(), dict[int, float]()

    def look(tally: Tally) -> None:
        mark = tally.windows // WARM * WARM
        if mark not in sizes:
            family = [process, *process.children(recursive=True)]
            sizes[mark] = sum(member.memory_info().rss for member in family) / 1e6
            print(f"{mark:7d} windows  {sizes[mark]:7.0f} MB  {tally.seconds:6.0f} s", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        videos = make_logs(Path(folder) / "videos", 4, seconds=_SECONDS)
        logs = links_to(videos, Path(folder) / "logs", round(windows * _EVERY / _SECONDS))
        tally = annotate(leo, find_logs([logs]), job, Path(folder) / "out", progress=look)
    grown = max(size for mark, size in sizes.items() if mark >= WARM) - sizes[WARM]
    print(f"{tally.windows} windows, {tally.failed} failed; grew by {grown:.0f} MB after the first {WARM}")


if __name__ == "__main__":
    typer.run(main)
