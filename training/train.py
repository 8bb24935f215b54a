"""Train one stage: python -m training.train RECIPE.yaml, or accelerate launch -m training.train RECIPE.yaml

Starting it again goes on from its last checkpoint. The finished model lies in OUTPUT/model and loads with
`leo_drive.load`.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Annotated, cast

import torch
import typer
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import TrainerCallback, TrainingArguments, set_seed

from leo_drive.data.check import check_examples
from leo_drive.data.example import Example
from leo_drive.errors import InputError, LeoDriveError, some
from leo_drive.evaluation.partial import weights_hash
from leo_drive.evaluation.table import fingerprint
from leo_drive.files import locked, writable_folder
from leo_drive.inference import Leo
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.terminal import named_path, out, progress, run_command
from training.card import write_card
from training.data import Collator, QuestionClips
from training.draws import Draws, EveryItem
from training.labelled import LabelledFrames
from training.lengths import measure
from training.recipe import Augmentation, DataSource, Recipe, read_recipe
from training.records import Records, SampleAnswers
from training.run_folder import begin, go_on_with, has_begun, last_whole_checkpoint
from training.start import finish_model, start_model
from training.trainer import LeoTrainer, TrainingModel
from training.vision_cache import VisionCache, fill

_RAISED = re.compile(rf"^{re.escape(LeoDriveError.__module__)}\.\w+: ")


def open_sources(
    recipe: Recipe,
    sources: tuple[DataSource, ...],
    processor: LeoProcessor,
    cache: VisionCache | None = None,
    held_out: bool = False,
    read: Sequence[Sequence[Example] | None] | None = None,
) -> list[LabelledFrames] | list[QuestionClips]:
    """A recipe's data: clips with questions, or with `answer_weight` 0 pictures with label maps alone.

    Args:
        held_out: as they are: pictures are not changed, and no question follows up on another.
        read: the sources' examples, where they have been read.
    """
    augmentation = Augmentation() if held_out else recipe.augmentation
    examples = read or [None] * len(sources)
    if not recipe.answer_weight:
        return [
            LabelledFrames(source, processor, augmentation, own)
            for source, own in zip(sources, examples, strict=True)
        ]
    dense = recipe.dense_weight > 0
    return [
        QuestionClips(
            source,
            processor,
            recipe.max_questions,
            every=recipe.epochs is not None,
            follow_ups=0 if held_out else recipe.follow_ups,
            dense=dense,
            augmentation=augmentation,
            cache=cache,
            examples=own,
        )
        for source, own in zip(sources, examples, strict=True)
    ]


def verify(
    recipe: Recipe,
    sources: Sequence[LabelledFrames | QuestionClips],
    context: int,
    state: PartialState,
) -> None:
    """See that every picture is there and every item fits the context, before a step is taken.

    Raises:
        InputError: what is missing or too long. (`--check` opens every picture too.)
    """
    share = (state.process_index, state.num_processes)
    problems: list[str] = []
    for source in sources:
        report = check_examples(source.examples[share[0] :: share[1]])
        problems += [f"{source.source.root}: {line}" for line in report.lines()[1:]]
    for source in sources:
        if not problems and isinstance(source, QuestionClips):
            lengths = measure(source, *share)
            wrong = [*lengths.unread, *lengths.unasked]
            problems += filter(None, [some(wrong, "; "), lengths.problem(recipe, context)])
    if problems:
        raise InputError("; ".join(problems))
    state.wait_for_everyone()


def fill_cache(
    cache: VisionCache, leo: LeoForConditionalGeneration, clips: list[QuestionClips], state: PartialState
) -> None:
    """Encode every picture once, shared out among the processes."""
    share = (state.process_index, state.num_processes)
    cast(torch.nn.Module, leo).to(state.device)
    total = sum(len(e.pictures) for data in clips for e in data.examples[share[0] :: share[1]])
    own = chain.from_iterable(data.pictures(*share) for data in clips)
    with progress("encoding every picture once") as update:
        fill(cache, leo, own, lambda count: update(count, total))
        update(total, total)
    state.wait_for_everyone()


def total_steps(recipe: Recipe, clips: Sequence[int]) -> int:
    """Optimizer steps of the run, from each source's number of clips."""
    if recipe.steps is not None:
        return recipe.steps
    assert recipe.epochs is not None
    batches = recipe.epochs * sum(draw_weights(recipe, clips)) / recipe.batch_size
    # The last batch is filled up with clips of another epoch, rather than that some are left out.
    return max(1, math.ceil(round(batches, 6)))


