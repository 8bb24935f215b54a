"""The commands `leo-drive evaluate lingoqa | drivelm | compare | calibrate`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leo_drive.errors import InputError, LeoDriveError
from leo_drive.evaluation import DRIVELM, LINGOQA, MAX_NEW_TOKENS, MAX_NEW_TOKENS_DRIVELM
from leo_drive.evaluation.calibrate_command import CALIBRATE_EXAMPLES, calibrate
from leo_drive.terminal import complain, named_path, out, print_json, progress, spinner

if TYPE_CHECKING:
    from leo_drive.evaluation.judge import LingoJudge
    from leo_drive.evaluation.lingoqa import Extra

evaluate = typer.Typer(help="Measure a model.", no_args_is_help=True)

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="An embedded model (nano), a model folder, or a hub id.")
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps ...; a GPU if there is one.")]
DtypeOption = Annotated[
    str | None, typer.Option(help="float32, bfloat16 or float16; bfloat16 on a GPU, float32 elsewhere.")
]
BlindOption = Annotated[bool, typer.Option(help="Also answer from grey frames, for the blind baseline.")]
LengthOption = Annotated[
    int, typer.Option("--max-new-tokens", help="Most tokens of an answer, its end included.", min=1)
]
OutOption = Annotated[
    Path,
    typer.Option("--out", parser=named_path, help="Folder for the answers, report.json and report.html."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

NO_JUDGE = "none"
_OF_A_MODEL = ("model", "dtype", "blind", "max_new_tokens", "corrupt", "consistency")
"""Options that mean nothing where the answers are there already."""
_FILES = "predictions.csv, questions.csv, report.json and report.html"


@evaluate.command(
    "lingoqa",
    epilog="Examples:\n\n"
    "leo-drive evaluate lingoqa --root val_part --model nano --out runs/nano-val\n\n"
    "leo-drive evaluate lingoqa --root val_part --out runs/nano-val --judge judges/Lingo-Judge\n\n"
    "leo-drive evaluate lingoqa --root val_part --out runs/nano-val --corrupt fog,night --consistency\n\n"
    "leo-drive evaluate lingoqa --root val_part --predictions predictions.csv --out runs/theirs",
)
def evaluate_lingoqa(
    context: typer.Context,
    root: Annotated[
        Path,
        typer.Option(parser=named_path, help="A LingoQA part: the folder with val.parquet or train.parquet."),
    ],
    out_dir: OutOption,
    model: ModelOption = "nano",
    predictions: Annotated[
        Path | None,
        typer.Option(
            parser=named_path,
            help="Score these answers (question_id, segment_id, answer) instead of a model's.",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Lingo-Judge: a folder or a hub id; wayveai/Lingo-Judge when it can be had, or none.",
            show_default=False,
        ),
    ] = None,
    judge_device: Annotated[
        str | None, typer.Option(help="Where the judge runs; as --device.", show_default=False)
    ] = None,
    judge_batch: Annotated[int, typer.Option(help="Texts judged at once.", min=1)] = 32,
    blind: BlindOption = True,
    corrupt: Annotated[
        str | None,
        typer.Option(
            help="Also answer on clips made worse, at three strengths, and on last frames alone: some of "
            "blank,noise,motion_blur,fog,rain,night,jpeg,dropped,shuffled, or all.",
            show_default=False,
        ),
    ] = None,
    consistency: Annotated[
        bool, typer.Option("--consistency", help="Also ask paraphrased and negated questions of every clip.")
    ] = False,
    max_new_tokens: LengthOption = MAX_NEW_TOKENS,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer every question of a LingoQA part and score the answers.

    Run again after it was stopped, it goes on where it was.
    """
    from leo_drive.data.lingoqa import read_part
    from leo_drive.evaluation.extras import Confidence, Consistency, Robustness, print_extras
    from leo_drive.evaluation.report import folder_for, print_report

    # All that can be wrong before the model loads.
    if predictions is not None:
        from leo_drive.evaluation.lingoqa import RESULTS
        from leo_drive.evaluation.predictions import check_apart

        _check_needs_no_model(context)
        check_apart(predictions, out_dir, RESULTS)
    folder_for(out_dir, LINGOQA)
    with spinner(f"reading {root}"):
        read_part(root)
    if predictions is not None:
        from leo_drive.evaluation.predictions import read_predictions

        read_predictions(predictions)
    judged_by, no_judge = _judge(judge, judge_device or device, judge_batch)
    extras: list[Extra] = [Confidence()]
    how: dict[str, Any] = {
        "judge": judged_by,
        "no_judge": no_judge,
        "extras": extras,
        "command": _command(),
    }
    if predictions is None:
        if corrupt is not None:
            extras.append(Robustness.of(root, corrupt, judged=judged_by is not None))
        if consistency:
            extras.append(Consistency())
        with spinner(f"loading {model}"):
            from leo_drive.evaluation.lingoqa import evaluate_part
            from leo_drive.inference import load

            leo = load(model, device=device, dtype=dtype)
        with progress("answering, then judging" if judged_by else "answering") as update:
            report = evaluate_part(leo, root, out_dir, blind, update, **how, max_new_tokens=max_new_tokens)
    else:
        from leo_drive.evaluation.lingoqa import evaluate_predictions

        with progress("judging" if judged_by else "scoring") as update:
            report = evaluate_predictions(root, predictions, out_dir, **how, progress=update)
    if as_json:
        print_json(report)
    else:
        print_report(report, out)
        print_extras(report, out)
        out.print(f"{_FILES} in {out_dir}")


