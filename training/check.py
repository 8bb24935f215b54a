"""What a recipe would do, before it does it: python -m training.train RECIPE.yaml --check"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import torch
from rich.table import Table

from leo_drive.data.check import check_examples
from leo_drive.data.example import Example
from leo_drive.errors import InputError
from leo_drive.inference.load import open_processor
from leo_drive.model import LeoConfig, LeoForConditionalGeneration, LeoProcessor
from leo_drive.terminal import out, print_table, progress
from training.data import QuestionClips
from training.labelled import LabelledFrames
from training.lengths import Lengths, measure
from training.memory import activation_bytes, state_bytes
from training.new_model import NEW_MODELS
from training.pictures import read_labels
from training.recipe import Recipe
from training.start import apply_settings, choose_what_learns, texts
from training.train import clips_at_once, draw_weights, in_bfloat16, open_sources, total_steps
from training.vision_cache import bytes_a_tile

_BINS = 10
_BAR = 40
# What a matrix product of the model's own sizes reaches of one large product, seen on CPUs and GPUs alike.
_UTILISATION = 0.4


def check_recipe(recipe: Recipe) -> None:
    """Read everything and print what there is, what is wrong and what training would take.

    Raises:
        InputError: something is missing or damaged, or does not fit the context.
    """
    config, processor = _model(recipe)
    sources = open_sources(recipe, (*recipe.data, *recipe.validation), processor)
    _refuse(_check_files(sources))
    problems: list[str] = []
    clips = [len(source) for source in sources[: len(recipe.data)]]
    if not recipe.answer_weight:
        shown = _Shown(tokens=0.0, tiles=1.0, most_tokens=0, most_tiles=1)
        out.print(f"{sum(clips)} pictures with label maps, one tile each; the language model is not run")
    else:
        lengths = [found for own in sources if isinstance(own, QuestionClips) and (found := measure(own))]
        problems = _print_lengths(recipe, lengths, config)
        own = lengths[: len(recipe.data)]
        weights = np.array(draw_weights(recipe, clips))
        shares = weights / weights.sum()
        shown = _Shown(
            tokens=float(sum(s * x.passes.mean() for s, x in zip(shares, own, strict=True))),
            tiles=float(sum(s * x.tiles.mean() for s, x in zip(shares, own, strict=True))),
            most_tokens=max(int(x.passes.max()) for x in own),
            most_tiles=max(int(x.tiles.max()) for x in own),
        )
    _print_costs(recipe, config, clips, shown)
    _refuse(problems)
    out.print("nothing is wrong: training can start")


@dataclass(frozen=True)
class _Shown:
    """Of a clip in one pass: tokens and tiles, on average and at most."""

    tokens: float
    tiles: float
    most_tokens: int
    most_tiles: int


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise InputError("; ".join(problems))


def _model(recipe: Recipe) -> tuple[LeoConfig, LeoProcessor]:
    if recipe.model in NEW_MODELS:
        leo, processor = NEW_MODELS[recipe.model](texts(recipe))
        config = leo.config
    else:
        processor = open_processor(recipe.model)
        config = processor.leo
    apply_settings(recipe, config, processor)
    return config, processor


def _check_files(sources: Sequence[LabelledFrames | QuestionClips]) -> list[str]:
    """One line a source; what is wrong, for the end."""
    problems = []
    for source in sources:
        root = source.source.root
        with progress(f"reading {root}") as update:
            report = check_examples(
                source.examples, full=True, one_size=False, read_label_map=read_labels, progress=update
            )
        first, *wrong = report.lines()
        out.print(f"{root}: {first}", highlight=False, markup=False)
        out.print(_sample(source.examples[0]), highlight=False, markup=False)
        problems += [f"{root}: {line}" for line in wrong]
    return problems


def _sample(example: Example) -> str:
    """One question and its answer, as it will be learned."""
    turn = example.conversations[0][0]
    question, answer = (shorten(text, 90, placeholder=" ...") for text in (turn.question, turn.answer))
    return f"  such as {example.example_id}: {question} -> {answer}"


def _print_lengths(recipe: Recipe, lengths: Sequence[Lengths], config: LeoConfig) -> list[str]:
    passes = np.concatenate([x.passes for x in lengths])
    counts, edges = np.histogram(passes, bins=_BINS)
    table = Table("tokens a pass", "examples", "", title=None, box=None)
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        table.add_row(f"{low:.0f} to {high:.0f}", str(count), "█" * round(_BAR * count / counts.max()))
    print_table(table, out)
    for source, x in zip((*recipe.data, *recipe.validation), lengths, strict=True):
        out.print(
            f"{source.root}: {_range(x.frames)} frames and {x.tiles.mean():.1f} tiles x "
            f"{config.tokens_per_tile} tokens an example, {x.passes.mean():.0f} tokens a pass; the longest "
            f"conversation takes {x.longest_alone} ({x.longest.removeprefix(f'{source.root}, ')})",
            highlight=False,
            markup=False,
        )
    return [problem for x in lengths if (problem := x.problem(recipe, config.context_length))]


def _range(ends: tuple[int, int]) -> str:
    return f"{ends[0]}" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _print_costs(recipe: Recipe, config: LeoConfig, clips: Sequence[int], shown: _Shown) -> None:
    with torch.device("meta"):
        leo = LeoForConditionalGeneration(config)
        sizes = {part: sum(p.numel() for p in getattr(leo, part).parameters()) for part in _PARTS}
        choose_what_learns(leo, recipe)
    learning = sum(p.numel() for p in leo.parameters() if p.requires_grad)
    steps = total_steps(recipe, clips)
    states = state_bytes(leo, recipe)
    flops = 2 * sizes["language_model"] * shown.tokens * (3 if "language_model" in recipe.train else 2)
    if recipe.vision_cache is None:
        patches = [b.grid**2 for b in config.branch_configs]
        per_branch = [sum(p.numel() for p in b.parameters()) for b in leo.vision_branches]
        vision = sum(2 * n * p for n, p in zip(per_branch, patches, strict=True)) * shown.tiles
        flops += vision * (3 if "branches" in recipe.train else 1)
    speed = _device_flops() * _UTILISATION
    seconds = flops * recipe.batch_size * steps / speed
    at_once = clips_at_once(recipe, processes=1)
    activations = activation_bytes(
        leo,
        at_once,
        shown.most_tiles,
        shown.most_tokens,
        torch.bfloat16 if in_bfloat16(recipe) or recipe.weights == "bfloat16" else torch.float32,
        recipe.gradient_checkpointing,
        encoded=recipe.vision_cache is not None,
    )
    out.print(
        f"{steps} steps of {recipe.batch_size} clips; {learning / 1e6:.1f} of "
        f"{sum(sizes.values()) / 1e6:.1f} million weights learn\n"
        f"about {states / 2**30:.2f} GiB for weights, gradients and optimizer"
        f"{', shared out to the processes' if recipe.sharded else ''}; {activations / 2**30:.2f} GiB for "
        f"activations, {at_once} of the largest clips at once\n"
        f"about {_spoken(seconds)} on one device like this machine's; all of these are estimates",
        highlight=False,
        markup=False,
    )
    if recipe.vision_cache is not None:
        most = bytes_a_tile(config.branch_configs) * shown.tiles * sum(clips)
        out.print(
            f"{recipe.vision_cache}: at most {most / 1e9:.3g} GB of encoded pictures",
            highlight=False,
            markup=False,
        )


_PARTS = ("branches", "projectors", "language_model")


def _device_flops() -> float:
    """Floating-point operations a second of a large matrix product on the device at hand."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a = torch.randn(2048, 2048, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        float((a @ a)[0, 0])  # waits for a GPU
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best


def _spoken(seconds: float) -> str:
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
