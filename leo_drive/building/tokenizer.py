"""A checkpoint's tokenizer without its remote code, with the image and turn tokens added.

InternLM2's repositories hold a sentencepiece model and Python code that reads it. The code is not run: the
sentencepiece model becomes a `tokenizers` one with the same pieces, and the tokens that the repository adds
to it take the ids that it says (many of them rename a piece that was left unused).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen2Tokenizer
from transformers.convert_slow_tokenizer import SentencePieceExtractor
from transformers.tokenization_utils_base import generate_merges

from leo_drive.errors import InputError, one_line
from leo_drive.model.config import IMAGE_END, IMAGE_START, IMAGE_TOKEN
from leo_drive.model.processor import TURN_END

# In InternVL's order, so that a language model that lacks them gets its family's ids.
NEEDED_TOKENS = (TURN_END, "<|im_start|>", IMAGE_START, IMAGE_END, IMAGE_TOKEN)
_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
# Kinds of piece in a sentencepiece model.
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
_SPACE = "▁"


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds the files of a tokenizer."""
    return any((folder / name).is_file() for name in _FILES)


def names_added_tokens(folder: Path) -> bool:
    """Whether a folder says which tokens its vocabulary was given besides; tokenizer.json has them all."""
    if (folder / "tokenizer.json").is_file():
        return True
    return bool(_added_tokens(folder, _read_json(folder / "tokenizer_config.json")))


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """A folder's tokenizer: tokenizer.json, a sentencepiece tokenizer.model, or Qwen2's vocab and merges.

    Raises:
        InputError: there is none, it cannot be read, or its added tokens have other ids than it says.
    """
    tokenizer: PreTrainedTokenizerBase
    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        elif (folder / "tokenizer.model").is_file():
            tokenizer = _from_sentencepiece(folder)
        elif (folder / "vocab.json").is_file():
            tokenizer = Qwen2Tokenizer.from_pretrained(folder)
        else:
            raise InputError(f"{folder}: no tokenizer ({', '.join(_FILES)})")
        _check_added_tokens(folder, tokenizer)
    except InputError:
        raise
    except Exception as error:  # three libraries read it, each with errors of its own
        reason = one_line(error)[:200]
        raise InputError(f"{folder}: its tokenizer cannot be read ({reason})") from None
    # What names the repository's code would make the saved tokenizer ask for it.
    tokenizer.init_kwargs.pop("auto_map", None)
    return tokenizer


def add_needed_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Add the tokens of the prompt that are missing; returns those that were."""
    known = tokenizer.get_vocab()
    missing = [token for token in NEEDED_TOKENS if token not in known]
    special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
    # Named as special, not only added: the processor refuses a question that holds one of them.
    extra = list(dict.fromkeys([*special, *NEEDED_TOKENS]))
    tokens = [AddedToken(token, special=True, normalized=False) for token in extra]
    tokenizer.add_special_tokens({"extra_special_tokens": tokens})
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or TURN_END
    return missing


def _from_sentencepiece(folder: Path) -> PreTrainedTokenizerFast:
    path = folder / "tokenizer.model"
    model = SentencePieceExtractor(str(path)).proto
    if model.trainer_spec.model_type != model.trainer_spec.BPE:
        raise InputError(f"{path}: not a BPE model, which InternLM2's and Llama's are")
    settings = _read_json(folder / "tokenizer_config.json")
    added = _added_tokens(folder, settings)
    pieces = [added[i].content if i in added else p.piece for i, p in enumerate(model.pieces)]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    whole = {
        i for i, p in enumerate(model.pieces) if i in added or p.type in (_UNKNOWN, _CONTROL, _USER_DEFINED)
    }
    tokenizer = Tokenizer(
        BPE(
            vocab=vocabulary,
            merges=generate_merges(vocabulary, skip_tokens={pieces[i] for i in whole}),
            unk_token=pieces[model.trainer_spec.unk_id],
            fuse_unk=True,
            byte_fallback=model.trainer_spec.byte_fallback,
        )
    )
    tokenizer.normalizer = _normalizer(model.normalizer_spec)
    tokenizer.decoder = _decoder(model.normalizer_spec.add_dummy_prefix)
    for i in sorted(whole | added.keys()):
        kind = model.pieces[i].type if i < len(pieces) else _CONTROL
        default = (
            AddedToken(pieces[i], normalized=False, special=kind != _USER_DEFINED)
            if i < len(pieces)
            else None
        )
        tokenizer.add_tokens([added.get(i, default)])
    names = {
        name: _content(settings.get(name)) or default
        for name, default in (("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>"))
    }
    if pad := _content(settings.get("pad_token")):
        names["pad_token"] = pad
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        add_bos_token=settings.get("add_bos_token", True),
        add_eos_token=settings.get("add_eos_token", False),
        clean_up_tokenization_spaces=False,
        padding_side="left",
        **names,
    )


def _added_tokens(folder: Path, settings: dict[str, Any]) -> dict[int, AddedToken]:
    """By id, from tokenizer_config.json and, for older folders, added_tokens.json."""
    old = {
        i: {"content": token, "special": True}
        for token, i in _read_json(folder / "added_tokens.json").items()
    }
    new = {int(i): token for i, token in settings.get("added_tokens_decoder", {}).items()}
    return {
        i: AddedToken(
            token["content"],
            single_word=token.get("single_word", False),
            lstrip=token.get("lstrip", False),
            rstrip=token.get("rstrip", False),
            normalized=token.get("normalized", False),
            special=token.get("special", False),
        )
        for i, token in {**old, **new}.items()
    }


def _check_added_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """A token whose id is another than in the checkpoint would have another token's embedding."""
    ids = tokenizer.get_vocab()
    for i, token in _added_tokens(folder, _read_json(folder / "tokenizer_config.json")).items():
        if (given := ids.get(token.content)) != i:
            raise InputError(
                f"{folder}: its added token {token.content} should have the id {i} but gets {given}; the "
                f"tokenizer's files do not belong together"
            )


def _normalizer(spec: Any) -> normalizers.Normalizer:
    """What sentencepiece does to a text before it looks for pieces."""
    steps: list[normalizers.Normalizer] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])


def _decoder(dummy_prefix: bool) -> decoders.Decoder:
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, decoders.Strip(content=" ", left=1)] if dummy_prefix else steps)


def _content(token: Any) -> str | None:
    """A special token's text, which is written bare or with its properties."""
    return token["content"] if isinstance(token, dict) else token


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))
