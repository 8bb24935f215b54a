"""LEO at its real size with random weights: asked, and trained for a step, on the machine at hand.

    python -m benchmarks.full_size [--llm qwen2-0.5b] [--frames 5] [--questions 10] [--device cuda]

InternViT-300M, SAM-L and the language model of a `leo-drive build` preset, in bfloat16. Answers mean nothing,
but take the time and memory that those of trained weights would. Prints both; for the step, with low-rank
additions, packed questions and gradient checkpointing, beside what `training.train RECIPE --check` estimates.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
import typer
from torch import nn

import leo_drive
from benchmarks.ask_many import QUESTIONS
from leo_drive.clips import Clip
from leo_drive.demo import CLIP
from leo_drive.inference import Leo
from leo_drive.model import LeoConfig, LeoForConditionalGeneration, LeoProcessor
from training.memory import activation_bytes, state_bytes
from training.new_model import train_tokenizer
from training.packing import collate, pack
from training.recipe import Lora, Recipe
from training.start import choose_what_learns
from training.trainer import TrainingModel

# As InternVL2-1B, -2B and -8B have them; InternLM2 is Llama by other names.
LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "qwen2-0.5b": {
        "model_type": "qwen2",
        "vocab_size": 151655,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
    "internlm2-1.8b": {
        "model_type": "llama",
        "vocab_size": 92553,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
    },
    "internlm2-7b": {
        "model_type": "llama",
        "vocab_size": 92553,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
}
GIB = 2**30


def new_leo(llm: str, frames: int, device: str) -> Leo:
    """A LEO with random weights on a device."""
    tokenizer = train_tokenizer([*QUESTIONS, "system user assistant Frame1: Frame2:"] * 20, 1024)
    text = {"max_position_embeddings": 32768, "tie_word_embeddings": False, "bos_token_id": None}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LeoConfig(
        text_config={**LANGUAGE_MODELS[llm], **text, **ids},
        image_token_id=cast(int, tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")),
        max_tiles=frames,
        trained_frames=frames,
    )
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = LeoForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(torch.float32)
    return Leo(model, LeoProcessor(tokenizer, config), f"leo with {llm}")


def forget_peak(device: str) -> None:
    """From here on `peak` is about what follows."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: str) -> float:
    """Most memory, in GiB: of the GPU, or of this whole process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / GIB
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def training_step(leo: Leo, clip: Clip, questions: list[str]) -> tuple[float, float]:
    """Seconds of a step of stage 2 with low-rank additions, and what it was estimated to take, in GiB."""
    recipe = Recipe.model_validate(
        {
            "model": leo.name,
            "train": ["projectors", "language_model"],
            "lora": Lora(rank=64, alpha=128),
            "data": [{"root": "."}],
            "output": ".",
            "steps": 1,
            "weights": "bfloat16",
            "learning_rate": 2e-4,
        }
    )
    turns = [[(question, "Yes, there is one.")] for question in questions]
    plan = leo.processor.plan(clip, questions)
    tiles = [tile for frame in leo.processor.tiles(clip.frames, plan.max_tiles) for tile in frame]
    read = [leo.processor.turns(turn, plan.tiles) for turn in turns]
    packed = pack(read[0][0].prefix, [ids for _, ids in read])
    dtype, device = torch.bfloat16, leo.model.device
    batch = collate([packed], leo.processor.tokenizer.pad_token_id, dtype)
    with torch.device("meta"):
        meta = LeoForConditionalGeneration(leo.model.config)
        choose_what_learns(meta, recipe)
    states = state_bytes(meta, recipe)
    activations = activation_bytes(meta, 1, len(tiles), packed.input_ids.numel(), dtype, checkpointing=True)
    choose_what_learns(leo.model, recipe)
    leo.model.activation_checkpointing_enable({"use_reentrant": False})
    model = TrainingModel(leo.model, 1.0, 0.0).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    start = time.perf_counter()
    shown = [p.to(device) for p in leo.processor.pixel_values(tiles)]
    loss = model(pixels=shown, **{name: t.to(device) for name, t in batch.items()})["answer_loss"]
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    float(loss.detach())  # waits for a GPU
    return time.perf_counter() - start, (states + activations) / GIB


def main(
    llm: Annotated[
        Literal["qwen2-0.5b", "internlm2-1.8b", "internlm2-7b"], typer.Option(help="Language model.")
    ] = "qwen2-0.5b",
    frames: Annotated[int, typer.Option(help="Of the clip, one tile each.", min=1)] = 5,
    questions: Annotated[int, typer.Option(help="How many of ten.", min=1, max=10)] = 10,
    tokens: Annotated[int, typer.Option(help="Of an answer.", min=1)] = 16,
    device: Annotated[str | None, typer.Option(help="cpu, cuda; a GPU if there is one.")] = None,
) -> None:
    """Ask and train a LEO of real size with random weights."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    leo = new_leo(llm, frames, device)
    size = sum(p.numel() for p in leo.model.parameters())
    print(f"{leo.name}: {size / 1e6:,.1f} M weights in bfloat16, {size * 2 / GIB:.2f} GiB, on {device}")
    clip = leo_drive.open(CLIP).clip(frames=frames)
    asked = list(QUESTIONS[:questions])
    start = time.perf_counter()
    answers = leo.ask(clip, asked, max_new_tokens=tokens)
    seconds = time.perf_counter() - start
    parts = ", ".join(f"{name} {spent:.2f} s" for name, spent in answers[0].timings.items())
    print(f"{questions} questions about {frames} frames, {tokens} tokens each: {seconds:.2f} s ({parts})")
    print(f"memory at the most {peak(device):.2f} GiB")
    leo = Leo(leo.model, leo.processor, leo.name)  # the other one keeps the clip's prefix
    forget_peak(device)
    seconds, estimated = training_step(leo, clip, asked)
    print(f"a training step on them: {seconds:.2f} s")
    print(f"memory at the most {peak(device):.2f} GiB, estimated {estimated:.2f} beside the library")


if __name__ == "__main__":
    typer.run(main)
