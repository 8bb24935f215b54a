"""The model card that a finished run writes: what it came from and what was measured on the way."""

from __future__ import annotations

from pathlib import Path

import yaml
from transformers import TrainerState

from leo_drive.files import write
from training.recipe import DataSource, Recipe
from training.records import history
from training.sources import card_of


def write_card(folder: Path, recipe: Recipe, state: TrainerState) -> None:
    """README.md in the model's folder. It states what the run itself knows, and how to measure the rest."""
    table = history(state)
    lines = [
        "---",
        "library_name: leo-drive",
        "pipeline_tag: video-text-to-text",
        f"base_model: {recipe.model}",
        "---",
        "",
        f"# {folder.parent.name}",
        "",
        f"A LEO trained with LEO-Drive from `{recipe.model}`: {_listed(recipe.train)} learned, in "
        f"{state.max_steps} steps of {recipe.batch_size} clips.",
        "",
        "## Learned from",
        "",
        *map(_source, recipe.data),
        "",
        "## Measured while it was trained",
        "",
    ]
    for name, what in (
        ("answer_loss", "loss on answers, last record"),
        ("dense_loss", "loss on label maps, last record"),
        ("loss", "loss, last record"),
    ):
        if name in table and table[name].notna().any():
            lines.append(f"- {what}: {table[name].dropna().iloc[-1]:.4f}")
    if state.best_model_checkpoint is not None:
        step = int(state.best_model_checkpoint.rpartition("-")[2])
        loss = float(table.eval_loss[table.step == step].iloc[0])
        lines.append(f"- loss on held-out data, the checkpoint that was kept (step {step}): {loss:.4f}")
    lines += [
        "",
        "How well it answers was not measured by training. Measure it with",
        "",
        f"    leo-drive evaluate lingoqa --root PART --model {folder} --out DIR",
        "",
        "## Recipe",
        "",
        "```yaml",
        yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False).strip(),
        "```",
        "",
    ]
    write(folder / "README.md", "\n".join(lines))


def _source(source: DataSource) -> str:
    said = f"- `{source.root}` (weight {source.weight:g})"
    if card := card_of(source):
        said += f": {card.title}, {source.part}, {card.homepage}; licence: {card.licence}"
    return said


def _listed(parts: tuple[str, ...]) -> str:
    words = [part.replace("_", " ") for part in parts]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
