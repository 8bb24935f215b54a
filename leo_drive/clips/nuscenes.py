"""nuScenes: a scene as a recording by six cameras, its tables read by nuscenes-devkit."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leo_drive.clips.image_file import ImageFile
from leo_drive.clips.indexed import IndexedSource, only_camera
from leo_drive.errors import InputError, one_line

CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
"""In the order shown; the first is the default."""


class NuScenesScene(IndexedSource):
    """One scene of nuScenes: about 20 s, six cameras at 12 Hz or their key frames at 2 Hz.

    Times are those of the table sample_data. Opening reads no image; one whose file is missing is refused
    when it is asked for. Cameras may also be asked for by `front`, `back_left` ...

    Args:
        root: the folder that holds the tables (v1.0-mini, v1.0-trainval ...) and samples/ and sweeps/.
        scene: its name, such as scene-0061, or its token.
        camera: show only this one.
        sweeps: also the frames between the key frames.
        version: which tables; by default those that are there.

    Raises:
        InputError: no tables, damaged ones, an unknown scene, or one without images.

    Example:
        >>> NuScenesScene("nuscenes", "scene-0061").clip(at=12.0, camera="CAM_BACK")    # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        scene: str,
        camera: str | None = None,
        sweeps: bool = False,
        version: str | None = None,
    ) -> None:
        self.root, self.scene = Path(root), scene
        name = f"{self.root.name or self.root.resolve().name}/{scene}"
        tables = _tables_with(self.root, scene, version)
        frames = _frames(tables, self.root, scene, sweeps)
        aliases = {channel.lower().removeprefix("cam_"): channel for channel in frames}
        frames = only_camera(name, frames, camera, aliases)
        if not frames:
            raise InputError(f"{self.root}: {scene} has no camera frames in its table sample_data")
        self._files = {channel: tuple(file for _, file in rows) for channel, rows in frames.items()}
        stamps = {channel: np.array([us for us, _ in rows]) * 1000 for channel, rows in frames.items()}
        super().__init__(name, stamps, {a: channel for a, channel in aliases.items() if channel in frames})

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """Every image that frames are read from."""
        return tuple(file for files in self._files.values() for file in files)

    def _read(self, camera: str, indices: Sequence[int]) -> Iterator[Image.Image]:
        return (self._files[camera][index].read() for index in indices)


def is_nuscenes(path: Path) -> bool:
    """Whether `path` holds nuScenes tables: a folder v1.0-... with scene.json."""
    return path.is_dir() and bool(_versions(path))


def scenes_of(root: Path) -> dict[str, str]:
    """Each scene's name and the version of the tables that it is in.

    Raises:
        InputError: a table cannot be read.
    """
    scenes: dict[str, str] = {}
    for version in _versions(root):
        path = root / version / "scene.json"
        try:
            names = [str(row["name"]) for row in json.loads(path.read_bytes())]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not a nuScenes table ({type(error).__name__}); download it again"
            ) from None
        for name in names:
            scenes.setdefault(name, version)
    return scenes


def _versions(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("v1.0-*/scene.json"))


def _tables_with(root: Path, scene: str, version: str | None) -> Any:
    """The devkit's tables that hold a scene."""
    versions = _versions(root)
    if not versions:
        raise InputError(f"{root}: no nuScenes tables (v1.0-.../scene.json) in this folder")
    if version is not None and version not in versions:
        raise InputError(f"{root}: no tables {version!r}; there is {', '.join(versions)}")
    known = scenes_of(root)
    return load_tables(root.absolute(), version or known.get(scene, versions[0]))


@lru_cache(maxsize=1)
def load_tables(root: Path, version: str) -> Any:
    """nuscenes-devkit's NuScenes, kept for the next scene: loading trainval takes half a minute.

    Raises:
        InputError: a table is missing or damaged.
    """
    from nuscenes.nuscenes import NuScenes

    try:
        return NuScenes(version=version, dataroot=str(root), verbose=False)
    except Exception as error:  # the devkit asserts, and looks up what may not be there
        raise InputError(
            f"{root / version}: tables that cannot be loaded "
            f"({type(error).__name__}: {one_line(error):.200}); download them again"
        ) from None


def _frames(tables: Any, root: Path, scene: str, sweeps: bool) -> dict[str, list[tuple[int, ImageFile]]]:
    """Microseconds and file of every frame of every camera of a scene, in the order of time."""
    own = next((row for row in tables.scene if scene in (row["name"], row["token"])), None)
    if own is None:
        some = ", ".join(row["name"] for row in tables.scene[:4])
        raise InputError(f"{root}: no scene {scene!r}; it has, for example, {some}")
    try:
        return _walk(tables, root, own, sweeps)
    except KeyError as error:
        raise InputError(f"{root}: {scene}: its tables lack a row ({error}); download them again") from None


def _walk(tables: Any, root: Path, scene: Any, sweeps: bool) -> dict[str, list[tuple[int, ImageFile]]]:
    first = tables.get("sample", scene["first_sample_token"])
    last = tables.get("sample", scene["last_sample_token"])
    channels = [channel for channel in first["data"] if channel.startswith("CAM")]
    channels.sort(
        key=lambda channel: (CAMERAS.index(channel) if channel in CAMERAS else len(CAMERAS), channel)
    )
    frames = {}
    for channel in channels:
        rows = []
        token, end = first["data"][channel], last["data"][channel]
        while token:
            row = tables.get("sample_data", token)
            if sweeps or row["is_key_frame"]:
                rows.append((int(row["timestamp"]), ImageFile(root / row["filename"])))
            # A camera's frames go on into the next scene of the same drive.
            token = "" if token == end else row["next"]
        frames[channel] = sorted(rows, key=lambda row: row[0])
    return frames
