"""A vision branch: a timm encoder and the unshuffle that trades patches for channels, or a pooling."""

from __future__ import annotations

from typing import Any, Literal

import timm
import torch
from torch import nn

from leo_drive.model.config import BranchConfig


def unshuffle(x: torch.Tensor, factor: int, order: Literal["patch", "channel"]) -> torch.Tensor:
    """Fold each factor x factor block of patches into one token (section 3.2).

    Args:
        x: (tiles, rows, columns, channels), rows and columns divisible by `factor`.
        factor: patches along one side of a block.
        order: how a token's channels are ordered. "patch": the block's patches one after the other, row by
            row (InternVL's v2). "channel": all patches of channel 0, then of channel 1 ... (PyTorch's
            `pixel_unshuffle`). Weights trained with one order are wrong with the other.

    Returns:
        (tiles, rows // factor * columns // factor, channels * factor**2)
    """
    tiles, rows, columns, channels = x.shape
    blocks = x.reshape(tiles, rows // factor, factor, columns // factor, factor, channels)
    #                      0         1          2          3              4        5
    axes = (0, 1, 3, 2, 4, 5) if order == "patch" else (0, 1, 3, 5, 2, 4)
    return blocks.permute(axes).reshape(tiles, -1, channels * factor**2)


def pool(x: torch.Tensor, factor: int, how: Literal["average", "max"]) -> torch.Tensor:
    """Reduce each factor x factor block of patches to one token of as many channels.

    Args:
        x: (tiles, rows, columns, channels), rows and columns divisible by `factor`.

    Returns:
        (tiles, rows // factor * columns // factor, channels)
    """
    reduce = nn.functional.avg_pool2d if how == "average" else nn.functional.max_pool2d
    return reduce(x.permute(0, 3, 1, 2), factor).flatten(2).mT


class Branch(nn.Module):
    """Tiles in, tokens out, before any projector.

    `grid` gives the encoder's feature map, (tiles, grid, grid, width), for dense supervision; calling the
    branch gives (tiles, tokens, token_width).
    """

    def __init__(self, config: BranchConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder: Any = timm.create_model(
            config.encoder,
            pretrained=False,
            num_classes=0,
            **{"global_pool": "", "img_size": config.image_size, **config.encoder_args},
        )
        # A pooling head has nothing to pool for us, and its norm would be a weight that nothing uses.
        self.encoder.head = nn.Identity()
        if hasattr(self.encoder, "fc_norm"):
            self.encoder.fc_norm = nn.Identity()

    def grid(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(tiles, 3, image_size, image_size) -> (tiles, grid, grid, width)."""
        x = self.encoder.forward_features(pixel_values)
        if x.ndim == 3:  # a plain ViT: class and register tokens first, then patches row by row
            x = x[:, self.encoder.num_prefix_tokens :]
            return x.unflatten(1, (self.config.grid, self.config.grid))
        return x.permute(0, 2, 3, 1)  # SAM's neck is convolutional: channels first

    def tokens(self, grid: torch.Tensor) -> torch.Tensor:
        """(tiles, grid, grid, width) -> (tiles, tokens, token_width)."""
        if self.config.pooling != "unshuffle":
            return pool(grid, self.config.unshuffle, self.config.pooling)
        return unshuffle(grid, self.config.unshuffle, self.config.unshuffle_order)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.tokens(self.grid(pixel_values))


class Projector(nn.Sequential):
    """LayerNorm, Linear, GELU, Linear: from a branch's tokens to the language model's width."""

    def __init__(self, width: int, d_llm: int) -> None:
        super().__init__(nn.LayerNorm(width), nn.Linear(width, d_llm), nn.GELU(), nn.Linear(d_llm, d_llm))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., width) to (..., d_llm), in its own type: while it learns it has 32 bits."""
        return super().forward(tokens.to(next(self.parameters()).dtype))
