"""Python processes of their own that start at once, forked from one that has imported what takes seconds.

To import PyTorch and transformers anew costs eight seconds of a core, and dozens of tests need a process of
their own: to kill it, or to have two of them. (What is told at Python's start is tested with `subprocess`.)
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

ROOT = Path(__file__).parents[1]
_PRELOADED = ("leo_drive.inference.load", "leo_drive.annotation.run", "training.train", "training.ablate")

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(_PRELOADED))


class Started:
    """A process under way; the methods are `subprocess.Popen`'s."""

    def __init__(self, words: Sequence[object], cwd: Path, env: Mapping[str, str]) -> None:
        self._said = Path(tempfile.mkdtemp(prefix="said-"))
        arguments = ([str(word) for word in words], str(cwd), dict(env), self._said)
        self._process = _server.Process(target=_be, args=arguments)
        path = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = str(ROOT)  # for the server, which begins with the first process
        try:
            self._process.start()
        finally:
            os.environ.pop("PYTHONPATH")
            os.environ.update({} if path is None else {"PYTHONPATH": path})
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    poll = returncode.fget

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired("a process", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = 240) -> tuple[str, str]:
        """What it said on standard output and standard error, when it has ended."""
        self.wait(timeout)
        out, err = ((self._said / name).read_text(errors="replace") for name in ("out", "err"))
        shutil.rmtree(self._said)
        return out, err


def start_process(words: Sequence[object], cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Started:
    """Start `python -m MODULE ...` or `python -c CODE ...`, given with the path of Python or without."""
    words = list(words)
    return Started(words[words[0] == sys.executable :], cwd, os.environ if env is None else env)


def run_process(words: Sequence[object]) -> CompletedProcess:
    """Start it and wait for its end."""
    process = start_process(words)
    said = process.communicate()
    return CompletedProcess(list(words), process.wait(), *said)


def run_ranks(words: Sequence[object], ranks: int = 2) -> list[CompletedProcess]:
    """Start a process a rank, as torchrun does, and wait for their end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = []
    for rank in range(ranks):
        settings = {**common, "RANK": rank, "LOCAL_RANK": rank, "DS_ACCELERATOR": "cpu"}
        processes.append(start_process(words, env={**os.environ, **{k: str(v) for k, v in settings.items()}}))
    said = [process.communicate() for process in processes]
    return [CompletedProcess(list(words), p.wait(), *s) for p, s in zip(processes, said, strict=True)]


def _be(words: list[str], cwd: str, env: dict[str, str], said: Path) -> None:
    """What the forked process does: it becomes `python words`."""
    for number, name in ((1, "out"), (2, "err")):
        with (said / name).open("wb") as file:
            os.dup2(file.fileno(), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = cwd
    option, what, *arguments = words
    sys.argv = [what if option == "-m" else option, *arguments]
    try:
        if option == "-m":
            warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()
