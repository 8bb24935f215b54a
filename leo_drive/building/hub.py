"""A repository on the Hugging Face hub: which files it has, and a copy of those that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from leo_drive.errors import InputError, LeoDriveError, one_line

_TIMEOUT = 10.0
"""Seconds to wait for the hub to answer."""


@dataclass(frozen=True)
class RemoteFile:
    """A file at the top of a repository, and its bytes that are not in huggingface_hub's cache yet."""

    name: str
    to_download: int


def list_files(name: str, option: str, suffixes: tuple[str, ...]) -> list[RemoteFile]:
    """What a repository has at its top; where the hub cannot be asked, what was fetched of it before.

    Args:
        name: owner/name.
        option: the command line's option that names it, for messages.
        suffixes: what was fetched is of use only with a file that ends so.

    Raises:
        InputError: there is no such repository.
        LeoDriveError: the hub cannot be reached, or does not answer as one.
    """
    try:
        info = HfApi().model_info(name, files_metadata=True, timeout=_TIMEOUT)
    except Exception as error:  # of the HTTP client, the hub, the name's form
        cached = _cached(name)
        if any(file.endswith(suffixes) for file in cached):
            return [RemoteFile(file, 0) for file in cached]
        if isinstance(error, HfHubHTTPError | HFValidationError):
            raise _said(name, option, error) from None
        raise _unreachable(name, option) from None
    return [
        RemoteFile(file.rfilename, _to_download(name, file.rfilename, file.size, info.sha))
        for file in info.siblings or []
        if "/" not in file.rfilename
    ]


def download(name: str, option: str, patterns: Sequence[str]) -> Path:
    """The folder in huggingface_hub's cache with the files that are wanted; what it lacks is downloaded.

    Args:
        name, option: as `list_files` has them.
        patterns: of the files' names.

    Raises:
        InputError: there is no such repository, or one that asks for a login.
        LeoDriveError: the hub cannot be reached, or the download broke off.
    """
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:  # of the HTTP client, the cache's files, the transfer
        raise _said(name, option, error) from None


def _cached(name: str) -> list[str]:
    """The files that were fetched of a repository before."""
    try:
        folder = snapshot_download(name, allow_patterns=[], local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return []
    return [path.name for path in Path(folder).iterdir()]


def _to_download(name: str, file: str, size: int | None, commit: str | None) -> int:
    here = isinstance(try_to_load_from_cache(name, file, revision=commit), str)
    return 0 if here else size or 0


def _said(name: str, option: str, error: Exception) -> LeoDriveError:
    """huggingface_hub's error as one of ours, with its cure."""
    if isinstance(error, GatedRepoError):
        return InputError(f"{name}: the hub asks for a login; accept its terms there, then: hf auth login")
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return InputError(f"{name}: neither a folder here nor a repository on the hub")
    if isinstance(error, LocalEntryNotFoundError):
        return _unreachable(name, option)
    return LeoDriveError(f"{name}: the download failed ({one_line(error)[:200]}); {_cure(option)}")


def _unreachable(name: str, option: str) -> LeoDriveError:
    return LeoDriveError(
        f"{name}: the hub cannot be reached, it is not in the cache, and no such folder here; {_cure(option)}"
    )


def _cure(option: str) -> str:
    return f"download it elsewhere and name the folder: {option} DIR"
