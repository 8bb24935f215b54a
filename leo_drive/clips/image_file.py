"""Where an image lies: a file, or a member of a zip archive that need not be unpacked."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO
from zlib import crc32

import numpy as np
from PIL import Image, ImageOps

from leo_drive.clips.to_rgb import to_rgb
from leo_drive.errors import InputError

ARCHIVE = "images.zip"

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_JUNK = "__MACOSX/"

_ENCRYPTED = 0x1
"""The bit of a member's flags."""
_DEFLATE64 = 9
_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
"""What Python unpacks."""

_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image, not read until asked for. Small and picklable, so data loaders may send it about.

    Attributes:
        path: the image's file, or the archive's.
        member: its name in the archive, or None for a file.
        sought: of one that is at none of several places, its data set's name for it and these, for messages.

    Example:
        >>> ImageFile(Path("scenery/images.zip"), "train/02453a16/0.jpg").name
        'scenery/images.zip:train/02453a16/0.jpg'
    """

    path: Path
    member: str | None = None
    sought: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """For messages: the file, or the archive and the member in it; or where it was looked for."""
        return self.sought or (f"{self.path}:{self.member}" if self.member else str(self.path))

    def exists(self) -> bool:
        """Whether it is there, from the folder's or the archive's table of contents; it may be damaged still.

        Raises:
            InputError: the archive cannot be read, or is packed so that its images cannot.
        """
        if not self.path.is_file():
            return False
        if self.member is None:
            return True
        if (entry := open_archive(self.path).NameToInfo.get(self.member)) is None:
            return False
        _refuse_packing(self.path, entry)
        return True

    def key(self) -> str:
        """What a cache of things computed from this image can be kept under; it changes when the image does.

        The absolute path, and of a file its size and time of change, of a member its name, size and CRC-32. A
        data set that was moved has new keys.

        Raises:
            InputError: the image is not there.
        """
        with self._naming():
            where = self.path.absolute()
            if self.member is None:
                status = self.path.stat()
                return f"{where}:{status.st_size}:{status.st_mtime_ns}"
            entry = open_archive(self.path).getinfo(self.member)
            return f"{where}:{self.member}:{entry.file_size}:{entry.CRC:08x}"

    def checksum(self) -> int:
        """The CRC-32 of the image's bytes, the same in a folder and in an archive, which knows it unread.

        Raises:
            InputError: the image is not there.
        """
        if self.member is None:
            return crc32(self.content())
        with self._naming():
            return open_archive(self.path).getinfo(self.member).CRC

    def open(self) -> IO[bytes]:
        """The image's bytes, to be closed by the caller."""
        if self.member is None:
            return self.path.open("rb")
        archive = open_archive(self.path)
        _refuse_packing(self.path, archive.getinfo(self.member))
        return archive.open(self.member)

    def read(self) -> Image.Image:
        """The picture: RGB, turned upright by its EXIF orientation.

        Raises:
            InputError: it is missing, damaged or no image; names it.
        """
        with self._naming(), self.open() as stream, Image.open(stream) as image:
            return to_rgb(ImageOps.exif_transpose(image))

    def content(self) -> bytes:
        """The image's bytes, whole.

        Raises:
            InputError: it is missing, or its archive is damaged there.
        """
        with self._naming(), self.open() as stream:
            return stream.read()

    def values(self) -> np.ndarray:
        """(H, W) or (H, W, channels): its numbers as they are stored, such as a label map's classes.

        Raises:
            InputError: as for `read`.
        """
        with self._naming(), self.open() as stream, Image.open(stream) as image:
            return np.array(image)

    def size(self) -> tuple[int, int]:
        """Width and height in pixels once upright, from the header alone.

        Raises:
            InputError: as for `read`, as far as the header tells.
        """
        with self._naming(), self.open() as stream, Image.open(stream) as image:
            width, height = image.size
            exif = Image.Exif()  # image.getexif() would read the whole picture of a PNG
            exif.load(image.info.get("exif", b""))
            sideways = exif.get(_EXIF_ORIENTATION) in _SIDEWAYS
            return (height, width) if sideways else (width, height)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Turns what Pillow, zipfile and the file system raise into an InputError that names the image."""
        try:
            yield
        except InputError:
            raise
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise InputError(f"{self}: no such image") from None
        except PermissionError:
            raise InputError(
                f"{self}: no permission to read it; change its mode or run as its owner"
            ) from None
        except Exception as error:  # Pillow's decoders raise nearly every kind there is on damaged bytes
            if self.member is not None and self.member not in open_archive(self.path).NameToInfo:
                raise InputError(
                    f"{self}: no such image in the archive, which has {names_in(self.path)}; "
                    f"download it again"
                ) from None
            if self._is_empty():
                raise InputError(f"{self}: is empty (0 bytes); copy it again") from None
            kind = type(error).__name__
            raise InputError(
                f"{self}: not an image, or a damaged one ({kind}); copy it again or leave it out"
            ) from None

    def _is_empty(self) -> bool:
        if self.member is not None:
            return open_archive(self.path).getinfo(self.member).file_size == 0
        try:
            return self.path.stat().st_size == 0
        except OSError:  # a name too long, a loop of links, a disk that fails
            return False


class ImageFolder:
    """A data set's images by the names that its tables have for them, unpacked or in archives.

    Args:
        folder: what the names are relative to.
        archives: zip archives with the same names; `folder/images.zip` unless told. Those that are not there
            are passed over.
        heads: folders that a name begins with in one place and not in another, or that stand for each other.

    An image is the file if there is one, otherwise an archive's. Archives may have been packed from further
    up or down than the names say: folders before all of a name, or without the first folders of the names,
    the same ones for all. What several members could be is none of them.

    Without archives, and with one way alone to say a name, nothing on the disk is looked at: whether an image
    is there shows when it is read.
    """

    def __init__(
        self, folder: Path, archives: Sequence[Path] | None = None, heads: Sequence[str] = ("images",)
    ) -> None:
        self.folder = folder
        given = [folder / ARCHIVE] if archives is None else dict.fromkeys(archives)
        self.archives = [path for path in given if path.is_file()]
        self._heads = [f"{head}/" for head in sorted(heads, key=len, reverse=True)]
        self._unpacked = [head for head in self._heads if (folder / head).is_dir()]
        self._lacking: dict[Path, str] = {}

    def find(self, name: str) -> ImageFile:
        """The image called `name`, there or not.

        Raises:
            InputError: an archive is needed and cannot be read.
        """
        plain = str(PurePosixPath(name))
        tail = next((plain.removeprefix(head) for head in self._heads if plain.startswith(head)), plain)
        files = list(dict.fromkeys([name, *(head + tail for head in self._unpacked)]))
        if PurePosixPath(name).is_absolute():
            files = [name]
        if len(files) == 1 and not self.archives:
            return ImageFile(self.folder / name)
        for file in files:
            if (self.folder / file).exists():
                return ImageFile(self.folder / file)
        for archive in self.archives:
            members = open_archive(archive).NameToInfo
            for member in (plain, tail, *(head + tail for head in self._heads)):
                if member in members:
                    return ImageFile(archive, member)
        for archive in self.archives:
            if (nested := self._nested(archive, tail)) is not None:
                return ImageFile(archive, nested)
        if self.archives:
            return ImageFile(self.archives[0], plain)
        places = " and ".join(str(self.folder / file.removesuffix(tail)) for file in files)
        return ImageFile(self.folder / name, sought=f"{name} (looked for in {places})")

    def _nested(self, archive: Path, name: str) -> str | None:
        """The member that a name, without its head, means where the archive has it in other folders."""
        folders = _folders(archive, os.getpid())
        *within, file = name.split("/")
        ways = ("".join(f"{part}/" for part in within[i:]) for i in range(len(within) + 1))
        common = next((way for way in ways if way in folders.by_ending), None)
        if common is None or (folder := folders.by_ending[common]) is None:
            return None
        ours = self._without_head(name.removesuffix(common + file))
        theirs = self._without_head(folder.removesuffix(common))
        if folder + file not in open_archive(archive).NameToInfo:
            return None
        # Other folders in the place of ours are another drive's. So may be none in their place: then one at
        # least of those that follow is the same, and what the archive lacks is the same for every name.
        its_own = bool(theirs) or not common
        if ours and ours != theirs and (its_own or self._lacking.setdefault(archive, ours) != ours):
            return None
        return folder + file

    def _without_head(self, folders: str) -> str:
        ends = (head for head in self._heads if f"/{folders}".endswith(f"/{head}"))
        return folders.removesuffix(next(ends, ""))


class _Folders:
    """The folders of an archive that hold images, each written with a slash at its end.

    Attributes:
        by_ending: the only folder that ends so; None where several do.
        example: the name of one image, "" if there is none.
    """

    def __init__(self, members: Iterable[str]) -> None:
        images = [name for name in members if name.lower().endswith(_SUFFIXES) and not name.startswith(_JUNK)]
        self.example = images[0] if images else ""
        self.by_ending: dict[str, str | None] = {}
        for folder in {name[: name.rfind("/") + 1] for name in images}:
            parts = folder.split("/")
            for i in range(len(parts)):
                ending = "/".join(parts[i:])
                self.by_ending[ending] = None if ending in self.by_ending else folder


# Looked at once a process, and only where a name is not found as it is.
@lru_cache(maxsize=64)
def _folders(archive: Path, process: int) -> _Folders:
    return _Folders(open_archive(archive).NameToInfo)


def names_in(archive: Path) -> str:
    """What the images in an archive are called, for messages.

    Raises:
        InputError: it cannot be read.
    """
    example = _folders(archive, os.getpid()).example
    return f"names such as {example}" if example else "no images"


def open_archive(path: Path) -> zipfile.ZipFile:
    """The archive, its table of contents read once a process: LingoQA's has more than 100,000 entries.

    Threads may read from it together.

    Raises:
        InputError: it cannot be read or is no zip archive.
    """
    # A forked worker must not share the parent's file position, hence one archive a process.
    return _open_archive(path, os.getpid())


def _refuse_packing(archive: Path, entry: zipfile.ZipInfo) -> None:
    """Raise InputError, of the archive and not of one image: all of them are packed alike."""
    if entry.flag_bits & _ENCRYPTED:
        raise InputError(f"{archive}: is encrypted; unpack it where it lies")
    if entry.compress_type not in _PACKINGS:
        kind = "Deflate64" if entry.compress_type == _DEFLATE64 else f"method {entry.compress_type}"
        raise InputError(
            f"{archive}: is packed in a way that Python cannot read ({kind}); unpack it where it lies"
        )


# More than any mixture has: of one that is opened again and again the whole table of contents is read again.
@lru_cache(maxsize=64)
def _open_archive(path: Path, process: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise InputError(f"{path}: not a zip archive, or cut off; download or copy it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
