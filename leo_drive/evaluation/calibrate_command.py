"""The command `leo-drive evaluate calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leo_drive.errors import InputError
from leo_drive.files import writable_folder
from leo_drive.terminal import named_path, out, print_json, progress, spinner

CALIBRATE_EXAMPLES = (
    "Examples:\n\n"
    "leo-drive evaluate calibrate --model runs/mine/model --root held_out --out runs/mine/calibration\n\n"
    "leo-drive evaluate calibrate --model nano --root held_out --out calibration --no-write"
)


def calibrate(
    root: Annotated[
        Path,
        typer.Option(
            parser=named_path, help="A LingoQA part with closed questions that the model was not trained on."
        ),
    ],
    out_dir: Annotated[
        Path,
        typer.Option("--out", parser=named_path, help="Folder for calibration.json and calibration.png."),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model folder; its config.json and README.md are written.")
    ],
    write: Annotated[bool, typer.Option(help="Store the temperature in the model's folder.")] = True,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps ...")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Make a model's confidence mean what it says.

    Answers a part's closed questions, fits the temperature with which confidence best predicts which answers
    are right, and stores it with the model, unless confidence would mean less than it did. Run again after it
    was stopped, it goes on where it was.
    """
    from leo_drive.data.lingoqa import read_part

    folder = _folder_to_write(model) if write else None
    writable_folder(out_dir)
    with spinner(f"reading {root}"):
        read_part(root)
    with spinner(f"loading {model}"):
        from leo_drive.evaluation.calibrate import PLOT, REPORT, calibrate_model, store_temperature
        from leo_drive.inference import load

        leo = load(model, device=device, dtype=dtype)
    with progress("answering") as update:
        report = calibrate_model(leo, root, out_dir, update)
    if as_json:
        print_json(report)
    else:
        _print(report)
        out.print(f"{REPORT} and {PLOT} in {out_dir}")
    done = "not stored, because of --no-write"
    if folder is not None:
        # After the numbers, which say why, where this refuses.
        stored = store_temperature(folder, report)
        done = f"stored in {folder / 'config.json'}" if stored else f"{folder}: has this temperature already"
    if not as_json:
        out.print(done)


def _print(report: dict[str, Any]) -> None:
    before, after = report["before"], report["after"]
    out.print(
        f"{report['model']} on {report['part']}: {report['questions']} closed questions about "
        f"{report['clips']} clips, {before['accuracy']:.1%} right\n"
        f"temperature {report['temperature']:.3f}, was {report['temperature_before']:.3f}\n"
        f"expected calibration error {after['ece']:.3f}, was {before['ece']:.3f} (each fifth of the clips "
        f"with the temperature of the others)"
    )
    for row in before["coverage"][1::2]:
        out.print(f"the most confident {row['coverage']:.0%} of answers: {row['accuracy']:.1%} right")


def _folder_to_write(model: str) -> Path:
    """The folder that is calibrated; nobody writes into the package, or on a hub, without saying so."""
    from leo_drive.models import embedded_models

    if model in embedded_models():
        raise InputError(
            f"model {model}: it comes with the package and is not changed; give the path of a copy of its "
            f"folder, or --no-write to measure only"
        )
    if not (Path(model) / "config.json").is_file():
        raise InputError(
            f"model {model}: no model folder to store a temperature in; give one, or --no-write to measure "
            f"only"
        )
    return writable_folder(model)
