"""Adaptive tiling: cut an image into square tiles whose arrangement comes closest to its aspect ratio.

Source: arXiv 2501.06986, section 3.1, and the reference's data set code; golden/tiler.json fixes the values.
"""

from __future__ import annotations

from PIL import Image

from leo_drive.clips.to_rgb import to_rgb
from leo_drive.errors import InputError


def tile_grid(
    width: int, height: int, tile_size: int = 448, min_tiles: int = 1, max_tiles: int = 6
) -> tuple[int, int]:
    """Columns and rows of tiles, min_tiles <= columns * rows <= max_tiles, closest to width / height.

    On a tie the larger arrangement wins if the image has more than half its pixels.

    Example:
        >>> tile_grid(1920, 1080, max_tiles=6)
        (2, 1)
    """
    if not 1 <= min_tiles <= max_tiles:
        raise InputError(f"tiles: need 1 <= min_tiles <= max_tiles, got {min_tiles} and {max_tiles}")
    if width < 1 or height < 1:
        raise InputError(f"tiles: an image of {width}x{height} pixels cannot be cut")
    grids = sorted(
        {
            (columns, rows)
            for columns in range(1, max_tiles + 1)
            for rows in range(1, max_tiles // columns + 1)
            if columns * rows >= min_tiles
        },
        # By area, so that on a tie the larger arrangement is the later one. Within one area the reference
        # leaves the order to a set's hashing; here the narrower comes first.
        key=lambda grid: (grid[0] * grid[1], grid),
    )
    best, best_distance = (1, 1), float("inf")
    for columns, rows in grids:
        distance = abs(width / height - columns / rows)
        larger_fits = width * height > 0.5 * tile_size**2 * columns * rows
        if distance < best_distance or (distance == best_distance and larger_fits):
            best, best_distance = (columns, rows), distance
    return best


def tile_count(
    width: int,
    height: int,
    tile_size: int = 448,
    min_tiles: int = 1,
    max_tiles: int = 6,
    thumbnail: bool = True,
) -> int:
    """How many tiles `tile` gives for an image of this size, the thumbnail included."""
    columns, rows = tile_grid(width, height, tile_size, min_tiles, max_tiles)
    return columns * rows + int(thumbnail and columns * rows > 1)


def tile(
    image: Image.Image,
    tile_size: int = 448,
    min_tiles: int = 1,
    max_tiles: int = 6,
    thumbnail: bool = True,
) -> list[Image.Image]:
    """Cut an RGB image into tiles of tile_size x tile_size, row by row, then the thumbnail.

    Args:
        image: any size; it is resized (bicubic) to fill the grid of tiles, its aspect ratio not kept.
        tile_size: pixels along one side of a tile.
        min_tiles, max_tiles: bounds on columns * rows.
        thumbnail: add the whole image as a last tile when it was cut into more than one.

    Returns:
        columns * rows tiles, one more with the thumbnail.

    Example:
        >>> len(tile(Image.new("RGB", (1920, 1080)), max_tiles=6))
        3
    """
    image = to_rgb(image)
    columns, rows = tile_grid(*image.size, tile_size, min_tiles, max_tiles)
    resized = image.resize((columns * tile_size, rows * tile_size), Image.Resampling.BICUBIC)
    tiles = [
        resized.crop((c * tile_size, r * tile_size, (c + 1) * tile_size, (r + 1) * tile_size))
        for r in range(rows)
        for c in range(columns)
    ]
    if thumbnail and len(tiles) > 1:
        tiles.append(image.resize((tile_size, tile_size), Image.Resampling.BICUBIC))
    return tiles
