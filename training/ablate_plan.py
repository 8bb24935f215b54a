"""What an ablation trains: one plan, and its variants as changes to that plan. All of it is YAML.

`training/recipes/ablations/nano.yaml` is a plan: the model, the generated drives, the stages (recipes without
model and output) and the parts to measure on. The files beside it are ablations: their variants' changes are
merged into the plan, mapping into mapping; in a list, a number means that element, `each` all of them, and
null takes an element out.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leo_drive.errors import InputError
from leo_drive.model import LeoConfig
from leo_drive.yaml_files import first_problem, read_yaml
from training.new_model import NEW_MODELS
from training.recipe import Recipe

ABLATIONS = Path(__file__).parent / "recipes" / "ablations"
DATA, REAL = "data", "real"
# What a stage's result does not depend on.
_NO_MATTER = {"model", "output", "vision_cache", "save_steps", "eval_steps", "log_steps", "workers"}


_Kind = TypeVar("_Kind", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Drawn(_Strict):
    """A set of generated drives."""

    clips: int = Field(gt=0)
    frames: int = Field(5, gt=0)
    labels: bool = False
    split: str = "train"
    size: tuple[int, int] = (384, 216)

    def folder(self, name: str) -> str:
        """Its own: drives drawn in another way are another set."""
        return f"{name}-{_short(self.model_dump())}"


class Plan(_Strict):
    """Everything that decides what a variant is.

    Attributes:
        model: a new model of `training.new_model`, and
        config: changes to its configuration (a `LeoConfig`), such as its branches.
        draw: generated drives, by name; `data/NAME` is where they lie.
        stages: recipes by name, in order, without model and output.
        evaluate: parts to measure on, by name.
    """

    model: str
    config: dict[str, Any] = {}
    draw: dict[str, Drawn] = {}
    stages: dict[str, dict[str, Any]] = Field(min_length=1)
    evaluate: dict[str, str] = Field(min_length=1)


class Variant(_Strict):
    """One row of the table: a name, and what is changed in the plan."""

    name: str
    changes: dict[str, Any] = {}


class Ablation(_Strict):
    """An ablation: `common` changes the plan for all variants; the first one is what the others differ from.

    `paper` says what the paper reports.
    """

    title: str
    paper: str
    common: dict[str, Any] = {}
    variants: tuple[Variant, ...] = Field(min_length=1)


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
class Trial:
    """A variant with a seed.

    Attributes:
        start: folder of the new model; variants that start alike share it, and so they do stages.
        config: changes to its configuration.
        stages: the last one's model is the trial's.
        parts: to measure on, by name, and where the report goes.
    """

    variant: str
    seed: int
    start: Path
    config: dict[str, Any]
    stages: tuple[Stage, ...]
    parts: dict[str, tuple[Path, Path]]

    @property
    def model(self) -> Path:
        """The finished model's folder."""
        return self.stages[-1].recipe.output / "model"


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
        stages = [_stage(self.plan, name, self.out) for name in self.plan.stages]
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
    where, found = _read(ablation, Ablation)
    _, base = _read(recipe, Plan)
    if base.model not in NEW_MODELS:
        raise InputError(f"{recipe}: model {base.model} is not one of {', '.join(NEW_MODELS)}")

    def planned(changes: dict[str, Any]) -> Plan:
        return _budgeted(_for_data(_changed(base, changes, where), real), steps, clips)

    common = planned(found.common)
    if drawing := [variant.name for variant in found.variants if "draw" in variant.changes]:
        raise InputError(f"{where}: {drawing[0]}: draw belongs in common, where every variant finds it")
    start = NEW_MODELS[base.model](["any text"])[0].config
    trials = []
    for seed in range(seeds):
        for variant in found.variants:
            plan = planned(_merge(found.common, variant.changes))
            try:
                built_config(start, plan.config)
                trials.append(_trial(variant.name, seed, plan, common, out))
            except (ValidationError, ValueError, TypeError) as error:
                raise InputError(f"{where}: {variant.name}: {_fault(error, Recipe)}") from None
    return Study(where.stem, found, common, out, real, tuple(trials))


def built_config(config: LeoConfig, changes: dict[str, Any]) -> LeoConfig:
    """A configuration with a variant's changes.

    Raises:
        ValueError, TypeError: they do not fit it, or one another.
    """
    if unknown := [key for key in changes if not hasattr(config, key)]:
        raise ValueError(f"config: {', '.join(unknown)}: not in a LeoConfig")
    return LeoConfig.from_dict(_merge(config.to_dict(), changes))


def named_ablations() -> list[str]:
    """Those that ship."""
    return sorted(path.stem for path in ABLATIONS.glob("*.yaml") if path.stem != "nano")


def _trial(variant: str, seed: int, plan: Plan, common: Plan, out: Path) -> Trial:
    texts = [_placed(stage["data"], common) for stage in common.stages.values()]
    key = _short([plan.model, plan.config, seed, texts])
    start = out / "models" / f"start-{key}"
    stages: list[Stage] = []
    for name in plan.stages:
        values = _stage(plan, name, out)
        model = stages[-1].recipe.output / "model" if stages else start
        recipe = Recipe(**{**values, "seed": seed, "model": str(model), "output": out})
        if recipe.steps is None:
            raise ValueError(f"stages.{name}: give steps, which are the budget")
        matters = recipe.model_dump(mode="json", exclude=_NO_MATTER)
        key = _short([key, {**matters, "data": _placed(plan.stages[name]["data"], plan)}])
        output = out / "models" / f"{name}-{key}"
        stages.append(Stage(name, _recipe_there(recipe, output, out / "vision_cache")))
    parts = {}
    for name, root in plan.evaluate.items():
        place = _place(root, plan)
        parts[name] = (_under(out, place), out / "evaluations" / f"{name}-{_short([key, place])}")
    return Trial(variant, seed, start, plan.config, tuple(stages), parts)


