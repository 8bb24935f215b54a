"""transformers' configurations for the language models inside InternVL and LEO checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from transformers import LlamaConfig, PreTrainedConfig, Qwen2Config

from leo_drive.errors import InputError

INTERNLM2, LLAMA, QWEN2 = "InternLM2ForCausalLM", "LlamaForCausalLM", "Qwen2ForCausalLM"
_TRANSFORMERS_OWN: dict[str, type[PreTrainedConfig]] = {LLAMA: LlamaConfig, QWEN2: Qwen2Config}
# Before transformers 5 these stood beside each other; its configurations take them in `rope_parameters`.
_ROPE_FIELDS = {"rope_theta", "rope_scaling", "rope_parameters"}


def architecture(llm: Mapping[str, Any], what: str) -> str:
    """The language model's architecture, one of those that can be loaded.

    Raises:
        InputError: it is another one.
    """
    named = llm.get("architectures")
    if named in ([INTERNLM2], [LLAMA], [QWEN2]):
        return named[0]
    known = ", ".join((INTERNLM2, *_TRANSFORMERS_OWN))
    raise InputError(f"{what}: language model {named} is not one of {known}")


def language_config(llm: Mapping[str, Any], what: str) -> PreTrainedConfig:
    """The language model's configuration from a checkpoint's config.json.

    Raises:
        InputError: another architecture than InternLM2, Llama and Qwen2.
    """
    name = architecture(llm, what)
    if name == INTERNLM2:
        return internlm2_config(llm)
    config_class = _TRANSFORMERS_OWN[name]
    rope = {field: llm[field] for field in _ROPE_FIELDS if field in llm}
    return config_class(**{**own_fields(config_class, llm), **rope})


def own_fields(config_class: type[PreTrainedConfig], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that a configuration declares itself.

    Old files also hold every default of the transformers that wrote them, which a new one refuses in parts.
    """
    own = {f.name for f in fields(config_class)} - {f.name for f in fields(PreTrainedConfig)}
    return {field: value for field, value in values.items() if field in own}


def internlm2_config(llm: Mapping[str, Any]) -> LlamaConfig:
    """transformers' Llama with InternLM2's shape."""
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": llm["rope_theta"]}
    if llm.get("rope_scaling"):
        scaling = dict(llm["rope_scaling"])
        rope.update(rope_type=scaling.pop("type", scaling.pop("rope_type", "default")), **scaling)
    return LlamaConfig(
        vocab_size=llm["vocab_size"],
        hidden_size=llm["hidden_size"],
        intermediate_size=llm["intermediate_size"],
        num_hidden_layers=llm["num_hidden_layers"],
        num_attention_heads=llm["num_attention_heads"],
        num_key_value_heads=llm["num_key_value_heads"],
        hidden_act=llm.get("hidden_act", "silu"),
        max_position_embeddings=llm["max_position_embeddings"],
        rms_norm_eps=llm["rms_norm_eps"],
        rope_parameters=rope,
        attention_bias=llm["bias"],
        tie_word_embeddings=llm.get("tie_word_embeddings", False),
        bos_token_id=llm["bos_token_id"],
        eos_token_id=llm["eos_token_id"],
        pad_token_id=llm["pad_token_id"],
    )
