"""A run's folder: whose it is, and how far it has come."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import yaml
from safetensors import SafetensorError, safe_open

from leo_drive.errors import InputError
from leo_drive.files import write
from training.recipe import Recipe

RECIPE = "recipe.yaml"
BEGUN_WITH = "begun_with.json"
# These change how a run goes about it, and not what comes out.
_OF_NO_CONSEQUENCE = {
    "output", "save_steps", "eval_steps", "log_steps", "workers", "micro_batch_size",
    "gradient_checkpointing", "vision_cache",
}  # fmt: skip
_AS_A_WHOLE = {"fsdp", "deepspeed"}
"""How they are set may change, but not whether: their checkpoints are of their own kind."""


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
        if field in _AS_A_WHOLE and bool(now[field]) == bool(before[field]):
            continue
        if now[field] != before[field]:
            raise InputError(
                f"{recipe.output}: holds a run of another recipe, with {field} {_brief(before[field])}, not "
                f"{_brief(now[field])}; give another output, or remove the folder to begin anew"
            )
    return True


def go_on_with(recipe: Recipe, begun_with: Mapping[str, str]) -> None:
    """See that a run that has begun finds the same model and data again, which a recipe only names.

    Args:
        begun_with: a short fingerprint of each, as for `begin`. Those that the folder does not have, of a run
            of an earlier version, are not compared.

    Raises:
        InputError: one of them is another one now.
    """
    path = recipe.output / BEGUN_WITH
    if not path.is_file():
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
        changed = [name for name, now in begun_with.items() if before.get(name, now) != now]
    except (ValueError, TypeError):
        raise InputError(f"{path}: damaged; remove {recipe.output} to begin anew") from None
    if changed:
        raise InputError(
            f"{recipe.output}: holds a run that began with something else as {' and '.join(changed)} than "
            f"is there now; put it back, give another output, or remove the folder to begin anew"
        )


def begin(recipe: Recipe, begun_with: Mapping[str, str]) -> None:
    """Write down whose the folder is.

    Args:
        begun_with: short fingerprints of what the recipe only names, by what it calls it.
    """
    write(recipe.output / BEGUN_WITH, json.dumps(dict(begun_with)))
    write(recipe.output / RECIPE, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end, and is whole as far as its files' ends tell."""
    found = sorted(
        (path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()),
        key=lambda path: int(path.name.rpartition("-")[2]),
        reverse=True,
    )
    for path in found:
        if _is_whole(path):
            return path
    return None


def _is_whole(checkpoint: Path) -> bool:
    try:
        # The last file that Trainer writes.
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]
        for weights in checkpoint.glob("*.safetensors"):
            with safe_open(weights, "pt"):
                pass
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return False
    # With FSDP they have other endings; DeepSpeed, and FSDP if so set, keep them in folders.
    parts = (("model", "pytorch_model"), "optimizer")
    there = all(any(entry.name.startswith(part) for entry in checkpoint.iterdir()) for part in parts)
    in_folders = any(entry.is_dir() for entry in checkpoint.iterdir())
    pickled = chain.from_iterable(map(checkpoint.glob, ("optimizer.pt", "scheduler.pt", "rng_state*.pth")))
    return (there or in_folders) and all(map(zipfile.is_zipfile, pickled))


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
