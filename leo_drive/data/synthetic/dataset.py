"""Writing generated drives to disk: a data set in LingoQA's layout, label maps, videos."""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2

from leo_drive.data.synthetic.balance import Balance
from leo_drive.data.synthetic.clips import clip_of
from leo_drive.data.synthetic.questions import Question
from leo_drive.data.synthetic.render import render
from leo_drive.data.synthetic.sampling import sample_drive
from leo_drive.data.synthetic.world import Drive
from leo_drive.data.tables import PartTables
from leo_drive.errors import InputError, LeoDriveError
from leo_drive.files import replacing, writable_folder

JPEG_QUALITY = 92
MOST_FRAMES = 9
"""Of a clip: two a second."""


@dataclass(frozen=True)
class _Job:
    out: str
    split: str
    seed: int
    index: int
    size: tuple[int, int]
    video: bool
    labels: bool
    frames: int

    @property
    def segment(self) -> str:
        return f"synthetic-{self.seed}-{self.split}-{self.index:06d}"


def drive_seed(seed: int, split: str, index: int) -> int:
    """The seed of one drive of a data set; no two splits share one."""
    return int.from_bytes(hashlib.blake2s(f"{seed}/{split}/{index}".encode()).digest()[:6], "big")


def _make(job: _Job) -> list[Question]:
    """Write one segment's files and return all its questions. Runs in worker processes."""
    cv2.setNumThreads(1)
    drive = sample_drive(drive_seed(job.seed, job.split, job.index))
    made = clip_of(drive, job.size, job.frames)
    folder = Path(job.out) / "images" / job.split / job.segment
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(made.rendered):
        _, data = cv2.imencode(".jpg", frame.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        (folder / f"{i}.jpg").write_bytes(data.tobytes())
    if job.labels:
        maps = Path(job.out) / "labels" / job.split / job.segment
        maps.mkdir(parents=True, exist_ok=True)
        for i, label in enumerate(made.labels):
            (maps / f"{i}.png").write_bytes(cv2.imencode(".png", label)[1].tobytes())
    if job.video:
        write_video(drive, Path(job.out) / "videos" / f"{job.segment}.mp4", size=job.size)
    return made.questions


def write_dataset(
    out: Path,
    clips: int,
    seed: int = 0,
    size: tuple[int, int] = (640, 360),
    video: bool = False,
    labels: bool = False,
    workers: int = 1,
    split: str = "train",
    frames: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a data set of generated drives in LingoQA's layout; the same bytes for the same arguments.

    Under `out`: `{split}.parquet` (question_id, segment_id, images, question, answer),
    `{split}_kinds.parquet` (question_id, kind, subject, value, choices),
    `images/{split}/SEGMENT/0.jpg` to `4.jpg`, and if asked for `labels/{split}/SEGMENT/0.png` (classes as in
    LABELS) and `videos/SEGMENT.mp4`. The tables come last, so a data set with its table is whole.

    Args:
        out: the folder.
        clips: how many drives.
        seed: which ones; splits of one seed never share a drive.
        size: width and height, pixels.
        frames: of each clip, as `frame_times` has them; fewer than five serve pretraining on single frames.
        workers: processes; they change nothing but the time it takes.
        progress: called with (clips done, clips in all).

    Returns:
        The path of `{split}.parquet`.

    Raises:
        InputError: there is one already, the folder cannot be written to, or an argument makes no sense.
        LeoDriveError: a process that draws was killed.
    """
    out = Path(out)
    if clips < 1 or workers < 1 or min(size) < 64 or not 1 <= frames <= MOST_FRAMES:
        raise InputError(
            f"{out}: needs at least 1 clip, 1 worker and 64 pixels a side, and 1 to {MOST_FRAMES} frames; "
            f"got {clips} clips, {workers} workers, {size[0]}x{size[1]} pixels, {frames} frames"
        )
    if video:
        _check_video_size(out, size)
    if not split.isidentifier():
        raise InputError(f"{out}: the split's name must be a plain word, got {split!r}")
    writable_folder(out)
    for path in (out / f"{split}.parquet", out / f"{split}_kinds.parquet"):
        if path.exists():
            raise InputError(f"{path}: there is a data set already; choose another folder or remove it")
    jobs = [_Job(str(out), split, seed, i, tuple(size), video, labels, frames) for i in range(clips)]  # type: ignore[arg-type]
    balance, tables = Balance(), PartTables()
    # Closed at once when interrupted, not when the garbage collector comes by: processes run in it.
    with closing(_run(jobs, workers)) as made:
        for done, (job, questions) in enumerate(zip(jobs, made, strict=True), start=1):
            images = [f"images/{split}/{job.segment}/{i}.jpg" for i in range(frames)]
            for number, question in enumerate(questions):
                if balance.take(question):
                    tables.add(f"{job.segment}-{number:02d}", job.segment, images, question)
            if progress is not None:
                progress(done, clips)
    return tables.write(out, split)


def _run(jobs: list[_Job], workers: int) -> Generator[list[Question], None, None]:
    """The questions of every job, in order, whatever the number of processes."""
    if workers == 1:
        yield from map(_make, jobs)
        return
    context = multiprocessing.get_context("spawn")
    others, started = set(multiprocessing.active_children()), set()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            with _interrupts_held():
                futures = [pool.submit(_make, job) for job in jobs]
                started = set(multiprocessing.active_children()) - others
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            raise LeoDriveError(
                f"{jobs[0].out}: a process that draws was killed, perhaps for want of memory; "
                f"run it again with fewer workers than {workers}"
            ) from None
        finally:
            # Whatever ended this early need not wait for drives that nobody will use.
            for process in started:
                process.terminate()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the end of the block, and for good in processes started in it: they inherit that.

    A terminal sends it to all of them, and each would print a traceback; ending them is their parent's task.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def write_video(
    drive: Drive,
    path: Path,
    seconds: float = 5.0,
    fps: int = 10,
    size: tuple[int, int] = (640, 360),
) -> Path:
    """Write a drive as H.264 in mp4, from 0 s on. Width and height must be even."""
    path = Path(path)
    _check_video_size(path, size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, av.open(str(unfinished), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "23", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        for i in range(round(seconds * fps)):
            picture = av.VideoFrame.from_ndarray(render(drive, i / fps, size).image, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def _check_video_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] % 2 or size[1] % 2:
        raise InputError(f"{path}: a video's width and height must be even, got {size[0]}x{size[1]}")
