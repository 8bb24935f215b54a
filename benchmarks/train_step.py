"""A training step of stage 2: packed questions and cached encodings against the plain way.

    python -m benchmarks.train_step [--model nano] [--clips 4] [--questions 8] [--runs 5]

All sides learn the same question-answer pairs from the same weights, in turn: the plain side takes every pair
with its clip's frames by itself, as a batch of all of them; packed takes all of a clip's pairs in one pass
over its frames; cached reads the frozen encoders' output from disk; the last does both. Prints the losses,
which are the same, and how many pairs a second each side learns from.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from leo_drive.data.example import Example
from leo_drive.data.synthetic import write_dataset
from leo_drive.inference.load import open_model
from leo_drive.terminal import out
from training.data import Collator, QuestionClips
from training.recipe import DataSource
from training.sources import read_source
from training.trainer import TrainingModel, freeze_all_but
from training.vision_cache import VisionCache, fill


def one_question_each(clips: QuestionClips) -> QuestionClips:
    """The same pairs, every one with its frames by itself."""
    apart = [
        Example(f"{e.example_id}-{i}", e.pictures, (turns,))
        for e in clips.examples
        for i, turns in enumerate(e.conversations)
    ]
    return QuestionClips(clips.source, clips.processor, 1, cache=clips.cache, examples=apart)


def step(model: TrainingModel, clips: QuestionClips, collate: Collator) -> float:
    """Read the samples, one forward and one backward pass over all of them; the loss."""
    model.zero_grad(set_to_none=True)
    samples = [clips.sample(i, np.random.default_rng(i)) for i in range(len(clips))]
    loss = model(**moved(collate(samples), model.leo.device))["answer_loss"]
    loss.backward()
    return float(loss.detach())


def moved(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch on a device."""
    return {
        name: [t.to(device) for t in value] if isinstance(value, list) else value.to(device)
        for name, value in batch.items()
    }


def sides(folder: Path, model: str, clips: int, questions: int) -> Iterator[tuple[str, Callable[[], float]]]:
    """Each side's name and its step."""
    leo, processor = open_model(model, torch.float32)
    freeze_all_but(leo, ("projectors", "language_model"))
    training = TrainingModel(leo, 1.0, 0.0).train()
    training.to("cuda" if torch.cuda.is_available() else "cpu")
    write_dataset(folder / "drives", clips, seed=1, size=(480, 270))
    source = DataSource(root=folder / "drives", frames=leo.config.trained_frames)
    cache = VisionCache.of(folder / "cache", leo)
    collate = Collator(processor.tokenizer.pad_token_id)
    asked = [Example(e.example_id, e.pictures, e.conversations[:questions]) for e in read_source(source)]
    for name, kept in (("", None), (", cached", cache)):
        packed = QuestionClips(source, processor, questions, cache=kept, examples=asked)
        if kept:
            fill(kept, leo, packed.pictures())
        apart = one_question_each(packed)
        yield f"plain{name}", partial(step, training, apart, collate)
        yield f"packed{name}", partial(step, training, packed, collate)


def main(
    model: Annotated[str, typer.Option(help="A model's name, folder or hub id.")] = "nano",
    clips: Annotated[int, typer.Option(help="Generated clips in the step.")] = 4,
    questions: Annotated[int, typer.Option(help="Question-answer pairs a clip.")] = 8,
    runs: Annotated[int, typer.Option(help="Steps of each side, in turn.")] = 5,
) -> None:
    """Time the sides in turn and print medians and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        run = dict(sides(Path(folder), model, clips, questions))
        losses = {name: one() for name, one in run.items()}  # warms up, too
        seconds: dict[str, list[float]] = {name: [] for name in run}
        for _ in range(runs):
            for name, one in run.items():
                start = time.perf_counter()
                one()
                seconds[name].append(time.perf_counter() - start)
    pairs = clips * questions
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    out.print(f"{pairs} question-answer pairs on {clips} clips, {model}, median of {runs} steps")
    for name, median in medians.items():
        ratio = medians["plain"] / median
        out.print(
            f"{name:16} {pairs / median:7.1f} pairs/s   {ratio:4.1f} times plain   loss {losses[name]:.5f}"
        )
    spread = max(losses.values()) - min(losses.values())
    out.print(f"losses differ by {spread:.5f} at most (encodings are kept in bfloat16)")


if __name__ == "__main__":
    typer.run(main)
