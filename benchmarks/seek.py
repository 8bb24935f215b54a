"""Five frames from minute 50 of an hour of 1080p: ours, OpenCV's seek, and decoding from the start.

    python -m benchmarks.seek [--minutes 60] [--height 1080] [--runs 3]

The hour is ten seconds of moving picture, encoded once (H.264, B-frames, a keyframe every two seconds)
and repeated with shifted timestamps, without encoding again; it is kept under build/. All sides do the
same work, in turn: open the file, five frames one second apart, as RGB arrays. Ours and OpenCV's run
`--runs` times, decoding from the start once, as it takes minutes; figures are medians of wall time.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from leo_drive.clips import VideoSource

RATE = 30
SEGMENT_FRAMES = 300
FRAMES = 5
MEMORY_LIMIT_MB = 300

console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60, help="length of the video")
    parser.add_argument("--height", type=int, default=1080, help="pixels; the width is 16/9 of it")
    parser.add_argument(
        "--runs", type=int, default=3, help="of ours and of OpenCV's; decoding from the start runs once"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("build/benchmarks"), help="where the video is kept"
    )
    parser.add_argument("--memory-of", nargs=FRAMES + 1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        ours(Path(arguments.memory_of[0]), [float(t) for t in arguments.memory_of[1:]])
        print(peak_memory_mb())
        return
    video = arguments.folder / f"hour_{arguments.minutes}min_{arguments.height}p.mp4"
    if not video.exists():
        write_hour(video, arguments.minutes, arguments.height)
    at = arguments.minutes * 60 * 5 / 6
    times = [at - i for i in reversed(range(FRAMES))]
    compare(video, times, arguments.runs)


def compare(video: Path, times: list[float], runs: int) -> None:
    """Runs the sides in turn and prints medians, ratios, whether the frames are the same, and memory."""
    size = video.stat().st_size / 1e6
    console.print(f"{video.name}: {size:.0f} MB, frames at {', '.join(f'{t:g}' for t in times)} s")
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, PyAV {av.__version__}, OpenCV {cv2.__version__}"
    )
    seconds: dict[str, list[float]] = {"ours": [], "OpenCV seek": [], "from the start": []}
    found: dict[str, list[np.ndarray]] = {}
    sides: dict[str, Callable[[Path, list[float]], list[np.ndarray]]] = {
        "ours": ours,
        "OpenCV seek": opencv_seek,
        "from the start": from_the_start,
    }
    for run in range(runs):
        for name, side in sides.items():
            if name == "from the start" and run > 0:
                continue
            began = time.perf_counter()
            found[name] = side(video, times)
            seconds[name].append(time.perf_counter() - began)
    fastest = median(seconds["ours"])
    table = Table("", "median", "runs", "against ours", "frames as ours")
    for name, taken in seconds.items():
        worst = max(difference(a, b) for a, b in zip(found[name], found["ours"], strict=True))
        same = "yes" if worst < 3 else f"NO, off by {worst:.1f} grey levels"
        table.add_row(
            name, f"{median(taken):.3f} s", str(len(taken)), f"{median(taken) / fastest:.1f} x", same
        )
    console.print(table)
    memory = memory_of_ours(video, times)
    verdict = "under" if memory < MEMORY_LIMIT_MB else "OVER"
    console.print(
        f"peak memory of our side in a process of its own: {memory:.0f} MB ({verdict} {MEMORY_LIMIT_MB} MB)"
    )


def ours(video: Path, times: list[float]) -> list[np.ndarray]:
    with VideoSource(video) as source:
        return [np.asarray(frame.image) for frame in source.frames_at(times)]


def opencv_seek(video: Path, times: list[float]) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    frames = []
    for wanted in times:
        capture.set(cv2.CAP_PROP_POS_MSEC, wanted * 1000)
        ok, bgr = capture.read()
        if not ok:
            raise RuntimeError(f"OpenCV reads no frame at {wanted} s")
        frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    capture.release()
    return frames


def from_the_start(video: Path, times: list[float]) -> list[np.ndarray]:
    frames: list[np.ndarray] = []
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            if frame.time >= times[len(frames)] - 1e-6:
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == len(times):
                    break
    return frames


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference in grey levels: between neighbouring frames far above that of two conversions."""
    grey_a, grey_b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.int16) for image in (a, b))
    return float(np.abs(grey_a - grey_b).mean())


def memory_of_ours(video: Path, times: list[float]) -> float:
    """Peak resident memory in MB of a fresh process that does nothing but our side's work."""
    command = [sys.executable, "-m", "benchmarks.seek", "--memory-of", str(video), *map(str, times)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_memory_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found.group(1)) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def write_hour(path: Path, minutes: int, height: int) -> None:
    """Encodes a segment and repeats its packets until the video is `minutes` long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    segment = path.with_name(f"segment_{height}p.mp4")
    _write_segment(segment, height)
    unfinished = path.with_suffix(".unfinished.mp4")
    with av.open(str(segment)) as source:
        picture = source.streams.video[0]
        tick = picture.time_base
        assert tick is not None
        packets = [
            (bytes(p), p.pts, p.dts, p.is_keyframe) for p in source.demux(picture) if p.dts is not None
        ]
        length = round(Fraction(SEGMENT_FRAMES, RATE) / tick)
        with av.open(str(unfinished), "w") as out:
            copy = out.add_stream_from_template(picture)
            for i in track(
                range(minutes * 60 * RATE // SEGMENT_FRAMES), "writing the video", console=console
            ):
                for data, pts, dts, is_keyframe in packets:
                    packet = av.Packet(data)
                    packet.stream, packet.time_base, packet.is_keyframe = copy, tick, is_keyframe
                    packet.pts, packet.dts = pts + i * length, dts + i * length
                    out.mux(packet)
    unfinished.rename(path)
    segment.unlink()


def _write_segment(path: Path, height: int) -> None:
    """A textured picture that scrolls as the view from a turning car does, with a vehicle crossing it."""
    width = height * 16 // 9 // 2 * 2
    random = np.random.default_rng(0)
    # Grey: OpenCV turns the colours of HD into RGB by the rule for SD, and that is not to compare here.
    coarse = random.integers(40, 200, (height // 20, width // 10), dtype=np.uint8)
    scenery = cv2.resize(coarse, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    options = {"preset": "veryfast", "crf": "28", "g": str(2 * RATE), "keyint_min": str(2 * RATE), "bf": "3"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={**options, "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in track(range(SEGMENT_FRAMES), "encoding ten seconds", console=console):
            image = np.roll(scenery, -6 * i, axis=1)[:, :width].copy()
            left = (width - height // 4) * i // SEGMENT_FRAMES
            image[height // 2 : height * 5 // 8, left : left + height // 4] = 30
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
