"""Questions on prefixes, decoded in batches that fit the memory: how one clip is asked, and many clips."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from leo_drive.errors import InputError
from leo_drive.inference.answer import Answer, confidence
from leo_drive.inference.memory import in_parts
from leo_drive.inference.prefix import Prefix
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor


@dataclass(frozen=True)
class Asked:
    """A question on one of a prefix's clips.

    Attributes:
        question: as it was asked.
        ids: of its prompt after the prefix, up to where the answer starts.
        clip: number of the clip in `Prefix.clips`.
    """

    question: str
    ids: tuple[int, ...]
    clip: int = 0


def answer_all(
    model: LeoForConditionalGeneration,
    processor: LeoProcessor,
    prefix: Prefix,
    asked: Sequence[Asked],
    max_new_tokens: int,
    cache_bytes: int,
    paid: dict[str, float],
    options: dict[str, Any],
) -> list[Answer]:
    """Answers in the order asked, each as if asked alone.

    Args:
        cache_bytes: most memory for a batch's keys and values; questions beyond it go in another batch.
        paid: seconds that the prefix cost, for the answers' timings.
        options: of transformers' `generate`.

    Raises:
        DeviceMemoryError: one question alone does not fit the device's memory.
    """
    answers: list[Answer] = []
    own = max((len(one.ids) for one in asked), default=0) + max_new_tokens
    size = min(len(asked), max(1, cache_bytes // (prefix.bytes_per_token * (len(prefix.ids) + own))))

    def decoded(batch: Sequence[Asked]) -> tuple[list[list[int]], list[list[float]], float]:
        start = time.perf_counter()
        ids, logprobs = decode(model, processor, prefix, batch, max_new_tokens, options)
        return ids, logprobs, time.perf_counter() - start

    def refusal(one: Asked) -> str:
        name = prefix.clips[one.clip].source or "clip"
        return f"{name}: out of memory with one question; use fewer frames or tiles"

    temperature = model.config.confidence_temperature
    for batch, (ids, logprobs, seconds) in in_parts(asked, size, decoded, refusal):
        timings = {**paid, "decode": seconds}
        answers += [
            _answer(processor, one, prefix, own_ids, own_logprobs, timings, temperature)
            for one, own_ids, own_logprobs in zip(batch, ids, logprobs, strict=True)
        ]
    return answers


_ASSISTED = ("assistant_model", "assistant_early_exit", "prompt_lookup_num_tokens")
_GREEDY = {"do_sample": False, "num_beams": 1, "num_return_sequences": 1, "use_cache": True}
_OF_SAMPLING = frozenset(
    ("temperature", "top_k", "top_p", "top_h", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
)
_OF_NEXT_TOKEN = frozenset(
    (
        *("repetition_penalty", "no_repeat_ngram_size", "min_new_tokens", "bad_words_ids", "sequence_bias"),
        *("suppress_tokens", "begin_suppress_tokens", "exponential_decay_length_penalty"),
    )
)


def folder_settings(model: LeoForConditionalGeneration) -> dict[str, Any]:
    """What of a model folder's generation_config.json changes greedy answers.

    The rest of it is about other ways to decode (beams, sampling, assistants), most of which fail on a
    prefix that was read before, or about what is given for each answer: `decode` goes its own way.
    """
    own = model.generation_config.to_diff_dict()
    return {name: value for name, value in own.items() if name in _OF_NEXT_TOKEN}


@torch.inference_mode()
def decode(
    model: LeoForConditionalGeneration,
    processor: LeoProcessor,
    prefix: Prefix,
    batch: Sequence[Asked],
    max_new_tokens: int,
    options: dict[str, Any],
) -> tuple[list[list[int]], list[list[float]]]:
    """Generate for a batch of questions, greedily unless the options say otherwise.

    Shorter questions are padded between prefix and question; the mask hides the padding and positions count
    what is not hidden, so each question sees what it would see alone.

    Returns:
        New token ids and their log-probabilities, a list a question, padded to the longest.

    Raises:
        InputError: options that ask for more than one sequence a question, for assisted decoding, for a
            pass without the cache, or that come as a generation_config.
    """
    options = {name: value for name, value in options.items() if value is not None}
    for name in ("num_beams", "num_return_sequences"):
        if options.get(name, 1) > 1:
            raise InputError(f"{name}={options[name]}: answers are one sequence each; use leo.model.generate")
    if not options.get("use_cache", True):
        raise InputError("use_cache=False: questions share a prefix read before; use leo.model.generate")
    if "generation_config" in options:
        raise InputError("generation_config: give its options one by one, or use leo.model.generate")
    for name in _ASSISTED:
        if name in options:
            # transformers' assisted decoding goes wrong, without a word, on a cache that was filled before.
            raise InputError(f"{name}: questions share a prefix read before; use leo.model.generate")
    pad = processor.tokenizer.pad_token_id
    longest = max(len(one.ids) for one in batch)
    rows = [[*prefix.ids, *[pad] * (longest - len(one.ids)), *one.ids] for one in batch]
    mask = [[1] * len(prefix.ids) + [0] * (longest - len(one.ids)) + [1] * len(one.ids) for one in batch]
    own = model.generation_config.to_diff_dict().keys() - {"transformers_version"}
    defaults: dict[str, Any] = {
        **dict.fromkeys(own - _OF_NEXT_TOKEN - _OF_SAMPLING),
        **_GREEDY,
        "pad_token_id": pad,
        "eos_token_id": processor.end_token_ids,
    }
    ours: dict[str, Any] = {
        "attention_mask": torch.tensor(mask, device=model.device),
        "past_key_values": prefix.cache([one.clip for one in batch], longest + max_new_tokens),
        "max_new_tokens": max_new_tokens,
        "output_logits": True,
        "return_dict_in_generate": True,
    }
    # The folder's settings may name ours too: one dictionary, in which ours win.
    output = model.generate(torch.tensor(rows, device=model.device), **{**defaults, **options, **ours})
    ids = output.sequences[:, len(rows[0]) :]
    logprobs = torch.stack(
        [
            step.float().log_softmax(-1).gather(1, ids[:, t : t + 1])[:, 0]
            for t, step in enumerate(output.logits)
        ],
        dim=1,
    )
    return ids.tolist(), logprobs.tolist()


def _answer(
    processor: LeoProcessor,
    asked: Asked,
    prefix: Prefix,
    ids: list[int],
    logprobs: list[float],
    timings: dict[str, float],
    temperature: float,
) -> Answer:
    ends = [i for i, token in enumerate(ids) if token in processor.end_token_ids]
    length = ends[0] if ends else len(ids)
    logprobs = logprobs[: length + 1]
    as_text = processor.tokenizer.decode
    return Answer(
        question=asked.question,
        text=as_text(ids[:length], skip_special_tokens=True).strip(),
        confidence=confidence(logprobs, temperature),
        tokens=tuple(as_text([i]) for i in ids[:length]),
        token_logprobs=tuple(logprobs),
        timestamps=prefix.clips[asked.clip].timestamps,
        timings=timings,
        complete=bool(ends),
    )