@evaluate.command(
    "drivelm",
    epilog="Examples:\n\n"
    "leo-drive evaluate drivelm --root drivelm_sample --model nano --out runs/drivelm\n\n"
    "leo-drive evaluate drivelm --root v1_1_val_nus_q_only.json --out runs/submission\n\n"
    "leo-drive evaluate drivelm --root test_eval.json --predictions output.json --out runs/theirs",
)
def evaluate_drivelm(
    context: typer.Context,
    root: Annotated[
        Path,
        typer.Option(
            parser=named_path,
            help="DriveLM's JSON file, or its folder; the challenge's test_eval.json as well.",
        ),
    ],
    out_dir: OutOption,
    model: ModelOption = "nano",
    predictions: Annotated[
        Path | None,
        typer.Option(parser=named_path, help="Score these answers (output.json) instead of a model's."),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="Which cameras are shown; repeat it. All six by default.", show_default=False),
    ] = None,
    nuscenes: Annotated[
        Path | None,
        typer.Option(
            parser=named_path,
            help="The folder or archive that holds samples/ or val_data/; by default beside the JSON file.",
        ),
    ] = None,
    blind: BlindOption = True,
    max_new_tokens: LengthOption = MAX_NEW_TOKENS_DRIVELM,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer the DriveLM challenge's questions, and score what can be scored without ChatGPT.

    Run again after it was stopped, it goes on where it was.
    """
    from leo_drive.evaluation.calibration import in_a_line
    from leo_drive.evaluation.challenge import read_challenge
    from leo_drive.evaluation.challenge_stages import print_stages
    from leo_drive.evaluation.report import folder_for, print_scores

    if predictions is not None:
        _check_needs_no_model(context)
    folder_for(out_dir, DRIVELM)
    with spinner(f"reading {root}"):
        challenge = read_challenge(root, nuscenes, camera)
    if predictions is None:
        with spinner(f"loading {model}"):
            from leo_drive.evaluation.drivelm import evaluate_challenge
            from leo_drive.inference import load

            leo = load(model, device=device, dtype=dtype)
        with progress("answering") as update:
            report = evaluate_challenge(leo, challenge, out_dir, blind, update, _command(), max_new_tokens)
    else:
        from leo_drive.evaluation.drivelm import score_challenge

        with spinner("scoring"):
            report = score_challenge(challenge, predictions, out_dir, _command())
    if as_json:
        print_json(report)
    else:
        print_stages(report, out)
        print_scores(report, out)
        if found := report.get("confidence"):
            out.print(in_a_line(found))
        out.print(f"output.json, questions.csv, report.json and report.html in {out_dir}")


@evaluate.command(
    "compare",
    epilog="Example:\n\nleo-drive evaluate compare runs/before runs/after --out runs/after-before",
)
def evaluate_compare(
    a: Annotated[
        Path,
        typer.Argument(metavar="A", parser=named_path, help="An evaluation's folder.", show_default=False),
    ],
    b: Annotated[
        Path,
        typer.Argument(metavar="B", parser=named_path, help="Another, of the same part.", show_default=False),
    ],
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named_path,
            help="Folder for the comparison; B/compare by default.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether B is better than A: paired differences, McNemar's test, and the questions that changed."""
    from leo_drive.evaluation.compare import compare, print_comparison

    where = out_dir or b / "compare"
    with spinner("comparing"):
        found = compare(a, b, where, _command())
    if as_json:
        print_json(found)
    else:
        print_comparison(found, out)
        out.print(f"changed.csv, compare.json and compare.html in {where}")


evaluate.command("calibrate", epilog=CALIBRATE_EXAMPLES)(calibrate)


def _check_needs_no_model(context: typer.Context) -> None:
    """Raise InputError if an option was given that only a model could follow."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in _OF_A_MODEL
        # --no-blind asks for nothing, and gets it.
        if _was_given(context, name) and context.params[name] is not False
    ]
    if given:
        raise InputError(
            f"{' and '.join(given)}: needs a model, and --predictions has the answers already; leave out one "
            f"or the other"
        )


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _judge(name: str | None, device: str | None, batch: int) -> tuple[LingoJudge | None, str]:
    """The judge, or None and why there is none; only one that was asked for has to be there."""
    from leo_drive.evaluation.judge import LINGO_JUDGE, LingoJudge
    from leo_drive.inference.load import pick_device

    if name == NO_JUDGE:
        return None, "not asked for (--judge none)"
    pick_device(device)  # one that is not there is not the hub's fault
    try:
        with spinner(f"loading {name or LINGO_JUDGE}"):
            return LingoJudge(name or LINGO_JUDGE, device, batch), ""
    except LeoDriveError as error:
        if name is not None:
            raise
        complain(f"no Lingo-Judge score: {error}", "")
        return None, f"not measured: {error}"


def _command() -> str:
    return shlex.join(["leo-drive", *sys.argv[1:]])
