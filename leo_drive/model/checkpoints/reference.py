"""The reference implementation's own checkpoints: their configuration and their weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError
from safetensors.torch import load_file

from leo_drive.errors import InputError, LeoDriveError, describe, one_line
from leo_drive.model.checkpoints.branches import internvit_branch, refuse_other_values, sam_branch
from leo_drive.model.checkpoints.internlm2 import internlm2_to_llama
from leo_drive.model.checkpoints.internvl import INTERNVL_FIXED
from leo_drive.model.checkpoints.language import INTERNLM2, architecture, internlm2_config
from leo_drive.model.checkpoints.names import INTERNVIT_NAMES, SAM_NAMES, Renaming, listed, rename
from leo_drive.model.config import LeoConfig
from leo_drive.model.leo import LeoForConditionalGeneration

Weights = Mapping[str, torch.Tensor]

# InternLM2's vocabulary is 92544 tokens; <img>, </img> and <IMG_CONTEXT> are the first three added to it.
_INTERNLM2_IMAGE_TOKEN = 92546

# The reference's parts: where each goes and how its names change (the language model's later, with wqkv).
REFERENCE_PARTS: dict[str, tuple[str, Renaming]] = {
    "vision_model_1": ("branches.0.encoder.", INTERNVIT_NAMES),
    "vision_model_2": ("branches.1.encoder.", SAM_NAMES),
    "mlp1": ("projectors.0.", ()),
    "mlp2": ("projectors.1.", ()),
    "language_model": ("language_model.", ()),
}


def reference_config(config: Mapping[str, Any], what: str = "reference config") -> LeoConfig:
    """LEO-Drive's configuration for the reference's config.json.

    Args:
        what: the file, for messages.

    Raises:
        InputError: a field is missing, or the language model is not InternLM2.
    """
    with fields_of(what, "a LEO config.json"):
        vit, sam, llm = config["vision_config_1"], config["vision_config_2"], config["llm_config"]
        if architecture(llm, what) != INTERNLM2:
            raise InputError(f"{what}: language model {llm['architectures']} is not InternLM2")
        refuse_other_values(config, INTERNVL_FIXED, what)
        image_size = config.get("force_image_size") or vit["image_size"]
        return LeoConfig(
            text_config=internlm2_config(llm),
            branches=[
                internvit_branch(vit, image_size, config["downsample_ratio"], what),
                sam_branch(sam, int(config["downsample_ratio2"]), what),
            ],
            tile_size=image_size,
            max_tiles=config.get("max_dynamic_patch", 6),
            use_thumbnail=config.get("use_thumbnail", True),
            image_token_id=guessed_image_token(config),
        )


@contextmanager
def fields_of(what: str, kind: str) -> Iterator[None]:
    """Around whatever reads a foreign configuration.

    Args:
        what: the file, for messages.
        kind: what it should be.

    Raises:
        InputError: a field is missing, is text or a number where another has fields of its own, or has a
            value that nothing can be made of.
    """
    try:
        yield
    except LeoDriveError:
        raise
    except KeyError as missing:
        raise InputError(f"{what}: the field {missing} is missing; is this {kind}?") from None
    except Exception as error:  # whatever those who are given the values raise
        raise InputError(f"{what}: a field is not as in {kind}: {one_line(error)}") from None


@contextmanager
def _building(what: str) -> Iterator[None]:
    """Around whatever is built from foreign values: every library that does has errors of its own."""
    try:
        yield
    except LeoDriveError:
        raise
    except Exception as error:
        raise InputError(f"{what}: configuration and weights give no model: {describe(error):.320}") from None


def guessed_image_token(config: Mapping[str, Any]) -> int:
    """The image token of a checkpoint without a tokenizer.

    `img_context_token_id` where its configuration says one, otherwise InternLM2's 92546, or the last token of
    a smaller vocabulary.
    """
    last = config["llm_config"]["vocab_size"] - 1
    return config.get("img_context_token_id") or min(_INTERNLM2_IMAGE_TOKEN, last)


def from_reference(
    weights: Weights | str | Path, config: Mapping[str, Any] | str | Path
) -> LeoForConditionalGeneration:
    """A LEO from the reference implementation's own checkpoint.

    Args:
        weights: tensors under the reference's names (`vision_model_1.`, `vision_model_2.`, `mlp1.`, `mlp2.`,
            `language_model.`), or a safetensors file with them.
        config: the reference's config.json, read or as a path. Its image token is `img_context_token_id`
            where it says one, otherwise InternLM2's 92546, or the last token of a smaller vocabulary.

    Returns:
        The model in evaluation mode, in the weights' precision.

    Raises:
        InputError: files that cannot be read, missing or unexpected weights (named), or a configuration that
            is not LEO's.
    """
    source = str(weights) if isinstance(weights, str | Path) else "reference checkpoint"
    leo_config = reference_config(read_json(config) if isinstance(config, str | Path) else config)
    if isinstance(weights, str | Path):
        try:
            weights = load_file(weights)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{weights}: weights cannot be read ({error})") from None
    parts: dict[str, dict[str, torch.Tensor]] = {prefix: {} for prefix in REFERENCE_PARTS}
    state: dict[str, torch.Tensor] = {}
    strays = []
    for name, tensor in weights.items():
        prefix, _, rest = name.partition(".")
        if prefix in parts:
            parts[prefix][rest] = tensor
        else:
            strays.append(name)
    for prefix, (new_prefix, renaming) in REFERENCE_PARTS.items():
        state |= {new_prefix + rename(name, renaming): tensor for name, tensor in parts[prefix].items()}
    language = {
        name.removeprefix("language_model."): state.pop(name)
        for name in list(state)
        if name.startswith("language_model.")
    }
    llm = leo_config.llm
    with _building(source):
        for name, tensor in internlm2_to_llama(language, llm.num_attention_heads, llm.num_key_value_heads):
            state[f"language_model.{name}"] = tensor
        # Parameters come from the checkpoint, in its precision; buffers (rotary frequencies) stay as made.
        with init_empty_weights(include_buffers=False):
            model = LeoForConditionalGeneration(leo_config)
    load_exactly(model, state, source, strays)
    return model.eval()


def load_exactly(model: torch.nn.Module, state: Weights, source: str, strays: Sequence[str] = ()) -> None:
    """Load weights of which none may be missing or left over; the model takes over their precision.

    Args:
        strays: names that were found to have no place before.

    Raises:
        InputError: naming the missing and unexpected keys, or the shapes that differ.
    """
    try:
        missing, unexpected = model.load_state_dict(dict(state), strict=False, assign=True)
    except RuntimeError as error:
        raise InputError(f"{source}: {one_line(error)}") from None
    unexpected = [*strays, *unexpected]
    if missing or unexpected:
        raise InputError(
            f"{source}: {len(missing)} weights missing ({listed(missing) or 'none'}), "
            f"{len(unexpected)} unexpected ({listed(unexpected) or 'none'})"
        )


def read_json(path: str | Path) -> dict[str, Any]:
    """A model's configuration from a file.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: not the configuration of a model")
    return value
