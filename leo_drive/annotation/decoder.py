"""A process that decodes logs, so that one which hangs or crashes takes nothing else with it.

A thread in FFmpeg cannot be stopped; a process can. It is this module, started anew, that talks through two
pipes: tasks in, messages out. A full pipe is what keeps it from running ahead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from multiprocessing.connection import Connection
from pathlib import Path

from leo_drive.annotation.log import Broken, Finished, Message, Task, cut_log

# Where this very package lies, even when it is not installed and the current folder is another.
_IMPORTED_FROM = [
    str(Path(__file__).parents[2]),
    *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)),
]


class Decoder:
    """Cuts logs in a process of its own, which starts with the first one and again after a failure.

    Args:
        time_limit: seconds that a log may take to be opened, and for each of its windows.
    """

    def __init__(self, time_limit: float = 120.0) -> None:
        self.time_limit = time_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._tasks: Connection | None = None
        self._messages: Connection | None = None

    def start(self) -> None:
        """Starts the process ahead of the first log, which then does not wait for it."""
        self._started()

    def cut(self, task: Task) -> Generator[Message, None, None]:
        """The messages of `leo_drive.annotation.log.cut_log`; a hang or a crash is a Broken at its end."""
        try:
            tasks, messages = self._started()
            tasks.send(task)
            while True:
                if not messages.poll(self.time_limit):
                    self.close()
                    yield Broken(
                        f"{task.entry.name}: gave nothing for {self.time_limit:g} s and was given up; "
                        f"allow more with --time-limit, or copy the file again"
                    )
                    return
                message = messages.recv()
                yield message
                if isinstance(message, Broken | Finished):
                    return
        except (EOFError, BrokenPipeError, ConnectionResetError):
            status = self._process.wait() if self._process else None
            self.close()
            yield Broken(f"{task.entry.name}: the process that decoded it died (status {status})")
        except GeneratorExit:
            self.close()  # half a log's messages are still in the pipe
            raise

    def kill(self) -> None:
        """Ends the process from another thread; whoever waits for it in `cut` gets a Broken."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for end in (self._tasks, self._messages):
            if end is not None:
                end.close()
        self._process = self._tasks = self._messages = None

    def _started(self) -> tuple[Connection, Connection]:
        if self._process is None or self._tasks is None or self._messages is None:
            # Not multiprocessing: it would import the caller's main module anew, and refuse where the caller
            # is a daemon, as workers of a pool are.
            task_read, task_write = os.pipe()
            message_read, message_write = os.pipe()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(task_read), str(message_write), str(os.getpid())],
                pass_fds=(task_read, message_write),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_IMPORTED_FROM)},
                start_new_session=True,  # Ctrl-C is for the run, which ends this when it is done
            )
            os.close(task_read)
            os.close(message_write)
            self._tasks = Connection(task_write, readable=False)
            self._messages = Connection(message_read, writable=False)
        return self._tasks, self._messages


def _serve(tasks: Connection, messages: Connection) -> None:
    while True:
        try:
            task = tasks.recv()
        except EOFError:
            return
        for message in cut_log(task):
            messages.send(message)


def _leave_with(parent: int) -> None:
    """A decoder that hangs in FFmpeg does not notice that the run was killed; this thread does."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_leave_with, args=(int(sys.argv[3]),), daemon=True).start()
    _serve(Connection(int(sys.argv[1]), writable=False), Connection(int(sys.argv[2]), readable=False))
