"""An ablation ready to run: every model, every stage and every measurement, each in a folder of its own.

A folder is named by all that what lies in it depends on. So variants that start alike share stages, ablations
share models, and what is finished is found again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from leo_drive.errors import InputError
from leo_drive.inference.load import open_model
from leo_drive.model import LeoConfig
from leo_drive.model.config import BranchConfig
from training.ablate_plan import (
    Ablation,
    Plan,
    apply_changes,
    drawn_root,
    explain,
    fingerprint,
    for_data,
    merge,
    named_ablations,
    read_shipped,
    resolve_root,
    with_budget,
    with_drawn_roots,
)
from training.new_model import NEW_MODELS
from training.recipe import Recipe
from training.vision_cache import encoders_hash

# What a stage's result does not depend on.
_NO_MATTER = {"model", "output", "vision_cache", "save_steps", "eval_steps", "log_steps", "workers"}
# What of a source its texts, and so a tokenizer, do not depend on.
_NO_TEXT = {"weight", "frames", "max_tiles", "labels", "label_classes"}


@dataclass(frozen=True)
class Stage:
    """A recipe that is to be run, in a folder named by all that its result depends on."""

    name: str
    recipe: Recipe

    @property
    def finished(self) -> bool:
        """Its card is the last thing that training writes."""
        return (self.recipe.output / "model" / "README.md").is_file()


@dataclass(frozen=True)
class Line:
    """A new model and the stages that it goes through.

    Attributes:
        start: folder of the new model; those that start alike share it, and so they do stages.
        config: changes to its configuration.
        encoders: the model whose encoders it starts from, and
        language_model: the folder of the model whose language model it starts from; None for random weights.
    """

    start: Path
    config: dict[str, Any]
    encoders: str | None
    language_model: Path | None
    stages: tuple[Stage, ...]

    @property
    def model(self) -> Path:
        """The finished model's folder."""
        return self.stages[-1].recipe.output / "model"


@dataclass(frozen=True)
class Trial:
    """A variant with a seed.

    Attributes:
        lines: what is common to all variants, if the plan has pretraining, and then the variant's own.
        parts: to measure on, by name, and where the report goes.
        vision_cache: where its frozen encoders' work is kept.
    """

    variant: str
    seed: int
    lines: tuple[Line, ...]
    parts: dict[str, tuple[Path, Path]]
    vision_cache: Path

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All that is trained for it, in order."""
        return tuple(stage for line in self.lines for stage in line.stages)

    @property
    def model(self) -> Path:
        """The finished model's folder."""
        return self.lines[-1].model


@dataclass(frozen=True)
class Study:
    """An ablation, ready to run.

    Attributes:
        plan: what the new model's tokenizer is learned from, and what is drawn.
        real: name of the folder in `out`/data where real drives lie, if they do.
        trials: seed by seed, so that an early stop leaves whole comparisons.
    """

    name: str
    ablation: Ablation
    plan: Plan
    out: Path
    real: str | None
    trials: tuple[Trial, ...]

    @property
    def texts(self) -> Recipe:
        """A recipe with the data of all stages: what the tokenizer is learned from."""
        stages = [_stage(stage, self.plan, self.out) for stage in self.plan.stages.values()]
        data = [source for stage in stages for source in stage["data"]]
        return Recipe(model=self.plan.model, output=self.out, **{**stages[0], "data": data})


def open_study(
    ablation: str,
    recipe: str,
    out: Path,
    seeds: int = 3,
    steps: int | None = None,
    real: str | None = None,
    clips: int | None = None,
) -> Study:
    """Read an ablation and the plan that it changes.

    Args:
        ablation, recipe: names of files beside nano.yaml, or paths.
        seeds: how often each variant is trained.
        steps: optimizer steps of all stages together, shared out as the plan shares them; its own by default.
        real: name of the folder in `out`/data where real drives lie; without, the plan's are left out.
        clips: most drives of each set that is drawn, for a rehearsal.

    Raises:
        InputError: a file is missing or wrong, or a variant cannot be built.
    """
    where, found = read_shipped(ablation, Ablation, named_ablations())
    _, base = read_shipped(recipe, Plan, ["nano"])
    if base.model not in NEW_MODELS:
        raise InputError(f"{recipe}: model {base.model} is not one of {', '.join(NEW_MODELS)}")

    def planned(changes: dict[str, Any]) -> Plan:
        return with_budget(for_data(apply_changes(base, changes, where), real), steps, clips)

    common = planned(found.common)
    for variant in found.variants:
        if shared := [name for name in ("draw", "pretraining") if name in variant.changes]:
            raise InputError(
                f"{where}: {variant.name}: {shared[0]} belongs in common, where every variant finds it"
            )
    new = NEW_MODELS[base.model](["any text"])[0].config
    trials = []
    for seed in range(seeds):
        for variant in found.variants:
            plan = planned(merge(found.common, variant.changes))
            try:
                _check(plan, common, new)
                trials.append(_trial(variant.name, seed, plan, common, out))
            except (ValidationError, ValueError, TypeError) as error:
                raise InputError(f"{where}: {variant.name}: {explain(error, Recipe)}") from None
    return Study(where.stem, found, common, out, real, tuple(trials))


