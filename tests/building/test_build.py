"""A built model computes what the checkpoints compute that it was made of."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

import leo_drive
from leo_drive.building import writing
from leo_drive.files import size
from leo_drive.model import LeoForConditionalGeneration
from tests.building import checkpoints
from tests.building.checkpoints import (
    internvit_features,
    internvit_weights,
    language_json,
    language_model,
    language_weights,
    pixel_shuffle_v2,
    sentencepiece_model,
    write_internvl,
    write_segment_anything,
    write_tokenizer,
    write_weights,
)
from tests.building.harm import edit_config, edit_weights
from tests.model.tiny import noise_clip

PIXELS = [torch.randn(2, 3, n, n, generator=torch.Generator().manual_seed(n)) for n in (56, 128)]

UNUSED = ("mask_decoder", "prompt_encoder", "shared_image_embedding")


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def answers(folder):
    leo = leo_drive.load(folder)
    answer = leo.ask(noise_clip(2), "What should the driver do?", max_new_tokens=4)
    assert answer.tokens and 0 <= answer.confidence <= 1
    return leo


@pytest.mark.parametrize(
    ("kind", "shards", "tied"),
    [
        ("internlm2", 1, False),
        ("internlm2", 3, False),
        ("qwen2", 2, True),
        ("qwen2", 1, False),
        ("llama", 1, False),
    ],
)
def test_internvl_with_sam(build, tmp_path, sam, kind, shards, tied):
    weights, projector, llm = write_internvl(tmp_path / "internvl", kind, shards, tied)
    out = tmp_path / "out"
    status, _, err = build("--internvl", tmp_path / "internvl", "--sam", sam, "--out", out)
    assert (status, err) == (0, "")
    model = LeoForConditionalGeneration.from_pretrained(out).eval()
    assert model.dtype == torch.float32 and model.config.tokens_per_tile == 8
    rows = llm.config.vocab_size
    ids = torch.randint(0, rows, (1, 20))
    with torch.inference_mode():
        features = internvit_features(weights, PIXELS[0], "vision_model.")
        close(model.branch_tokens(PIXELS)[0], projector(pixel_shuffle_v2(features)))
        close(model(ids).logits[..., :rows], llm(ids).logits)
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied
    leo = answers(out)
    assert leo.processor.tokenizer("ahead")["input_ids"]
    assert leo.model.config.image_token_id == leo.processor.tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")


@pytest.mark.parametrize(
    ("whole", "window"),
    [(True, 3), (False, 3), (True, 14)],
    ids=["published", "encoder alone", "window larger than the grid"],
)
def test_segment_anythings_file(build, tmp_path, internvl, whole, window):
    encoder = write_segment_anything(tmp_path / "sam.pth", whole, window)
    status, _, err = build("--internvl", internvl, "--sam", tmp_path / "sam.pth", "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    model = LeoForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    with torch.inference_mode():
        close(model.branches[1].grid(PIXELS[1]), encoder(PIXELS[1]).permute(0, 2, 3, 1))


def test_transformers_sam(build, tmp_path, internvl):
    theirs = checkpoints.write_sam(tmp_path / "sam")
    build("--internvl", internvl, "--sam", tmp_path / "sam", "--out", tmp_path / "out")
    model = LeoForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    with torch.inference_mode():
        expected = theirs.vision_encoder(PIXELS[1]).last_hidden_state
        close(model.branches[1].grid(PIXELS[1]), expected.permute(0, 2, 3, 1))


def test_a_hidden_layer_of_any_width(build, tmp_path, sam, monkeypatch):
    """244 / 56 * 56 is a little below 244, and timm rounds down."""
    monkeypatch.setitem(checkpoints.VIT, "hidden_size", 56)
    monkeypatch.setitem(checkpoints.VIT, "intermediate_size", 244)
    weights, projector, _ = write_internvl(tmp_path / "internvl")
    assert build("--internvl", tmp_path / "internvl", "--sam", sam, "--out", tmp_path / "out")[::2] == (0, "")
    model = LeoForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    with torch.inference_mode():
        features = internvit_features(weights, PIXELS[0], "vision_model.")
        close(model.branch_tokens(PIXELS)[0], projector(pixel_shuffle_v2(features)))


def test_weights_in_pytorchs_old_format(build, tmp_path, internvl, sam):
    """Before 1.6 its files were no zip archives."""
    old = shutil.copytree(internvl, tmp_path / "old")
    weights = load_file(old / "model.safetensors")
    (old / "model.safetensors").unlink()
    torch.save(weights, old / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    for name, source in (("a", internvl), ("b", old)):
        assert build("--internvl", source, "--sam", sam, "--out", tmp_path / name)[0] == 0
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("kind", ["internlm2", "qwen2", "llama"])
def test_separate_parts(build, tmp_path, sam, kind):
    """Of the Llama there is a sentencepiece model alone: every embedding is one of its pieces'."""
    for name in ("vit", "llm"):
        (tmp_path / name).mkdir()
    torch.manual_seed(3)
    vit = internvit_weights()
    write_weights(tmp_path / "vit", vit)
    (tmp_path / "vit" / "config.json").write_text(json.dumps(checkpoints.VIT))
    if kind == "llama":
        (tmp_path / "llm" / "tokenizer.model").write_bytes(sentencepiece_model(vocab_size=340))
    llm = language_model(kind, 340 if kind == "llama" else write_tokenizer(tmp_path / "llm", kind))
    write_weights(tmp_path / "llm", language_weights(llm, kind), shards=2)
    (tmp_path / "llm" / "config.json").write_text(json.dumps(language_json(llm, kind)))
    out = tmp_path / "out"
    parts = ("--internvit", tmp_path / "vit", "--llm", tmp_path / "llm", "--sam", sam)
    status, _, err = build(*parts, "--out", out)
    assert (status, err) == (0, "")
    model = LeoForConditionalGeneration.from_pretrained(out).eval()
    ids = torch.randint(0, llm.config.vocab_size, (1, 20))
    with torch.inference_mode():
        close(model.branches[0].grid(PIXELS[0]), internvit_features(vit, PIXELS[0]))
        close(model(ids).logits[..., : llm.config.vocab_size], llm(ids).logits)
    assert model.projectors[0][1].weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not torch.equal(model.projectors[0][3].weight, model.projectors[1][3].weight)
    assert "projector of branch 1, projector of branch 2" in (out / "README.md").read_text()
    answers(out)


