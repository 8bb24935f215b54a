"""What a run starts from and leaves behind: low-rank additions, skipped blocks, checkpointing."""

import torch
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from timm.layers import DropPath

import leo_drive
from leo_drive.inference.load import open_model
from leo_drive.model import LeoForConditionalGeneration
from tests.model.tiny import noise_clip
from training.recipe import read_recipe
from training.start import start_model
from training.train import train

STAGE2 = {"train": ["projectors", "language_model"], "dense_weight": 0.0}


def test_low_rank_additions_are_merged_into_an_ordinary_model(tmp_path, recipe_file, tiny, drives):
    lora = {"rank": 4, "alpha": 8}
    finished = train(
        read_recipe(
            recipe_file(
                lora=lora, learning_rate=1e-2, validation=[{"root": str(drives), "frames": 1}], **STAGE2
            )
        )
    )
    before, _ = open_model(str(tiny), torch.float32)
    after, processor = open_model(str(finished), torch.float32)
    assert not any(isinstance(module, LoraLayer) for module in after.modules())
    old, new = before.state_dict(), after.state_dict()
    assert old.keys() == new.keys()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    layers = [n for n in moved if n.startswith("language_model.")]
    assert all("_proj" in name for name in layers) and len(layers) == 14
    for name in layers:
        # What was added is of the rank that was asked for, and no more.
        assert int(torch.linalg.matrix_rank(new[name] - old[name], rtol=1e-3)) <= 4, name
    # The checkpoints hold only what learns.
    checkpoints = list((tmp_path / "run" / "checkpoints").glob("*/model.safetensors"))
    size = min(path.stat().st_size for path in checkpoints)
    assert size < 4 * sum(p.numel() for p in before.parameters())
    assert processor.leo.llm.vocab_size == before.config.llm.vocab_size
    # Whoever may read its configuration may read its weights.
    assert len({path.stat().st_mode for path in finished.iterdir()}) == 1


def test_blocks_are_skipped_only_while_training(recipe_file):
    recipe = read_recipe(recipe_file(drop_path=0.5))
    leo, processor = start_model(recipe)
    plain, sam = ([m.drop_prob for m in b.modules() if isinstance(m, DropPath)] for b in leo.branches)
    assert plain and max(plain) == 0.5 and not sam, "as in the reference, SAM's blocks all run"
    pixels = processor.pixel_values([processor.tiles(noise_clip(1).frames, [1])[0][0]] * 4)
    leo.eval()
    with torch.no_grad():
        assert torch.equal(leo.branch_features(pixels)[0], leo.branch_features(pixels)[0])
        leo.train()
        assert not torch.equal(leo.branch_features(pixels)[0], leo.branch_features(pixels)[0])


def test_gradient_checkpointing_changes_nothing_but_memory(recipe_file, tmp_path):
    plain = train(read_recipe(recipe_file(tmp_path / "plain", steps=2)))
    saving = train(read_recipe(recipe_file(tmp_path / "saving", steps=2, gradient_checkpointing=True)))
    one, two = (LeoForConditionalGeneration.from_pretrained(f).state_dict() for f in (plain, saving))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-6, rtol=1e-5, msg=name)


def test_what_learns_has_32_bits_beside_frozen_parts_of_16(recipe_file, tmp_path):
    options = {"weights": "bfloat16", "lora": {"rank": 4, "alpha": 8}, "dense_weight": 0.0, "steps": 4}
    recipe = read_recipe(recipe_file(**{**STAGE2, **options}))
    leo, _ = start_model(recipe)
    assert {p.dtype for p in leo.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in leo.parameters() if not p.requires_grad} == {torch.bfloat16}
    finished = train(recipe)
    with safe_open(finished / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118
    assert leo_drive.load(str(finished)).ask(noise_clip(1), ["What is that?"], max_new_tokens=2)


def test_low_rank_additions_and_checkpointing_together_warn_of_nothing(recipe_file, recwarn):
    lora = {"rank": 4, "alpha": 8}
    start_model(read_recipe(recipe_file(lora=lora, gradient_checkpointing=True, **STAGE2)))
    assert [str(warning.message) for warning in recwarn] == []