def built_config(config: LeoConfig, changes: dict[str, Any]) -> LeoConfig:
    """A configuration with a variant's changes.

    Raises:
        ValueError, TypeError: they do not fit it, or one another.
    """
    if unknown := [key for key in changes if not hasattr(config, key)]:
        raise ValueError(f"config: {', '.join(unknown)}: not in a LeoConfig")
    return LeoConfig.from_dict(merge(config.to_dict(), changes))


def same_encoders(config: LeoConfig, source: LeoConfig) -> list[int]:
    """Which of the source's branches has the encoder of each of a configuration's branches.

    Raises:
        ValueError: there is none.
    """
    theirs = [_encoder(branch) for branch in source.branch_configs]
    for branch in config.branch_configs:
        if _encoder(branch) not in theirs:
            raise ValueError(f"encoders: there is no {branch.encoder} like this one to start from")
    return [theirs.index(_encoder(branch)) for branch in config.branch_configs]


def _encoder(branch: BranchConfig) -> BranchConfig:
    """Without what becomes of its output, which no weight of the encoder depends on."""
    return replace(branch, unshuffle=1, unshuffle_order="patch", pooling="unshuffle")


def _check(plan: Plan, common: Plan, new: LeoConfig) -> None:
    """Raises ValueError, TypeError or InputError where a variant cannot be built."""
    config = built_config(new, plan.config)
    if plan.encoders is not None:
        same_encoders(config, _given(plan.encoders)[0])
    if plan.pretraining and config.llm.to_dict() != built_config(new, common.config).llm.to_dict():
        raise ValueError("config: another language model than the one that pretraining gives")


def _trial(variant: str, seed: int, plan: Plan, common: Plan, out: Path) -> Trial:
    sources = [
        source for stage in common.stages.values() for source in with_drawn_roots(stage["data"], common)
    ]
    texts = [{k: v for k, v in source.items() if k not in _NO_TEXT} for source in sources]
    lines: list[Line] = []
    key = fingerprint([plan.model, seed, texts])
    if plan.pretraining:
        line, key = _line(plan.pretraining, common, None, key, seed, out)
        lines.append(line)
    line, key = _line(plan.stages, plan, lines[-1].model if lines else None, key, seed, out)
    lines.append(line)
    parts = {}
    for name, root in plan.evaluate.items():
        there = drawn_root(root, plan)
        parts[name] = (resolve_root(out, there), out / "evaluations" / f"{name}-{fingerprint([key, there])}")
    return Trial(variant, seed, tuple(lines), parts, _vision_cache(plan, seed, out))


def _line(
    stages: dict[str, dict[str, Any]], plan: Plan, language_model: Path | None, key: str, seed: int, out: Path
) -> tuple[Line, str]:
    """The line, and a key of all that its result depends on.

    Args:
        key: of all that what came before it depends on.
    """
    key = fingerprint([key, plan.config, plan.encoders and _given(plan.encoders)[1]])
    start = out / "models" / f"start-{key}"
    done: list[Stage] = []
    for name, stage in stages.items():
        model = done[-1].recipe.output / "model" if done else start
        values = {**_stage(stage, plan, out), "seed": seed, "model": str(model), "output": out}
        recipe = Recipe(**values)
        if recipe.steps is None:
            raise ValueError(f"stages.{name}: give steps, which are the budget")
        matters = recipe.model_dump(mode="json", exclude=_NO_MATTER)
        key = fingerprint([key, {**matters, "data": with_drawn_roots(stage["data"], plan)}])
        there = _recipe_there(recipe, out / "models" / f"{name}-{key}", _vision_cache(plan, seed, out))
        done.append(Stage(name, there))
    return Line(start, plan.config, plan.encoders, language_model, tuple(done)), key


@cache
def _given(encoders: str) -> tuple[LeoConfig, str]:
    """Of the model that gives encoders, read once: its configuration, and their hash.

    The hash, since a model of the same name may have learned more meanwhile.
    """
    leo, _ = open_model(encoders, torch.float32)
    return leo.config, encoders_hash(leo)


def _vision_cache(plan: Plan, seed: int, out: Path) -> Path:
    """Encoders that are given are the same for every seed."""
    return out / "vision_cache" / (str(seed) if plan.encoders is None else "given")


def _recipe_there(recipe: Recipe, output: Path, cache: Path) -> Recipe:
    """Where the stage runs; frozen encoders see every picture once, and a stop costs a tenth of the stage."""
    frozen = "branches" not in recipe.train and not recipe.augmentation.changes_pixels
    return recipe.model_copy(
        update={
            "output": output,
            "vision_cache": cache if frozen else None,
            "save_steps": max(1, (recipe.steps or 0) // 10),
        }
    )


def _stage(stage: dict[str, Any], plan: Plan, out: Path) -> dict[str, Any]:
    """A stage's values with its data in their places."""
    sources = [
        {**source, "root": resolve_root(out, source["root"])}
        for source in with_drawn_roots(stage["data"], plan)
    ]
    return {**copy.deepcopy(stage), "data": sources}
