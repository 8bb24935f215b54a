"""Where a build's parts come from: a folder or file here, or a repository on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from leo_drive.errors import InputError, LeoDriveError, one_line
from leo_drive.files import require_room

# No other file is fetched: repositories also hold code, pictures and the same weights in other formats.
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
EVERYTHING = [*CONFIGURATION, "*.safetensors", "*.safetensors.index.json"]


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


def is_local(name: str) -> bool:
    """Whether a source is a path; a hub id has the form owner/name and no folder here has that name.

    Raises:
        InputError: it is neither.
    """
    if Path(name).expanduser().exists():
        return True
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and Path(name).suffix != ".pth":
        return False
    raise InputError(f"{name}: no such folder or file (a hub id has the form owner/name)")


def fetch(name: str, option: str, what: Sequence[str]) -> Source:
    """The source on this machine, downloaded where it is a hub id that is not in huggingface_hub's cache.

    Args:
        name: hub id, folder or file.
        option: the option that names it, for messages.
        what: patterns of the files that are wanted: CONFIGURATION, or EVERYTHING.

    Raises:
        InputError: no such folder or repository, or one that asks for a login.
        LeoDriveError: the hub cannot be reached, or the download broke off.
    """
    if is_local(name):
        path = Path(name).expanduser()
        return Source(name, path, option, licence=_licence(path))
    cure = f"download it elsewhere and name the folder: {option} DIR"
    try:
        folder = Path(snapshot_download(name, allow_patterns=list(what)))
    except GatedRepoError:
        raise InputError(
            f"{name}: the hub asks for a login; accept its terms there, then: hf auth login"
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise InputError(f"{name}: neither a folder here nor a repository on the hub") from None
    except LocalEntryNotFoundError:
        raise LeoDriveError(f"{name}: the hub cannot be reached and it is not in the cache; {cure}") from None
    except Exception as error:  # of the HTTP client, the cache's files, the transfer
        reason = one_line(error)[:200]
        raise LeoDriveError(f"{name}: the download failed ({reason}); {cure}") from None
    return Source(name, folder, option, revision=folder.name, licence=_licence(folder))


def download_size(names: Sequence[str]) -> int:
    """Bytes that `fetch` of everything would download now; 0 for what is here, or cannot be reached.

    Raises:
        InputError: they do not fit the disk of huggingface_hub's cache.
    """
    total = 0
    for name in (n for n in names if not is_local(n)):
        try:
            files: Any = snapshot_download(name, allow_patterns=EVERYTHING, dry_run=True)
        except OSError:
            continue  # fetch() says what is wrong, or finds it in the cache
        total += sum(file.file_size for file in files if file.will_download)
    cache = Path(HF_HUB_CACHE)
    require_room(cache, total, "the download", "set HF_HUB_CACHE to a folder on another disk")
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
