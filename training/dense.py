"""Dense supervision of the branches: each patch names the classes that it shows.

SAM's own pretraining is segmentation; a small branch learns from label maps what to look for long before it
could from answers alone. The heads serve training only and are not part of the finished model.
"""

from __future__ import annotations

import torch
from torch import nn

from leo_drive.data.synthetic.labels import LABELS
from leo_drive.model import LeoForConditionalGeneration

# Small things that questions are about weigh more than sky and road, which fill the picture.
_SMALL = ("sign", "pedestrian", "bicycle", "light", "brake", "zebra", "pole")
_SMALL_WEIGHT = 4.0


class DenseHeads(nn.Module):
    """A linear class head on every branch's feature map."""

    def __init__(self, model: LeoForConditionalGeneration) -> None:
        super().__init__()
        names = [LABELS[i] for i in range(len(LABELS))]
        self.heads = nn.ModuleList(nn.Linear(b.config.width, len(names)) for b in model.vision_branches)
        self.classes = len(names)
        weights = [_SMALL_WEIGHT if any(s in name for s in _SMALL) else 1.0 for name in names]
        self.class_weights: torch.Tensor
        self.register_buffer("class_weights", torch.tensor(weights))

    def forward(self, grids: list[torch.Tensor], label_maps: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy with each patch's share of every class.

        Args:
            grids: (tiles, grid, grid, width) a branch.
            label_maps: (tiles, side, side) class numbers, side a multiple of every grid.
        """
        losses = []
        for head, features in zip(self.heads, grids, strict=True):
            tiles, grid = features.shape[:2]
            cells = label_maps.unflatten(2, (grid, -1)).unflatten(1, (grid, -1)).transpose(2, 3).flatten(3)
            shares = torch.zeros(tiles, grid, grid, self.classes, device=features.device)
            shares.scatter_add_(3, cells.long(), torch.ones(cells.shape, device=features.device))
            shares = shares / cells.shape[3] * self.class_weights
            losses.append(-(shares * head(features).log_softmax(-1)).sum(-1).sum() / shares.sum())
        return torch.stack(losses).mean()
