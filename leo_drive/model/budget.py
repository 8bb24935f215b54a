"""The tile budget: how many tiles each frame gets, settled before anything is encoded.

A prompt that is longer than the context is refused with the numbers. (The reference's family cuts such a
prompt silently, image tokens included.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from leo_drive.errors import InputError
from leo_drive.model.config import LeoConfig
from leo_drive.model.tiling import tile_count

Policy = Literal["equal", "last_frame_first"]


@dataclass(frozen=True)
class TilePlan:
    """What each frame is cut into.

    Attributes:
        max_tiles: the bound that `tile` is called with, a frame.
        tiles: the tiles that this gives, thumbnail included, a frame.
        tokens: visual tokens of all frames.
    """

    max_tiles: tuple[int, ...]
    tiles: tuple[int, ...]
    tokens: int


def plan_tiles(
    sizes: Sequence[tuple[int, int]],
    config: LeoConfig,
    text_tokens: Callable[[int], int],
    answer_tokens: int = 64,
    policy: Policy = "equal",
    max_tiles: int | None = None,
    name: str = "clip",
) -> TilePlan:
    """Plan the tiles of a clip.

    Args:
        sizes: width and height of each frame, in pixels.
        text_tokens: tokens of everything that is not visual, for a given number of frames: system message,
            frame labels, the longest question.
        answer_tokens: room kept for the answer.
        policy: "equal" divides the tiles evenly, max(1, max_tiles // frames) each, as the reference does.
            "last_frame_first" gives every earlier frame one tile and the last one as many as fit.
        max_tiles: tiles to share out; the configuration's by default.
        name: of the clip, for messages.

    Raises:
        InputError: the frames do not fit the context, with the numbers and what would fit.
    """
    if policy not in get_args(Policy):
        raise InputError(f"tile policy {policy!r} is not one of {', '.join(get_args(Policy))}")
    most = config.max_tiles if max_tiles is None else max_tiles
    frames = len(sizes)

    @cache
    def count(size: tuple[int, int], most: int) -> int:
        return tile_count(*size, config.tile_size, max_tiles=most, thumbnail=config.use_thumbnail)

    def counted(per_frame: list[int]) -> TilePlan:
        # Of fewer frames than there are, the last ones.
        tiles = tuple(map(count, sizes[frames - len(per_frame) :], per_frame))
        return TilePlan(tuple(per_frame), tiles, sum(tiles) * config.tokens_per_tile)

    def total(plan: TilePlan) -> int:
        return plan.tokens + text_tokens(len(plan.tiles)) + answer_tokens

    def fits(plan: TilePlan) -> bool:
        # The visual tokens alone first: counting the text of a thousand frames takes its time.
        return plan.tokens < config.context_length and total(plan) <= config.context_length

    def chosen_for(n: int) -> TilePlan:
        if policy == "equal":
            return counted([max(1, most // n)] * n)
        candidates = (counted([1] * (n - 1) + [last]) for last in range(max(1, most), 0, -1))
        return next((c for c in candidates if fits(c)), counted([1] * n))

    chosen = chosen_for(frames)
    if fits(chosen):
        return chosen
    fewer = range(min(frames - 1, config.context_length // config.tokens_per_tile), 0, -1)
    if fits(counted([1] * frames)):
        cure = f"one tile a frame fits: set max_tiles to {frames}"
    elif fitting := next((n for n in fewer if fits(chosen_for(n))), 0):
        cure = f"at most {fitting} frames fit: ask about {fitting}, or fewer"
    elif fitting := next((n for n in fewer if fits(counted([1] * n))), 0):
        cure = f"at most {fitting} frames fit, with max_tiles set to {fitting}"
    else:
        cure = (
            "not even one frame fits beside a text this long: shorten the question or what was said before, "
            "or allow fewer tokens for the answer"
        )
    raise InputError(
        f"{name}: {frames} frames need {sum(chosen.tiles)} tiles x {config.tokens_per_tile} visual tokens "
        f"+ {text_tokens(frames)} of text + {answer_tokens} for the answer = {total(chosen)} tokens, but "
        f"the model's context holds {config.context_length}; {cure}"
    )
