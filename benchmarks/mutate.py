"""Damaged videos: bytes flipped, cut out, spliced; none may crash or hang a run, or go missing in its table.

python -m benchmarks.mutate [--videos 500] [--seed 0] [--model nano]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import av
import typer

from benchmarks.crash import make_logs
from leo_drive.annotation.table import Table

QUESTIONS = 'questions:\n  - {id: vehicle, text: "Is there a vehicle ahead?", kind: yes_no}\n'


def mutate(data: bytes, other: bytes, generator: random.Random) -> bytes:
    """A file with damage in one to eight places, mostly in few."""
    damaged = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 3, 8))):
        size = len(damaged)
        if size < 64:
            break
        at, length = generator.randrange(size), generator.randrange(1, max(2, size // 8))
        kind = generator.choice(("flip", "noise", "zero", "cut", "truncate", "splice", "repeat"))
        if kind == "flip":
            for _ in range(generator.randint(1, 40)):
                damaged[generator.randrange(size)] ^= 1 << generator.randrange(8)
        elif kind == "noise":
            damaged[at : at + length] = generator.randbytes(length)
        elif kind == "zero":
            damaged[at : at + length] = bytes(length)
        elif kind == "cut":
            del damaged[at : at + length]
        elif kind == "truncate":
            del damaged[at:]
        elif kind == "splice":
            start = generator.randrange(len(other))
            damaged[at:at] = other[start : start + length]
        else:
            damaged[at:at] = damaged[at : at + length]
    return bytes(damaged)


def write_mutants(folder: Path, originals: list[Path], count: int, seed: int) -> list[str]:
    """Write them, and return their names."""
    folder.mkdir(parents=True)
    contents = [(path.read_bytes(), path.suffix) for path in originals]
    names = []
    for number in range(count):
        generator = random.Random(seed * 100_000 + number)
        (data, suffix), (other, _) = generator.choice(contents), generator.choice(contents)
        names.append(f"m{number:04d}{suffix}")
        (folder / names[-1]).write_bytes(mutate(data, other, generator))
    return names


def remuxed(video: Path, suffix: str) -> Path:
    """The same pictures in another container; an MP4 gets its index first, where it outlives later damage."""
    path = video.with_suffix(suffix)
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(video)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


def unaccounted(out: Path, names: list[str]) -> list[str]:
    """Which videos lack a row, or a row for a window that they are said to have."""
    rows = Table(out).rows()
    wrong = [name for name in names if name not in set(rows["log"])]
    for log, of_log in rows.groupby("log"):
        whole = of_log["window_index"].isna().all() and len(of_log) == 1
        if not whole and len(of_log) != of_log["log_windows"].iloc[0]:
            wrong.append(str(log))
    return wrong


def main(
    videos: Annotated[int, typer.Option(help="How many.", min=1)] = 500,
    seed: Annotated[int, typer.Option(help="Of the damage.")] = 0,
    model: Annotated[str, typer.Option(help="An embedded model, a folder or a hub id.")] = "nano",
) -> None:
    """Print what became of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = sorted(make_logs(folder / "originals", 4, seconds=6).glob("log*.mp4"))
        originals += [remuxed(path, suffix) for path in originals for suffix in (".mkv", ".ts", ".first.mp4")]
        names = write_mutants(folder / "mutants", originals, videos, seed)
        (folder / "questions.yaml").write_text(QUESTIONS)
        start = time.perf_counter()
        words = ["annotate", str(folder / "mutants"), "--questions", str(folder / "questions.yaml")]
        words += ["--out", str(folder / "out"), "--model", model, "--time-limit", "20", "--frames", "2"]
        status = subprocess.run([sys.executable, "-m", "leo_drive.cli", *words]).returncode
        took = time.perf_counter() - start
        if status or (wrong := unaccounted(folder / "out", names)):
            raise SystemExit(f"status {status}, not accounted for: {wrong}")
        table = Table(folder / "out")
        for what, where in (
            ("with answers only", "bool_and(status = 'ok')"),
            ("with some failed windows", "bool_or(status = 'ok') AND bool_or(status = 'failed')"),
            ("failed", "bool_and(status = 'failed')"),
            ("given up after the time limit", "bool_or(error LIKE '%gave nothing for%')"),
            ("that killed their decoder", "bool_or(error LIKE '%that decoded it died%')"),
        ):
            logs = f"log IN (SELECT log FROM annotations GROUP BY log HAVING {where})"
            print(f"{table.rows(logs)['log'].nunique():5d} {what}")
        print(f"{videos} videos, all accounted for, {took:.0f} s")


if __name__ == "__main__":
    typer.run(main)
