"""Ten questions on one clip: the shared prefix against what the reference's `chat` does.

    python -m benchmarks.ask_many [--model nano] [--questions 10] [--runs 5]

Both sides answer the same questions with the same weights, in turn, greedily. The plain side encodes the clip
and generates from the whole prompt for every question. Prints medians, their ratio, and where the time goes.
"""

from __future__ import annotations

import statistics
import time
from typing import Annotated

import torch
import typer

import leo_drive
from leo_drive.clips import Clip
from leo_drive.demo import CLIP
from leo_drive.inference import Answer, Leo

QUESTIONS = (
    "Is there a vehicle ahead?",
    "Are there any pedestrians in view?",
    "What colour is the traffic light?",
    "On which side are the vehicles?",
    "How many pedestrians can you see?",
    "What is the weather like?",
    "Is it day or night?",
    "Is our vehicle turning?",
    "Is anyone crossing the road?",
    "What should the driver do?",
)


def plain(leo: Leo, clip: Clip, questions: list[str]) -> list[str]:
    """One encoding and one `generate` a question."""
    texts = []
    for question in questions:
        plan = leo.processor.plan(clip, [question])
        tiles = [tile for frame in leo.processor.tiles(clip.frames, plan.max_tiles) for tile in frame]
        prompt = leo.processor.prompt(question, plan.tiles)
        output = leo.model.generate(
            torch.tensor([[*prompt.prefix, *prompt.question]], device=leo.model.device),
            pixel_values=leo.processor.pixel_values(tiles),
            max_new_tokens=64,
            do_sample=False,
            pad_token_id=leo.processor.tokenizer.pad_token_id,
            eos_token_id=leo.processor.end_token_ids,
        )
        texts.append(
            leo.processor.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True).strip()
        )
    return texts


def shared(leo: Leo, clip: Clip, questions: list[str]) -> list[Answer]:
    """One encoding, one prefill, one batch; nothing kept from an earlier run."""
    return Leo(leo.model, leo.processor).ask(clip, questions)


def main(
    model: Annotated[str, typer.Option(help="An embedded model, a folder or a hub id.")] = "nano",
    questions: Annotated[int, typer.Option(help="How many of the ten.", min=1, max=10)] = 10,
    runs: Annotated[int, typer.Option(help="Of each side, in turn.", min=1)] = 5,
) -> None:
    """Print the ratio of both sides."""
    leo = leo_drive.load(model)
    clip = leo_drive.open(CLIP).clip(frames=5)
    asked = list(QUESTIONS[:questions])
    times: dict[str, list[float]] = {"plain": [], "shared": []}
    parts: dict[str, list[float]] = {"encode": [], "prefill": [], "decode": []}
    for run in range(runs + 1):
        start = time.perf_counter()
        one_by_one = plain(leo, clip, asked)
        middle = time.perf_counter()
        together = shared(leo, clip, asked)
        end = time.perf_counter()
        if one_by_one != [a.text for a in together]:
            raise SystemExit(f"the answers differ: {one_by_one} and {[a.text for a in together]}")
        if run:  # the first warms up
            times["plain"].append(middle - start)
            times["shared"].append(end - middle)
            for name, seconds in together[0].timings.items():
                parts[name].append(seconds)
    slow, fast = (statistics.median(times[side]) for side in ("plain", "shared"))
    print(
        f"{questions} questions on 5 frames, {leo.name}, {leo.model.device}, same answers, median of {runs}"
    )
    print(f"plain   {slow:8.3f} s")
    print(f"shared  {fast:8.3f} s")
    print(f"ratio   {slow / fast:8.1f}")
    print("shared side: " + ", ".join(f"{n} {statistics.median(s) / fast:.0%}" for n, s in parts.items()))


if __name__ == "__main__":
    typer.run(main)
