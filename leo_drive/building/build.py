"""Build a LEO: choose the sources, check everything that headers tell, convert, describe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import GenerationConfig

from leo_drive.building.blueprint import Blueprint, from_internvl, from_parts, from_reference_folder
from leo_drive.building.card import card
from leo_drive.building.plan import Plan, make_plan
from leo_drive.building.presets import PRESETS
from leo_drive.building.sources import CONFIGURATION, EVERYTHING, Source, download_size, fetch, is_local
from leo_drive.building.tokenizer import has_tokenizer, read_tokenizer
from leo_drive.building.writing import SHARD_BYTES, write_weights
from leo_drive.errors import InputError
from leo_drive.model import LeoProcessor

logger = logging.getLogger(__name__)

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
    """A build that was checked as far as headers tell; nothing is written yet."""

    blueprint: Blueprint
    plan: Plan
    processor: LeoProcessor | None
    tokenizer: Source | None


def prepare(
    choice: Choice,
    dtype: torch.dtype | None = None,
    downloading: Callable[[int], None] = lambda total: None,
) -> Prepared:
    """Fetch the sources and check them: configurations first, then every weight's name and shape.

    Args:
        dtype: of the new model; the language model's own by default.
        downloading: called with the bytes to download, when there are any, before that starts.

    Raises:
        InputError: sources that are missing, damaged, of another architecture, or do not fit each other.
        LeoDriveError: the hub cannot be reached.
    """
    names = choice.by_option()
    for name in names.values():
        is_local(name)  # a wrong path should not wait for a download of the others
    blueprint = _blueprint(names, CONFIGURATION)
    tokenizer_from = _tokenizer_source(choice, blueprint)
    if total := download_size(list(names.values())):
        downloading(total)
    blueprint = _blueprint(names, EVERYTHING)
    if tokenizer_from:
        blueprint = replace(blueprint, tokenizer=tokenizer_from)
    tokenizer = read_tokenizer(tokenizer_from.path) if tokenizer_from else None
    plan = make_plan(blueprint, tokenizer, dtype)
    processor = LeoProcessor(tokenizer, plan.config, blueprint.chat_template) if tokenizer else None
    return Prepared(blueprint, plan, processor, tokenizer_from)


def build(
    prepared: Prepared,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write the model into an empty folder: weights, configurations, tokenizer, card.

    Args:
        progress: called with how many MiB of weights are done, of how many.
        shard_bytes: most bytes of a file of weights.

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


def _blueprint(names: dict[str, str], what: Sequence[str]) -> Blueprint:
    sources = [fetch(name, f"--{option}", what) for option, name in names.items()]
    return _MAKERS[tuple(names)](*sources)


def _tokenizer_source(choice: Choice, blueprint: Blueprint) -> Source | None:
    """Where the tokenizer comes from; without one the model is built all the same, and that is said."""
    source = blueprint.tokenizer
    if choice.tokenizer is not None:
        source = fetch(choice.tokenizer, "--tokenizer", CONFIGURATION)
    if has_tokenizer(source.path):
        return source
    if choice.tokenizer is not None:
        raise InputError(f"{source.path}: no tokenizer (tokenizer.json, tokenizer.model, vocab.json)")
    logger.warning(
        f"{source.path}: no tokenizer there; the model will have none, and answers questions only once it "
        f"has: name one with --tokenizer"
    )
    return None
