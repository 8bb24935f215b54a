"""What a recipe would take: steps, memory, disk and time, estimated before anything is computed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from leo_drive.model import LeoConfig, LeoForConditionalGeneration
from leo_drive.terminal import out
from training.memory import activation_bytes, state_bytes
from training.recipe import Recipe
from training.start import choose_what_learns
from training.train import clips_at_once, in_bfloat16, total_steps
from training.vision_cache import bytes_a_tile

# What a matrix product of the model's own sizes reaches of one large product, seen on CPUs and GPUs alike.
_UTILISATION = 0.4
# A layer of a small model takes so long for a token, however little it computes.
_SECONDS_A_LAYER = 1e-3
_ANSWER_TOKENS = 64
_PARTS = ("branches", "projectors", "language_model")


@dataclass(frozen=True)
class Shown:
    """Of a clip in one pass: tokens and tiles, on average and at most; 0 tokens run no language model."""

    tokens: float
    tiles: float
    most_tokens: int
    most_tiles: int


@dataclass(frozen=True)
class HeldOut:
    """Of one validation: its clips, a clip's tokens and tiles on average, and the questions it answers."""

    clips: int = 0
    tokens: float = 0.0
    tiles: float = 0.0
    answers: int = 0


def print_costs(
    recipe: Recipe, config: LeoConfig, clips: Sequence[int], shown: Shown, held_out: HeldOut
) -> None:
    """Steps, weights, memory and time, a line each.

    Args:
        clips: of each source of the data.
    """
    with torch.device("meta"):
        leo = LeoForConditionalGeneration(config)
        sizes = {part: sum(p.numel() for p in getattr(leo, part).parameters()) for part in _PARTS}
        choose_what_learns(leo, recipe)
    learning = sum(p.numel() for p in leo.parameters() if p.requires_grad)
    steps = total_steps(recipe, clips)
    states = state_bytes(leo, recipe)
    seconds = _seconds(recipe, leo, sizes["language_model"], steps, shown, held_out)
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
        f"about {spoken(sum(seconds))} on one device like this machine's{_of_which(seconds)}; all of these "
        f"are estimates"
    )
    if recipe.vision_cache is not None:
        most = bytes_a_tile(config.branch_configs) * shown.tiles * sum(clips)
        out.print(f"{recipe.vision_cache}: at most {most / 1e9:.3g} GB of encoded pictures")


def validations(recipe: Recipe, steps: int) -> int:
    """How often a run of so many steps is validated; its end always is."""
    return math.ceil(steps / (recipe.eval_steps or recipe.save_steps))


def spoken(seconds: float) -> str:
    """A length of time for people.

    Example:
        >>> spoken(20), spoken(400), spoken(3 * 3600), spoken(100 * 3600)
        ('1 minute', '7 minutes', '3.0 hours', '4.2 days')
    """
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _of_which(seconds: tuple[float, float]) -> str:
    return f", of which validation {spoken(seconds[1])}" if seconds[1] > 60 else ""


def _seconds(
    recipe: Recipe,
    leo: LeoForConditionalGeneration,
    weights: int,
    steps: int,
    shown: Shown,
    held_out: HeldOut,
) -> tuple[float, float]:
    """Of all steps, and of all validations.

    Args:
        weights: of the language model.
    """
    a_tile = 0.0  # operations of the encoders, forward
    if recipe.vision_cache is None:
        for branch, config in zip(leo.vision_branches, leo.config.branch_configs, strict=True):
            a_tile += 2 * sum(p.numel() for p in branch.parameters()) * config.grid**2
    # Forward, backward to what comes before, and backward to the weights.
    read = 2 * weights * shown.tokens * (3 if "language_model" in recipe.train else 2)
    seen = a_tile * shown.tiles * (3 if "branches" in recipe.train else 1)
    speed = _device_flops() * _UTILISATION
    learned = (read + seen) * recipe.batch_size * steps / speed
    if not held_out.clips:
        return learned, 0.0
    forward = (2 * weights * held_out.tokens + a_tile * held_out.tiles) / speed
    # Token by token an answer reads all weights each time, which takes a device about as long as 20 tokens
    # at once do.
    a_token = 20 * 2 * weights / speed + leo.config.llm.num_hidden_layers * _SECONDS_A_LAYER
    answers = held_out.answers * (forward + _ANSWER_TOKENS * a_token)
    return learned, (held_out.clips * forward + answers) * validations(recipe, steps)


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
