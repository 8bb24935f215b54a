"""A recipe: one YAML file that says what is trained, on what, and how."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leo_drive.errors import InputError

Part = Literal["branches", "projectors", "language_model"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSource(_Strict):
    """A LingoQA-layout part.

    `frames` is how many of a segment's last frames are shown; with 1, questions about what happens over time
    have no answer in the picture, so name the `kinds` to keep out in `without_kinds`.
    """

    root: Path
    frames: int = Field(5, ge=1)
    without_kinds: tuple[str, ...] = ()


class Recipe(_Strict):
    """One stage of training; paths are relative to where the command is run.

    Attributes:
        model: a model folder to start from, or the name of a new model in `training.new_model`.
        train: the parts whose weights move; all others are frozen.
        data: what is learned from.
        max_questions: most questions of one clip in one pass; of more, a fixed random part is taken.
        dense_weight: weight of the branches' segmentation loss (needs label maps), 0 for none.
        vision_cache: encode every frame once, before training; only with frozen branches.
        output: folder for checkpoints and the finished model.
    """

    model: str
    train: tuple[Part, ...]
    data: tuple[DataSource, ...]
    output: Path
    steps: int = Field(gt=0)
    batch_size: int = Field(8, gt=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_ratio: float = Field(0.03, ge=0, le=1)
    max_questions: int = Field(16, gt=0)
    dense_weight: float = Field(0.0, ge=0)
    vision_cache: bool = False
    save_steps: int = Field(200, gt=0)
    workers: int = Field(1, ge=0)
    seed: int = 0


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        InputError: no such file, not YAML, a wrong value, or a key that no recipe has, with the nearest
            right name.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: a recipe is a mapping of names to values")
    try:
        recipe = Recipe(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        near = difflib.get_close_matches(
            str(first["loc"][-1]), [*Recipe.model_fields, *DataSource.model_fields], 1
        )
        if first["type"] == "extra_forbidden":
            raise InputError(
                f"{path}: unknown key {place}" + (f"; did you mean {near[0]}?" if near else "")
            ) from None
        raise InputError(f"{path}: {place}: {first['msg']}") from None
    if recipe.vision_cache and "branches" in recipe.train:
        raise InputError(f"{path}: vision_cache needs frozen branches, but train names them")
    return recipe
