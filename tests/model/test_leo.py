"""LEO as a transformers model."""

from dataclasses import replace

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from benchmarks.full_size import LANGUAGE_MODELS
from leo_drive.errors import InputError
from leo_drive.model import BranchConfig, LeoConfig, LeoForConditionalGeneration
from leo_drive.model.branch import Branch, unshuffle
from leo_drive.model.checkpoints import SEGMENT_ANYTHING_NAMES, rename, split_wqkv
from leo_drive.model.fusion import FUSIONS
from tests.model.tiny import noise_clip, tiny_config, tiny_leo

LLAMA_7B = {**LANGUAGE_MODELS["internlm2-7b"], "max_position_embeddings": 32768}


def inputs_of(processor, frames=2, text="What should the driver do?"):
    clip = noise_clip(frames)
    placeholders = "".join(f"Frame{i + 1}: <image>\n" for i in range(frames))
    return processor(images=list(clip.frames), text=placeholders + text, max_tiles=frames)


def test_full_size_parameter_counts_and_tokens():
    with torch.device("meta"):
        leo = LeoForConditionalGeneration(LeoConfig(text_config=LLAMA_7B))
    vit, sam = (sum(p.numel() for p in branch.parameters()) for branch in leo.branches)
    assert round(vit / 1e6) == 304 and round(sam / 1e6) == 308
    assert 7.7e9 < sum(p.numel() for p in leo.language_model.parameters()) < 7.8e9
    assert leo.config.tokens_per_tile == 512
    assert [tuple(m.shape for m in (p[1].weight, p[3].weight)) for p in leo.projectors] == [
        ((4096, 4096), (4096, 4096))
    ] * 2


def test_unshuffle_orders():
    x = torch.randn(2, 6, 6, 5)
    ours = unshuffle(x, 3, "channel")
    theirs = torch.nn.functional.pixel_unshuffle(x.permute(0, 3, 1, 2), 3).permute(0, 2, 3, 1)
    torch.testing.assert_close(ours, theirs.flatten(1, 2))
    # Patch order: a token is its block's patches, row by row, each whole.
    token = unshuffle(x, 3, "patch")[0, 1]
    torch.testing.assert_close(token, x[0, 0:3, 3:6].reshape(-1))


def test_sam_branch_equals_segment_anything():
    shape = {"embed_dim": 48, "depth": 4, "num_heads": 4}
    torch.manual_seed(0)
    theirs = ImageEncoderViT(
        img_size=128,
        out_chans=16,
        mlp_ratio=4,
        qkv_bias=True,
        use_rel_pos=True,
        window_size=3,
        global_attn_indexes=(1, 3),
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
        **shape,
    ).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    arguments = {**shape, "window_size": 3, "global_attn_indexes": [1, 3], "neck_chans": 16}
    ours = Branch(
        BranchConfig("samvit_large_patch16", 128, 8, 16, 4, arguments, unshuffle_order="channel")
    ).eval()
    weights = {rename(k, SEGMENT_ANYTHING_NAMES): v for k, v in theirs.state_dict().items()}
    ours.encoder.load_state_dict(weights)
    pixels = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        torch.testing.assert_close(ours.grid(pixels), theirs(pixels).permute(0, 2, 3, 1), atol=1e-4, rtol=0)


def test_wqkv_is_grouped_by_key_value_head():
    rows = torch.arange(2 * (3 + 2) * 4).unsqueeze(1)  # 2 kv heads, 3 queries each, heads of 4
    q, k, v = (part[:, 0].tolist() for part in split_wqkv(rows, heads=6, kv_heads=2))
    assert q == [*range(0, 12), *range(20, 32)]
    assert k == [*range(12, 16), *range(32, 36)] and v == [*range(16, 20), *range(36, 40)]


@pytest.mark.parametrize(("frames", "tiles"), [(5, 1), (2, 3)])
def test_sequence_layout(frames, tiles):
    """As the reference writes it: a labelled line a frame, its tiles one run between <img> and </img>."""
    _, processor = tiny_leo()
    per_tile = processor.leo.tokens_per_tile
    prompt = processor.prompt("Is there a vehicle ahead?", [tiles] * frames)
    text = processor.tokenizer.decode([*prompt.prefix, *prompt.question])
    run = "<img>" + "<IMG_CONTEXT>" * (per_tile * tiles) + "</img>"
    lines = "".join(f"Frame{i + 1}: {run}\n" for i in range(frames))
    system = processor.leo.system_message
    assert text == (
        f"<|im_start|>system\n{system}<|im_end|><|im_start|>user\n{lines}Is there a vehicle ahead?<|im_end|>"
        f"<|im_start|>assistant\n"
    )
    assert prompt.prefix.count(processor.leo.image_token_id) == frames * tiles * per_tile
    assert processor.leo.image_token_id not in prompt.question


