"""The command line: leo-drive ask | evaluate | synth | doctor."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from leo_drive.errors import InputError, LeoDriveError
from leo_drive.terminal import complain, out, print_answers, print_json, progress, spinner

app = typer.Typer(
    name="leo-drive",
    help="Ask a dashcam: driving video through LEO, and out as answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="An embedded model (nano), a model folder, or a hub id.")
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps ...; a GPU if there is one.")]
DtypeOption = Annotated[
    str | None, typer.Option(help="float32, bfloat16 or float16; bfloat16 on a GPU, float32 elsewhere.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command(
    epilog="Examples:\n\n"
    'leo-drive ask drive.mp4 "Is there a vehicle ahead?"\n\n'
    'leo-drive ask drive.mp4 "Is it raining?" "Why are we stopping?" --at 12 --seconds 5 --frames 5\n\n'
    'leo-drive ask frames/ "What should the driver do?" --json'
)
def ask(
    video: Annotated[
        Path,
        typer.Argument(metavar="VIDEO", help="A video, an image, or a folder of images.", show_default=False),
    ],
    questions: Annotated[
        list[str], typer.Argument(metavar="QUESTION...", help="One question or several.", show_default=False)
    ],
    at: Annotated[
        float | None, typer.Option(help="Time of the last frame, in seconds; the end by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How far back the frames reach.")] = 5.0,
    frames: Annotated[
        int | None, typer.Option(help="How many frames; as the model was trained by default.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Which camera, where a source has several.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.", min=1)] = 64,
    model: ModelOption = "nano",
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer questions about a moment of a drive."""
    from leo_drive.clips import open_source

    # The clip first: a wrong path should not wait for a model to load.
    with open_source(video) as source:
        if frames is None:
            frames = _trained_frames(model)
        clip = source.clip(at=at, seconds=seconds, frames=frames, camera=camera)
    for question in questions:
        if not question.strip():
            raise InputError("the question is empty; ask something, for example: What should the driver do?")
    with spinner(f"loading {model}"):
        from leo_drive.inference import load

        leo = load(model, device=device, dtype=dtype)
    with spinner("answering"):
        answers = leo.ask(clip, questions, max_new_tokens=max_tokens)
    if as_json:
        print_json(
            [{**a.as_dict(), "source": str(video), "camera": clip.camera, "model": model} for a in answers]
        )
        return
    print_answers(f"{video}, frames at {', '.join(f'{t:.1f}' for t in clip.timestamps)} s", answers)


@app.command(
    epilog="Examples:\n\n"
    "leo-drive synth --out drives --clips 100\n\n"
    "leo-drive synth --out val --clips 50 --seed 1 --split val --video"
)
def synth(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; it must not hold a data set yet.")],
    clips: Annotated[int, typer.Option(help="How many clips of five frames.", min=1)],
    seed: Annotated[int, typer.Option(help="The same seed gives the same drives.")] = 0,
    split: Annotated[str, typer.Option(help="Name of the table: train or val.")] = "train",
    width: Annotated[int, typer.Option(help="Of the frames, in pixels.", min=64)] = 640,
    height: Annotated[int, typer.Option(help="Of the frames, in pixels.", min=36)] = 360,
    video: Annotated[bool, typer.Option("--video", help="Also write every clip as mp4.")] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Also write label maps, for dense supervision.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that draw.", min=1)] = os.cpu_count() or 1,
) -> None:
    """Draw labelled dashcam clips in LingoQA's layout, with questions whose answers are true."""
    from leo_drive.data.synthetic import write_dataset

    with progress("drawing clips") as update:
        write_dataset(
            out_dir,
            clips,
            seed=seed,
            size=(width, height),
            video=video,
            labels=labels,
            workers=workers,
            split=split,
            progress=update,
        )
    out.print(f"{clips} clips in {out_dir}", highlight=False, markup=False)


evaluate = typer.Typer(help="Measure a model.", no_args_is_help=True)
app.add_typer(evaluate, name="evaluate")


@evaluate.command(
    "lingoqa",
    epilog="Example:\n\nleo-drive evaluate lingoqa --root val_part --model nano --out runs/nano-val",
)
def evaluate_lingoqa(
    root: Annotated[Path, typer.Option(help="A LingoQA part: the folder with val.parquet or train.parquet.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for predictions.csv and report.json.")],
    model: ModelOption = "nano",
    blind: Annotated[bool, typer.Option(help="Also answer from grey frames, for the blind baseline.")] = True,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer every question of a LingoQA part and score the closed ones."""
    from leo_drive.evaluation.lingoqa import evaluate_part
    from leo_drive.evaluation.report import print_report
    from leo_drive.inference import load

    with spinner(f"loading {model}"):
        leo = load(model, device=device, dtype=dtype)
    with progress("answering") as update:
        report = evaluate_part(leo, root, out_dir, blind=blind, progress=update)
    if as_json:
        print_json(report)
    else:
        print_report(report, out)
        out.print(f"predictions.csv and report.json in {out_dir}", highlight=False, markup=False)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Show versions, devices, codecs and models found, what is missing and how to get it."""
    from leo_drive.doctor import diagnose, print_diagnosis

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis)
    else:
        print_diagnosis(diagnosis, out)


def _trained_frames(model: str) -> int:
    """The number of frames the model was trained with, read without loading it."""
    from leo_drive.inference.load import configured_frames

    return configured_frames(model)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"leo-drive: {record.getMessage()}"


def main() -> None:
    """Entry point: the user's mistakes and the world's become one line and an exit status."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    logging.getLogger("leo_drive").addHandler(handler)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        app(standalone_mode=True)
    except LeoDriveError as error:
        complain(str(error))
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing to say, and nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except PermissionError as error:
        complain(f"{error.filename}: no permission; choose another place or change its permissions")
        sys.exit(2)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
