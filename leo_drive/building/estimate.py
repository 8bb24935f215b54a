"""What a build will take, and what its result will need: from file sizes and the configuration."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path

from leo_drive.building.plan import Plan
from leo_drive.building.writing import shard_bytes_for, shards
from leo_drive.model import LeoConfig

_BFLOAT16 = 2
_PROBE_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Estimate:
    """Sizes in bytes.

    Attributes:
        read: of the weights that are taken over.
        written: of the new model's weights.
        largest_file: of the new model.
        parameters: how many numbers it has.
        memory: most that the conversion holds at a time.
        seconds: that reading and writing take, from the speed of this disk, measured.
        gpu_weights: of the model in bfloat16.
        gpu_cache: keys and values of one image's visual tokens.
        gpu_attention: the largest attention maps of a vision branch, all tiles of one image at once.
    """

    read: int
    written: int
    largest_file: int
    parameters: int
    memory: int
    seconds: float
    gpu_weights: int
    gpu_cache: int
    gpu_attention: int

    @property
    def gpu(self) -> int:
        return self.gpu_weights + self.gpu_cache + self.gpu_attention


def estimate(plan: Plan, folder: Path) -> Estimate:
    """Estimate a build that writes into `folder`, whose disk is tried with a small file."""
    written = plan.result_bytes
    taken = {step.weight for step in plan.steps if step.weight}
    sizes = [prod(weight.shape) * weight.dtype.itemsize for weight in taken if weight.dtype]
    read = sum(sizes)
    largest_file = max(
        sum(step.size for step in steps) * plan.dtype.itemsize
        for steps in shards(plan.steps, plan.dtype, shard_bytes_for(plan))
    )
    parameters = sum(step.size for step in plan.steps)
    config = plan.config
    return Estimate(
        read=read,
        written=written,
        largest_file=largest_file,
        parameters=parameters,
        memory=largest_file + 2 * max(sizes),
        seconds=(read + written) / _bytes_per_second(folder, min(_PROBE_BYTES, written)),
        gpu_weights=parameters * _BFLOAT16,
        gpu_cache=_cache_bytes(config),
        gpu_attention=_attention_bytes(config),
    )


def tiles_of_an_image(config: LeoConfig) -> int:
    """Most tiles of one image, the thumbnail included."""
    return config.max_tiles + (1 if config.use_thumbnail and config.max_tiles > 1 else 0)


def _cache_bytes(config: LeoConfig) -> int:
    llm = config.llm
    head = getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads
    a_token = 2 * llm.num_hidden_layers * llm.num_key_value_heads * head * _BFLOAT16
    return a_token * min(config.context_length, tiles_of_an_image(config) * config.tokens_per_tile)


def _attention_bytes(config: LeoConfig) -> int:
    """SAM adds relative positions to every pair of patches, so that its global layers hold the whole map."""
    return max(
        (
            tiles_of_an_image(config) * branch.encoder_args["num_heads"] * branch.grid**4 * _BFLOAT16
            for branch in config.branch_configs
            if branch.encoder_args.get("global_attn_indexes")
        ),
        default=0,
    )


def _bytes_per_second(folder: Path, probe: int) -> float:
    """How fast the disk takes a file of so many bytes."""
    with tempfile.NamedTemporaryFile(prefix=".probe-", dir=folder) as file:
        start = time.perf_counter()
        file.write(bytes(probe))
        file.flush()
        os.fsync(file.fileno())
        return probe / max(time.perf_counter() - start, 1e-6)