def _recipe_there(recipe: Recipe, output: Path, cache: Path) -> Recipe:
    """Where the stage runs; frozen encoders see every picture once, and a stop costs a tenth of the stage."""
    frozen = "branches" not in recipe.train and not recipe.augmentation.changes_pixels
    return recipe.model_copy(
        update={
            "output": output,
            "vision_cache": cache / str(recipe.seed) if frozen else None,
            "save_steps": max(1, (recipe.steps or 0) // 10),
        }
    )


def _stage(plan: Plan, name: str, out: Path) -> dict[str, Any]:
    """A stage's values with its data in their places."""
    values = copy.deepcopy(plan.stages[name])
    placed = _placed(values["data"], plan)
    values["data"] = [{**source, "root": _under(out, source["root"])} for source in placed]
    return values


def _placed(data: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    return [{**source, "root": _place(source["root"], plan)} for source in data]


def _place(root: str, plan: Plan) -> str:
    """Where data/NAME lies, from the output folder; any other path stays what it is."""
    first, *rest = PurePosixPath(root).parts
    if first == DATA and rest and rest[0] in plan.draw:
        return str(PurePosixPath(DATA, plan.draw[rest[0]].folder(rest[0]), *rest[1:]))
    return root


def _under(out: Path, place: str) -> Path:
    return out / place if place.startswith(f"{DATA}/") else Path(place)


def _for_data(plan: Plan, real: str | None) -> Plan:
    """With the real drives in their folder, or without them."""
    own = f"{DATA}/{REAL}"

    def kept(root: str) -> bool:
        return real is not None or not root.startswith(f"{own}/")

    def there(root: str) -> str:
        return root.replace(own, f"{DATA}/{real}", 1) if real and root.startswith(f"{own}/") else root

    stages = {
        name: {
            **stage,
            "data": [{**s, "root": there(s["root"])} for s in stage.get("data", []) if kept(s["root"])],
        }
        for name, stage in plan.stages.items()
    }
    evaluate = {name: there(root) for name, root in plan.evaluate.items() if kept(root)}
    return plan.model_copy(update={"stages": stages, "evaluate": evaluate})


def _budgeted(plan: Plan, steps: int | None, clips: int | None) -> Plan:
    draw = {
        name: drawn.model_copy(update={"clips": min(drawn.clips, clips or drawn.clips)})
        for name, drawn in plan.draw.items()
    }
    stages = plan.stages
    if steps is not None:
        whole = sum(stage.get("steps", 0) for stage in stages.values())
        stages = {
            name: {**stage, "steps": max(1, round(stage.get("steps", 0) * steps / max(1, whole)))}
            for name, stage in stages.items()
        }
    return plan.model_copy(update={"draw": draw, "stages": stages})


def _changed(plan: Plan, changes: dict[str, Any], where: Path) -> Plan:
    try:
        return Plan(**_merge(plan.model_dump(), changes))
    except (ValidationError, ValueError) as error:
        raise InputError(f"{where}: {_fault(error, Plan)}") from None


def _merge(value: Any, changes: Any) -> Any:
    """The value with changes merged into it; see this file's head."""
    if isinstance(value, dict) and isinstance(changes, dict):
        return {**value, **{key: _merge(value.get(key), change) for key, change in changes.items()}}
    if not isinstance(value, list) or not isinstance(changes, dict):
        return changes
    elements = list(value)
    for key, change in changes.items():
        if key != "each" and (not isinstance(key, int) or not 0 <= key < len(value)):
            raise ValueError(f"{key!r} is no element of a list of {len(value)}")
        for i in range(len(value)) if key == "each" else [int(key)]:
            gone = change is None or elements[i] is None
            elements[i] = None if gone else _merge(elements[i], change)
    return [element for element in elements if element is not None]


def _read(name: str, kind: type[_Kind]) -> tuple[Path, _Kind]:
    path = Path(name) if name.endswith((".yaml", ".yml")) else ABLATIONS / f"{name}.yaml"
    if not path.is_file():
        raise InputError(f"{name}: neither a YAML file nor one of {', '.join([*named_ablations(), 'nano'])}")
    return path, read_yaml(path, kind, "a plan" if kind is Plan else "an ablation")


def _fault(error: Exception, kind: type[BaseModel]) -> str:
    """What is wrong with changes that gave no `kind`."""
    if isinstance(error, ValidationError):
        location, message = first_problem(error, kind)
        return f"{'.'.join(str(part) for part in location)}: {message}".removeprefix(": ")
    return " ".join(str(error).split())


def _short(value: Any) -> str:
    return hashlib.blake2s(json.dumps(_text_keys(value), sort_keys=True).encode()).hexdigest()[:10]


def _text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list | tuple) else value
