"""Draw, train and measure what an ablation needs, each thing once, whatever is already there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from leo_drive.data.example import Example
from leo_drive.data.kinds import infer_kinds
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.errors import InputError
from leo_drive.evaluation import MAX_NEW_TOKENS
from leo_drive.evaluation.answering import Show, answer_examples, asked_once, grey_clip
from leo_drive.evaluation.closed import score_table
from leo_drive.evaluation.partial import PARTIAL, kept_answers, what_answers_depend_on
from leo_drive.evaluation.report import write_json
from leo_drive.evaluation.table import QUESTIONS, question_table, to_csv
from leo_drive.files import replacing_folder, writable_folder, write
from leo_drive.inference import load
from leo_drive.inference.load import open_model
from leo_drive.model import LeoForConditionalGeneration
from leo_drive.terminal import out, progress
from training.ablate_plan import DATA, REAL
from training.ablate_study import Line, Study, Trial, built_config, same_encoders
from training.drives import draw, split_real
from training.new_model import NEW_MODELS
from training.sharing import Shared, alone
from training.start import texts
from training.train import train

Result = dict[str, Any]
"""Of a trial on a part: variant, seed, part, and what `measure` writes."""


def run_study(study: Study, real: Path | None, done: Callable[[list[Result]], object]) -> list[Result]:
    """Everything that is missing, then the results of all trials.

    What is finished is not done again, here or in another ablation with the same output folder, which may be
    running too; training that was stopped goes on from its last checkpoint, measuring from its last clip.

    Args:
        real: real drives in the layout of datasets/lingoqa_camvid, when the study was opened for them.
        done: called with the results so far, after each trial.
    """
    caches = {folder: Shared(folder) for folder in {trial.vision_cache for trial in study.trials}}
    draw_all(study, real)
    results: list[Result] = []
    for number, trial in enumerate(study.trials, start=1):
        where = f"{study.name} {number}/{len(study.trials)}: {trial.variant}, seed {trial.seed}"
        make(study, trial, where)
        results += [measure(trial, part, where) for part in trial.parts]
        done(results)
        if all(later.vision_cache != trial.vision_cache for later in study.trials[number:]):
            caches[trial.vision_cache].leave()
    return results


def check_parts(study: Study) -> None:
    """Look at what is to be measured on, before anything is trained.

    Raises:
        InputError: there is nothing, or a part that was given cannot be read or has no closed questions.
    """
    parts = {root for trial in study.trials for root, _ in trial.parts.values()}
    if not parts:
        raise InputError(f"{study.name}: there is nothing to measure on but real drives; give --real")
    for root in sorted(parts):
        if not root.is_relative_to(study.out / DATA):
            _closed_examples(root)


def _closed_examples(root: Path) -> list[Example]:
    """The part's clips; InputError where it cannot be read or has no closed questions."""
    examples = infer_kinds(read_lingoqa(root))
    if not any(qa.choices for example in examples for qa in example.questions):
        raise InputError(f"{root}: none of its questions is closed; ablations are measured on closed ones")
    return examples


def draw_all(study: Study, real: Path | None) -> None:
    """The drives that are not there yet."""
    for name, drawn in study.plan.draw.items():
        folder = study.out / DATA / drawn.folder(name)
        with alone(folder):
            draw(folder, drawn.clips, drawn.frames, drawn.labels, drawn.split, drawn.size)
    if real is not None and study.real is not None:
        folder = study.out / DATA / study.real
        with alone(folder):
            split_real(real, study.real.removeprefix(f"{REAL}-"), folder)


def make(study: Study, trial: Trial, where: str) -> None:
    """The trial's model, stage by stage."""
    for line in trial.lines:
        with alone(line.start):
            start_model(study, line, trial.seed)
        for stage in line.stages:
            with alone(stage.recipe.output):
                if stage.finished:
                    continue
                out.print(f"{where}: {stage.name}, {stage.recipe.steps} steps")
                train(stage.recipe)
                # What only a stopped run needs would fill the disk.
                shutil.rmtree(stage.recipe.output / "checkpoints")


def start_model(study: Study, line: Line, seed: int) -> None:
    """A line's new model, unless it is there: the tokenizer of all, a configuration of its own.

    Weights that are not given are random, and the same for a seed.
    """
    if line.start.is_dir():
        return
    set_seed(seed)
    new, processor = NEW_MODELS[study.plan.model](texts(study.texts))
    config = built_config(new.config, line.config)
    set_seed(seed)
    leo = LeoForConditionalGeneration(config)
    processor.use_config(config)
    if line.encoders is not None:
        given, _ = open_model(line.encoders, torch.float32)
        for branch, same in zip(leo.branches, same_encoders(config, given.config), strict=True):
            branch.load_state_dict(given.branches[same].state_dict())
    if line.language_model is not None:
        given, _ = open_model(str(line.language_model), torch.float32)
        leo.language_model.load_state_dict(given.language_model.state_dict())
    with replacing_folder(line.start) as unfinished:
        leo.save_pretrained(unfinished)
        processor.save_pretrained(unfinished)


def measure(trial: Trial, part: str, where: str) -> Result:
    """The trial's closed scores on a part, and the blind ones; read where they were measured before.

    Raises:
        InputError: the part has no closed questions.
    """
    root, folder = trial.parts[part]
    path = folder / "result.json"
    with alone(folder):
        if not path.is_file():
            out.print(f"{where}: measuring on {part}")
            write_json(path, _measured(trial, root, writable_folder(folder)))
    read = json.loads(path.read_text(encoding="utf-8"))
    return {"variant": trial.variant, "seed": trial.seed, "part": part, "answers": str(folder), **read}


def _measured(trial: Trial, root: Path, folder: Path) -> dict[str, Any]:
    leo = load(trial.model)
    examples = _closed_examples(root)
    asked = [asked_once(example) for example in examples]
    shown: dict[str, Show] = {"seeing": lambda clip: clip, "blind": grey_clip}
    about = what_answers_depend_on(leo, asked, MAX_NEW_TOKENS)
    with kept_answers(folder / PARTIAL, about) as kept:
        with progress(f"measuring on {root}") as update:
            answers = answer_examples(
                leo, asked, shown, kept, root.name, update, max_new_tokens=MAX_NEW_TOKENS
            )
        tables = {name: question_table(examples, said) for name, said in answers.items()}
        closed, blind = (score_table(tables[name]) for name in shown)
        assert closed is not None and blind is not None  # see _closed_examples
        write(folder / QUESTIONS, to_csv(tables["seeing"]))
    return {
        "questions": closed["questions"],
        "accuracy": closed["accuracy"],
        "balanced_accuracy": closed["balanced_accuracy"],
        "blind": blind["balanced_accuracy"],
        "gain": closed["balanced_accuracy"] - blind["balanced_accuracy"],
        "unread": closed["unread"],
        "kinds": {kind: score["balanced_accuracy"] for kind, score in closed["kinds"].items()},
        "tokens_per_tile": leo.model.config.tokens_per_tile,
        "weights": sum(p.numel() for p in leo.model.parameters()),
    }
