"""Dense supervision of the branches: each patch tells what it shows, of which colour, and where it is.

SAM's own pretraining is segmentation; a small branch learns from label maps what to look for long before it
could from answers alone. Classes alone would let it forget the rest: "on which side" and "which colour" are
read from the same tokens, so these must still be in them. The heads serve training only and are not part of
the finished model.
"""

from __future__ import annotations

import torch
from torch import nn

from leo_drive.data.synthetic.labels import COARSE, LABELS, OTHER
from leo_drive.model import LeoForConditionalGeneration

# Small things that questions are about weigh more than sky and road, which fill the picture.
_SMALL = ("sign", "pedestrian", "bicycle", "light", "brake", "zebra", "pole")
_SMALL_WEIGHT = 4.0


class DenseHeads(nn.Module):
    """Linear heads on every branch's feature map: classes, mean colour and place."""

    def __init__(self, model: LeoForConditionalGeneration) -> None:
        super().__init__()
        names = [LABELS[i] for i in range(len(LABELS))]
        self.heads = nn.ModuleList(nn.Linear(b.config.width, len(names)) for b in model.vision_branches)
        self.places = nn.ModuleList(nn.Linear(b.config.width, 5) for b in model.vision_branches)
        self.classes = len(names)
        weights = [_SMALL_WEIGHT if any(s in name for s in _SMALL) else 1.0 for name in names]
        self.class_weights: torch.Tensor
        self.register_buffer("class_weights", torch.tensor(weights))
        # Where maps hold coarse classes only, a class has the probability of all the fine ones in it.
        self.fine_to_coarse: torch.Tensor
        groups = torch.nn.functional.one_hot(torch.from_numpy(COARSE).long(), self.classes).float()
        self.register_buffer("fine_to_coarse", groups, persistent=False)

    def forward(
        self,
        grids: list[torch.Tensor],
        pixels: list[torch.Tensor],
        label_maps: torch.Tensor,
        coarse: torch.Tensor,
    ) -> torch.Tensor:
        """(tiles,) mean cross-entropy with each patch's share of every class, and squared error of the rest.

        Args:
            grids: (tiles, grid, grid, width) a branch.
            pixels: (tiles, 3, H, W) a branch, normalised, that the grids come from.
            label_maps: (tiles, side, side) class numbers, side a multiple of every grid.
            coarse: (tiles,) whether the map tells the twelve coarse classes only; nothing is learned there
                from the last of them, which is whatever nobody labelled.
        """
        groups = torch.where(
            coarse[:, None, None], self.fine_to_coarse, torch.eye(self.classes, device=coarse.device)
        )
        losses = []
        for head, place, features, own in zip(self.heads, self.places, grids, pixels, strict=True):
            tiles, grid = features.shape[:2]
            cells = label_maps.unflatten(2, (grid, -1)).unflatten(1, (grid, -1)).transpose(2, 3).flatten(3)
            shares = torch.zeros(tiles, grid, grid, self.classes, device=features.device)
            shares.scatter_add_(3, cells.long(), torch.ones(cells.shape, device=features.device))
            shares = shares / cells.shape[3] * self.class_weights
            shares[coarse, :, :, OTHER] = 0
            probabilities = head(features).softmax(-1).flatten(1, 2) @ groups
            log_likelihood = probabilities.clamp_min(1e-8).log().view_as(shares)
            seen = (shares * log_likelihood).flatten(1).sum(1) / shares.flatten(1).sum(1).clamp_min(1e-6)
            rest = (place(features) - _where(own, grid)).square().flatten(1).mean(1)
            losses.append(rest - seen)
        return torch.stack(losses).mean(0)


def _where(pixels: torch.Tensor, grid: int) -> torch.Tensor:
    """(tiles, grid, grid, 5): each patch's mean colour as normalised, and its column and row from -1 to 1."""
    colour = nn.functional.adaptive_avg_pool2d(pixels, grid).permute(0, 2, 3, 1)
    steps = torch.linspace(-1, 1, grid, device=pixels.device, dtype=pixels.dtype)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    place = torch.stack([columns, rows], dim=-1).expand(len(pixels), grid, grid, 2)
    return torch.cat([colour, place], dim=-1)
