"""What a run does: questions, windows and settings, as plain values that travel to any worker.

Nothing here imports torch: who only opens logs has no use for it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import QuestionSet
from leo_drive.clips.clip import Clip

if TYPE_CHECKING:
    from leo_drive.inference import Leo
    from leo_drive.model import LeoProcessor
    from leo_drive.model.budget import Policy, TilePlan


@dataclass(frozen=True)
class Asking:
    """How the model is asked; as in `leo_drive.inference.Leo.ask`."""

    max_new_tokens: int = 64
    policy: Policy = "equal"
    max_tiles: int | None = None


@dataclass(frozen=True)
class Job:
    """Everything that the answers depend on but the logs and the weights, and how the work is done.

    Attributes:
        model, model_hash, dtype: of the model that answers.
        batch: windows that are encoded and answered together, of one log or of several.
        time_limit: seconds that a log may take to be opened, and for each of its windows.
        opening: options with which the logs were found, see `leo_drive.clips.discovery.find_logs`.
        part_rows: of the table that are written as one file, at least.
    """

    questions: QuestionSet
    cutting: Cutting
    asking: Asking
    model: str
    model_hash: str
    dtype: str
    batch: int = 4
    time_limit: float = 120.0
    part_rows: int = 512
    opening: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """What an answer depends on beside the question, the model and the log, as plain values."""
        plain = {**asdict(self.cutting), **asdict(self.asking), "dtype": self.dtype, **self.opening}
        return json.loads(json.dumps(plain))

    @property
    def settings_hash(self) -> str:
        """A fingerprint of the settings."""
        return hashlib.blake2s(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]


def model_facts(leo: Leo) -> dict[str, str]:
    """What a Job says of a loaded model: `model_hash` and `dtype`."""
    from leo_drive.evaluation.partial import weights_hash

    dtype = str(leo.model.dtype).removeprefix("torch.")
    return {"model_hash": weights_hash(leo.model), "dtype": dtype}


def check_fits(processor: LeoProcessor, job: Job) -> None:
    """Raise InputError when the frames and questions do not fit the model, before anything is decoded."""
    frames = tuple(Image.new("RGB", (640, 360)) for _ in range(job.cutting.frames))
    clip = Clip(frames, tuple(map(float, range(len(frames)))), source=job.questions.name)
    plan(processor, clip, job)


def plan(processor: LeoProcessor, clip: Clip, job: Job) -> TilePlan:
    """The clip's tiles, the same whichever of the questions are asked."""
    texts = [question.text for question in job.questions.questions]
    asking = job.asking
    return processor.plan(
        clip, texts, (), asking.max_new_tokens, policy=asking.policy, max_tiles=asking.max_tiles
    )
