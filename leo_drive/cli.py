"""The command line: leo-drive ask | annotate | annotations | build | evaluate | synth | doctor."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leo_drive import __version__
from leo_drive.annotation.command import ANNOTATE_EXAMPLES, annotate
from leo_drive.annotation.look import LOOK_EXAMPLES, look
from leo_drive.building.command import build
from leo_drive.errors import InputError
from leo_drive.evaluation.command import evaluate
from leo_drive.models import unlearned_note
from leo_drive.terminal import (
    complain,
    named_path,
    out,
    print_answers,
    print_json,
    progress,
    run_command,
    spinner,
)

if TYPE_CHECKING:
    from leo_drive.clips import Source

app = typer.Typer(
    name="leo-drive",
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


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"leo-drive {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Ask a dashcam: driving video through LEO, and out as answers."""


@app.command(
    epilog="Examples:\n\n"
    'leo-drive ask drive.mp4 "Is there a vehicle ahead?"\n\n'
    'leo-drive ask drive.mp4 "Is it raining?" "Why are we stopping?" --at 12 --seconds 5 --frames 5\n\n'
    'leo-drive ask frames/ "What should the driver do?" --json\n\n'
    'leo-drive ask drive.mcap "Is there a cyclist?" --camera front --camera left --at 12'
)
def ask(
    video: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO",
            parser=named_path,
            help="A video, images, an MCAP file, a ROS bag, nuScenes with --scene, LingoQA with --segment.",
            show_default=False,
        ),
    ],
    questions: Annotated[
        list[str], typer.Argument(metavar="QUESTION...", help="One question or several.", show_default=False)
    ],
    at: Annotated[
        float | None, typer.Option(help="Time of the last frame, in seconds; the end by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How far back the frames reach.")] = 5.0,
    frames: Annotated[
        int | None,
        typer.Option(help="How many frames; by default as the model was trained, or as many as there are."),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="Which camera, where a source has several. Repeat it to show several at once."),
    ] = None,
    segment: Annotated[str | None, typer.Option(help="Which segment of a LingoQA part.")] = None,
    scene: Annotated[str | None, typer.Option(help="Which scene of nuScenes.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Images a second, where their names do not tell.")
    ] = None,
    sweeps: Annotated[
        bool, typer.Option("--sweeps", help="nuScenes' frames between key frames too.")
    ] = False,
    policy: Annotated[
        Literal["equal", "last_frame_first"],
        typer.Option(help="Tiles for every frame alike, or one for each and the rest for the last."),
    ] = "equal",
    max_tiles: Annotated[
        int | None, typer.Option(help="Most tiles of all frames; the model's own bound by default.", min=1)
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.", min=1)] = 64,
    max_tokens: Annotated[int | None, typer.Option(hidden=True, min=1)] = None,
    model: ModelOption = "nano",
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer questions about a moment of a drive."""
    from leo_drive.clips import open_source, together

    max_new_tokens = max_tokens or max_new_tokens  # --max-tokens in earlier versions
    cameras: list[str | None] = [*camera] if camera else [None]
    options = {"segment": segment, "scene": scene, "sweeps": sweeps or None, "rate": rate}
    _check_questions(questions)
    # The clip first: a wrong path should not wait for a model to load.
    with spinner(f"reading {video}"), open_source(video, **options) as source:
        if frames is None:
            frames, seconds = _default_frames(source, model, at, seconds)
            frames = max(1, frames // len(cameras))
        clips = [source.clip(at=at, seconds=seconds, frames=frames, camera=name) for name in cameras]
        clip = clips[0] if len(clips) == 1 else together(clips)
    if note := unlearned_note(model, questions):
        complain(note, "")
    with spinner(f"loading {model}"):
        from leo_drive.inference import load

        leo = load(model, device=device, dtype=dtype)
    with spinner("answering"):
        answers = leo.ask(clip, questions, max_new_tokens=max_new_tokens, policy=policy, max_tiles=max_tiles)
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
    out_dir: Annotated[
        Path,
        typer.Option("--out", parser=named_path, help="Folder to write; it must not hold a data set yet."),
    ],
    clips: Annotated[int, typer.Option(help="How many clips of five frames.", min=1)],
    seed: Annotated[int, typer.Option(help="The same seed gives the same drives.")] = 0,
    split: Annotated[Literal["train", "val"], typer.Option(help="Name of the table.")] = "train",
    width: Annotated[int, typer.Option(help="Of the frames, in pixels.", min=64)] = 640,
    height: Annotated[int, typer.Option(help="Of the frames, in pixels.", min=64)] = 360,
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
    out.print(f"{clips} clips in {out_dir}")


app.command(
    epilog="Examples:\n\n"
    "leo-drive build --preset leo-8b --out models/leo-8b\n\n"
    "leo-drive build --internvl InternVL2-8B/ --sam sam_vit_l_0b3195.pth --out models/leo-8b"
)(build)


app.command(epilog=ANNOTATE_EXAMPLES)(annotate)
app.command("annotations", epilog=LOOK_EXAMPLES)(look)


app.add_typer(evaluate, name="evaluate")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Show versions, devices, codecs and models found, what is missing and how to get it."""
    from leo_drive.doctor import diagnose, print_diagnosis

    with spinner("looking around"):
        diagnosis = diagnose()
    if as_json:
        print_json(diagnosis)
    else:
        print_diagnosis(diagnosis, out)
    if diagnosis["problems"]:
        raise typer.Exit(1)


def _check_questions(questions: list[str]) -> None:
    """Raise InputError for an empty question, and for one that a shell took apart."""
    for question in questions:
        if not question.strip():
            raise InputError("the question is empty; ask something, for example: What should the driver do?")
    words = [re.fullmatch(r"[A-Za-z']+", question) for question in questions[:-1]]
    if words and all(words) and not re.search(r"\s", questions[-1]):
        raise InputError(
            f'{len(questions)} questions of a word each; put a question in quotes: "{" ".join(questions)}"'
        )


def _default_frames(source: Source, model: str, at: float | None, seconds: float) -> tuple[int, float]:
    """How many frames to take, and from how many seconds, when the user does not say.

    As many as the model was trained with, but no more than the recording has there: a frame shown twice would
    pretend to be a moment that nobody filmed.
    """
    from leo_drive.inference.load import configured_frames

    trained = configured_frames(model)
    # In this order min and max pass over what is not a number; clip() refuses it.
    last = source.last_time if at is None else max(0.0, min(source.last_time, at))
    span = min(last + 1 / source.rate, seconds)
    # A hundredth of a frame: rates are averages.
    there = max(1, math.floor(span * source.rate + 0.01))
    return (trained, seconds) if there >= trained else (there, min(seconds, span))


def main() -> None:
    """Entry point."""
    run_command(app, "leo-drive")


if __name__ == "__main__":
    main()
