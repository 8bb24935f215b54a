"""Generated dashcam clips whose answers are true by construction.

Example:
    >>> from leo_drive.data.synthetic import clip
    >>> made = clip(3, size=(192, 108))
    >>> [question.text for question in made.questions if question.kind == "vehicle_ahead"]  # doctest: +SKIP
    ['Is there a vehicle directly ahead of us?']
"""

from leo_drive.data.synthetic.balance import Balance, blind_baseline
from leo_drive.data.synthetic.clips import FRAME_TIMES, SyntheticClip, clip, clip_of
from leo_drive.data.synthetic.dataset import drive_seed, write_dataset, write_video
from leo_drive.data.synthetic.descriptions import OPEN_KINDS
from leo_drive.data.synthetic.labels import COARSE, LABELS, PALETTE
from leo_drive.data.synthetic.questions import CHOICES, OVER_TIME, Question
from leo_drive.data.synthetic.render import Frame, render
from leo_drive.data.synthetic.sampling import SITUATIONS, sample_drive
from leo_drive.data.synthetic.sheet import contact_sheet, overview
from leo_drive.data.synthetic.wording import wordings
from leo_drive.data.synthetic.world import Drive

__all__ = [
    "CHOICES",
    "COARSE",
    "FRAME_TIMES",
    "LABELS",
    "OPEN_KINDS",
    "OVER_TIME",
    "PALETTE",
    "SITUATIONS",
    "Balance",
    "Drive",
    "Frame",
    "Question",
    "SyntheticClip",
    "blind_baseline",
    "clip",
    "clip_of",
    "contact_sheet",
    "drive_seed",
    "overview",
    "render",
    "sample_drive",
    "wordings",
    "write_dataset",
    "write_video",
]
