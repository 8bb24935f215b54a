"""Tiles and the budget that plans them."""

import pytest
from PIL import Image

from leo_drive.errors import InputError
from leo_drive.model import LeoConfig
from leo_drive.model.budget import plan_tiles
from leo_drive.model.tiling import tile, tile_count, tile_grid

CONTEXT = {"model_type": "llama", "max_position_embeddings": 8192}


def test_tiles_are_cut_row_by_row_then_the_thumbnail():
    image = Image.new("RGB", (200, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    left, right, thumbnail = tile(image, tile_size=100, max_tiles=2)
    assert left.getpixel((50, 50)) == (255, 0, 0) and right.getpixel((50, 50)) == (0, 0, 255)
    assert thumbnail.size == (100, 100)
    assert len(tile(image, tile_size=100, max_tiles=2, thumbnail=False)) == 2


@pytest.mark.parametrize("size", [(1920, 1080), (1, 4000), (448, 448), (33, 1000)])
@pytest.mark.parametrize("most", [1, 2, 3, 6, 12])
def test_count_agrees_with_tiling(size, most):
    assert tile_count(*size, max_tiles=most) == len(tile(Image.new("RGB", size), max_tiles=most))


def test_grid_bounds():
    columns, rows = tile_grid(1000, 1000, min_tiles=4, max_tiles=6)
    assert 4 <= columns * rows <= 6
    with pytest.raises(InputError, match="min_tiles"):
        tile_grid(10, 10, min_tiles=3, max_tiles=2)
    with pytest.raises(InputError, match="0x10"):
        tile_grid(0, 10)


def test_equal_divides_as_the_reference_does():
    config = LeoConfig(text_config=CONTEXT)
    five = plan_tiles([(1920, 1080)] * 5, config, lambda n: 60)
    assert five.max_tiles == (1,) * 5 and five.tokens == 5 * 512
    two = plan_tiles([(1920, 1080)] * 2, config, lambda n: 60)
    assert two.max_tiles == (3, 3) and two.tiles == (3, 3) and two.tokens == 6 * 512
    assert plan_tiles([(1920, 1080)] * 9, config, lambda n: 60).max_tiles == (1,) * 9


def test_last_frame_first_gives_the_rest_to_the_last_frame():
    config = LeoConfig(text_config=CONTEXT)
    plan = plan_tiles([(448 * 3, 448 * 2)] * 5, config, lambda n: 60, policy="last_frame_first")
    assert plan.tiles == (1, 1, 1, 1, 7)
    # 8192 tokens hold 15 tiles beside the text, so nine earlier frames leave six for the last one.
    tight = plan_tiles([(448 * 3, 448 * 2)] * 10, config, lambda n: 60, policy="last_frame_first")
    assert sum(tight.tiles) * 512 + 60 + 64 <= 8192 and tight.tiles[-1] > 1


def test_what_does_not_fit_is_refused_with_the_numbers_and_the_cure():
    config = LeoConfig(text_config=CONTEXT)
    with pytest.raises(InputError) as error:
        plan_tiles([(1920, 1080)] * 20, config, lambda n: 40 + 4 * n, answer_tokens=64, name="drive.mp4")
    message = str(error.value)
    assert (
        "drive.mp4: 20 frames need 20 tiles x 512" in message and f"= {20 * 512 + 120 + 64} tokens" in message
    )
    assert "holds 8192" in message and "at most 15 frames fit" in message
    assert plan_tiles([(1920, 1080)] * 15, config, lambda n: 40 + 4 * n).tokens == 15 * 512
    with pytest.raises(InputError, match="at most 14 frames fit"):
        plan_tiles([(1920, 1080)] * 20, config, lambda n: 540 + 4 * n)
    with pytest.raises(InputError, match="shorten the question"):
        plan_tiles([(1920, 1080)], config, lambda n: 8190)
    with pytest.raises(InputError, match="set max_tiles to 1"):
        plan_tiles([(448 * 4, 448 * 4)], config, lambda n: 100, max_tiles=16)
    with pytest.raises(InputError, match="policy 'even'"):
        plan_tiles([(1920, 1080)], config, lambda n: 1, policy="even")  # type: ignore[arg-type]
