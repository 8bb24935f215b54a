"""Which public checkpoints a preset takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Hub ids of an InternVL checkpoint and of a SAM encoder."""

    internvl: str
    sam: str = "facebook/sam-vit-large"


PRESETS = {
    "leo-8b": Preset("OpenGVLab/InternVL2-8B"),
    "leo-2b": Preset("OpenGVLab/InternVL2-2B"),
    "leo-1b": Preset("OpenGVLab/InternVL2-1B"),
}