def test_new_tokens_have_the_mean_of_the_others(build, tmp_path, sam):
    _, _, llm = write_internvl(tmp_path / "internvl", "qwen2")
    build("--internvl", tmp_path / "internvl", "--sam", sam, "--out", tmp_path / "out")
    leo = leo_drive.load(tmp_path / "out")
    old = llm.config.vocab_size
    ids = leo.processor.tokenizer.convert_tokens_to_ids(["<img>", "</img>", "<IMG_CONTEXT>"])
    assert ids == [old, old + 1, old + 2] and leo.model.config.llm.vocab_size == old + 3
    for ours, theirs in (
        (leo.model.get_input_embeddings(), llm.get_input_embeddings()),
        (leo.model.get_output_embeddings(), llm.get_output_embeddings()),
    ):
        close(ours.weight[:old], theirs.weight)
        close(ours.weight[old:], theirs.weight.mean(0).expand(3, -1))


def test_rows_that_the_checkpoint_has_stay(build, tmp_path, sam):
    """Qwen2's embeddings have more rows than its tokenizer tokens; a row of zeros is nobody's."""
    folder = tmp_path / "internvl"
    weights, _, llm = write_internvl(folder, "qwen2")
    known, width = llm.config.vocab_size, checkpoints.WIDTH
    names = [f"language_model.{name}.weight" for name in ("model.embed_tokens", "lm_head")]
    for name in names:
        weights[name] = torch.cat([weights[name], torch.randn(2, width), torch.zeros(6, width)])
    write_weights(folder, weights)
    edit_config(folder, "llm_config", vocab_size=known + 8)
    build("--internvl", folder, "--sam", sam, "--out", tmp_path / "out")
    model = leo_drive.load(tmp_path / "out").model
    # <img> and </img> have the rows that are not zero, <IMG_CONTEXT> the first of zeros.
    for ours, name in zip((model.get_input_embeddings(), model.get_output_embeddings()), names, strict=True):
        mean = weights[name].sum(0) / (known + 7)
        close(ours.weight, torch.cat([weights[name][: known + 2], mean[None], torch.zeros(5, width)]))
    ids = torch.randint(0, known, (1, 20))
    with torch.inference_mode():
        logits = llm.model(ids).last_hidden_state @ weights[names[1]].T
        ours = model(ids).logits
    torch.testing.assert_close(ours[..., : known + 2], logits[..., : known + 2], atol=1e-5, rtol=1e-5)


