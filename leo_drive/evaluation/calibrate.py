"""Fit a model's temperature on held-out questions, and store it with the model."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from leo_drive.data.example import Example
from leo_drive.data.kinds import infer_kinds
from leo_drive.data.lingoqa import part_table, read_lingoqa
from leo_drive.errors import InputError, LeoDriveError
from leo_drive.evaluation import MAX_NEW_TOKENS
from leo_drive.evaluation.answering import (
    Progress,
    answer_examples,
    asked_once,
    check_pictures,
)
from leo_drive.evaluation.calibration import (
    FOLDS,
    fit_temperature,
    held_out_temperatures,
    reliability,
    reliability_figure,
)
from leo_drive.evaluation.partial import kept_answers, what_answers_depend_on
from leo_drive.evaluation.report import write_json
from leo_drive.evaluation.table import question_table
from leo_drive.files import write
from leo_drive.inference import Leo

PARTIAL = "calibration.partial.jsonl"
REPORT, PLOT = "calibration.json", "calibration.png"
# Below what six digits of a confidence can tell.
_LEAST = 5e-7
# Temperatures nearer than this are the same: confidences have six digits.
_SAME = 1e-3


def calibrate_model(leo: Leo, part: Path, out_dir: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Answer a part's closed questions and fit a temperature to which answers are right.

    Args:
        leo: the model; its own temperature stays as it is.
        part: folder with val.parquet or train.parquet, not what the model was trained on.
        progress: called with clips done and all.

    Returns:
        What is written to `calibration.json`: temperature and temperature_before; before and after, each as
        `leo_drive.evaluation.calibration.reliability` has it. "After" is measured with, for each fifth of the
        clips, the temperature that was fitted on the other four; the one that is kept was fitted on all.

    Raises:
        InputError: the part cannot be read, pictures are missing, it has too few closed questions, or all
            answers are right or wrong.
    """
    closed = [_closed_alone(asked_once(example)) for example in infer_kinds(read_lingoqa(part))]
    examples = [example for example in closed if example.conversations]
    if len(examples) < FOLDS:
        raise InputError(
            f"{part}: {len(examples)} clips with closed questions, calibration needs {FOLDS} at the least; "
            f"give a larger part"
        )
    check_pictures(examples, str(part), out_dir)
    with kept_answers(out_dir / PARTIAL, what_answers_depend_on(leo, examples, MAX_NEW_TOKENS)) as kept:
        source = part_table(part).absolute().parent.name
        answers = answer_examples(leo, examples, {"calibration": lambda clip: clip}, kept, source, progress)
        table = question_table(examples, answers["calibration"])
        right = [bool(value) for value in table["correct"]]
        given = [float(value) for value in table["confidence"]]
        before = leo.model.config.confidence_temperature
        logs = [before * math.log(max(value, _LEAST)) for value in given]
        try:
            temperature = fit_temperature(logs, right)
            others = held_out_temperatures(logs, right, [int(i) for i in table["segment_id"].factorize()[0]])
        except ValueError as error:
            raise InputError(f"{part}: {error}: no temperature can be fitted; give another part") from None
        report: dict[str, Any] = {
            "model": leo.name,
            "part": str(part),
            "clips": len(examples),
            "questions": len(table),
            "temperature": temperature,
            "temperature_before": before,
            "before": reliability(given, right),
            "after": reliability([math.exp(m / t) for m, t in zip(logs, others, strict=True)], right),
        }
        reliability_figure({n: report[n] for n in ("before", "after")}).savefig(out_dir / PLOT, dpi=110)
        write_json(out_dir / REPORT, report)
    return report


def store_temperature(folder: Path, report: dict[str, Any]) -> bool:
    """Write the temperature into a model folder's config.json, and what it was fitted on into its card.

    Where the model has it already, from the same answers as a rule, both stay as they are.

    Args:
        report: what `calibrate_model` gives.

    Returns:
        Whether anything was written.

    Raises:
        LeoDriveError: confidence would mean less than it did; nothing is written.
    """
    if math.isclose(report["temperature"], report["temperature_before"], rel_tol=_SAME):
        return False
    before, after = (report[name]["ece"] for name in ("before", "after"))
    if after > before:
        raise LeoDriveError(
            f"{folder}: the temperature is not stored: with it the calibration error on clips held out from "
            f"the fit would be {after:.4f}, without it is {before:.4f}; give a larger part, or "
            f"leave the model as it is"
        )
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {folder.name}\n"
    before, after = report["before"], report["after"]
    part = Path(report["part"]).name
    said = (
        f"## Confidence\n\n"
        f"Calibrated with `leo-drive evaluate calibrate`: temperature {report['temperature']:.3f}, from "
        f"{report['questions']} closed\nquestions about {report['clips']} clips of `{part}`. Expected "
        f"calibration error {after['ece']:.3f} on clips held out\nfrom the fit; before it was "
        f"{before['ece']:.3f}.\n"
    )
    without = re.sub(r"\n*^## Confidence\n.*?(?=^## |\Z)", "\n\n", text, flags=re.M | re.S)
    write(card, f"{without.rstrip()}\n\n{said}")
    # Last: stopped before, it is fitted and stored again.
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["confidence_temperature"] = report["temperature"]
    write(path, json.dumps(config, indent=2) + "\n")
    return True


def _closed_alone(example: Example) -> Example:
    closed = (c for c in example.conversations if all(qa.choices and qa.value is not None for qa in c))
    return replace(example, conversations=tuple(closed))
