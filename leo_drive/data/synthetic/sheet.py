"""Contact sheets: generated clips with their label maps and questions, for looking at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from leo_drive.data.synthetic.clips import SyntheticClip, clip
from leo_drive.data.synthetic.labels import PALETTE

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def contact_sheet(made: SyntheticClip, width: int = 320) -> Image.Image:
    """One clip: a row of frames, a row of label maps, and every question with its answer below."""
    high = round(width * made.rendered[0].image.shape[0] / made.rendered[0].image.shape[1])
    frames = np.hstack(
        [cv2.resize(f.image, (width, high), interpolation=cv2.INTER_AREA) for f in made.rendered]
    )
    maps = [
        cv2.resize(PALETTE[f.labels], (width, high), interpolation=cv2.INTER_NEAREST) for f in made.rendered
    ]
    lines = [f"[{q.kind} {q.subject}] {q.text}  {q.answer}" for q in made.questions]
    rows = -(-len(lines) // 2)
    text = np.full((18 * rows + 10, frames.shape[1], 3), 255, np.uint8)
    for i, line in enumerate(lines):
        place = (6 + (i // rows) * (frames.shape[1] // 2), 18 + 18 * (i % rows))
        cv2.putText(text, line, place, _FONT, 0.4, (20, 20, 20), 1, cv2.LINE_AA)
    return Image.fromarray(np.vstack([frames, np.hstack(maps), text]))


def overview(seeds: Sequence[int], columns: int = 4, size: tuple[int, int] = (480, 270)) -> Image.Image:
    """The last frames of many drives in a grid."""
    pictures = [clip(seed, size).rendered[-1].image for seed in seeds]
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    return Image.fromarray(np.vstack(rows))
