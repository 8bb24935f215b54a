"""What a step is said to keep in memory, against what autograd really keeps of one."""

import pytest
import torch

from leo_drive.inference.load import open_model
from leo_drive.model import LeoForConditionalGeneration
from training.memory import activation_bytes, kept_for_backward
from training.packing import IGNORE
from training.trainer import TrainingModel, freeze_all_but

CLIPS, TILES, TEXT = 2, 3, 60


@pytest.fixture(scope="module")
def nano():
    return open_model("nano", torch.float32)[0].train()


def estimated(nano, parts, **options):
    with torch.device("meta"):
        leo = LeoForConditionalGeneration(nano.config)
    freeze_all_but(leo, parts)
    tokens = TILES * nano.config.tokens_per_tile + TEXT
    return activation_bytes(leo, CLIPS, TILES, tokens, torch.float32, **options)


@pytest.mark.parametrize(
    "parts", [("projectors", "language_model"), ("branches", "projectors", "language_model")]
)
def test_the_estimate_is_near_what_is_kept(nano, parts):
    freeze_all_but(nano, parts)
    config = nano.config
    shown = TILES * config.tokens_per_tile
    ids = torch.full((CLIPS, shown + TEXT), 5)
    ids[:, :shown] = config.image_token_id
    labels = ids.masked_fill(ids == config.image_token_id, IGNORE)
    mask = torch.zeros(CLIPS, 1, shown + TEXT, shown + TEXT)
    pixels = [torch.rand(CLIPS * TILES, 3, b.image_size, b.image_size) for b in config.branch_configs]
    step = TrainingModel(nano, 1.0, 0.0)
    kept = kept_for_backward(
        lambda: step(pixels=pixels, input_ids=ids, labels=labels, attention_mask=mask)["answer_loss"], nano
    )
    assert 0.75 < estimated(nano, parts) / kept < 1.5


def test_it_grows_with_what_learns_and_shrinks_with_what_is_computed_again(nano):
    late, everything = ("projectors", "language_model"), ("branches", "projectors", "language_model")
    plain = estimated(nano, late)
    assert estimated(nano, everything) > 1.2 * plain
    assert estimated(nano, late, checkpointing=True) < 0.6 * plain
    assert estimated(nano, everything, checkpointing=True) < estimated(nano, everything)