def test_interleaving_puts_branch_one_first():
    model, processor = tiny_leo()
    pixels = inputs_of(processor)["pixel_values"]
    with torch.inference_mode():
        first, second = model.branch_tokens(pixels)
        visual = model.visual_tokens(pixels)
    assert first.shape == second.shape == (2, 4, 48)
    torch.testing.assert_close(visual[:, 0::2], first)
    torch.testing.assert_close(visual[:, 1::2], second)


def test_one_projector_reads_narrower_tokens_as_wider_ones_that_end_in_zeros():
    first, second = tiny_config().branch_configs
    narrow = replace(second, width=4, encoder_args={**second.encoder_args, "neck_chans": 4})
    model, processor = tiny_leo("pre_adaptation_sequence", branches=[first, narrow])
    pixels = inputs_of(processor)["pixel_values"]
    with torch.inference_mode():
        wide, slim = model.branch_features(pixels)
        visual = model.visual_tokens(pixels)
        assert (wide.shape[2], slim.shape[2]) == (128, 64)
        filled = torch.cat([slim, torch.zeros_like(slim)], dim=2)
        torch.testing.assert_close(visual[:, 0::2], model.projectors[0](wide))
        torch.testing.assert_close(visual[:, 1::2], model.projectors[0](filled))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_trains_and_reloads(fusion, tmp_path):
    model, processor = tiny_leo(fusion)
    batch = inputs_of(processor)
    assert batch["input_ids"].eq(processor.leo.image_token_id).sum() == 2 * model.config.tokens_per_tile
    loss = model(**batch, labels=batch["input_ids"]).loss
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.projectors.parameters())
    model.save_pretrained(tmp_path)
    again = LeoForConditionalGeneration.from_pretrained(tmp_path)
    torch.testing.assert_close(again(**batch).logits, model(**batch).logits)


def test_more_image_tokens_than_tiles_is_an_error():
    model, processor = tiny_leo()
    batch = inputs_of(processor)
    with pytest.raises(ValueError, match=r"16 image tokens but 1 tiles give 8"):
        model(batch["input_ids"], pixel_values=[p[:1] for p in batch["pixel_values"]])
    with pytest.raises(ValueError, match="holds 1 tensors, the model has 2 branches"):
        model(batch["input_ids"], pixel_values=batch["pixel_values"][:1])
    cut = batch["input_ids"][:, :20]
    with pytest.raises(ValueError, match="was the prompt cut"):
        model(cut, pixel_values=batch["pixel_values"])


def test_without_pixels_it_is_the_language_model():
    model, processor = tiny_leo()
    ids = processor.tokenizer("Is there a vehicle ahead?", return_tensors="pt")["input_ids"]
    torch.testing.assert_close(model(ids).logits, model.language_model(ids).logits)


def test_auto_classes(tmp_path):
    model, processor = tiny_leo()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), LeoConfig)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    batch = inputs_of(AutoProcessor.from_pretrained(tmp_path))
    with torch.inference_mode():
        torch.testing.assert_close(again.eval()(**batch).logits, model(**batch).logits)
    assert again.get_input_embeddings().weight is again.get_output_embeddings().weight


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_close_to_float32(dtype, tmp_path):
    model, processor = tiny_leo()
    batch = inputs_of(processor)
    model.save_pretrained(tmp_path)
    half = LeoForConditionalGeneration.from_pretrained(tmp_path, dtype=dtype).eval()
    with torch.inference_mode():
        difference = half(**batch).logits.float() - model(**batch).logits
    assert half.dtype == dtype
    assert difference.abs().mean() < 0.05 * model(**batch).logits.abs().mean()


