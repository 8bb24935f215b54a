"""Unshuffle against pooling: a branch's setting, unshuffle unless told."""

import pytest
import torch

from leo_drive.model import BranchConfig, LeoConfig, LeoForConditionalGeneration
from leo_drive.model.branch import pool, unshuffle
from leo_drive.model.config import INTERNVIT_300M, SAM_L
from tests.model.tiny import tiny_config


def pooled(how: str) -> LeoConfig:
    config = tiny_config()
    return tiny_config(branches=[{**branch, "pooling": how} for branch in config.branches])


def test_pooling_is_that_of_unshuffles_own_blocks():
    grid = torch.randn(2, 8, 8, 5)
    blocks = unshuffle(grid, 4, "patch").unflatten(2, (16, 5))  # a token's sixteen patches
    torch.testing.assert_close(pool(grid, 4, "average"), blocks.mean(2))
    torch.testing.assert_close(pool(grid, 4, "max"), blocks.amax(2))


def test_unshuffle_is_what_configurations_without_the_field_mean():
    assert INTERNVIT_300M.pooling == SAM_L.pooling == "unshuffle"
    assert (INTERNVIT_300M.token_width, SAM_L.token_width) == (4096, 4096)
    told, older = pooled("unshuffle"), tiny_config()
    older.branches = [{k: v for k, v in b.items() if k != "pooling"} for b in older.branches]
    pixels = [torch.randn(3, 3, 56, 56), torch.randn(3, 3, 64, 64)]
    tokens = []
    for config in (told, older):
        torch.manual_seed(0)
        with torch.inference_mode():
            tokens.append(LeoForConditionalGeneration(config).eval().branch_tokens(pixels))
    for one, two in zip(*tokens, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("how", ["average", "max"])
def test_a_pooling_model_has_as_many_tokens_and_narrower_projectors(how, tmp_path):
    config = pooled(how)
    assert config.tokens_per_tile == tiny_config().tokens_per_tile
    model = LeoForConditionalGeneration(config).eval()
    assert [p[1].in_features for p in model.projectors] == [32, 8]
    pixels = [torch.randn(2, 3, 56, 56), torch.randn(2, 3, 64, 64)]
    with torch.inference_mode():
        tokens = model.branch_tokens(pixels)
        assert [t.shape[1] for t in tokens] == [4, 4]
        model.save_pretrained(tmp_path)
        again = LeoForConditionalGeneration.from_pretrained(tmp_path).branch_tokens(pixels)
    assert again[0].equal(tokens[0]) and again[1].equal(tokens[1])
    assert LeoConfig.from_pretrained(tmp_path).branch_configs[0].pooling == how


def test_another_pooling_is_refused():
    with pytest.raises(ValueError, match="pooling='mean' is not one of unshuffle, average, max"):
        BranchConfig("vit", 56, 4, 32, 2, pooling="mean")
