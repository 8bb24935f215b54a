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
        one_projector: pre-adaptation, one projector after the join instead of one a branch before it.
    """

    join: Callable[[Tokens], torch.Tensor]
    one_projector: bool = False

    def tokens(self, per_branch: Sequence[int]) -> int:
        """Visual tokens a tile, given the tokens of each branch."""
        return per_branch[0] if self.join is join_channels else sum(per_branch)

    def projector_widths(self, branches: Sequence[BranchConfig], d_llm: int) -> list[tuple[int, int]]:
        """(input, output) width of each projector."""
        widths = [b.token_width for b in branches]
        if self.one_projector:
            return [(sum(widths) if self.join is join_channels else max(widths), d_llm)]
        # Joined channels must add up to the language model's width, so each branch fills its share.
        share = d_llm // len(branches) if self.join is join_channels else d_llm
        outputs = [share] * len(branches)
        outputs[-1] += (d_llm - share * len(branches)) if self.join is join_channels else 0
        return list(zip(widths, outputs, strict=True))

    def check(self, branches: Sequence[BranchConfig]) -> None:
        """Raises ValueError when the branches' shapes cannot be joined this way."""
        if self.join is not concatenate and len({b.tokens for b in branches}) > 1:
            found = ", ".join(f"{b.encoder}: {b.tokens}" for b in branches)
            raise ValueError(f"this fusion needs as many tokens from every branch, found {found}")


FUSIONS = {
    "interleave": Fusion(interleave),
    "concat": Fusion(concatenate),
    "channel": Fusion(join_channels),
    "pre_adaptation": Fusion(join_channels, one_projector=True),
    "pre_adaptation_sequence": Fusion(interleave_padded, one_projector=True),
}
