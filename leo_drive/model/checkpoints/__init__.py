"""Other projects' checkpoints: their names and configurations turned into LEO-Drive's."""

from leo_drive.model.checkpoints.internlm2 import internlm2_to_llama, split_wqkv
from leo_drive.model.checkpoints.names import (
    INTERNLM2_NAMES,
    INTERNVIT_NAMES,
    SAM_NAMES,
    SEGMENT_ANYTHING_NAMES,
    original_name,
    rename,
)
from leo_drive.model.checkpoints.reference import from_reference, reference_config

__all__ = [
    "INTERNLM2_NAMES",
    "INTERNVIT_NAMES",
    "SAM_NAMES",
    "SEGMENT_ANYTHING_NAMES",
    "from_reference",
    "internlm2_to_llama",
    "original_name",
    "reference_config",
    "rename",
    "split_wqkv",
]
