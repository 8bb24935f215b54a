"""InternLM2's tokenizer without its code: the pieces of sentencepiece, the ids of the checkpoint."""

import json

import pytest
import sentencepiece
from transformers import AutoTokenizer

from leo_drive.building.tokenizer import NEEDED_TOKENS, add_needed_tokens, read_tokenizer
from leo_drive.errors import InputError
from tests.building.checkpoints import sentencepiece_model, write_tokenizer, write_tokenizer_config

SENTENCES = [
    "Is there a vehicle ahead?",
    "Stop  at the   red light. ",
    " die Straße,\n車 und 😀",
    "driver driver\tahead",
    "",
]


@pytest.mark.parametrize("prefix", [True, False], ids=["dummy prefix", "no prefix"])
@pytest.mark.parametrize("squeeze", [True, False], ids=["spaces squeezed", "spaces kept"])
def test_same_ids_and_text_as_sentencepiece(tmp_path, prefix, squeeze):
    model = sentencepiece_model(add_dummy_prefix=prefix, remove_extra_whitespaces=squeeze)
    (tmp_path / "tokenizer.model").write_bytes(model)
    theirs, ours = sentencepiece.SentencePieceProcessor(model_proto=model), read_tokenizer(tmp_path)
    for sentence in SENTENCES:
        ids = ours(sentence, add_special_tokens=False)["input_ids"]
        assert ids == theirs.encode(sentence), sentence
        assert ours.decode(ids) == theirs.decode(ids)
        assert ours(sentence)["input_ids"] == [theirs.bos_id(), *ids]


def test_added_tokens_have_the_checkpoints_ids_also_when_saved(tmp_path):
    count = write_tokenizer(tmp_path, "internlm2")
    declared = json.loads((tmp_path / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    tokenizer = read_tokenizer(tmp_path)
    assert add_needed_tokens(tokenizer) == []
    tokenizer.save_pretrained(tmp_path / "saved")
    for reading in (tokenizer, AutoTokenizer.from_pretrained(tmp_path / "saved")):
        assert len(reading) == count
        for i, token in declared.items():
            assert reading.convert_tokens_to_ids(token["content"]) == int(i)
        ids = reading("<|im_start|>user<img><IMG_CONTEXT></img><|im_end|>")["input_ids"]
        wanted = ["<s>", "<|im_start|>", "<img>", "<IMG_CONTEXT>", "</img>", "<|im_end|>"]
        assert [t for t in reading.convert_ids_to_tokens(ids) if t in wanted] == wanted
        assert set(NEEDED_TOKENS) <= set(reading.all_special_tokens)
    assert "auto_map" not in (tmp_path / "saved" / "tokenizer_config.json").read_text()


def test_qwen2s_added_tokens_have_the_checkpoints_ids(tmp_path):
    """As InternVL2-1B has it: vocab.json, merges.txt, and the image tokens already added."""
    count = write_tokenizer(tmp_path, "qwen2")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    added = {int(i): token["content"] for i, token in config.pop("added_tokens_decoder").items()}
    added |= {count + i: token for i, token in enumerate(("<img>", "</img>", "<IMG_CONTEXT>", "<quad>"))}
    write_tokenizer_config(tmp_path, added, **config)
    tokenizer = read_tokenizer(tmp_path)
    assert add_needed_tokens(tokenizer) == [] and len(tokenizer) == count + 4
    assert {i: tokenizer.convert_ids_to_tokens(i) for i in added} == added
    ids = tokenizer("driver <img><IMG_CONTEXT></img>")["input_ids"]
    assert ids[-3:] == [count, count + 2, count + 1] and tokenizer.decode(ids[:-3]) == "driver "


def test_older_folders_name_their_tokens_in_added_tokens_json(tmp_path):
    write_tokenizer(tmp_path, "internlm2")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    added = {token["content"]: int(i) for i, token in config.pop("added_tokens_decoder").items()}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = read_tokenizer(tmp_path)
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in added} == added


@pytest.mark.parametrize("kind", ["internlm2", "qwen2", "llama"])
def test_missing_tokens_are_added_in_the_familys_order(tmp_path, kind):
    count = write_tokenizer(tmp_path, kind)
    if kind == "internlm2":  # as internlm2-chat has it: no image tokens yet
        config = json.loads((tmp_path / "tokenizer_config.json").read_text())
        added = {i: t for i, t in config["added_tokens_decoder"].items() if int(i) < count - 4}
        config["added_tokens_decoder"] = added
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        count -= 4
    tokenizer = read_tokenizer(tmp_path)
    assert len(tokenizer) == count
    added = add_needed_tokens(tokenizer)
    assert added == ([] if kind == "llama" else ["<img>", "</img>", "<IMG_CONTEXT>"])
    assert [tokenizer.convert_tokens_to_ids(t) for t in added] == [count + i for i in range(len(added))]
    assert tokenizer.pad_token is not None


def test_ids_that_cannot_be_are_refused(tmp_path):
    model = sentencepiece_model()
    (tmp_path / "tokenizer.model").write_bytes(model)
    write_tokenizer_config(tmp_path, {5000: "<img>"})
    with pytest.raises(InputError, match=r"<img> should have the id 5000 but gets 360"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [("tokenizer.json", "{}"), ("tokenizer.model", "no proto"), ("vocab.json", "[1"), ("none.txt", "")],
)
def test_unreadable_tokenizers_are_one_line(tmp_path, file, content):
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match="tokenizer") as error:
        read_tokenizer(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_unigram_model_is_refused(tmp_path):
    model = sentencepiece_model(model_type="unigram", vocab_size=310)
    (tmp_path / "tokenizer.model").write_bytes(model)
    with pytest.raises(InputError, match="not a BPE model"):
        read_tokenizer(tmp_path)
