"""Where a build's parts come from: a folder or file here, or a repository on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub.constants import HF_HUB_CACHE

from leo_drive.building.hub import download, list_files
from leo_drive.building.weights import weight_files, where_weights_are, with_shards
from leo_drive.errors import InputError
from leo_drive.files import require_room

# Besides weights no other file is fetched: repositories also hold code, pictures, weights in other formats.
CONFIGURATION = [
    "config.json",
    "README.md",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
]
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")


@dataclass(frozen=True)
class Source:
    """A checkpoint that lies on this machine.

    Attributes:
        name: as the user gave it, a hub id or a path.
        path: the folder or the file.
        option: the command line's option for it.
        revision: the hub's commit, where it came from there.
        licence: as its README.md declares it.
    """

    name: str
    path: Path
    option: str
    revision: str | None = None
    licence: str | None = None

    @property
    def url(self) -> str | None:
        return f"https://huggingface.co/{self.name}" if self.revision else None

    def __str__(self) -> str:
        """Its name for messages: the hub's, not that of a folder in the cache."""
        return self.name if self.revision else str(self.path)


@dataclass(frozen=True)
class Found:
    """A checkpoint that is known to be there and to have weights; nothing of it was fetched.

    Attributes:
        name, option: as `Source` has them.
        weights: the files that hold its weights, of one on the hub.
        to_download: bytes that `fetch` of all of it would download.
        described: it has a config.json, or lies here, where nothing need be fetched to know.
    """

    name: str
    option: str
    weights: tuple[str, ...] = ()
    to_download: int = 0
    described: bool = True

    def fetch(self, weights: bool) -> Source:
        """It on this machine, with or without its weights; errors as `fetch`."""
        return fetch(self.name, self.option, [*CONFIGURATION, *(self.weights if weights else ())])


def is_local(name: str) -> bool:
    """Whether a source is a path; a hub id has the form owner/name and no folder here has that name.

    Raises:
        InputError: it is neither.
    """
    path = Path(name).expanduser()
    if path.exists():
        return True
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and path.suffix not in _WEIGHTS:
        return False
    raise InputError(f"{name}: no such folder or file (a hub id has the form owner/name)")


def find(name: str, option: str) -> Found:
    """Look for a source, here or on the hub, and for its weights.

    Args:
        name: hub id, folder or file.
        option: the option that names it, for messages.

    Raises:
        InputError: it is not there, or has no weights that can be read.
        LeoDriveError: the hub cannot be reached.
    """
    if is_local(name):
        weight_files(Path(name).expanduser())
        return Found(name, option)
    sizes = {file.name: file.to_download for file in list_files(name, option, _WEIGHTS)}
    weights = with_shards(where_weights_are(sizes, name), sizes)
    total = sum(sizes.get(file, 0) for file in (*CONFIGURATION, *weights))
    return Found(name, option, tuple(weights), total, "config.json" in sizes)


def fetch(name: str, option: str, what: Sequence[str]) -> Source:
    """The source on this machine, downloaded where it is a hub id that is not in huggingface_hub's cache.

    Args:
        name, option: as `find` has them.
        what: patterns of the files that are wanted.

    Raises:
        InputError: no such folder or repository, or one that asks for a login.
        LeoDriveError: the hub cannot be reached, or the download broke off.
    """
    if is_local(name):
        path = Path(name).expanduser()
        return Source(name, path, option, licence=_licence(path))
    folder = download(name, option, what)
    return Source(name, folder, option, revision=folder.name, licence=_licence(folder))


def download_size(sources: Iterable[Found]) -> int:
    """Bytes that fetching all of these would download now.

    Raises:
        InputError: they do not fit the disk of huggingface_hub's cache.
    """
    total = sum(source.to_download for source in sources)
    require_room(Path(HF_HUB_CACHE), total, "the download", "set HF_HUB_CACHE to a folder on another disk")
    return total


def _licence(path: Path) -> str | None:
    """What the front matter of the source's README.md says."""
    readme = path / "README.md"
    if not readme.is_file():
        return None
    front = re.match(r"---\n(.*?)\n---", readme.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    try:
        values = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return None
    if not isinstance(values, dict):
        return None
    named = values.get("license_name") or values.get("license")
    return ", ".join(map(str, named)) if isinstance(named, list) else named and str(named)