def test_gradient_checkpointing_gives_the_same_gradients():
    model, processor = tiny_leo()
    batch = inputs_of(processor)
    gradients = []
    for switch in (model.activation_checkpointing_disable, model.activation_checkpointing_enable):
        switch()
        model.train()
        model.zero_grad()
        model(**batch, labels=batch["input_ids"]).loss.backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert all(b.encoder.grad_checkpointing for b in model.branches)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3, "num_return_sequences": 2},
        {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "num_return_sequences": 3},
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"cache_implementation": "static"},
        {"use_cache": False},
        {"prompt_lookup_num_tokens": 2},
        {"prefill_chunk_size": 5},
        {"assistant_early_exit": 1},
        {"min_new_tokens": 5, "bad_words_ids": [[7]]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_generate_options(options):
    model, processor = tiny_leo()
    batch = inputs_of(processor)
    length = batch["input_ids"].shape[1]
    output = model.generate(**batch, max_new_tokens=8, **options)
    assert output.shape[0] == options.get("num_return_sequences", 1)
    assert torch.equal(output[:, :length], batch["input_ids"].expand(output.shape[0], -1))
    assert length < output.shape[1] <= length + 8
    if not options.keys() & {"do_sample", "repetition_penalty", "bad_words_ids", "num_beams"}:
        assert torch.equal(output, model.generate(**batch, max_new_tokens=8))


@pytest.mark.parametrize("drafts", ["another LEO", "a language model"])
def test_an_assistant_changes_no_answer(drafts):
    """What it drafts is checked against the pictures, whether it has seen them or not."""
    model, processor = tiny_leo()
    batch = inputs_of(processor)
    another, _ = tiny_leo(seed=5)
    assistant = another if drafts == "another LEO" else another.language_model
    plain = model.generate(**batch, max_new_tokens=12)
    assert torch.equal(model.generate(**batch, max_new_tokens=12, assistant_model=assistant), plain)
    unseen = model.generate(batch["input_ids"], max_new_tokens=12)
    assert not torch.equal(plain, unseen), "the pictures matter"


def test_a_batch_of_different_lengths_gives_what_each_gives_alone():
    model, processor = tiny_leo()
    clip = noise_clip(2)
    texts = ["<image>\nIs there a vehicle ahead?", "<image>\nWhat should the driver do? Stop."]
    together = processor(images=list(clip.frames), text=texts, max_tiles=1)
    output = model.generate(**together, max_new_tokens=6)[:, together["input_ids"].shape[1] :]
    for i, text in enumerate(texts):
        alone = processor(images=[clip.frames[i]], text=text, max_tiles=1, return_tensors=None)
        assert isinstance(alone["input_ids"][0], list)
        alone = processor(images=[[clip.frames[i]]], text=[text], max_tiles=1)
        new = model.generate(**alone, max_new_tokens=6)[0, alone["input_ids"].shape[1] :]
        assert output[i, : len(new)].tolist() == new.tolist()


def test_images_may_come_text_by_text():
    _, processor = tiny_leo()
    first, second = noise_clip(2).frames
    texts = ["<image>\nWhat?", "What?", "<image>\nWhere?"]
    flat = processor(images=[first, second], text=texts, max_tiles=1)
    nested = processor(images=[[first], [], second], text=texts, max_tiles=1)
    assert torch.equal(nested["input_ids"], flat["input_ids"])
    assert torch.equal(nested["pixel_values"][0], flat["pixel_values"][0])
    with pytest.raises(InputError, match=r"\[1, 0, 1\] <image> in the texts but \[1, 1, 0\] images"):
        processor(images=[[first], [second], []], text=texts)


def test_generating_from_embeddings():
    model, processor = tiny_leo()
    batch = inputs_of(processor)
    embeds = model.embed(batch["input_ids"], model.visual_tokens(batch["pixel_values"]))
    new = model.generate(inputs_embeds=embeds, attention_mask=batch["attention_mask"], max_new_tokens=8)
    plain = model.generate(**batch, max_new_tokens=8)[:, batch["input_ids"].shape[1] :]
    assert torch.equal(new[:, -plain.shape[1] :], plain)


def test_shapes_that_cannot_be_joined_are_refused():
    branch = tiny_config().branches[0]
    with pytest.raises(ValueError, match="as many tokens from every branch"):
        tiny_config(branches=[branch, {**branch, "unshuffle": 1}])
    with pytest.raises(ValueError, match="not one of interleave"):
        tiny_config("sum")
    with pytest.raises(ValueError, match="branches is empty"):
        tiny_config(branches=[])
    for name, value in (("tile_size", 0), ("confidence_temperature", 0), ("max_tiles", None)):
        with pytest.raises(ValueError, match=f"{name}={value} is not a number above 0"):
            tiny_config(**{name: value})
    with pytest.raises(ValueError, match="does not divide"):
        tiny_config(branches=[{**branch, "unshuffle": 3}])
