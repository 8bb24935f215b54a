"""What a LEO is put together from: its configuration, and which checkpoint each of its parts comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig, SamVisionConfig

from leo_drive.building.sources import Source
from leo_drive.building.weights import Weights
from leo_drive.errors import InputError
from leo_drive.model.checkpoints.branches import internvit_branch, sam_branch, segment_anything_config
from leo_drive.model.checkpoints.internvl import chat_template, internvl_branch
from leo_drive.model.checkpoints.language import INTERNLM2, architecture, language_config, own_fields
from leo_drive.model.checkpoints.names import (
    INTERNLM2_NAMES,
    INTERNVIT_NAMES,
    SAM_NAMES,
    SEGMENT_ANYTHING_NAMES,
    Renaming,
)
from leo_drive.model.checkpoints.reference import (
    REFERENCE_PARTS,
    fields_of,
    guessed_image_token,
    read_json,
    reference_config,
)
from leo_drive.model.config import BranchConfig, LeoConfig
from leo_drive.model.processor import CHAT_TEMPLATE

# LEO's unshuffle of the SAM branch: 64x64 patches become 16x16 tokens, as many as InternViT's.
_SAM_UNSHUFFLE = 4
_FIRST, _SECOND, _LANGUAGE = "branches.0.encoder.", "branches.1.encoder.", "language_model."


@dataclass(frozen=True)
class Part:
    """Our weights under one prefix, and where they come from.

    Attributes:
        ours: how our names begin.
        theirs: how the checkpoint's names begin; the first that it has, where files differ in this.
        renaming: from their names to ours, without those beginnings.
        source: the checkpoint.
        internlm2: it is an InternLM2, whose `wqkv` is three of our weights.
        rest_unused: the checkpoint holds more than LEO takes (SAM's mask decoder).
    """

    ours: str
    theirs: tuple[str, ...]
    renaming: Renaming
    source: Source
    internlm2: bool = False
    rest_unused: bool = False


@dataclass(frozen=True)
class Blueprint:
    """A LEO before its weights are looked at.

    Attributes:
        config: of the model; its vocabulary is the source's, before tokens are added.
        parts: where weights come from; a projector that no part names is new.
        tokenizer: the source whose tokenizer it takes.
        image_token: of a source without tokenizer.
        chat_template: Jinja, in which the language model was trained.
    """

    config: LeoConfig
    parts: tuple[Part, ...]
    tokenizer: Source
    chat_template: str = CHAT_TEMPLATE
    image_token: int = 0

    @property
    def sources(self) -> list[Source]:
        return list(dict.fromkeys(part.source for part in self.parts))


def from_internvl(internvl: Source, sam: Source) -> Blueprint:
    """InternVL's encoder, projector and language model with a SAM encoder beside them.

    Raises:
        InputError: a configuration that is missing, another model's, or of a kind that answers otherwise.
    """
    config, what = _configuration(internvl)
    with fields_of(what, "an InternVL config.json"):
        first = internvl_branch(config, what)
        llm = config["llm_config"]
        language = language_config(llm, what)
        template, image_token = chat_template(config, what), guessed_image_token(config)
    second, sam_part = _sam(sam)
    parts = (
        Part(_FIRST, ("vision_model.",), INTERNVIT_NAMES, internvl),
        Part("projectors.0.", ("mlp1.",), (), internvl),
        _language_part(internvl, "language_model.", llm, what),
        sam_part,
    )
    leo = _leo_config(
        (internvl, sam), language, first, second, use_thumbnail=config.get("use_thumbnail", True)
    )
    return Blueprint(leo, parts, internvl, template, image_token)


def from_parts(internvit: Source, sam: Source, llm: Source) -> Blueprint:
    """Two encoders and a language model that have not met yet; both projectors are new.

    Raises:
        InputError: as `from_internvl`.
    """
    vit, vit_what = _configuration(internvit)
    text, text_what = _configuration(llm)
    if (named := vit.get("architectures")) != ["InternVisionModel"]:
        raise InputError(f"{vit_what}: its architecture is {named}, not InternVisionModel")
    with fields_of(vit_what, "an InternViT config.json"):
        first = internvit_branch(vit, vit["image_size"], 0.5, vit_what)
    with fields_of(text_what, "a language model's config.json"):
        language = language_config(text, text_what)
    second, sam_part = _sam(sam)
    parts = (
        Part(_FIRST, ("vision_model.", ""), INTERNVIT_NAMES, internvit),
        _language_part(llm, "", text, text_what),
        sam_part,
    )
    leo = _leo_config((internvit, sam), language, first, second)
    return Blueprint(leo, parts, llm, image_token=language.vocab_size - 1)


def from_reference_folder(reference: Source) -> Blueprint:
    """A whole LEO that the authors' own code saved.

    Raises:
        InputError: its configuration is missing or is not LEO's.
    """
    config, what = _configuration(reference)
    leo = reference_config(config, what)
    parts = tuple(
        Part(ours, (f"{theirs}.",), renaming, reference)
        for theirs, (ours, renaming) in REFERENCE_PARTS.items()
        if ours != _LANGUAGE
    )
    language = _language_part(reference, "language_model.", config["llm_config"], what)
    return Blueprint(leo, (*parts, language), reference, chat_template(config, what), leo.image_token_id)


def _leo_config(
    encoders: tuple[Source, Source],
    language: PreTrainedConfig,
    first: BranchConfig,
    second: BranchConfig,
    **fields: Any,
) -> LeoConfig:
    if first.tokens != second.tokens:
        raise InputError(
            f"{encoders[0].path}, {encoders[1].path}: InternViT gives {first.tokens} tokens a tile "
            f"({first.grid}x{first.grid} patches, unshuffle "
            f"{first.unshuffle}), SAM {second.tokens} ({second.grid}x{second.grid}, unshuffle "
            f"{second.unshuffle}); LEO interleaves them and needs as many of each"
        )
    return LeoConfig(text_config=language, branches=[first, second], tile_size=first.image_size, **fields)


def _language_part(source: Source, prefix: str, llm: Mapping[str, Any], what: str) -> Part:
    internlm2 = architecture(llm, what) == INTERNLM2
    return Part(_LANGUAGE, (prefix,), INTERNLM2_NAMES if internlm2 else (), source, internlm2)


def _sam(source: Source) -> tuple[BranchConfig, Part]:
    """From a folder with transformers' configuration, or a segment-anything file, whose weights tell."""
    if not (source.path / "config.json").is_file():
        weights = Weights(source.path)
        prefixes = ("image_encoder.", "")
        prefix = next(p for p in prefixes if p + "pos_embed" in weights or not p)
        fields = segment_anything_config(weights.shapes(prefix), str(source.path))
        part = Part(_SECOND, prefixes, SEGMENT_ANYTHING_NAMES, source, rest_unused=True)
        return _sam_branch(fields, str(source.path)), part
    config, what = _configuration(source)
    if (described := config.get("model_type")) not in ("sam", "sam_vision_model"):
        raise InputError(f"{what}: describes {described!r}, not a SAM ('sam')")
    part = Part(_SECOND, ("vision_encoder.", ""), SAM_NAMES, source, rest_unused=True)
    with fields_of(what, "a SAM config.json"):
        # What a configuration leaves out has transformers' default.
        vision = SamVisionConfig(**own_fields(SamVisionConfig, config.get("vision_config", config)))
        return _sam_branch(vision.to_dict(), what), part


def _sam_branch(fields: Mapping[str, Any], what: str) -> BranchConfig:
    grid = fields["image_size"] // fields["patch_size"]
    if grid % _SAM_UNSHUFFLE:
        raise InputError(
            f"{what}: {grid}x{grid} patches do not divide by LEO's unshuffle of {_SAM_UNSHUFFLE}"
        )
    return sam_branch(fields, _SAM_UNSHUFFLE, what)


def _configuration(source: Source) -> tuple[dict[str, Any], str]:
    """A folder's config.json, and its name for messages."""
    path = source.path / "config.json"
    if not source.path.is_dir() or not path.is_file():
        raise InputError(
            f"{source.path}: no config.json; {source.option} needs the whole folder of the checkpoint"
        )
    return read_json(path), str(path)
