"""A tiny model and a few generated drives to train it on."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from leo_drive.data.synthetic import write_dataset
from tests.model.tiny import tiny_leo

PARTS = ["branches", "projectors", "language_model"]


@pytest.fixture(scope="session")
def drives(tmp_path_factory) -> Path:
    """Six drives in LingoQA's layout, with label maps."""
    folder = tmp_path_factory.mktemp("drives")
    write_dataset(folder, 6, size=(192, 108), labels=True)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The folder of a model of a few thousand weights."""
    folder = tmp_path_factory.mktemp("tiny")
    model, processor = tiny_leo(max_tiles=1, context=1024)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def recipe_file(tmp_path, drives, tiny) -> Callable[..., Path]:
    """Writes a recipe: one frame a clip, four steps of two clips, unless told."""

    def write(folder: Path | None = None, **changes) -> Path:
        folder = folder or tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        values = {
            "model": str(tiny),
            "train": PARTS,
            "data": [{"root": str(drives), "frames": 1}],
            "output": str(folder / "run"),
            "steps": 4,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "dense_weight": 1.0,
            "max_questions": 4,
            "save_steps": 2,
            "log_steps": 1,
            "workers": 0,
        }
        path = folder / "recipe.yaml"
        merged = {name: value for name, value in {**values, **changes}.items() if value is not None}
        path.write_text(yaml.safe_dump(merged))
        return path

    return write


def losses(folder: Path) -> list[tuple[str, str, str]]:
    """Step, loss and learning rate of every row of a run's log."""
    with (folder / "log.csv").open() as file:
        return [(row["step"], row["loss"], row["learning_rate"]) for row in csv.DictReader(file)]
