"""Eight questions on every window of some drives: `leo-drive annotate`'s run against the plain loop.

    python -m benchmarks.annotate [--model nano] [--logs 12] [--questions 8] [--every 1] [--runs 3]

The plain loop opens a log, samples a window, and generates once a question, encoding the frames each time.
Both sides answer the same questions about the same frames with the same weights, greedily, in turn. Prints
medians and their ratios, for windows alone and for several that share a batch. The run's time has everything
in it: starting its decoder, the manifest, the table on disk. With `--every 0.6` windows share four of five
frames, which a batch encodes once; with 1 they share none.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

import leo_drive
from benchmarks.ask_many import QUESTIONS, plain
from leo_drive.annotation.job import Asking, Job
from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import Question, QuestionSet
from leo_drive.annotation.run import annotate
from leo_drive.annotation.table import Table
from leo_drive.annotation.windows import windows_every
from leo_drive.clips.discovery import LogEntry, find_logs
from leo_drive.data.synthetic import write_dataset
from leo_drive.inference import Leo

Answers = dict[tuple[str, float, str], str]


def by_plain_loop(leo: Leo, logs: list[LogEntry], questions: list[str], cutting: Cutting) -> Answers:
    """Open, sample, one `generate` a question."""
    answers: Answers = {}
    for entry in logs:
        with entry.open() as source:
            span = (source.duration, source.last_time, source.rate)
            windows = windows_every(*span, cutting.every, cutting.seconds, cutting.frames)
        for window in windows:
            for question in questions:
                with entry.open() as source:
                    clip = source.clip(at=window.times[-1], seconds=cutting.seconds, frames=cutting.frames)
                answers[entry.name, window.start, question] = plain(leo, clip, [question])[0]
    return answers


def by_run(leo: Leo, logs: list[LogEntry], job: Job) -> Answers:
    """The run, table and all."""
    with tempfile.TemporaryDirectory() as out:
        annotate(leo, logs, job, out)
        rows = Table(out).rows()
    keys = zip(rows["log"], rows["start_s"], rows["question"], strict=True)
    return dict(zip(keys, rows["answer"], strict=True))


def main(
    model: Annotated[str, typer.Option(help="An embedded model, a folder or a hub id.")] = "nano",
    logs: Annotated[int, typer.Option(help="Generated drives of about five seconds.", min=1)] = 12,
    questions: Annotated[int, typer.Option(help="A window.", min=1, max=10)] = 8,
    every: Annotated[float, typer.Option(help="Seconds from window to window.", min=0.1)] = 1.0,
    runs: Annotated[int, typer.Option(help="Of each side, in turn.", min=1)] = 3,
    batches: Annotated[str, typer.Option(help="Windows that share a batch, several numbers.")] = "1,4,8",
) -> None:
    """Print the ratios."""
    sizes = [int(size) for size in batches.split(",")]
    leo = leo_drive.load(model)
    asked = list(QUESTIONS[:questions])
    set_ = QuestionSet(
        questions=tuple(Question(id=f"q{i}", text=text, kind="free") for i, text in enumerate(asked)),
        name="ten",
    )
    cutting = Cutting(every=every, seconds=3.0, frames=5)
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder) / "drives", logs, size=(640, 360), video=True, workers=1)
        found = find_logs([Path(folder) / "drives" / "videos"])
        times: dict[str, list[float]] = {"plain": [], **{f"batch {size}": [] for size in sizes}}
        for _ in range(runs):
            start = time.perf_counter()
            expected = by_plain_loop(leo, found, asked, cutting)
            times["plain"].append(time.perf_counter() - start)
            for size in sizes:
                job = Job(set_, cutting, Asking(), model, "0", "float32", batch=size)
                start = time.perf_counter()
                answers = by_run(leo, found, job)
                times[f"batch {size}"].append(time.perf_counter() - start)
                if answers != expected:
                    wrong = [key for key in expected if answers.get(key) != expected[key]]
                    raise SystemExit(f"{len(wrong)} of {len(expected)} answers differ, first {wrong[0]}")
    windows = len(expected) // questions
    print(
        f"{windows} windows of {logs} drives, {questions} questions, {leo.name}, same answers, of {runs} runs"
    )
    slow = statistics.median(times["plain"])
    for side, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{side:10} {middle:8.2f} s {len(expected) / middle:8.1f} answers/s  x {slow / middle:.1f}")


if __name__ == "__main__":
    typer.run(main)
