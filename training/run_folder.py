"""A run's folder: whose it is, and how far it has come."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from leo_drive.errors import InputError
from leo_drive.files import replacing
from training.recipe import Recipe

RECIPE = "recipe.yaml"
# These change how a run goes about it, and not what comes out.
_OF_NO_CONSEQUENCE = {
    "output", "save_steps", "eval_steps", "log_steps", "workers", "micro_batch_size",
    "gradient_checkpointing", "vision_cache", "fsdp", "deepspeed",
}  # fmt: skip


def has_begun(recipe: Recipe) -> bool:
    """Whether the output folder holds a run of this recipe.

    Raises:
        InputError: it holds one of another recipe, which it would go on with as if it were this one.
    """
    path = recipe.output / RECIPE
    if not path.is_file():
        return False
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        before = None
    if not isinstance(before, dict):
        raise InputError(f"{path}: not a recipe any more; remove {recipe.output} to begin anew")
    now = recipe.model_dump(mode="json")
    for field in sorted(now.keys() & before.keys() - _OF_NO_CONSEQUENCE):
        if now[field] != before[field]:
            raise InputError(
                f"{recipe.output}: holds a run of another recipe, with {field} {_brief(before[field])}, not "
                f"{_brief(now[field])}; give another output, or remove the folder to begin anew"
            )
    return True


def begin(recipe: Recipe) -> None:
    """Write down whose the folder is."""
    with replacing(recipe.output / RECIPE) as unfinished:
        unfinished.write_text(
            yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; Trainer's state file is the last one it writes."""
    found = sorted(
        (path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()),
        key=lambda path: int(path.name.rpartition("-")[2]),
        reverse=True,
    )
    for path in found:
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return path
    return None


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
