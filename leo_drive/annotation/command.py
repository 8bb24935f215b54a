"""The command `leo-drive annotate`."""

from __future__ import annotations

import math
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leo_drive.errors import InputError
from leo_drive.files import writable_folder
from leo_drive.models import unlearned_note
from leo_drive.terminal import complain, named_path, out, print_json, spinner

if TYPE_CHECKING:
    from leo_drive.annotation.workers import Workers
    from leo_drive.inference import Leo

EVERY, SECONDS = 5.0, 5.0

ANNOTATE_EXAMPLES = (
    "Examples:\n\n"
    "leo-drive annotate fleet/ --questions hazards --out night\n\n"
    "leo-drive annotate a.mp4 b.mcap --questions mine.yaml --out night --every 10 --frames 5\n\n"
    "leo-drive annotate fleet/ --questions hazards --out night --retry-failed\n\n"
    "leo-drive annotate /nfs/fleet --questions hazards --out night --model models/leo-8b --ray auto"
)


def annotate(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOGS...",
            parser=named_path,
            help="Videos, folders of images, bags, data sets, and folders with any of these.",
            show_default=False,
        ),
    ],
    questions: Annotated[
        str,
        typer.Option("--questions", "-q", help="A question set: a YAML file, or a ready one by its name."),
    ],
    out_dir: Annotated[
        Path,
        typer.Option("--out", parser=named_path, help="Folder for the table; one that was stopped goes on."),
    ],
    every: Annotated[
        float | None, typer.Option(help="Seconds from window to window; the set's, or 5.", show_default=False)
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of a window; the set's, or 5.", show_default=False)
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help="Of a window; the set's, or as the model was trained.", min=1, show_default=False),
    ] = None,
    scenes: Annotated[bool, typer.Option("--scenes", help="A window a scene instead of --every.")] = False,
    skip_similar: Annotated[
        float | None,
        typer.Option(
            help="Pass over windows like the last one, to this mean difference in grey levels (0..255).",
            min=0,
        ),
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option(help="Which camera; again for more, each on its own; or all.")
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Show the cameras in one prompt, by their names.")
    ] = False,
    rate: Annotated[float | None, typer.Option(help="Images a second of folders of images.")] = None,
    sweeps: Annotated[
        bool, typer.Option("--sweeps", help="Of nuScenes, all images and not the key frames.")
    ] = False,
    model: Annotated[
        str, typer.Option("--model", "-m", help="An embedded model (nano), a model folder, or a hub id.")
    ] = "nano",
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps ...")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    policy: Annotated[
        Literal["equal", "last_frame_first"], typer.Option(help="How tiles are shared out between frames.")
    ] = "equal",
    max_tiles: Annotated[int | None, typer.Option(help="Most tiles of all frames.", min=1)] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.", min=1)] = 64,
    max_tokens: Annotated[int | None, typer.Option(hidden=True, min=1)] = None,
    batch: Annotated[int, typer.Option(help="Windows answered together.", min=1)] = 4,
    time_limit: Annotated[
        float, typer.Option(help="Seconds for opening a log, and for each of its windows.", min=1)
    ] = 120.0,
    part_rows: Annotated[int, typer.Option(help="Rows of the table that make a file.", min=1)] = 512,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Share the work out to a Ray cluster: auto (this machine's), HOST:PORT, or local.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="With --ray: models at work; as many as fit.", min=1, show_default=False),
    ] = None,
    worker_cpus: Annotated[
        float | None, typer.Option(help="With --ray: CPUs of each worker.", min=0.1, show_default=False)
    ] = None,
    worker_gpus: Annotated[
        float | None,
        typer.Option(
            help="With --ray: GPUs of each; 1 where there are any, 0.5 lets two share one.",
            min=0,
            show_default=False,
        ),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Ask only the questions that are new in the set.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again what failed, and logs that have changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Answer a set of questions about every window of every log, into a table.

    Run again after it was stopped, it goes on where it was. A log that fails does not end it; the exit status
    is 1 where all of them did.
    """
    from leo_drive.annotation.log import Cutting
    from leo_drive.annotation.questions import read_questions
    from leo_drive.clips.discovery import find_logs

    _check_positive("every", every)
    _check_positive("seconds", seconds)
    asked = read_questions(questions)
    opening: dict[str, Any] = {"rate": rate, "sweeps": sweeps or None}
    if ray is None and (workers, worker_cpus, worker_gpus) != (None, None, None):
        raise InputError("--workers, --worker-cpus and --worker-gpus are of a Ray cluster; give --ray too")
    if note := unlearned_note(model, [question.text for question in asked.questions]):
        complain(note, "")
    # All that can be wrong before the model loads.
    writable_folder(out_dir)
    with spinner("looking for logs"):
        found = find_logs(logs, **opening)
    with ExitStack() as stack:
        with spinner(f"loading {model}"):
            from leo_drive.annotation.job import Asking, Job, model_facts
            from leo_drive.annotation.progress import showing
            from leo_drive.annotation.report import write_report
            from leo_drive.annotation.run import annotate as run
            from leo_drive.inference import load
            from leo_drive.inference.load import configured_frames

            frames = frames or asked.frames or configured_frames(model)
            answering: Leo | Workers
            if ray is None:
                answering = load(model, device=device, dtype=dtype)
                facts = model_facts(answering)
            else:
                from leo_drive.annotation.cluster import Cluster

                pool = (workers, worker_cpus, worker_gpus)
                answering = stack.enter_context(Cluster(ray, model, device, dtype, *pool))
                facts = answering.facts()
        job = Job(
            questions=asked,
            cutting=Cutting(
                every=every or asked.every or EVERY,
                seconds=seconds or asked.seconds or SECONDS,
                frames=frames,
                scenes=scenes,
                skip_similar=skip_similar,
                cameras=tuple(camera or ()),
                together=together,
            ),
            asking=Asking(max_tokens or max_new_tokens, policy, max_tiles),  # --max-tokens earlier
            model=model,
            **facts,
            batch=batch,
            time_limit=time_limit,
            opening=opening,
            part_rows=part_rows,
        )
        command = shlex.join(["leo-drive", *sys.argv[1:]])
        with stopping() as stop, showing() as progress:
            tally = run(answering, found, job, out_dir, add, retry_failed, command, progress, stop)
    stopped = not tally.complete
    if not stopped:
        with spinner("writing the report"):
            write_report(out_dir)
    if as_json:
        print_json({**tally.as_dict(), "out": str(out_dir), "complete": not stopped})
    else:
        out.print(tally.line())
        if not stopped:
            out.print(f"table and report.html in {out_dir}")
    if line := tally.failed_line():
        complain(line)
    if line := tally.failed_before_line():
        complain(line, "")
    if stopped:
        complain(f"{out_dir}: stopped, everything answered is kept; the same command goes on from there", "")
        raise typer.Exit(130)
    if not tally.logs_done:
        raise typer.Exit(1)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C and the system's polite request to end set; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        complain("finishing the windows at hand; once more to stop at once", "")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise InputError(f"--{name}: must be a number above 0, got {value:g}")
