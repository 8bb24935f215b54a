"""The model a run starts from, and the model it leaves behind."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import BitsAndBytesConfig, Trainer

from leo_drive.errors import InputError
from leo_drive.files import replacing_folder
from leo_drive.inference.load import open_model
from leo_drive.model import LeoConfig, LeoForConditionalGeneration, LeoProcessor
from training.new_model import NEW_MODELS
from training.recipe import Lora, Recipe
from training.sources import read_source
from training.trainer import freeze_all_but


def start_model(recipe: Recipe) -> tuple[LeoForConditionalGeneration, LeoProcessor]:
    """The model a recipe starts from, its parts frozen as the recipe says.

    Raises:
        InputError: there is no such model, or it cannot be quantized here.
    """
    if recipe.model in NEW_MODELS:
        leo, processor = NEW_MODELS[recipe.model](texts(recipe))
    else:
        leo, processor = _open(recipe)
    apply_settings(recipe, leo.config, processor)
    _set_drop_path(leo, recipe.drop_path)
    if recipe.gradient_checkpointing:
        # Not reentrant: the inputs of a frozen part need no gradient of their own.
        leo.activation_checkpointing_enable({"use_reentrant": False})
    choose_what_learns(leo, recipe)
    return leo, processor


def choose_what_learns(leo: LeoForConditionalGeneration, recipe: Recipe) -> None:
    """Freeze what the recipe does not train, and add what it adds."""
    # With low-rank additions the language model's own weights stay as they are; the additions learn.
    freeze_all_but(leo, tuple(part for part in recipe.train if part != "language_model" or not recipe.lora))
    if recipe.lora:
        _add_lora(leo, recipe.lora)
    # What a step changes is less than 16 bits can tell apart; only what is frozen may have so few.
    for parameter in leo.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def apply_settings(recipe: Recipe, config: LeoConfig, processor: LeoProcessor) -> None:
    """Change a model's configuration as the recipe says, and let its processor follow."""
    for name, value in recipe.settings.model_dump(exclude_none=True).items():
        setattr(config, name, value)
    processor.use_config(config)


def finish_model(
    trainer: Trainer, leo: LeoForConditionalGeneration, processor: LeoProcessor, recipe: Recipe, folder: Path
) -> None:
    """Write what was trained as an ordinary model folder: additions merged, sharded weights whole."""
    if recipe.lora and recipe.quantize:
        # Four bits are too coarse to merge into: the additions go into the weights they were quantized from.
        adapter = get_peft_model_state_dict(leo.language_model)
        rest = {n: w for n, w in leo.state_dict().items() if not n.startswith("language_model.")}
        leo, _ = _open(recipe.model_copy(update={"quantize": False}))
        apply_settings(recipe, leo.config, processor)
        leo.load_state_dict(rest, strict=False)
        _add_lora(leo, recipe.lora)
        set_peft_model_state_dict(leo.language_model, adapter)
    state, dtype = None, getattr(torch, recipe.weights)
    if recipe.lora:
        leo.language_model = leo.language_model.merge_and_unload()
    elif recipe.sharded:
        # DeepSpeed gathers them in the main process alone.
        whole = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}
        state = {n.removeprefix("leo."): t for n, t in whole.items() if n.startswith("leo.")}
        # Gathered from all processes, tied weights have become two.
        state = {n: t.to(dtype) for n, t in state.items() if n not in leo.all_tied_weights_keys}
    if trainer.args.should_save:
        _without_training_options(leo)
        if state is None:
            for parameter in leo.parameters():
                parameter.data = parameter.data.to(dtype)
        with replacing_folder(folder) as unfinished:
            leo.eval().save_pretrained(unfinished, state_dict=state)
            processor.save_pretrained(unfinished)
            # safetensors lets their owner alone read them; a model is for whoever reads its folder.
            for weights in unfinished.glob("*.safetensors"):
                shutil.copymode(unfinished / "config.json", weights)


def _open(recipe: Recipe) -> tuple[LeoForConditionalGeneration, LeoProcessor]:
    options: dict[str, Any] = {}
    if recipe.quantize:
        try:
            import bitsandbytes  # noqa: F401
        except ImportError:
            raise InputError("quantize needs bitsandbytes: pip install 'leo-drive[quantize]'") from None
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            # Only the language model's layers; the encoders are small and the head is the answer.
            llm_int8_skip_modules=["branches", "projectors", "lm_head"],
        )
    leo, processor = open_model(recipe.model, getattr(torch, recipe.weights), **options)
    return leo, processor


def _add_lora(leo: LeoForConditionalGeneration, lora: Lora) -> None:
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules="all-linear"
    )
    with warnings.catch_warnings():
        # peft asks transformers for this by its old name.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        leo.language_model = get_peft_model(leo.language_model, config)


def _set_drop_path(leo: LeoForConditionalGeneration, most: float) -> None:
    """Skip residual branches at random while training: rarely in the first block, `most` in the last.

    Of plain encoders alone: the reference sets it for InternViT, and its SAM has no such layers
    (leo_finetune.py). timm builds its blocks with them, so that they have no weights and can be put in
    afterwards.
    """
    from timm.layers import DropPath
    from timm.models.vision_transformer_sam import VisionTransformerSAM

    if not most:
        return
    for branch in leo.vision_branches:
        if isinstance(branch.encoder, VisionTransformerSAM):
            continue
        blocks = list(branch.encoder.blocks)
        for i, block in enumerate(blocks):
            rate = most * i / max(1, len(blocks) - 1)
            for name in ("drop_path1", "drop_path2"):
                if rate and hasattr(block, name):
                    setattr(block, name, DropPath(rate))


def _without_training_options(leo: LeoForConditionalGeneration) -> None:
    leo.activation_checkpointing_disable()
    leo.config.use_cache = True


def texts(recipe: Recipe) -> list[str]:
    """Everything that is asked and answered in a recipe's data: what a new tokenizer is learned from."""
    questions = (qa for source in recipe.data for e in read_source(source) for qa in e.questions)
    return [text for qa in questions for text in (qa.question, qa.answer)]
