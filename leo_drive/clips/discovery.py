"""Every log under some files and folders, found by looking at names, never by decoding."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from leo_drive.clips.container import open_video
from leo_drive.clips.images import IMAGE_SUFFIXES, natural_order
from leo_drive.clips.opening import Opener, open_source, opener_of
from leo_drive.clips.source import Source
from leo_drive.errors import InputError

_LOGS = """
mp4 m4v mov mkv webm avi ts mts m2ts mpg mpeg vob h264 264 avc hevc h265 265 ivf flv wmv asf 3gp mjpeg mjpg
gif ogv mxf y4m mcap bag db3
"""
LOG_SUFFIXES = frozenset(f".{suffix}" for suffix in _LOGS.split())
"""Files that are logs by their name; where they turn out to be none, opening them says so."""

_NOT_LOGS = """
csv tsv txt md rst json jsonl yaml yml toml ini cfg xml html pdf log lock tmp part py ipynb sh parquet arrow
feather sqlite duckdb zip tar gz tgz bz2 xz zst 7z npy npz pkl pt pth safetensors onnx pcd ply las bin obj gpx
kml nmea srt vtt ass wav mp3 aac m4a flac ogg tif tiff svg exr db3-wal db3-shm db3-journal
"""
NOT_LOG_SUFFIXES = frozenset(f".{suffix}" for suffix in _NOT_LOGS.split())
"""Files that are plainly no logs. Those of neither list are opened to see whether they are video."""


@dataclass(frozen=True)
class LogEntry:
    """One log that can be opened: small, picklable, not read yet.

    Attributes:
        name: unique among the entries of a run: the path relative to the folder that was given (the file's
            own name where a file was given), with `#segment` or `#scene` where one path holds several logs.
            Where two of those would be alike, the path as it was given, or the whole one. Always text: bytes
            of a file's name that are none are escaped.
        path: the file or folder.
        options: what `leo_drive.open` takes beside the path.
    """

    name: str
    path: Path
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def open(self) -> Source:
        """Opens the log.

        Raises:
            InputError: it is damaged, gone, or no log after all.
        """
        return open_source(self.path, **self.options)


def find_logs(
    paths: Sequence[str | os.PathLike[str]], inside: bool = False, **options: Any
) -> list[LogEntry]:
    """Everything that can be opened under files and folders, folders searched to the bottom.

    A video, an MCAP file, a ROS bag, and a folder with images are a log each; a nuScenes root is a log a
    scene and a LingoQA part a log a segment. Hidden files are passed over, and so is what is plainly no log
    (tables, text, archives). Links are followed, each folder once. A damaged log is an entry like any
    other: opening it tells. Nothing is decoded.

    Args:
        paths: files and folders. A file named here is an entry whatever it is called.
        inside: pass over links that lead out of the folder they are found in.
        options: of `leo_drive.open` (`sweeps`, `rate`, `scene`, ...); each reaches the logs it applies to.

    Returns:
        Entries in the order of `paths`, those of a folder by name, 2 before 10; nothing twice.

    Raises:
        InputError: a path that is not there, a folder without any log, or an option that applies to none.

    Example:
        >>> [entry.name for entry in find_logs(["fleet"])]              # doctest: +SKIP
        ['monday/car1.mp4', 'monday/car2.mcap', 'nuscenes#scene-0061']
    """
    given = {key: value for key, value in options.items() if value is not None}
    used: set[str] = set()
    found: list[tuple[Path, dict[str, Any]]] = []
    candidates: list[list[str]] = []
    seen: set[tuple[str, str]] = set()
    for path in map(Path, paths):
        if not os.path.lexists(path):
            raise InputError(f"{path}: no such file or folder")
        some = False
        for log, opener in sorted(_under(path, inside), key=lambda found: natural_order(found[0].as_posix())):
            for part, own in _parts(log, opener, given, used):
                some = True
                key = (os.path.realpath(log), repr(sorted(own.items())))
                if key not in seen:
                    seen.add(key)
                    relative = log.relative_to(path)
                    short = relative if relative.name else Path(log.name or log.resolve().name)
                    candidates.append([_text(p) + part for p in (short, log, log.absolute())])
                    found.append((log, own))
        if not some:
            raise InputError(f"{path}: no log in it (video, images, MCAP, ROS bag, nuScenes or LingoQA)")
    if unused := sorted(given.keys() - used):
        raise InputError(f"{', '.join(unused)} does not apply to any of the {len(found)} logs")
    return [LogEntry(name, *log) for name, log in zip(_unique(candidates), found, strict=True)]


def _text(path: Path) -> str:
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def _unique(candidates: Sequence[Sequence[str]]) -> list[str]:
    """A name for each, no two alike: its first candidate where no other has the same, or a later one."""
    often = Counter(first for first, *_ in candidates)
    taken = {name for name, times in often.items() if times == 1}
    names = []
    for first, *others in candidates:
        if often[first] > 1:
            numbered = (f"{others[-1]} ({n})" for n in count(2))
            first = next(name for name in chain(others, numbered) if name not in taken)
            taken.add(first)
        names.append(first)
    return names


def _parts(
    log: Path, opener: Opener | None, given: dict[str, Any], used: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What to add to the name, and the options, of each log that a path holds: of most, one and nothing."""
    if opener is None:
        yield "", {}
        return
    own = {key: value for key, value in given.items() if key in opener.options}
    used.update(own)
    try:
        parts = opener.holds(log) if opener.holds else None
    except InputError:
        parts = None  # its tables are damaged: opening says how
    if parts is None:
        yield "", own
        return
    for part, what in parts.items():
        if all(what.get(key, value) == value for key, value in own.items()):
            yield f"#{part}", {**own, **what}


def _under(root: Path, inside: bool) -> Iterator[tuple[Path, Opener | None]]:
    """Paths that are logs, with what opens them where that is certain."""
    if not root.is_dir():
        yield root, _opener_of(root)
        return
    folders = [root]
    seen: set[tuple[int, int]] = set()
    while folders:
        folder = folders.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                held = [entry for entry in listing if not entry.name.startswith(".")]
        except OSError:
            yield folder, None  # not ours to list: opening says so
            continue
        opener = _opener_of(folder)
        if opener is None or opener.whole:
            yield folder, opener
            continue
        if any(Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in held):
            yield folder, opener
        for entry in held:
            path = folder / entry.name
            if inside and entry.is_symlink() and not _leads_into(path, root):
                continue
            if _is_folder(entry):
                folders.append(path)
            elif _is_log(entry, path):
                yield path, _opener_of(path)


def _leads_into(link: Path, root: Path) -> bool:
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(root))


def _opener_of(path: Path) -> Opener | None:
    try:
        return opener_of(path)
    except (InputError, OSError):
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_log(entry: os.DirEntry[str], path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in NOT_LOG_SUFFIXES:
        return False
    try:
        # A pipe would be waited for; a link to nowhere is a log that vanished.
        if not entry.is_file() and path.exists():
            return False
    except OSError:
        return False
    return suffix in LOG_SUFFIXES or _is_video(path)


def _is_video(path: Path) -> bool:
    """Whether a file of no known name is video, from its head."""
    try:
        open_video(path).close()
    except InputError:
        return False
    return True
