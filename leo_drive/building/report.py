"""What `leo-drive build` says before it starts."""

from __future__ import annotations

from leo_drive.building.estimate import Estimate, tiles_of_an_image
from leo_drive.building.plan import Plan
from leo_drive.files import size
from leo_drive.terminal import out


def print_estimate(estimate: Estimate, plan: Plan) -> None:
    """Sizes, memory and time of the build, and what running its result takes."""
    e, config = estimate, plan.config
    files = sum(len(weights.files) for weights in plan.weights.values())
    tiles = tiles_of_an_image(config)
    precision = str(plan.dtype).removeprefix("torch.")
    lines = [
        f"reading {size(e.read)} from {files} {'file' if files == 1 else 'files'}, writing {size(e.written)} "
        f"({e.parameters / 1e6:,.1f} M parameters in {precision})",
        f"memory: at most about {size(e.memory)} beside the library, of which {size(e.largest_file)} for a "
        f"file that is written; time: about {_duration(e.seconds)} at this disk's speed",
        f"to run it in bfloat16: about {size(e.gpu)} of GPU memory ({size(e.gpu_weights)} weights; for an "
        f"image of {tiles} tiles, {tiles * config.tokens_per_tile} tokens, {size(e.gpu_cache)} keys and "
        f"values and {size(e.gpu_attention)} attention maps)",
    ]
    for line in lines:
        out.print(line)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"
