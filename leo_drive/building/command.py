"""The command `leo-drive build`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from leo_drive.errors import InputError
from leo_drive.terminal import named_path, out, progress, spinner

logger = logging.getLogger(__name__)

_PRESETS_HELP = "leo-8b, leo-2b or leo-1b: InternVL2 of that size with SAM-L, from the hub."


def build(
    out_dir: Annotated[
        Path, typer.Option("--out", parser=named_path, help="Folder for the model; new, or empty.")
    ],
    preset: Annotated[str | None, typer.Option(help=_PRESETS_HELP)] = None,
    internvl: Annotated[
        str | None, typer.Option(help="An InternVL 2 or 2.5 checkpoint: hub id or folder.")
    ] = None,
    internvit: Annotated[
        str | None, typer.Option(help="An InternViT encoder alone, with --llm: hub id or folder.")
    ] = None,
    llm: Annotated[
        str | None, typer.Option(help="InternLM2, Qwen2 or Llama, with --internvit: hub id or folder.")
    ] = None,
    sam: Annotated[
        str | None,
        typer.Option(help="A SAM encoder: hub id, folder, or segment-anything's .pth; SAM-L by default."),
    ] = None,
    from_reference: Annotated[
        str | None, typer.Option(help="A whole LEO that the authors' own code saved: folder.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Hub id or folder, where the language model's has no tokenizer.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; the language model's own by default.")
    ] = None,
) -> None:
    """Put a LEO together from public checkpoints, ready to be fine-tuned."""
    with spinner("loading the library"):
        import torch

        from leo_drive.building.build import Choice, prepare
        from leo_drive.building.build import build as build_model
        from leo_drive.building.estimate import estimate
        from leo_drive.building.report import print_estimate
        from leo_drive.building.writing import model_folder
        from leo_drive.files import require_room, size

    precisions = {name: getattr(torch, name) for name in ("float32", "bfloat16", "float16")}
    if dtype is not None and dtype not in precisions:
        raise InputError(f"dtype {dtype}: one of {', '.join(precisions)}")
    choice = Choice(preset, internvl, internvit, llm, sam, from_reference, tokenizer)
    with model_folder(out_dir) as folder:
        prepared = prepare(
            choice,
            precisions.get(dtype or ""),
            downloading=lambda total: out.print(f"to download: {size(total)}"),
        )
        require_room(folder.parent, prepared.plan.result_bytes, "the model", "choose another disk")
        for line in prepared.warnings:
            logger.warning(line)
        print_estimate(estimate(prepared.plan, folder), prepared.plan)
        with progress("converting, MiB") as update:
            build_model(prepared, folder, update)
    out.print(f"model in {out_dir}; what it is made of is in its README.md")
