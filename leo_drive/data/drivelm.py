"""DriveLM-nuScenes: a graph of questions from perception to behaviour, on six cameras.

Source: the DriveLM data set (GitHub OpenDriveLab/DriveLM, version 1.1): one JSON file, scene -> key_frames ->
frame with QA (stage -> list of Q and A) and image_paths (camera -> path beginning with ../nuscenes/). Objects
are named in the text by tags: <c1,CAM_FRONT,1088.3,497.5> is object c1, its centre in pixels of the camera's
1600 x 900 picture. A tag may be without a place, and written with spaces or in other case.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel

from leo_drive.clips.image_file import ImageFile, ImageFolder
from leo_drive.clips.nuscenes import CAMERAS
from leo_drive.data.documents import read_json
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.errors import InputError, some

logger = logging.getLogger(__name__)

ARCHIVES = "drivelm_nus_imgs_*.zip"
# DriveLM's archive of the images of its validation questions has the second where nuScenes has the first.
_HEADS = ("samples", "val_data", "nuscenes/samples", "nuscenes")
SIZE = (1600, 900)
"""Width and height of nuScenes' pictures, in pixels."""

Tags = Literal["pixels", "fractions", "names"]
"""How a tag is said: as it stands, its place in fractions of the picture's size, or without a place."""

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_TAG = re.compile(
    rf"<\s*(c\d+)\s*,\s*({'|'.join(CAMERAS)})\s*(?:,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*)?>", re.IGNORECASE
)
# What can only have been meant as one.
_LIKE_A_TAG = re.compile(r"<\s*c\d+[^\w<>]*CAM_[^<>\s]*>?", re.IGNORECASE)


class _QA(BaseModel):
    Q: str
    A: str | None = None


class _Frame(BaseModel):
    QA: dict[str, list[_QA]]
    image_paths: dict[str, str]


class _Scene(BaseModel):
    key_frames: dict[str, _Frame]


def read_drivelm(
    root: str | Path,
    nuscenes: str | Path | None = None,
    cameras: Sequence[str] = CAMERAS,
    tags: Tags = "pixels",
) -> list[Example]:
    """All key frames as examples, their cameras named and in the order of `cameras`.

    Every question stands alone. One whose tags name a camera that is not shown is left out: its object is not
    in the pictures.

    Args:
        root: the JSON file, or a folder that holds no other.
        nuscenes: the folder that holds samples/ or val_data/, or an archive of DriveLM's images; by default
            `nuscenes`, these folders or `drivelm_nus_imgs_*.zip` in the JSON file's folder, or `nuscenes`
            beside that folder.
        cameras: which to show, in this order.
        tags: how objects' tags are said.

    Returns:
        Examples with ids SCENE_FRAME, questions with ids SCENE_FRAME_STAGE_NUMBER, numbered as in the file.

    Raises:
        InputError: no file, not DriveLM's layout or an unknown camera; questions without an answer and key
            frames without a camera, of which the first few are named and the others counted.

    Example:
        >>> read_drivelm("drivelm", cameras=["CAM_FRONT"])[0].names     # doctest: +SKIP
        ('CAM_FRONT',)
    """
    path = drivelm_file(Path(root))
    shown = known_cameras(path, cameras)
    if tags not in get_args(Tags):
        raise InputError(f"{path}: tags are said as {', '.join(get_args(Tags))}; got {tags!r}")
    scenes = read_json(path, dict[str, _Scene], "DriveLM's layout")
    images = drivelm_images(path, None if nuscenes is None else Path(nuscenes))
    examples: list[Example] = []
    wrong: list[str] = []
    left_out: list[str] = []
    for scene_id, scene in scenes.items():
        for frame_id, frame in scene.key_frames.items():
            name, where = f"{scene_id}_{frame_id}", f"scene {scene_id}, key frame {frame_id}"
            try:
                asked = tuple((qa,) for qa in _questions(where, name, frame, shown, tags, wrong, left_out))
                if asked:
                    pictures = tuple(frame_picture(where, images, frame.image_paths, c) for c in shown)
                    examples.append(Example(name, pictures, asked, names=shown))
            except InputError as error:
                wrong.append(str(error))
    if wrong:
        raise InputError(
            f"{path}: {some(wrong, '; ')}; correct them or take them out (files with q_only in their names "
            f"have no answers: take the training file)"
        )
    if left_out:
        logger.warning("%s: left out what has a tag that cannot be read: %s", path, some(left_out, "; "))
    return examples


