"""Tiles to normalised pixel values, as each branch wants them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from leo_drive.clips.to_rgb import to_rgb
from leo_drive.model.config import BranchConfig

_RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def branch_pixels(tiles: Sequence[Image.Image], branch: BranchConfig) -> torch.Tensor:
    """Square RGB tiles to (tiles, 3, image_size, image_size), float32, normalised.

    A tile that is not square is scaled to fit and padded with zeros at the right and the bottom, after
    normalising, as SAM does.
    """
    side = branch.image_size
    pixels = np.zeros((len(tiles), side, side, 3), dtype=np.float32)
    mean = np.asarray(branch.mean, dtype=np.float32) * 255
    std = np.asarray(branch.std, dtype=np.float32) * 255
    for i, tile in enumerate(tiles):
        scale = side / max(tile.size)
        width, height = (int(length * scale + 0.5) for length in tile.size)
        resized = to_rgb(tile)
        if resized.size != (width, height):
            resized = resized.resize((width, height), _RESAMPLE[branch.resample])
        pixels[i, :height, :width] = (np.asarray(resized, dtype=np.float32) - mean) / std
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def pixel_values(tiles: Sequence[Image.Image], branches: Sequence[BranchConfig]) -> list[torch.Tensor]:
    """One (tiles, 3, image_size, image_size) tensor a branch.

    Example:
        >>> from leo_drive.model import LeoConfig
        >>> tiles = [Image.new("RGB", (448, 448))]
        >>> [tuple(p.shape) for p in pixel_values(tiles, LeoConfig().branch_configs)]
        [(1, 3, 448, 448), (1, 3, 1024, 1024)]
    """
    return [branch_pixels(tiles, branch) for branch in branches]