def test_fields_that_say_the_same_otherwise(build, tmp_path, internvl, sam):
    """One architecture without a list around it; a missing field, which has InternVL's default."""
    theirs = shutil.copytree(internvl, tmp_path / "theirs")
    edit_config(theirs, architectures="InternVLChatModel", use_thumbnail=...)
    edit_config(theirs, "llm_config", architectures="InternLM2ForCausalLM")
    status, _, err = build("--internvl", theirs, "--sam", sam, "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert not leo_drive.load(tmp_path / "out").model.config.use_thumbnail


def test_precision(build, tmp_path, internvl, sam):
    status, out, _ = build(
        "--internvl", internvl, "--sam", sam, "--out", tmp_path / "out", "--dtype", "bfloat16"
    )
    assert status == 0 and "in bfloat16" in out
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_double_precision_becomes_single(build, tmp_path, internvl, sam):
    double = shutil.copytree(internvl, tmp_path / "double")
    edit_weights(double, lambda weights: weights.update({n: t.double() for n, t in weights.items()}))
    for name, source in (("a", internvl), ("b", double)):
        assert build("--internvl", source, "--sam", sam, "--out", tmp_path / name)[::2] == (0, "")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_no_file_is_larger_than_the_largest_that_was_read(build, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_LEAST_SHARD_BYTES", 1000)
    write_internvl(tmp_path / "in", shards=3)
    write_segment_anything(tmp_path / "in" / "sam.pth", whole=False)
    sources = ("--internvl", tmp_path / "in", "--sam", tmp_path / "in" / "sam.pth")
    status, out, _ = build(*sources, "--out", tmp_path / "out")
    read = max(file.stat().st_size for file in (tmp_path / "in").iterdir())
    files = [load_file(file) for file in (tmp_path / "out").glob("*.safetensors")]
    written = max(sum(tensor.nbytes for tensor in file.values()) for file in files)
    assert status == 0 and len(files) > 1 and written <= read
    assert f"of which {size(written)} for a file that is written" in out


def test_two_builds_are_the_same(build, tmp_path, internvl, sam):
    for name in ("a", "b"):
        build("--internvl", internvl, "--sam", sam, "--out", tmp_path / name)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_long_contexts_keep_their_rope(build, tmp_path, internvl, sam):
    build("--internvl", internvl, "--sam", sam, "--out", tmp_path / "out")
    llm = leo_drive.load(tmp_path / "out").model.config.llm
    assert llm.rope_parameters == {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0}


def test_a_source_may_have_several_licences(build, tmp_path, internvl, sam):
    theirs = shutil.copytree(internvl, tmp_path / "theirs")
    (theirs / "README.md").write_text("---\nlicense: [mit, apache-2.0]\n---\n")
    status, _, err = build("--internvl", theirs, "--sam", sam, "--out", tmp_path / "out")
    assert status == 0, err
    assert "licence: mit, apache-2.0" in (tmp_path / "out" / "README.md").read_text()


def test_what_is_said_before_and_after(build, tmp_path, internvl, sam):
    status, out, _ = build("--internvl", internvl, "--sam", sam, "--out", tmp_path / "out")
    stored = (load_file(internvl / "model.safetensors"), load_file(sam / "model.safetensors"))
    taken = sum(t.numel() for name, t in (stored[0] | stored[1]).items() if not name.startswith(UNUSED)) * 4
    numbers = sum(t.numel() for t in load_file(tmp_path / "out" / "model.safetensors").values())
    assert status == 0
    assert f"reading {taken / 1000:.3g} kB from 2 files, writing {numbers * 4 / 1000:.3g} kB" in out
    assert f"{numbers * 2 / 1000:.3g} kB weights; for an image of 7 tiles, 56 tokens" in out
    card = (tmp_path / "out" / "README.md").read_text()
    for said in (str(internvl), str(sam), "licence: mit", "projector of branch 2", "Not trained yet"):
        assert said in card
    mode = (tmp_path / "out" / "model.safetensors").stat().st_mode
    assert mode == (tmp_path / "out" / "README.md").stat().st_mode
    assert f"model.safetensors: {(sam / 'model.safetensors').stat().st_size} bytes" in card


def test_the_conversations_template_is_the_checkpoints(build, tmp_path, sam):
    """InternVL 2.5 puts a line break between turns, which InternVL 2 does not."""
    for kind, between in (("llama", "<|im_end|>\n<|im_start|>"), ("internlm2", "<|im_end|><|im_start|>")):
        write_internvl(tmp_path / kind, kind)
        build("--internvl", tmp_path / kind, "--sam", sam, "--out", tmp_path / f"{kind}-leo")
        processor = leo_drive.load(tmp_path / f"{kind}-leo").processor
        prompt = processor.prompt("Why?", [1], history=[("Is it raining?", "No.")])
        text = processor.tokenizer.decode([*prompt.prefix, *prompt.question]).replace("> ", ">")
        assert text.count(between) == 4


def test_the_references_own_checkpoint(build, tmp_path):
    """All in one file under the reference's names, the tokenizer beside it."""
    folder = tmp_path / "reference"
    internvl, first, llm = write_internvl(folder)
    sam, second = checkpoints.write_sam(tmp_path / "sam"), checkpoints.second_projector()
    weights = {name.replace("vision_model.", "vision_model_1."): t for name, t in internvl.items()}
    weights |= {f"vision_model_2.{name}": t for name, t in sam.vision_encoder.state_dict().items()}
    weights |= {f"mlp2.{name}": t for name, t in second.state_dict().items()}
    write_weights(folder, weights, shards=2)
    (folder / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    config |= {"vision_config_1": config.pop("vision_config"), "vision_config_2": checkpoints.SAM}
    config |= {"architectures": ["LEO"], "downsample_ratio2": 4, "max_dynamic_patch": 6}
    (folder / "config.json").write_text(json.dumps(config))
    status, _, err = build("--from-reference", folder, "--out", tmp_path / "out")
    assert status == 0 and "leo-drive:" not in err
    model = answers(tmp_path / "out").model
    with torch.inference_mode():
        seen = internvit_features(internvl, PIXELS[0], "vision_model.")
        grid = sam.vision_encoder(PIXELS[1]).last_hidden_state
        unshuffled = torch.nn.functional.pixel_unshuffle(grid, 4).flatten(2).mT
        ours = model.branch_tokens(PIXELS)
        close(ours[0], first(pixel_shuffle_v2(seen)))
        close(ours[1], second(unshuffled))
        ids = torch.randint(0, llm.config.vocab_size, (1, 20))
        close(model(ids).logits, llm(ids).logits)
    assert "Every weight comes from a trained checkpoint" in (tmp_path / "out" / "README.md").read_text()


def test_a_tokenizer_from_elsewhere(build, tmp_path, internvl, sam):
    bare = shutil.copytree(internvl, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    (tmp_path / "nothing").mkdir()
    sources = ("--internvl", bare, "--sam", sam, "--tokenizer")
    status, _, err = build(*sources, tmp_path / "nothing", "--out", tmp_path / "out")
    assert status == 2 and "no tokenizer" in err and len(err.splitlines()) == 1
    assert build(*sources, internvl, "--out", tmp_path / "out")[::2] == (0, "")
    answers(tmp_path / "out")
    assert f"tokenizer: from `{internvl}`" in (tmp_path / "out" / "README.md").read_text()


def test_help_names_the_presets_and_shows_examples(build):
    status, out, _ = build("--help")
    assert status == 0 and "leo-8b, leo-2b or leo-1b" in out and "Example" in out


def test_golden_internvl(build, golden, tmp_path, sam):
    """The authors' values; the checkpoint has no tokenizer, so the model gets none, and that is said."""
    shutil.copytree(golden / "internvl_tiny", tmp_path / "internvl")
    status, _, err = build("--internvl", tmp_path / "internvl", "--sam", sam, "--out", tmp_path / "out")
    assert status == 0 and "no tokenizer there" in err and len(err.splitlines()) == 1
    expected = load_file(golden / "internvl_tiny" / "expected.safetensors")
    model = LeoForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    pixels = [expected["pixel_values"], torch.zeros(2, 3, 128, 128)]
    with torch.inference_mode():
        ours = model.branch_tokens(pixels)[0]
        torch.testing.assert_close(ours, expected["visual_tokens"], atol=1e-4, rtol=0)
        logits = model(expected["text_input_ids"]).logits
        torch.testing.assert_close(logits, expected["text_logits"], atol=1e-4, rtol=0)


def test_golden_reference(build, golden, tmp_path):
    reference = tmp_path / "reference"
    reference.mkdir()
    shutil.copy(golden / "reference_leo_tiny.safetensors", reference / "model.safetensors")
    shutil.copy(golden / "reference_leo_tiny_config.json", reference / "config.json")
    status, _, _ = build("--from-reference", reference, "--out", tmp_path / "out")
    assert status == 0
    model = LeoForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    values = load_file(golden / "case_two_frames_2_tiles.safetensors")
    with torch.inference_mode():
        pixels = [values["pixel_values"], values["pixel_values_sam"]]
        logits = model(values["input_ids"], pixel_values=pixels).logits
    torch.testing.assert_close(logits, values["logits"], atol=1e-4, rtol=0)
    assert "Every weight comes from a trained checkpoint" in (tmp_path / "out" / "README.md").read_text()
