"""What an ablation trains: one plan, and its variants as changes to that plan. All of it is YAML.

`training/recipes/ablations/nano.yaml` is a plan: the model, the generated drives, the stages (recipes without
model and output) and the parts to measure on. The files beside it are ablations: their variants' changes are
merged into the plan, mapping into mapping; in a list, a number means that element, `each` all of them, and
null takes an element out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from leo_drive.errors import InputError, nearest, one_line
from leo_drive.yaml_files import first_problem, read_yaml

ABLATIONS = Path(__file__).parent / "recipes" / "ablations"
DATA, REAL = "data", "real"


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
        return f"{name}-{fingerprint(self.model_dump())}"


class Plan(_Strict):
    """Everything that decides what a variant is.

    Attributes:
        model: a new model of `training.new_model`, and
        config: changes to its configuration (a `LeoConfig`), such as its branches.
        encoders: a model, by name or folder, whose encoders a variant's branches start from; without one,
            from random weights.
        pretraining: stages that come before the variants part: trained once a seed, on the plan as it is
            common to them, they give the language model that each starts from.
        draw: generated drives, by name; `data/NAME` is where they lie.
        stages: recipes by name, in order, without model and output.
        evaluate: parts to measure on, by name.
    """

    model: str
    config: dict[str, Any] = {}
    encoders: str | None = None
    draw: dict[str, Drawn] = {}
    pretraining: dict[str, dict[str, Any]] = {}
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

    @model_validator(mode="after")
    def _each_once(self) -> Ablation:
        names = [variant.name for variant in self.variants]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"variants: {twice[0]} is there twice; their results would be taken together")
        return self


def named_ablations() -> list[str]:
    """Those that ship."""
    return sorted(path.stem for path in ABLATIONS.glob("*.yaml") if path.stem != "nano")


def with_drawn_roots(data: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """Sources with the folders of drawn drives for their roots, as `drawn_root` has them."""
    return [{**source, "root": drawn_root(source["root"], plan)} for source in data]


def drawn_root(root: str, plan: Plan) -> str:
    """Where data/NAME lies, from the output folder; any other path stays what it is."""
    first, *rest = PurePosixPath(root).parts
    if first == DATA and rest and rest[0] in plan.draw:
        return str(PurePosixPath(DATA, plan.draw[rest[0]].folder(rest[0]), *rest[1:]))
    return root


def resolve_root(out: Path, root: str) -> Path:
    """Where a root is: data/NAME in the output folder, any other path as it is."""
    return out / root if root.startswith(f"{DATA}/") else Path(root)


def for_data(plan: Plan, real: str | None) -> Plan:
    """With the real drives in their folder, or without them."""
    own = f"{DATA}/{REAL}"

    def kept(root: str) -> bool:
        return real is not None or not root.startswith(f"{own}/")

    def there(root: str) -> str:
        return root.replace(own, f"{DATA}/{real}", 1) if real and root.startswith(f"{own}/") else root

    def moved(stages: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {
            name: {
                **stage,
                "data": [{**s, "root": there(s["root"])} for s in stage.get("data", []) if kept(s["root"])],
            }
            for name, stage in stages.items()
        }

    evaluate = {name: there(root) for name, root in plan.evaluate.items() if kept(root)}
    return plan.model_copy(
        update={"pretraining": moved(plan.pretraining), "stages": moved(plan.stages), "evaluate": evaluate}
    )


def with_budget(plan: Plan, steps: int | None, clips: int | None) -> Plan:
    """The plan with so many steps over all its stages, and no more clips of any drives; None leaves them."""
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


def apply_changes(plan: Plan, changes: dict[str, Any], where: Path) -> Plan:
    """The plan with changes merged into it.

    Args:
        where: the file that has them, for the message.

    Raises:
        InputError: they do not fit, or give no plan.
    """
    try:
        return Plan(**merge(plan.model_dump(), changes))
    except (ValidationError, ValueError) as error:
        raise InputError(f"{where}: {explain(error, Plan)}") from None


def merge(value: Any, changes: Any) -> Any:
    """The value with changes merged into it; see this file's head."""
    if isinstance(value, dict) and isinstance(changes, dict):
        return {**value, **{key: merge(value.get(key), change) for key, change in changes.items()}}
    if not isinstance(value, list) or not isinstance(changes, dict):
        return changes
    elements = list(value)
    for key, change in changes.items():
        if key != "each" and (not isinstance(key, int) or not 0 <= key < len(value)):
            raise ValueError(f"{key!r} is no element of a list of {len(value)}")
        for i in range(len(value)) if key == "each" else [int(key)]:
            gone = change is None or elements[i] is None
            elements[i] = None if gone else merge(elements[i], change)
    return [element for element in elements if element is not None]


def read_shipped(name: str, kind: type[_Kind], shipped: Sequence[str]) -> tuple[Path, _Kind]:
    """A YAML file, or the one that ships by this name, and where it is.

    Raises:
        InputError: there is none, or it is not one of this kind.
    """
    path = ABLATIONS / f"{name}.yaml" if name in shipped else Path(name)
    if not path.is_file():
        raise InputError(f"{name}: no YAML file, nor one that ships; {nearest(name, shipped)}")
    return path, read_yaml(path, kind, "a plan" if kind is Plan else "an ablation")


def explain(error: Exception, kind: type[BaseModel]) -> str:
    """What is wrong with changes that gave no `kind`."""
    if isinstance(error, ValidationError):
        location, message = first_problem(error, kind)
        return f"{'.'.join(str(part) for part in location)}: {message}".removeprefix(": ")
    return one_line(error)


def fingerprint(value: Any) -> str:
    """Ten letters for a value of YAML: another value has others."""
    return hashlib.blake2s(json.dumps(_text_keys(value), sort_keys=True).encode()).hexdigest()[:10]


def _text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list | tuple) else value
