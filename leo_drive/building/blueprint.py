"""What a LEO is put together from: its configuration, and which checkpoint each of its parts comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig, SamVisionConfig

from leo_drive.building.configurations import (
    configuration,
    internvit_configuration,
    internvl_configuration,
    language_configuration,
)
from leo_drive.building.segment_anything import doubts_about, prefix_of, segment_anything_config
from leo_drive.building.sources import Source
from leo_drive.building.weights import Weights
from leo_drive.errors import InputError
from leo_drive.model.checkpoints.branches import internvit_branch, sam_branch
from leo_drive.model.checkpoints.internvl import chat_template, internvl_branch
from leo_drive.model.checkpoints.language import INTERNLM2, architecture, own_fields
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
    reference_config,
)
from leo_drive.model.config import BranchConfig, LeoConfig
from leo_drive.model.processor import CHAT_TEMPLATE

# LEO's unshuffle of the SAM branch: 64x64 patches become 16x16 tokens, as many as InternViT's.
_SAM_UNSHUFFLE = 4
# By this weight transformers' SAM is told from segment-anything's.
_TRANSFORMERS_PATCHES = "patch_embed.projection.weight"
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
        described: a config.json tells the shapes; where there is none, other weights of the file did.
    """

    ours: str
    theirs: tuple[str, ...]
    renaming: Renaming
    source: Source
    internlm2: bool = False
    rest_unused: bool = False
    described: bool = True


@dataclass(frozen=True)
class Blueprint:
    """A LEO before its weights are looked at.

    Attributes:
        config: of the model; its vocabulary is the source's, before tokens are added.
        parts: where weights come from; a projector that no part names is new.
        tokenizer: the source whose tokenizer it takes.
        image_token: of a source without tokenizer.
        chat_template: Jinja, in which the language model was trained.
        doubts: lines for the user, about what is unusual and may be meant so.
    """

    config: LeoConfig
    parts: tuple[Part, ...]
    tokenizer: Source
    chat_template: str = CHAT_TEMPLATE
    image_token: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def sources(self) -> list[Source]:
        return list(dict.fromkeys(part.source for part in self.parts))


def from_internvl(internvl: Source, sam: Source) -> Blueprint:
    """InternVL's encoder, projector and language model with a SAM encoder beside them.

    Raises:
        InputError: a configuration that is missing, another model's, or of a kind that answers otherwise.
    """
    config, what = configuration(internvl)
    with fields_of(what, "an InternVL config.json"):
        config = internvl_configuration(config)
        first = internvl_branch(config, what)
        llm = config["llm_config"]
        language = language_configuration(llm, what)
        template, image_token = chat_template(config, what), guessed_image_token(config)
    second, sam_part, doubts = _sam(sam)
    parts = (
        Part(_FIRST, ("vision_model.",), INTERNVIT_NAMES, internvl),
        Part("projectors.0.", ("mlp1.",), (), internvl),
        _language_part(internvl, "language_model.", llm, what),
        sam_part,
    )
    leo = _leo_config((internvl, sam), language, first, second, use_thumbnail=config["use_thumbnail"])
    return Blueprint(leo, parts, internvl, template, image_token, doubts)


def from_parts(internvit: Source, sam: Source, llm: Source) -> Blueprint:
    """Two encoders and a language model that have not met yet; both projectors are new.

    Raises:
        InputError: as `from_internvl`.
    """
    vit, vit_what = configuration(internvit)
    text, text_what = configuration(llm)
    if (named := vit.get("architectures")) != ["InternVisionModel"]:
        raise InputError(f"{vit_what}: its architecture is {named}, not InternVisionModel")
    with fields_of(vit_what, "an InternViT config.json"):
        vit = internvit_configuration(vit)
        first = internvit_branch(vit, vit["image_size"], 0.5, vit_what)
    with fields_of(text_what, "a language model's config.json"):
        language = language_configuration(text, text_what)
    second, sam_part, doubts = _sam(sam)
    parts = (
        Part(_FIRST, ("vision_model.", ""), INTERNVIT_NAMES, internvit),
        _language_part(llm, "", text, text_what),
        sam_part,
    )
    leo = _leo_config((internvit, sam), language, first, second)
    return Blueprint(leo, parts, llm, image_token=language.vocab_size - 1, doubts=doubts)


def from_reference_folder(reference: Source) -> Blueprint:
    """A whole LEO that the authors' own code saved.

    Raises:
        InputError: its configuration is missing or is not LEO's.
    """
    config, what = configuration(reference)
    with fields_of(what, "a LEO config.json"):
        config = internvl_configuration(config)
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
            f"{encoders[0]}, {encoders[1]}: InternViT gives {first.tokens} tokens a tile "
            f"({first.grid}x{first.grid} patches, unshuffle "
            f"{first.unshuffle}), SAM {second.tokens} ({second.grid}x{second.grid}, unshuffle "
            f"{second.unshuffle}); LEO interleaves them and needs as many of each"
        )
    return LeoConfig(text_config=language, branches=[first, second], tile_size=first.image_size, **fields)


def _language_part(source: Source, prefix: str, llm: Mapping[str, Any], what: str) -> Part:
    internlm2 = architecture(llm, what) == INTERNLM2
    return Part(_LANGUAGE, (prefix,), INTERNLM2_NAMES if internlm2 else (), source, internlm2)


def _sam(source: Source) -> tuple[BranchConfig, Part, tuple[str, ...]]:
    """From transformers' folder, or its file beside a config.json, or segment-anything's file alone."""
    folder = source.path
    if not (folder / "config.json").is_file():
        weights = Weights(source.path)
        if not any(name.endswith(_TRANSFORMERS_PATCHES) for name in weights):
            return _segment_anything(source, weights)
        folder = source.path.parent
        if not source.path.is_file() or not (folder / "config.json").is_file():
            raise InputError(
                f"{source}: a SAM of transformers without its config.json; get that too, and name its folder"
            )
    config, what = configuration(source, folder)
    if (described := config.get("model_type")) not in ("sam", "sam_vision_model"):
        raise InputError(f"{what}: describes {described!r}, not a SAM ('sam')")
    part = Part(_SECOND, ("vision_encoder.", ""), SAM_NAMES, source, rest_unused=True)
    with fields_of(what, "a SAM config.json"):
        # What a configuration leaves out has transformers' default.
        vision = SamVisionConfig(**own_fields(SamVisionConfig, config.get("vision_config", config)))
        return _sam_branch(vision.to_dict(), what), part, ()


def _segment_anything(source: Source, weights: Weights) -> tuple[BranchConfig, Part, tuple[str, ...]]:
    prefix = prefix_of(weights)
    fields = segment_anything_config(weights.shapes(prefix), str(source), prefix)
    part = Part(_SECOND, (prefix,), SEGMENT_ANYTHING_NAMES, source, rest_unused=True, described=False)
    return _sam_branch(fields, str(source)), part, doubts_about(fields, str(source))


def _sam_branch(fields: Mapping[str, Any], what: str) -> BranchConfig:
    grid = fields["image_size"] // fields["patch_size"]
    if grid % _SAM_UNSHUFFLE:
        raise InputError(
            f"{what}: {grid}x{grid} patches do not divide by LEO's unshuffle of {_SAM_UNSHUFFLE}"
        )
    return sam_branch(fields, _SAM_UNSHUFFLE, what)
