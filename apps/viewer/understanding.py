"""What an answer depends on, drawn over its frames; `leo_drive.inference.attribution` measures it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.inference.attribution import OcclusionMap, occlusion

from .conversation import Turn
from .engine import Engine

ROWS, COLUMNS = 5, 8

_FOR, _AGAINST = (255, 138, 0), (64, 156, 255)
_DEEP = 0.72
"""How opaque the strongest patch is drawn."""

_CLEAR = 0.05
"""Nats below which a patch is not coloured: 5 % of the answer's probability."""

WHAT_IT_IS = (
    "One patch of the picture at a time is greyed and the same answer is measured again. **Orange**: the "
    "answer becomes less probable without this patch, so it rests on it. **Blue**: it becomes more probable, "
    "the patch spoke against it. This shows what the answer depends on, not how the model reasons; what two "
    "patches tell alike shows in neither."
)


def measure(
    engine: Engine,
    clip: Clip,
    history: list[tuple[str, str]],
    turn: Turn,
    per_frame: bool,
    model: str | None = None,
) -> Iterator[OcclusionMap]:
    """The map of an answer as it grows. Between batches others may ask the model."""
    assert turn.said is not None  # only answers are measured
    answer = turn.said.answer.text

    steps = engine.run(
        lambda leo: occlusion(
            leo, clip, turn.question, answer, history, ROWS, COLUMNS, per_frame=per_frame, batch=4
        ),
        model,
    )
    while (step := engine.run(lambda _: next(steps, None), model)) is not None:
        yield step


def drawn(clip: Clip, found: OcclusionMap) -> list[Image.Image]:
    """The clip's frames, each with its map over it; all share one scale."""
    strongest = max(float(np.nanmax(np.abs(found.drops))), _CLEAR) if found.done else _CLEAR
    pictures = []
    for k, frame in enumerate(clip.frames):
        drops = found.drops[min(k, len(found.drops) - 1)]
        pictures.append(_overlaid(frame, drops, strongest))
    return pictures


def _overlaid(frame: Image.Image, drops: np.ndarray, strongest: float) -> Image.Image:
    known = np.nan_to_num(drops)
    strength = np.where(np.abs(known) < _CLEAR, 0.0, np.abs(known) / strongest)
    colour = np.where((known > 0)[..., None], _FOR, _AGAINST).astype(np.uint8)
    alpha = (strength * _DEEP * 255).astype(np.uint8)
    patches = Image.fromarray(np.dstack([colour, alpha]), "RGBA").resize(frame.size, Image.Resampling.NEAREST)
    return Image.alpha_composite(frame.convert("RGBA"), patches).convert("RGB")


def in_words(clip: Clip, found: OcclusionMap, answer: str) -> str:
    """What the map says, in a sentence, and what it does not."""
    if np.isnan(found.drops).all():
        return ""
    strongest = float(np.nanmax(found.drops))
    k, row, column = np.unravel_index(int(np.nanargmax(found.drops)), found.drops.shape)
    if strongest < _CLEAR:
        return (
            f"No patch matters: greying any one of them takes less than 5 % from the probability of "
            f"“{answer}”. The answer rests on the picture as a whole, or on the question alone."
        )
    part = f"row {row + 1} of {ROWS}, column {column + 1} of {COLUMNS}"
    frame = f" of the frame at {clip.timestamps[k]:.1f} s" if len(found.drops) > 1 else ""
    return (
        f"Without its strongest patch ({part}{frame}) “{answer}” is {np.exp(-strongest):.0%} as probable as "
        f"with it; all to see, its probability is {np.exp(found.logprob):.2g}."
    )
