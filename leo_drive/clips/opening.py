"""From what the user names to the source that reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leo_drive.clips.images import IMAGE_SUFFIXES, ImageSource
from leo_drive.clips.lingoqa import LingoQASegment, is_part, segments_of
from leo_drive.clips.mcap import McapLog
from leo_drive.clips.nuscenes import NuScenesScene, is_nuscenes, scenes_of
from leo_drive.clips.rosbag import RosBag, is_ros2_bag
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
        whole: whether a folder of this kind is a log or several, with all that lies in it; otherwise other
            logs may lie beside its images and in its folders.
        holds: where one path holds several logs: their names, and the options that open each.
    """

    kind: str
    accepts: Callable[[Any], bool]
    open: Callable[..., Source]
    options: frozenset[str] = frozenset()
    whole: bool = False
    holds: Callable[[Path], dict[str, dict[str, Any]]] | None = None


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


def _segments_by_name(part: Path) -> dict[str, dict[str, Any]]:
    return {segment: {"segment": segment} for segment in segments_of(part)}


def _open_scene(root: Path, scene: str | None = None, **options: Any) -> Source:
    if scene is None:
        some = ", ".join(list(scenes_of(root))[:3])
        raise InputError(
            f"{root}: holds nuScenes; say which scene (scene=NAME, or --scene NAME), such as {some}"
        )
    return NuScenesScene(root, scene, **options)


def _scenes_by_name(root: Path) -> dict[str, dict[str, Any]]:
    return {scene: {"scene": scene} for scene in scenes_of(root)}


def _has_suffix(*suffixes: str) -> Callable[[Any], bool]:
    return lambda what: what.suffix.lower() in suffixes and not what.is_dir()


_OPENERS: list[Opener] = [
    Opener(
        "list of images", lambda what: not isinstance(what, Path), ImageSource, frozenset({"rate", "camera"})
    ),
    Opener(
        "LingoQA part", is_part, _open_segment, frozenset({"segment"}), whole=True, holds=_segments_by_name
    ),
    Opener(
        "nuScenes folder",
        is_nuscenes,
        _open_scene,
        frozenset({"scene", "camera", "sweeps", "version"}),
        whole=True,
        holds=_scenes_by_name,
    ),
    Opener("ROS 2 bag", is_ros2_bag, RosBag, frozenset({"camera"}), whole=True),
    Opener("ROS bag", _has_suffix(".bag", ".db3"), RosBag, frozenset({"camera"})),
    Opener("log in MCAP", _has_suffix(".mcap"), McapLog, frozenset({"camera"})),
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


def opener_of(what: Named) -> Opener:
    """What opens this: the first kind, from the special to the general, that takes it for its own.

    Raises:
        InputError: a table that would tell cannot be read.
    """
    return next(opener for opener in _OPENERS if opener.accepts(what))


def open_source(what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], **options: Any) -> Source:
    """Opens a recording by what it is: a video, images, an MCAP file, a ROS bag, a nuScenes scene, LingoQA.

    Args:
        what: a path, or a list of images in the order of time.
        options: `rate` in images per second (images), `segment` id (a LingoQA part's folder), `scene`,
            `sweeps` and `version` (a nuScenes folder), `camera`: of a log that has several the only one to
            show, otherwise what it is called.

    Raises:
        InputError: nothing is there, it is of no known kind, it is damaged, or an option does not apply.

    Example:
        >>> open_source("drive.mp4").clip(at=12.0, seconds=5, frames=5)     # doctest: +SKIP
        >>> open_source("scenery", segment="02453a16").clip()               # doctest: +SKIP
        >>> open_source("nuscenes", scene="scene-0061", sweeps=True)        # doctest: +SKIP
    """
    if what == "":
        raise InputError("an empty path; name a video or a folder (. is the current one)")
    named: Named = Path(what) if isinstance(what, str | os.PathLike) else what
    if isinstance(named, Path) and not os.path.lexists(named):
        cure = "; download it first" if re.match(r"\w+:/", str(named)) else ""
        raise InputError(f"{named}: no such file or folder{cure}")
    opener = opener_of(named)
    given = {key: value for key, value in options.items() if value is not None}
    wrong = sorted(given.keys() - opener.options)
    if wrong:
        takes = ", ".join(sorted(opener.options)) or "none"
        raise InputError(f"{what}: {', '.join(wrong)} does not apply to a {opener.kind}; it takes {takes}")
    return opener.open(named, **given)
