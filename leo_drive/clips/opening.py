"""From what the user names to the source that reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leo_drive.clips.images import IMAGE_SUFFIXES, ImageSource
from leo_drive.clips.lingoqa import LingoQASegment, is_part
from leo_drive.clips.source import Source
from leo_drive.clips.video import VideoSource
from leo_drive.errors import InputError

Named = Path | Sequence[str | os.PathLike[str]]
"""What a user may name: a path, or a list of images."""


@dataclass(frozen=True)
class Opener:
    """How one kind of recording is recognised and opened.

    Attributes:
        kind: what it is called in messages.
        accepts: whether what the user named is of this kind; asked of existing paths and of lists.
        open: makes the source; its further keyword arguments are `options`.
        options: keyword arguments of `open_source` that this kind takes.
    """

    kind: str
    accepts: Callable[[Any], bool]
    open: Callable[..., Source]
    options: frozenset[str] = frozenset()


def _open_segment(part: Path, segment: str | None = None) -> Source:
    if segment is None:
        raise InputError(f"{part}: is a LingoQA part; say which segment of it (segment=ID, or --segment ID)")
    return LingoQASegment(part, segment)


def _open_video(path: Path, camera: str = "front") -> Source:
    source = VideoSource(path, camera)
    try:
        source.duration  # noqa: B018  (opens the file now, so that a bad one fails here)
    except BaseException:
        source.close()
        raise
    return source


_OPENERS: list[Opener] = [
    Opener(
        "list of images", lambda what: not isinstance(what, Path), ImageSource, frozenset({"rate", "camera"})
    ),
    Opener("LingoQA part", lambda what: is_part(what), _open_segment, frozenset({"segment"})),
    Opener("folder of images", lambda what: what.is_dir(), ImageSource, frozenset({"rate", "camera"})),
    Opener(
        "image",
        lambda what: what.suffix.lower() in IMAGE_SUFFIXES,
        ImageSource,
        frozenset({"rate", "camera"}),
    ),
    Opener("video", lambda what: True, _open_video, frozenset({"camera"})),
]


def register_opener(opener: Opener) -> None:
    """Adds a kind of recording, asked before those known so far: the special precedes the general."""
    _OPENERS.insert(0, opener)


def open_source(what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], **options: Any) -> Source:
    """Opens a recording by what it is: a video, an image, a folder or a list of images, a LingoQA segment.

    Args:
        what: a path, or a list of images in the order of time.
        options: `rate` in images per second (images), `segment` id (a LingoQA part's folder), `camera` name.

    Raises:
        InputError: nothing is there, it is of no known kind, it is damaged, or an option does not apply.

    Example:
        >>> open_source("drive.mp4").clip(at=12.0, seconds=5, frames=5)     # doctest: +SKIP
        >>> open_source("scenery", segment="02453a16").clip()               # doctest: +SKIP
    """
    named: Named = Path(what) if isinstance(what, str | os.PathLike) else what
    if isinstance(named, Path) and not os.path.lexists(named):
        raise InputError(f"{named}: no such file or folder")
    opener = next(opener for opener in _OPENERS if opener.accepts(named))
    given = {key: value for key, value in options.items() if value is not None}
    wrong = sorted(given.keys() - opener.options)
    if wrong:
        takes = ", ".join(sorted(opener.options)) or "none"
        raise InputError(f"{what}: {', '.join(wrong)} does not apply to a {opener.kind}; it takes {takes}")
    return opener.open(named, **given)
