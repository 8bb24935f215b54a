"""A picture of a clip's frames with the answers under them, for people who would rather look."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from leo_drive.clips.clip import Clip
from leo_drive.inference.answer import Answer

_MARGIN, _GAP = 24, 8
_PAPER, _INK, _FAINT, _ACCENT = "#ffffff", "#14171c", "#6b7280", "#0f62b0"


def answers_picture(clip: Clip, answers: Sequence[Answer], width: int = 1280) -> Image.Image:
    """The frames in a row, oldest first and each with its time, then every question with its answer.

    Args:
        width: of the picture, in pixels; its height follows.

    Returns:
        An RGB image.
    """
    small, normal, bold = (_font(size) for size in (15, 19, 19))
    columns = len(clip.frames)
    frame_width = (width - 2 * _MARGIN - _GAP * (columns - 1)) // columns
    frame_height = round(frame_width * clip.size[1] / clip.size[0])
    blocks = [
        (textwrap.wrap(a.question, 100), textwrap.wrap(a.text or "(no answer)", 100), a) for a in answers
    ]
    lines = sum(len(q) + len(a) for q, a, _ in blocks)
    top = _MARGIN + frame_height + 36
    picture = Image.new("RGB", (width, top + lines * 26 + len(blocks) * 12 + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(picture)
    for i, (frame, time) in enumerate(zip(clip.frames, clip.timestamps, strict=True)):
        x = _MARGIN + i * (frame_width + _GAP)
        picture.paste(frame.resize((frame_width, frame_height), Image.Resampling.LANCZOS), (x, _MARGIN))
        draw.text((x, _MARGIN + frame_height + 4), f"{time:.1f} s", _FAINT, small)
    y = top
    for question, answer, about in blocks:
        for line in question:
            draw.text((_MARGIN, y), line, _FAINT, normal)
            y += 26
        for line in answer:
            draw.text((_MARGIN + 16, y), line, _INK, bold)
            end = _MARGIN + 16 + draw.textlength(line, bold)
            y += 26
        draw.text((end + 14, y - 23), f"confidence {about.confidence:.2f}", _ACCENT, small)
        y += 12
    return picture


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
