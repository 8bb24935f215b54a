"""A checkpoint's config.json, read as the project reads it that the checkpoint is of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from leo_drive.building.sources import Source
from leo_drive.errors import InputError
from leo_drive.model.checkpoints.language import language_config
from leo_drive.model.checkpoints.reference import read_json

# What a field that is missing means: the defaults of InternVLChatConfig and InternVisionConfig (GitHub
# OpenGVLab/InternVL at 2410d1d, internvl_chat/internvl/model/internvl_chat). InternVL 2 and 2.5 have other
# values, so their files say every field.
_CHAT_DEFAULTS = {
    "use_backbone_lora": 0,
    "use_llm_lora": 0,
    "pad2square": False,
    "select_layer": -1,
    "force_image_size": None,
    "downsample_ratio": 0.5,
    "template": None,
    "use_thumbnail": False,
    "ps_version": "v1",
    "min_dynamic_patch": 1,
    "max_dynamic_patch": 6,
}
_VISION_DEFAULTS = {
    "patch_size": 14,
    "image_size": 224,
    "qkv_bias": False,
    "hidden_size": 3200,
    "num_attention_heads": 25,
    "intermediate_size": 12800,
    "qk_normalization": True,
    "num_hidden_layers": 48,
    "hidden_act": "gelu",
    "norm_type": "rms_norm",
    "layer_norm_eps": 1e-6,
}


def configuration(source: Source, folder: Path | None = None) -> tuple[dict[str, Any], str]:
    """A checkpoint's config.json, and its name for messages.

    Args:
        folder: where it lies; the source itself by default.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = (folder or source.path) / "config.json"
    if not path.is_file():
        raise InputError(
            f"{source}: no config.json; {source.option} needs the whole folder of the checkpoint"
        )
    config = read_json(path)
    for part in (config, config.get("llm_config")):
        # One architecture is as good as a list of one; transformers writes the list.
        if isinstance(part, dict) and isinstance(part.get("architectures"), str):
            part["architectures"] = [part["architectures"]]
    return config, f"{source}/config.json" if source.revision else str(path)


def internvl_configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """InternVL's configuration, or that of the reference's LEO, which is one with another encoder, in full.

    Raises:
        Exception: it is not like one.
    """
    encoders = {
        field: internvit_configuration(config[field])
        for field in ("vision_config", "vision_config_1")
        if field in config
    }
    return {**_CHAT_DEFAULTS, **config, **encoders}


def internvit_configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """InternViT's configuration in full."""
    return {**_VISION_DEFAULTS, **config}


def language_configuration(llm: Mapping[str, Any], what: str) -> PreTrainedConfig:
    """The language model's configuration.

    Args:
        what: whose it is, for messages.

    Raises:
        InputError: an architecture that is not known, a rope_scaling that is not whole, or attention to the
            last tokens alone, for which our masks are not made.
        Exception: whatever else is not as in a configuration, from whoever is given the values.
    """
    try:
        config = language_config(llm, what)
    except KeyError as error:
        # transformers says a sentence, where a field of ours that is missing gives its name.
        if "rope_parameters" not in str(error):
            raise
        raise InputError(f"{what}: rope_scaling is not whole: {error.args[0]}") from None
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise InputError(
            f"{what}: use_sliding_window={llm.get('use_sliding_window')}: layers that attend to the last "
            f"{config.sliding_window} tokens alone are not supported"
        )
    return config
