"""What a night can bring: kills, full disks, hangs, crashes, damage, a second run, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.crash import command, crash, make_logs
from benchmarks.mutate import unaccounted, write_mutants
from leo_drive.annotation.job import Asking, Job
from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import read_questions
from leo_drive.annotation.run import annotate as run_annotate
from leo_drive.annotation.store import Store
from leo_drive.annotation.table import Table
from leo_drive.annotation.tally import Tally
from leo_drive.clips.discovery import find_logs
from leo_drive.errors import InputError
from leo_drive.files import locked
from leo_drive.inference import Leo
from tests.annotation.hostile import Crashing, Hanging
from tests.model.tiny import tiny_leo
from tests.processes import start_process


@pytest.fixture(scope="module")
def leo() -> Leo:
    return Leo(*tiny_leo(tied=False))


@pytest.fixture
def job(questions):
    def make(**options) -> Job:
        cutting = Cutting(every=2, seconds=2, frames=2)
        return Job(read_questions(questions), cutting, Asking(4), "tiny", "0", "float32", **options)

    return make


def test_kill_9_loses_nothing_and_doubles_nothing(model, tmp_path):
    rows, killed = crash(tmp_path, str(model), logs=6, kills=3, seed=1, start=start_process)
    assert rows == 6 * 10 * 4 + 4 and killed


def test_a_log_that_hangs_or_crashes_is_given_up(leo, job, videos, tmp_path):
    good = find_logs([videos])
    logs = [Hanging("hangs", Path("a")), good[0], Crashing("crashes", Path("b")), *good[1:]]
    start = time.monotonic()
    tally = run_annotate(leo, logs, job(time_limit=8), tmp_path / "out")
    assert time.monotonic() - start < 200
    assert (tally.logs_done, tally.failed, tally.answers) == (3, 4, 24) and tally.complete
    errors = Table(tmp_path / "out").rows("status = 'failed'").groupby("log")["error"].first()
    assert "gave nothing for 8 s" in errors["hangs"] and "died (status -11)" in errors["crashes"]
    assert not [p for p in psutil.Process().children(recursive=True) if "annotation.decoder" in p.cmdline()]


def test_a_decoder_ends_with_a_run_that_is_killed(model, tmp_path):
    logs = make_logs(tmp_path / "logs", 4)
    (tmp_path / "q.yaml").write_text('questions:\n  - {id: a, text: "What?", kind: free}\n')
    words = command(logs, tmp_path / "q.yaml", tmp_path / "out", str(model))
    process = start_process(words)
    children: list[psutil.Process] = []
    while not children and process.poll() is None:
        children = psutil.Process(process.pid).children()
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert children
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_second_run_into_the_folder_is_refused(annotate, tmp_path):
    (tmp_path / "out").mkdir()
    code = (
        "import sys, time; from pathlib import Path; from leo_drive.files import locked\n"
        "with locked(Path(sys.argv[1])): print('locked', flush=True); time.sleep(100)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        status, _, err = annotate()
        assert status == 2 and f"another run is writing here (process {other.pid} on " in err
        assert len(err.splitlines()) == 1 and not Store(tmp_path / "out").parts()
    finally:
        other.kill()
        other.wait()
    # Killed, it has left its files behind, but no lock.
    assert (tmp_path / "out" / ".owner").is_file()
    assert annotate()[0] == 0


def test_the_lock_keeps_out_the_same_process_too(tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="another run"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_full_disk_stops_in_one_line_and_goes_on_with_room(
    annotate, run, rows, logs, questions, model, tmp_path
):
    disk = tmp_path / "out"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        status, _, err = annotate("--part-rows", 2, "--batch", 1)
        assert status == 1 and "the disk is full" in err and len(err.splitlines()) == 1, err
        assert not list(disk.rglob("*.unfinished"))
        kept = len(Table(disk).rows())
        assert 0 < kept < 24
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert annotate("--part-rows", 2, "--batch", 1)[0] == 0
        assert len(rows()) == 24 and not rows().duplicated(["log", "window_index", "question_id"]).any()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_ctrl_c_keeps_what_is_answered_and_says_how_to_go_on(run, model, tmp_path):
    logs = make_logs(tmp_path / "logs", 12)
    (tmp_path / "q.yaml").write_text('questions:\n  - {id: a, text: "What?", kind: free}\n')
    words = command(logs, tmp_path / "q.yaml", tmp_path / "out", str(model))
    process = start_process(words)
    while process.poll() is None and not Store(tmp_path / "out").parts():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130 and "Traceback" not in err
    assert "the same command goes on from there" in err and "of 13 logs done" in out
    kept = len(Table(tmp_path / "out").rows())
    assert 0 < kept < 12 * 10 + 1
    status, out, _ = run(*words[words.index("annotate") :], "--json")
    assert status == 0 and json.loads(out)["complete"] and len(Table(tmp_path / "out").rows()) == 121


def test_stopping_keeps_whole_batches(leo, job, videos, tmp_path):
    stop = threading.Event()
    tally = run_annotate(
        leo, find_logs([videos]), job(batch=2), tmp_path, progress=lambda tally: stop.set(), stop=stop
    )
    assert tally.windows == 2 and len(Table(tmp_path).rows()) == 4


def test_stopping_does_not_wait_for_a_log_that_hangs(leo, job, videos, tmp_path):
    stop, start = threading.Event(), time.monotonic()

    def progress(tally: Tally) -> None:
        if tally.windows == 12:
            threading.Timer(2, stop.set).start()

    logs = [*find_logs([videos]), Hanging("hangs", Path("a"))]
    tally = run_annotate(leo, logs, job(time_limit=300, batch=2), tmp_path, progress=progress, stop=stop)
    assert time.monotonic() - start < 200
    assert (tally.logs_done, tally.windows) == (3, 12) and len(Table(tmp_path).rows()) == 24


def test_damaged_videos_are_all_accounted_for(annotate, videos, tmp_path):
    names = write_mutants(tmp_path / "mutants", sorted(videos.glob("*.mp4")), 40, seed=7)
    questions = tmp_path / "one.yaml"
    questions.write_text('questions:\n  - {id: a, text: "What?", kind: free}\n')
    status, _, err = annotate("--questions", questions, "--time-limit", 20, where=tmp_path / "mutants")
    assert status == 0, err
    assert unaccounted(tmp_path / "out", names) == []
    statuses = Table(tmp_path / "out").summary()["statuses"]
    assert statuses["ok"] > 10 and statuses["failed"] > 3, "damage that is never felt proves nothing"


def test_a_damaged_part_is_named_with_the_cure(annotate, rows, tmp_path):
    annotate()
    part = Store(tmp_path / "out").parts()[0]
    part.write_bytes(part.read_bytes()[:-20])
    status, _, err = annotate()
    assert status == 2 and str(part) in err and "remove it" in err and len(err.splitlines()) == 1
    part.unlink()
    assert annotate()[0] == 0 and len(rows()) == 24


def test_memory_stays_flat(leo, job, tmp_path):
    """A few hundred windows after the first hundred: less than their frames would take, were they kept."""
    logs = find_logs([make_logs(tmp_path / "logs", 24, seconds=40)])
    process, sizes = psutil.Process(os.getpid()), {}
    run_annotate(
        leo,
        logs,
        job(part_rows=50),
        tmp_path / "out",
        progress=lambda tally: sizes.update({tally.windows: process.memory_info().rss}),
    )
    assert max(sizes) == 480
    after = min(n for n in sizes if n >= 150)
    assert sizes[480] - sizes[after] < 12 * 1024**2