def _questions(
    where: str,
    frame_id: str,
    frame: _Frame,
    shown: tuple[str, ...],
    tags: Tags,
    wrong: list[str],
    left_out: list[str],
) -> Iterator[QuestionAnswer]:
    """The questions about the cameras that are shown.

    To `wrong` is added what cannot be asked or has no answer, to `left_out` where a tag cannot be read: one
    among thousands is no reason to refuse a set.
    """
    for stage, pairs in frame.QA.items():
        for number, pair in enumerate(pairs):
            if problem := _problem(pair):
                wrong.append(f"{where}: {stage} {number} {problem}")
                continue
            if unread := _unread_tag(pair):
                left_out.append(f"{where}: {stage} {number}, {unread!r}")
                continue
            texts = (pair.Q.strip(), (pair.A or "").strip())
            named = {tag[2].upper() for text in texts for tag in _TAG.finditer(text)}
            if named <= set(shown):
                question, answer = (_said(text, tags) for text in texts)
                yield QuestionAnswer(f"{frame_id}_{stage}_{number}", question, answer)


def _problem(pair: _QA) -> str | None:
    if not pair.Q.strip():
        return "has no question (Q)"
    if not pair.A or not pair.A.strip():
        return "has no answer (A)"
    return None


def _unread_tag(pair: _QA) -> str | None:
    """What can only have been meant as a tag, and which camera it names cannot be told."""
    found = (_LIKE_A_TAG.search(_TAG.sub("", text)) for text in (pair.Q, pair.A or ""))
    return next((unread[0][:60] for unread in found if unread), None)


def _said(text: str, tags: Tags) -> str:
    def tag(found: re.Match[str]) -> str:
        name, camera, x, y = found[1].lower(), found[2].upper(), found[3], found[4]
        if tags == "names" or x is None:
            return f"<{name},{camera}>"
        return f"<{name},{camera},{float(x) / SIZE[0]:.3f},{float(y) / SIZE[1]:.3f}>"

    return text if tags == "pixels" else _TAG.sub(tag, text)


def drivelm_file(root: Path) -> Path:
    """The JSON file itself, or the only one of a folder.

    Raises:
        InputError: the folder has none, or several.
    """
    if not root.is_dir():
        return root
    found = sorted(root.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:4]) or "none"
        raise InputError(
            f"{root}: name DriveLM's JSON file; the folder must hold one of them, it has {names}"
        )
    return found[0]


def known_cameras(path: Path, cameras: Sequence[str]) -> tuple[str, ...]:
    """The cameras, checked.

    Args:
        path: the data set's, for messages.

    Raises:
        InputError: none, one twice, or one that nuScenes does not have.
    """
    shown = tuple(_known_camera(path, camera) for camera in cameras)
    if not shown or len(set(shown)) < len(shown):
        raise InputError(
            f"{path}: name at least one camera, and each once; got {', '.join(cameras) or 'none'}"
        )
    return shown


def _known_camera(path: Path, camera: str) -> str:
    if camera not in CAMERAS:
        near = difflib.get_close_matches(camera.upper(), CAMERAS, 1, 0.3)
        raise InputError(
            f"{path}: unknown camera {camera!r}; " + (f"did you mean {near[0]}? " if near else "")
            + f"nuScenes has {', '.join(CAMERAS)}"
        )  # fmt: skip
    return camera


def drivelm_images(path: Path, nuscenes: Path | None) -> ImageFolder:
    """The pictures that belong to a JSON file; `nuscenes` as `read_drivelm` has it."""
    if nuscenes is not None and nuscenes.is_file():
        return ImageFolder(nuscenes.parent, [nuscenes], _HEADS)
    if nuscenes is not None:
        folder = nuscenes.parent if nuscenes.name in _HEADS[:2] else nuscenes
    elif (path.parent / "nuscenes").is_dir():
        folder = path.parent / "nuscenes"
    elif _archives(path.parent) or any((path.parent / head).is_dir() for head in _HEADS):
        folder = path.parent
    else:
        folder = path.absolute().parent.parent / "nuscenes"
    return ImageFolder(
        folder, [*_archives(path.parent), *_archives(folder), *_archives(folder.parent)], _HEADS
    )


def _archives(folder: Path) -> list[Path]:
    return sorted(folder.glob(ARCHIVES))


def frame_picture(where: str, images: ImageFolder, paths: dict[str, str], camera: str) -> ImageFile:
    """A key frame's picture by a camera.

    Args:
        where: the key frame, for messages.
        paths: its image_paths.

    Raises:
        InputError: it has no such camera.
    """
    if camera not in paths:
        raise InputError(f"{where}: image_paths has no {camera}; it has {', '.join(paths) or 'none'}")
    return images.find(paths[camera].removeprefix("../").removeprefix("nuscenes/"))
