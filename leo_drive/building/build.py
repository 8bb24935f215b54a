"""Build a LEO: choose the sources, check everything that headers tell, convert, describe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from transformers import GenerationConfig

from leo_drive.building.blueprint import Blueprint, from_internvl, from_parts, from_reference_folder
from leo_drive.building.card import card
from leo_drive.building.plan import Plan, make_plan
from leo_drive.building.presets import PRESETS
from leo_drive.building.sources import (
    CONFIGURATION,
    Found,
    Source,
    download_size,
    fetch,
    find,
    is_local,
)
from leo_drive.building.tokenizer import has_tokenizer, read_tokenizer
from leo_drive.building.writing import write_weights
from leo_drive.errors import InputError
from leo_drive.model import LeoProcessor

_DEFAULT_SAM = PRESETS["leo-8b"].sam
_MAKERS: dict[tuple[str, ...], Callable[..., Blueprint]] = {
    ("internvl", "sam"): from_internvl,
    ("internvit", "sam", "llm"): from_parts,
    ("from-reference",): from_reference_folder,
}


@dataclass(frozen=True)
class Choice:
    """The sources that were asked for: hub ids, folders or files, by the option that names them.

    Raises:
        InputError: not enough, or more than belong together.
    """

    preset: str | None = None
    internvl: str | None = None
    internvit: str | None = None
    llm: str | None = None
    sam: str | None = None
    from_reference: str | None = None
    tokenizer: str | None = None

    def by_option(self) -> dict[str, str]:
        """Option -> name, the preset's filled in; the options are those of one way to build."""
        for field in fields(self):
            if getattr(self, field.name) == "" and field.name != "preset":
                option = field.name.replace("_", "-")
                raise InputError(f"--{option}: the path is empty; is a shell variable not set?")
        internvl, sam = self.internvl, self.sam
        if self.preset is not None:
            if self.preset not in PRESETS:
                raise InputError(f"--preset {self.preset}: not one of {', '.join(PRESETS)}")
            internvl, sam = internvl or PRESETS[self.preset].internvl, sam or PRESETS[self.preset].sam
        given = {
            "internvl": internvl,
            "internvit": self.internvit,
            "sam": sam,
            "llm": self.llm,
            "from-reference": self.from_reference,
        }
        named = {option: name for option, name in given.items() if name is not None}
        if named.keys() & {"internvl", "internvit", "llm"}:
            named.setdefault("sam", _DEFAULT_SAM)
        for options in _MAKERS:
            if set(named) == set(options):
                return {option: named[option] for option in options}
        found = " and ".join(f"--{option}" for option in named) or "nothing"
        raise InputError(
            f"{found} does not make a LEO; give --preset, or --internvl, or --internvit with --llm, or "
            f"--from-reference, and but for the last --sam if you like"
        )


@dataclass(frozen=True)
class Prepared:
    """A build that was checked as far as headers tell; nothing is written yet.

    Attributes:
        tokenizer: where it comes from; without one the model has no processor.
        warnings: lines for the user, to be shown when nothing stands in the build's way.
    """

    blueprint: Blueprint
    plan: Plan
    processor: LeoProcessor | None
    tokenizer: Source | None
    warnings: tuple[str, ...] = ()


def prepare(
    choice: Choice,
    dtype: torch.dtype | None = None,
    downloading: Callable[[int], None] = lambda total: None,
) -> Prepared:
    """Find the sources, fetch and check them: configurations first, then every weight's name and shape.

    Args:
        dtype: of the new model; the language model's own by default.
        downloading: called with the bytes to download, when there are any, before that starts.

    Raises:
        InputError: sources that are missing, damaged, of another architecture, or do not fit each other.
        LeoDriveError: the hub cannot be reached.
    """
    names = choice.by_option()
    for name in (*names.values(), *([choice.tokenizer] if choice.tokenizer else [])):
        is_local(name)  # a wrong path should not wait for the hub to be asked about the others
    found = {option: find(name, f"--{option}") for option, name in names.items()}
    if total := download_size(found.values()):
        downloading(total)
    blueprint = _blueprint(found, weights=False)
    tokenizer_from = _tokenizer_source(choice, blueprint)
    blueprint = _blueprint(found, weights=True)
    warnings = list(blueprint.doubts)
    if tokenizer_from:
        blueprint = replace(blueprint, tokenizer=tokenizer_from)
    else:
        warnings.append(
            f"{blueprint.tokenizer}: no tokenizer there; the model will have none, and answers questions "
            f"only once it has: name one with --tokenizer"
        )
    tokenizer = read_tokenizer(tokenizer_from.path) if tokenizer_from else None
    plan = make_plan(blueprint, tokenizer, dtype)
    processor = LeoProcessor(tokenizer, plan.config, blueprint.chat_template) if tokenizer else None
    return Prepared(blueprint, plan, processor, tokenizer_from, tuple(warnings))


def build(
    prepared: Prepared,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    shard_bytes: int | None = None,
) -> None:
    """Write the model into an empty folder: weights, configurations, tokenizer, card.

    Args:
        progress: called with how many MiB of weights are done, of how many.
        shard_bytes: most bytes of a file of weights; as `write_weights` has it by default.

    Raises:
        LeoDriveError: the disk is full, or a source cannot be read any more.
    """
    plan, processor = prepared.plan, prepared.processor
    if processor is not None:
        processor.save_pretrained(folder)
        GenerationConfig(
            eos_token_id=processor.end_token_ids,
            pad_token_id=processor.tokenizer.pad_token_id,
            bos_token_id=processor.tokenizer.bos_token_id,
        ).save_pretrained(folder)
    text = card(prepared.blueprint, plan, prepared.tokenizer)
    (folder / "README.md").write_text(text, encoding="utf-8")
    write_weights(plan, folder, progress, shard_bytes)
    plan.config.architectures = ["LeoForConditionalGeneration"]
    plan.config.dtype = plan.dtype
    plan.config.save_pretrained(folder)


def _blueprint(found: dict[str, Found], weights: bool) -> Blueprint:
    sources = [
        # segment-anything's repositories have no config.json, so that the weights themselves are looked at.
        source.fetch(weights or (option == "sam" and not source.described))
        for option, source in found.items()
    ]
    return _MAKERS[tuple(found)](*sources)


def _tokenizer_source(choice: Choice, blueprint: Blueprint) -> Source | None:
    """Where the tokenizer comes from; without one the model can be built all the same."""
    source = blueprint.tokenizer
    if choice.tokenizer is not None:
        source = fetch(choice.tokenizer, "--tokenizer", CONFIGURATION)
    if has_tokenizer(source.path):
        return source
    if choice.tokenizer is not None:
        raise InputError(f"{source}: no tokenizer (tokenizer.json, tokenizer.model, vocab.json)")
    return None
