"""How the tokens of several branches become the visual tokens of one tile.

LEO adapts each branch with a projector of its own and interleaves the results, token by token
(section 3.2, "post-adaptation"). The others are the paper's Table 6: joined one branch after the other,
joined along the channels, or joined first and adapted by one projector ("pre-adaptation"). LEO's own branches
have tokens of one width before the projector; where they differ, a sequence for one projector has the widest
one's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn.functional import pad

from leo_drive.model.config import BranchConfig

Tokens = Sequence[torch.Tensor]


def interleave(tokens: Tokens) -> torch.Tensor:
    """Branch 1 at positions 0, N, 2N ..., branch 2 at 1, N+1 ...: (tiles, n, d) each -> (tiles, N*n, d)."""
    return torch.stack(tuple(tokens), dim=2).flatten(1, 2)


def concatenate(tokens: Tokens) -> torch.Tensor:
    """One branch after the other: (tiles, n_i, d) each -> (tiles, sum n_i, d)."""
    return torch.cat(tuple(tokens), dim=1)


def interleave_padded(tokens: Tokens) -> torch.Tensor:
    """Interleaved, narrower tokens filled up with zeros: (tiles, n, d_i) each -> (tiles, N*n, max d_i)."""
    widest = max(own.shape[2] for own in tokens)
    return interleave([pad(own, (0, widest - own.shape[2])) for own in tokens])


def join_channels(tokens: Tokens) -> torch.Tensor:
    """Side by side: (tiles, n, d_i) each -> (tiles, n, sum d_i)."""
    return torch.cat(tuple(tokens), dim=2)


@dataclass(frozen=True)
class Fusion:
    """A way to join branches.

    Attributes:
        join: joins the branches' tokens.
        along: tokens follow one another, or lie side by side.
        even: whether the join needs as many tokens from every branch.
        one_projector: pre-adaptation, one projector after the join instead of one a branch before it.
    """

    join: Callable[[Tokens], torch.Tensor]
    along: Literal["tokens", "channels"] = "tokens"
    even: bool = True
    one_projector: bool = False

    def tokens(self, per_branch: Sequence[int]) -> int:
        """Visual tokens a tile, given the tokens of each branch."""
        return sum(per_branch) if self.along == "tokens" else per_branch[0]

    def projector_widths(self, branches: Sequence[BranchConfig], d_llm: int) -> list[tuple[int, int]]:
        """(input, output) width of each projector."""
        widths = [b.token_width for b in branches]
        if self.one_projector:
            return [(max(widths) if self.along == "tokens" else sum(widths), d_llm)]
        if self.along == "tokens":
            return [(width, d_llm) for width in widths]
        # Joined channels must add up to the language model's width, so each branch fills its share.
        share, rest = divmod(d_llm, len(branches))
        return [(width, share) for width in widths[:-1]] + [(widths[-1], share + rest)]

    def check(self, branches: Sequence[BranchConfig]) -> None:
        """Raises ValueError when the branches' shapes cannot be joined this way."""
        if self.even and len({b.tokens for b in branches}) > 1:
            found = ", ".join(f"{b.encoder}: {b.tokens}" for b in branches)
            raise ValueError(f"this fusion needs as many tokens from every branch, found {found}")


FUSIONS = {
    "interleave": Fusion(interleave),
    "concat": Fusion(concatenate, even=False),
    "channel": Fusion(join_channels, "channels"),
    "pre_adaptation": Fusion(join_channels, "channels", one_projector=True),
    "pre_adaptation_sequence": Fusion(interleave_padded, one_projector=True),
}
