"""How long an ablation will take on this machine: each variant is rehearsed, three steps on a few drives."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from leo_drive.data.lingoqa import read_lingoqa, read_part
from leo_drive.errors import InputError
from leo_drive.evaluation.answering import clip_of
from leo_drive.inference import load
from leo_drive.inference.load import quiet
from leo_drive.terminal import progress
from training.ablate_plan import DATA
from training.ablate_run import draw_all, start_model
from training.ablate_study import Study, Trial, open_study
from training.recipe import Recipe
from training.run_folder import last_whole_checkpoint
from training.train import train

_CLIPS = 8
_REAL_CLIPS = 100
_STEPS = 3
# Clips with grey frames are encoded once, but their questions are answered too.
_SEEING_AND_BLIND = 1.7


@dataclass(frozen=True)
class Cost:
    """What is not done yet of a trial or of drawing, in seconds."""

    what: str
    seconds: float


@dataclass(frozen=True)
class _Speed:
    """Of a variant: seconds a step, by stage, to encode a picture, and to answer a clip's questions."""

    step: dict[str, float]
    picture: float
    clip: float


def estimate(study: Study, ablation: str, recipe: str) -> list[Cost]:
    """Seconds of everything that is not done yet, real drives counted as if they were generated ones.

    Args:
        ablation, recipe: as the study was opened.

    Raises:
        InputError: a variant cannot be trained at all, found out here and not hours later.
    """
    todo = [trial for trial in study.trials if not _measured(trial)]
    if not todo:
        return []
    with TemporaryDirectory() as folder:
        sample = open_study(ablation, recipe, Path(folder), seeds=1, steps=None, clips=_CLIPS)
        drawing = _seconds(lambda: draw_all(sample, None))
        frames = sum(drawn.clips * drawn.frames for drawn in sample.plan.draw.values())
        speeds: dict[str, _Speed] = {}
        step: dict[Path, float] = {}
        with progress("rehearsing") as update:
            for number, trial in enumerate(sample.trials):
                update(number, len(sample.trials))
                if any(trial.variant == other.variant for other in todo):
                    speeds[trial.variant] = _rehearse(sample, trial, step)
    missing = [
        drawn
        for name, drawn in study.plan.draw.items()
        if not (study.out / DATA / drawn.folder(name) / f"{drawn.split}.parquet").is_file()
    ]
    costs = [Cost("drawing", drawing / frames * sum(d.clips * d.frames for d in missing))] if missing else []
    counted: set[Path] = set()
    return costs + [
        Cost(f"{t.variant}, seed {t.seed}", _left(study, t, speeds[t.variant], counted)) for t in todo
    ]


def _rehearse(study: Study, trial: Trial, step: dict[Path, float]) -> _Speed:
    """Train and ask a variant; `step` has the stages that another variant rehearsed, by their folder."""
    with quiet(), redirect_stdout(StringIO()):
        for line in trial.lines:
            start_model(study, line, trial.seed)
            for stage in line.stages:
                folder = stage.recipe.output
                if folder in step:
                    continue
                short = {"steps": _STEPS, "save_steps": 10 * _STEPS, "log_steps": 1}
                recipe = stage.recipe.model_copy(update=short)
                train(recipe)
                rates = pd.read_csv(folder / "log.csv")["clips_per_second"].dropna()
                step[folder] = recipe.batch_size / float(rates.iloc[1:].max())
    leo = load(trial.model)
    parts = [root for root, _ in trial.parts.values()]
    parts += [study.out / DATA / drawn.folder(name) for name, drawn in study.plan.draw.items()]
    if not parts:
        raise InputError(
            f"{study.name}: learns from real drives alone, which a rehearsal leaves out; give --no-rehearse"
        )
    example = read_lingoqa(parts[0])[0]
    clip = clip_of(example, leo.model.config.trained_frames)
    questions = [qa.question for qa in example.questions]
    answers = leo.ask(clip, questions)
    seconds = _seconds(lambda: leo.ask(clip_of(example, len(clip.frames)), questions))
    steps = {stage.name: step[stage.recipe.output] for stage in trial.stages}
    return _Speed(steps, answers[0].timings["encode"] / len(clip.frames), seconds)


def _left(study: Study, trial: Trial, speed: _Speed, counted: set[Path]) -> float:
    seconds = 0.0
    for stage in trial.stages:
        if stage.finished or stage.recipe.output in counted:
            continue
        counted.add(stage.recipe.output)
        assert stage.recipe.steps is not None
        seconds += speed.step[stage.name] * (stage.recipe.steps - _steps_done(stage.recipe))
        if stage.recipe.vision_cache:
            seconds += speed.picture * sum(
                d.clips * d.frames for d in study.plan.draw.values() if not d.labels
            )
    seconds += sum(
        _SEEING_AND_BLIND * speed.clip * _clips(study, root)
        for root, report in trial.parts.values()
        if not (report / "result.json").is_file()
    )
    return seconds


def _clips(study: Study, part: Path) -> int:
    """How many clips a part has; of real drives that are not split yet, as many as of generated ones."""
    for name, drawn in study.plan.draw.items():
        if part == study.out / DATA / drawn.folder(name):
            return drawn.clips
    if part.is_dir():
        return len(read_part(part))
    return max((d.clips for d in study.plan.draw.values() if d.split == "val"), default=_REAL_CLIPS)


def _measured(trial: Trial) -> bool:
    return all((report / "result.json").is_file() for _, report in trial.parts.values())


def _steps_done(recipe: Recipe) -> int:
    checkpoint = last_whole_checkpoint(recipe.output / "checkpoints")
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
