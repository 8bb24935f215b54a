"""Ask a dashcam.

>>> import leo_drive
>>> leo = leo_drive.load("nano")
>>> clip = leo_drive.open("drive.mp4").clip(at=12.0)  # doctest: +SKIP
>>> leo.ask(clip, "Is there a cyclist?").text         # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from leo_drive.errors import InputError, LeoDriveError

if TYPE_CHECKING:
    from leo_drive.clips import Clip
    from leo_drive.clips import open_source as open
    from leo_drive.inference import Answer, Leo, load

__version__ = "0.1.0"
__all__ = ["Answer", "Clip", "InputError", "Leo", "LeoDriveError", "load", "open"]

# Imported when first used: the model's libraries take seconds, and `leo-drive --help` needs none of them.
_LAZY = {
    "Answer": ("leo_drive.inference", "Answer"),
    "Clip": ("leo_drive.clips", "Clip"),
    "Leo": ("leo_drive.inference", "Leo"),
    "load": ("leo_drive.inference", "load"),
    "open": ("leo_drive.clips", "open_source"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'leo_drive' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)
