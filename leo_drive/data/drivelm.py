"""DriveLM-nuScenes: a graph of questions from perception to behaviour, on six cameras.

Source: the DriveLM data set (GitHub OpenDriveLab/DriveLM, version 1.1): one JSON file, scene -> key_frames ->
frame with QA (stage -> list of Q and A) and image_paths (camera -> path beginning with ../nuscenes/). Objects
are named in the text by tags: <c1,CAM_FRONT,1088.3,497.5> is object c1, its centre in pixels of the camera's
1600 x 900 picture. A tag may be without a place, and written with spaces or in other case.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel

from leo_drive.clips.image_file import ImageFile, ImageFolder
from leo_drive.clips.nuscenes import CAMERAS
from leo_drive.data.documents import Wrong, or_wrong, read_json
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.data.unusable import UNANSWERED, leave_out, refuse
from leo_drive.errors import InputError, some

ARCHIVES = "drivelm_nus_imgs_*.zip"
# DriveLM's archive of the images of its validation questions has the second where nuScenes has the first.
_HEADS = ("samples", "val_data", "nuscenes/samples", "nuscenes")
_LAYOUT = "DriveLM's layout"
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
    QA: dict[str, list[Annotated[_QA | Wrong, or_wrong(_QA)]]]
    image_paths: dict[str, str]


class _Scene(BaseModel):
    key_frames: dict[str, Annotated[_Frame | Wrong, or_wrong(_Frame)]]


_Scenes = dict[str, Annotated[_Scene | Wrong, or_wrong(_Scene)]]


@dataclass
class _Told:
    """How many questions a file has, and what cannot be asked of them: lines with the place in the file."""

    questions: int = 0
    wrong: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def read_drivelm(
    root: str | Path,
    nuscenes: str | Path | None = None,
    cameras: Sequence[str] = CAMERAS,
    tags: Tags = "pixels",
) -> list[Example]:
    """All key frames as examples, their cameras named and in the order of `cameras`.

    Every question stands alone. One whose tags name a camera that is not shown is left out: its object is not
    in the pictures. So is, with a warning, one without an answer or with a tag that cannot be read: one among
    thousands is no reason to refuse a set.

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
        InputError: no file, not DriveLM's layout or an unknown camera; most questions have no answer, or none
            is left; a key frame lacks a camera or a question its text. The error's `problems` has each.

    Example:
        >>> read_drivelm("drivelm", cameras=["CAM_FRONT"])[0].names     # doctest: +SKIP
        ('CAM_FRONT',)
    """
    path = drivelm_file(Path(root))
    shown = known_cameras(path, cameras)
    if tags not in get_args(Tags):
        raise InputError(f"{path}: tags are said as {', '.join(get_args(Tags))}; got {tags!r}")
    scenes = read_json(path, _Scenes, _LAYOUT)
    images = drivelm_images(path, None if nuscenes is None else Path(nuscenes))
    examples: list[Example] = []
    told = _Told()
    for scene_id, frame_id, where, frame in _key_frames(scenes, told):
        name = f"{scene_id}_{frame_id}"
        asked = tuple((qa,) for qa in _questions(where, name, frame, shown, tags, told))
        try:
            if asked:
                pictures = tuple(frame_picture(where, images, frame.image_paths, c) for c in shown)
                examples.append(Example(name, pictures, asked, names=shown))
        except InputError as error:
            told.wrong.append(str(error))
    _tell(path, told, examples, shown)
    return examples


def _key_frames(scenes: dict[str, _Scene | Wrong], told: _Told) -> Iterator[tuple[str, str, str, _Frame]]:
    """Of all that have DriveLM's layout: scene, key frame, what to call it in messages, and itself."""
    for scene_id, scene in scenes.items():
        if isinstance(scene, Wrong):
            told.wrong.append(f"scene {scene_id}: not {_LAYOUT}: {scene.problem}")
            continue
        for frame_id, frame in scene.key_frames.items():
            where = f"scene {scene_id}, key frame {frame_id}"
            if isinstance(frame, Wrong):
                told.wrong.append(f"{where}: not {_LAYOUT}: {frame.problem}")
            else:
                yield scene_id, frame_id, where, frame


def _questions(
    where: str, frame_id: str, frame: _Frame, shown: tuple[str, ...], tags: Tags, told: _Told
) -> Iterator[QuestionAnswer]:
    """The questions about the cameras that are shown."""
    for stage, pairs in frame.QA.items():
        for number, pair in enumerate(pairs):
            told.questions += 1
            place = f"{where}: {stage} {number}"
            if isinstance(pair, Wrong):
                told.wrong.append(f"{place}: not {_LAYOUT}: {pair.problem}")
            elif not pair.Q.strip():
                told.wrong.append(f"{place} has no question (Q)")
            elif not pair.A or not pair.A.strip():
                told.unanswered.append(place)
            elif unread := _unread_tag(pair):
                told.unread.append(f"{place}, {unread!r}")
            else:
                texts = (pair.Q.strip(), pair.A.strip())
                named = {tag[2].upper() for text in texts for tag in _TAG.finditer(text)}
                if named <= set(shown):
                    question, answer = (_said(text, tags) for text in texts)
                    yield QuestionAnswer(f"{frame_id}_{stage}_{number}", question, answer)


def _tell(path: Path, told: _Told, examples: Sequence[Example], shown: tuple[str, ...]) -> None:
    """What cannot be asked is left out or refused; so is a file of which nothing is left."""
    if 2 * len(told.unanswered) > told.questions:
        raise InputError(
            f"{path}: {len(told.unanswered)} of {told.questions} questions have no answer (A): "
            f"{some(told.unanswered, '; ')}; take the training file (files with q_only in their names have "
            f"no answers)",
            [f"{path}: {place} has no answer (A)" for place in told.unanswered],
        )
    refuse(path, told.wrong, f"{some(told.wrong, '; ')}; correct them or take them out", examples)
    if not examples:
        none = "it has no questions; take the training file"
        if told.questions:
            usable = f"an answer, tags that can be read, and only cameras that are shown ({', '.join(shown)})"
            none = f"none of its {told.questions} questions has {usable}"
        raise InputError(f"{path}: no examples: {none}")
    leave_out(path, UNANSWERED, told.unanswered)
    leave_out(path, "questions with a tag that cannot be read", told.unread)


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
