"""Write a model folder shard by shard; it becomes one that loads only when all of it is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from leo_drive.building.plan import Plan, Step
from leo_drive.building.weights import Reader, opened
from leo_drive.errors import InputError, LeoDriveError, one_line
from leo_drive.files import filling

# A shard is held in memory while it is written, so these bound the build's memory. The lower one keeps models
# whose files are small, or many, from being cut into pieces that spare nobody any memory.
_MOST_SHARD_BYTES = 2 * 1024**3
_LEAST_SHARD_BYTES = 64 * 1024**2


def model_folder(out: Path) -> AbstractContextManager[Path]:
    """A folder to collect a model's files in, as `leo_drive.files.filling`.

    Nothing loads before config.json is there, which comes last.
    """
    return filling(out, last="config.json")


def shard_bytes_for(plan: Plan) -> int:
    """Most bytes of a new file: those of the largest file that is read, within the bounds above."""
    largest = max(file.stat().st_size for weights in plan.weights.values() for file in weights.files)
    return min(_MOST_SHARD_BYTES, max(_LEAST_SHARD_BYTES, largest))


def shards(steps: Sequence[Step], dtype: torch.dtype, shard_bytes: int) -> list[list[Step]]:
    """The steps in order, cut into files of at most so many bytes (a larger weight has a file of its own)."""
    cut: list[list[Step]] = [[]]
    filled = 0
    for step in steps:
        size = step.size * dtype.itemsize
        if cut[-1] and filled + size > shard_bytes:
            cut.append([])
            filled = 0
        cut[-1].append(step)
        filled += size
    return cut


def write_weights(
    plan: Plan,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    shard_bytes: int | None = None,
) -> None:
    """Convert the weights into model*.safetensors, with an index where there are several.

    Args:
        progress: called with how many MiB are done, of how many.
        shard_bytes: most bytes of a file, and so about what is in memory at a time; by default
            `shard_bytes_for` the plan.

    Raises:
        InputError: a weight is not finite in the new precision.
        LeoDriveError: the disk is full, or a file that was read before cannot be read any more.
    """
    files = shards(plan.steps, plan.dtype, shard_bytes or shard_bytes_for(plan))
    names = [f"model-{i + 1:05}-of-{len(files):05}.safetensors" for i in range(len(files))]
    if len(files) == 1:
        names = ["model.safetensors"]
    total = plan.result_bytes
    done = 0
    tensors = _tensors(plan)
    for name, steps in zip(names, files, strict=True):
        shard: dict[str, torch.Tensor] = {}
        for step in steps:
            shard[step.name] = next(tensors)
            done += step.size * plan.dtype.itemsize
            progress(done >> 20, total >> 20)
        try:
            save_file(shard, folder / name, {"format": "pt"})
            # safetensors makes files that only their owner may read; a model is shared like any other file.
            (folder / name).chmod(folder.stat().st_mode & 0o666)
        except (SafetensorError, OSError) as error:
            raise LeoDriveError(
                f"{folder / name}: cannot be written ({one_line(error)}); is the disk full?"
            ) from None
        del shard
    if len(files) > 1:
        places = {step.name: name for name, steps in zip(names, files, strict=True) for step in steps}
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _tensors(plan: Plan) -> Iterator[torch.Tensor]:
    """The new weights in the plan's order, one file open at a time."""
    with ExitStack() as stack:
        reader: Reader | None = None
        file: Path | None = None
        last: tuple[str, torch.Tensor] | None = None
        for step in plan.steps:
            if step.weight is None:
                yield step.change().to(plan.dtype)
                continue
            try:
                if reader is None or step.weight.file != file:
                    stack.close()
                    file, last = step.weight.file, None
                    reader = stack.enter_context(opened(file))
                if last is None or last[0] != step.weight.name:
                    last = step.weight.name, reader.get_tensor(step.weight.name)
            except (SafetensorError, OSError) as error:
                raise LeoDriveError(f"{file}: cannot be read any more ({one_line(error)})") from None
            # A copy of its own: three weights out of one tensor, or a mapped file, would be views of it.
            made = step.change(last[1]).to(plan.dtype, copy=True, memory_format=torch.contiguous_format)
            if not made.isfinite().all():
                raise InputError(
                    f"{file}: {step.weight.name} has values that are not finite, or too large for "
                    f"{str(plan.dtype).removeprefix('torch.')}; copy the file again, or take another --dtype"
                )
            yield made
