"""Train one stage: python -m training.train RECIPE.yaml

Starting it again goes on from its last checkpoint. The finished model lies in OUTPUT/model and loads with
`leo_drive.load`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from leo_drive.errors import InputError, LeoDriveError
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from training.data import Collator, QuestionClips
from training.new_model import NEW_MODELS
from training.recipe import Recipe, read_recipe
from training.trainer import LeoTrainer, TrainingModel, cache_features, freeze_all_but


def start_model(recipe: Recipe) -> tuple[LeoForConditionalGeneration, LeoProcessor]:
    """The model a recipe starts from: new by name, or a folder."""
    if recipe.model in NEW_MODELS:
        from leo_drive.data.lingoqa import read_part

        texts = [
            text
            for source in recipe.data
            for segment in read_part(source.root)
            for qa in segment.questions
            for text in (qa.question, qa.answer)
        ]
        return NEW_MODELS[recipe.model](texts)
    if not Path(recipe.model).is_dir():
        raise InputError(f"model {recipe.model}: neither a folder nor one of {', '.join(NEW_MODELS)}")
    model = LeoForConditionalGeneration.from_pretrained(recipe.model)
    return model, LeoProcessor.from_pretrained(recipe.model)


def train(recipe: Recipe) -> Path:
    """Run the stage and return the finished model's folder."""
    set_seed(recipe.seed)
    leo, processor = start_model(recipe)
    freeze_all_but(leo, recipe.train)
    data = QuestionClips(recipe.data, processor, recipe.max_questions, dense=recipe.dense_weight > 0)
    if recipe.vision_cache:
        cache_features(leo, data, recipe)
    model = TrainingModel(leo, recipe.dense_weight)
    arguments = TrainingArguments(
        output_dir=str(recipe.output / "checkpoints"),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=round(recipe.warmup_ratio * recipe.steps),
        lr_scheduler_type="cosine",
        max_grad_norm=1.0,
        adam_beta2=0.99,
        logging_steps=20,
        save_steps=recipe.save_steps,
        save_total_limit=2,
        dataloader_num_workers=recipe.workers,
        remove_unused_columns=False,
        report_to=[],
        seed=recipe.seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
    )
    trainer = LeoTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=Collator(processor.tokenizer.pad_token_id),
    )
    checkpoints = recipe.output / "checkpoints"
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    finished = recipe.output / "model"
    leo.eval().save_pretrained(finished)
    processor.save_pretrained(finished)
    return finished


app = typer.Typer(add_completion=False)


@app.command()
def main(recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]) -> None:
    """Train the stage that RECIPE describes, or go on where it stopped."""
    try:
        print(f"finished model: {train(read_recipe(recipe))}")
    except LeoDriveError as error:
        print(f"training: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_status) from None


if __name__ == "__main__":
    app()