def draw_weights(recipe: Recipe, clips: Sequence[int]) -> list[float]:
    """How often each source is drawn from relative to the others, from their numbers of clips."""
    return [
        source.weight * (1 if recipe.epochs is None else own)
        for source, own in zip(recipe.data, clips, strict=True)
    ]


def clips_at_once(recipe: Recipe, processes: int) -> int:
    """Of a process, in one pass."""
    return recipe.micro_batch_size or max(1, recipe.batch_size // processes)


def in_bfloat16(recipe: Recipe) -> bool:
    """Whether passes are computed in bfloat16 here, whatever type the weights have."""
    if recipe.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return recipe.precision == "bfloat16"


def training_arguments(recipe: Recipe, steps: int, processes: int) -> TrainingArguments:
    """Trainer's settings for a recipe.

    Raises:
        InputError: the batch cannot be shared out evenly to so many processes.
    """
    micro = clips_at_once(recipe, processes)
    if recipe.batch_size % (micro * processes):
        raise InputError(
            f"batch_size {recipe.batch_size} cannot be shared out to {processes} processes of {micro} clips "
            f"each; make it a multiple of {micro * processes}"
        )
    return TrainingArguments(
        output_dir=str(recipe.output / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=recipe.batch_size // (micro * processes),
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=round(recipe.warmup_ratio * steps),
        lr_scheduler_type="cosine",
        max_grad_norm=1.0,
        adam_beta2=recipe.adam_beta2,
        logging_steps=min(recipe.log_steps, steps),  # a short run leaves a record too
        logging_nan_inf_filter=False,
        save_steps=recipe.save_steps,
        save_total_limit=2,
        eval_strategy="steps" if recipe.validation else "no",
        eval_steps=recipe.eval_steps or recipe.save_steps,
        load_best_model_at_end=bool(recipe.validation),
        metric_for_best_model="eval_loss" if recipe.validation else None,
        greater_is_better=False if recipe.validation else None,
        prediction_loss_only=True,
        dataloader_num_workers=recipe.workers,
        remove_unused_columns=False,
        report_to=[],
        seed=recipe.seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=in_bfloat16(recipe),
        fsdp=recipe.fsdp is not None,  # type: ignore[arg-type]
        fsdp_config=recipe.fsdp.model_dump() if recipe.fsdp else None,
        deepspeed=str(recipe.deepspeed) if recipe.deepspeed else None,
    )


def train(recipe: Recipe) -> Path:
    """Run the stage, or go on where it stopped, and return the finished model's folder.

    Raises:
        InputError: the recipe, its model or its data cannot be used, DeepSpeed is not installed, or another
            run is in the recipe's output folder.
        LeoDriveError: a loss that is not a number, or a disk that is full.
    """
    if recipe.deepspeed and not find_spec("deepspeed"):
        raise InputError("DeepSpeed is not installed: pip install 'leo-drive[deepspeed]'")
    _refuse_other_launchers(recipe)
    # Every process reads the weights itself: Trainer does not pass on those of the first.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    state = PartialState(cpu=not torch.cuda.is_available())
    if recipe.fsdp and state.num_processes == 1:
        raise InputError(
            "fsdp shares the weights out to several processes and there is one; start it with accelerate "
            "launch --num_processes 8 -m training.train RECIPE, or remove fsdp from the recipe"
        )
    set_seed(recipe.seed)
    writable_folder(recipe.output)
    with locked(recipe.output) if state.is_main_process else nullcontext():
        return _train(recipe, state)


def _refuse_other_launchers(recipe: Recipe) -> None:
    """What accelerate's own configuration would do behind the recipe's back."""
    for variable, named, field in (
        ("ACCELERATE_USE_FSDP", "FSDP", recipe.fsdp),
        ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed", recipe.deepspeed),
    ):
        if os.environ.get(variable, "").lower() in ("1", "true") and not field:
            raise InputError(
                f"accelerate is set to use {named} and the recipe is not: set {named.lower()} in the "
                f"recipe, or leave it out of accelerate's configuration"
            )


def _train(recipe: Recipe, state: PartialState) -> Path:
    begun = has_begun(recipe)
    leo, processor = start_model(recipe)
    cache = VisionCache.of(recipe.vision_cache, leo) if recipe.vision_cache else None
    sources = open_sources(recipe, recipe.data, processor, cache)
    held_out = open_sources(recipe, recipe.validation, processor, cache, held_out=True)
    begun_with = {
        "model": weights_hash(leo),
        # Earlier runs have other fingerprints, as "data" and "validation".
        "training data": " ".join(fingerprint(source.examples, pictures=True) for source in sources),
        "validation data": " ".join(fingerprint(source.examples, pictures=True) for source in held_out),
    }
    if begun:
        go_on_with(recipe, begun_with)
    else:
        verify(recipe, [*sources, *held_out], processor.leo.context_length, state)
        if state.is_main_process:
            begin(recipe, begun_with)
    if cache is not None:
        asked = [s for s in (*sources, *held_out) if isinstance(s, QuestionClips)]
        fill_cache(cache, leo, asked, state)
    model = TrainingModel(
        leo, recipe.answer_weight, recipe.dense_weight, recipe.sharded, encoded=cache is not None
    )
    clips = [len(source) for source in sources]
    steps = total_steps(recipe, clips)
    arguments = training_arguments(recipe, steps, state.num_processes)
    weights = draw_weights(recipe, clips)
    group = recipe.batch_size if recipe.group_by_length else 0
    records = Records(recipe.output)
    callbacks: list[TrainerCallback] = [records]
    if held_out and isinstance(held_out[0], QuestionClips) and not recipe.sharded:
        callbacks.append(SampleAnswers(Leo(leo, processor), held_out[0], records))
    trainer = LeoTrainer(
        model=model,
        args=arguments,
        train_dataset=Draws(sources, weights, steps * recipe.batch_size, recipe.seed, group),
        eval_dataset=EveryItem(held_out) if held_out else None,
        data_collator=Collator(processor.tokenizer.pad_token_id),
        callbacks=callbacks,
    )
    checkpoints, finished = recipe.output / "checkpoints", recipe.output / "model"
    try:
        trainer.train(resume_from_checkpoint=_resume_from(checkpoints))
        finish_model(trainer, leo, processor, recipe, finished)
        if state.is_main_process:
            write_card(finished, recipe, trainer.state)
    except LeoDriveError as error:
        # Of a process that reads data PyTorch says where it was, over many lines; the last one is ours.
        raise type(error)(_RAISED.sub("", str(error).strip().splitlines()[-1])) from None
    except (OSError, SafetensorError, RuntimeError) as error:  # torch.save has a RuntimeError for it
        if _disk_is_full(error, recipe.output):
            raise LeoDriveError(
                f"{recipe.output}: the disk is full; make room and start again, it goes on from its last "
                f"whole checkpoint"
            ) from None
        if _is_out_of_memory(error):
            raise LeoDriveError(
                f"step {trainer.state.global_step + 1}: {_lighter(recipe, state.num_processes)}"
            ) from None
        raise
    return finished


def _resume_from(checkpoints: Path) -> str | None:
    whole = last_whole_checkpoint(checkpoints)
    return str(whole) if whole else None


def _disk_is_full(error: Exception, folder: Path) -> bool:
    return "No space left" in str(error) or shutil.disk_usage(folder).free < 2**20


def _is_out_of_memory(error: Exception) -> bool:
    # A CPU's allocator has no error of its own.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _lighter(recipe: Recipe, processes: int) -> str:
    """What a recipe that is too large for the memory may have instead."""
    clips = clips_at_once(recipe, processes)
    fewer = next((n for n in range(clips // 2, 0, -1) if recipe.batch_size % (n * processes) == 0), None)
    same = [
        f"micro_batch_size: {fewer} (batch_size stays)" if fewer else "",
        "" if recipe.gradient_checkpointing else "gradient_checkpointing: true",
    ]
    again = f"start again with {' or '.join(filter(None, same))}, to go on; or " if any(same) else ""
    return f"out of memory with {clips} clips at once; {again}use fewer frames or max_tiles"


def main(
    recipe: Annotated[Path, typer.Argument(parser=named_path, help="The recipe, a YAML file.")],
    check: Annotated[
        bool, typer.Option("--check", help="Read everything, say what training would do, and stop.")
    ] = False,
) -> None:
    """Train the stage that RECIPE describes, or go on where it stopped."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if check:
        from training.check import check_recipe

        check_recipe(read_recipe(recipe))
        return
    out.print(f"finished model: {train(read_recipe(recipe))}")


if __name__ == "__main__":
    run_command(main, "python -m training.train")
