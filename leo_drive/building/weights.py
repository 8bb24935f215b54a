"""A checkpoint's weights by name, without reading them: where each is, its shape and its precision."""

from __future__ import annotations

import fnmatch
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from leo_drive.errors import InputError, one_line, some

_SAFETENSORS_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
# The whole file -> how its shards are called, in the order of preference: a folder may hold the same weights
# in several formats. Other *.bin files are not weights (training_args.bin).
_SHARDS = {"model.safetensors": "*.safetensors", "pytorch_model.bin": "pytorch_model*.bin"}
_INDEX = ".index.json"
# How the file begins that git leaves in place of a large one.
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Weight:
    """A weight that lies in `file` under `name`; `dtype` is None where it is no usual floating-point one."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype | None


class Reader(Protocol):
    """An opened file."""

    def get_tensor(self, name: str) -> torch.Tensor: ...


class Weights:
    """All weights of a checkpoint: a folder (whole or in shards), or one file.

    Attributes:
        source: the folder or file, for messages.
        files: the files that hold the weights.

    Raises:
        InputError: as `weight_files`, or a file is damaged.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.files = weight_files(source)
        self._by_name: dict[str, Weight] = {}
        for file in self.files:
            for weight in _listed(file):
                self._by_name[weight.name] = weight

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def get(self, name: str) -> Weight | None:
        return self._by_name.get(name)

    def shapes(self, prefix: str) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights whose names begin with `prefix`, which is left out."""
        return {n.removeprefix(prefix): w.shape for n, w in self._by_name.items() if n.startswith(prefix)}


@contextmanager
def opened(file: Path) -> Iterator[Reader]:
    """Read tensors of a file one by one; the file is mapped, not loaded."""
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as reader:
            yield reader
    else:
        yield _TorchReader(_load_mapped(file))


class _TorchReader:
    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def get_tensor(self, name: str) -> torch.Tensor:
        return self.tensors[name]


def weight_files(source: Path) -> list[Path]:
    """The files that hold a checkpoint's weights, a folder's or the file itself; they are not read.

    Raises:
        InputError: there are none or not all, nothing says which belong together, or they are not the weights
            but what git keeps in their place.
    """
    files = [source]
    if not source.is_file():
        file = source / where_weights_are([path.name for path in source.iterdir()], str(source))
        files = _shards(file) if file.name.endswith(_INDEX) else [file]
    for file in files:
        if _begins_as_pointer(file):
            raise InputError(
                f"{file}: a Git LFS pointer in place of the weights; in the repository's folder: git lfs pull"
            )
    return files


def where_weights_are(names: Collection[str], where: str) -> str:
    """Which of a checkpoint's files has its weights: the whole file, or the index that names the shards.

    Args:
        names: of all files in the folder or repository.
        where: it is, for messages.

    Raises:
        InputError: none has, or several and nothing says which belong together.

    Example:
        >>> where_weights_are(["config.json", "pytorch_model.bin", "model.safetensors"], "sam")
        'model.safetensors'
    """
    for name in _SHARDS:
        if name + _INDEX in names:
            return name + _INDEX
        if name in names:
            return name
    for suffix in (".safetensors", ".pth"):
        found = sorted(name for name in names if name.endswith(suffix))
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{where}: {len(found)} *{suffix} files and no index that says what belongs together; "
                f"copy model.safetensors.index.json too, or name one file"
            )
    raise InputError(
        f"{where}: no weights (model.safetensors or pytorch_model.bin, whole or in shards, or *.pth)"
    )


def with_shards(name: str, names: Collection[str]) -> list[str]:
    """The files that `where_weights_are` stands for, its shards too, before the index itself can be read.

    Example:
        >>> with_shards("pytorch_model.bin.index.json", ["pytorch_model-1.bin", "training_args.bin"])
        ['pytorch_model.bin.index.json', 'pytorch_model-1.bin']
    """
    shards = _SHARDS[name.removesuffix(_INDEX)] if name.endswith(_INDEX) else ""
    return [name, *sorted(fnmatch.filter(names, shards))]


def _begins_as_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(_LFS_POINTER)) == _LFS_POINTER
    except OSError:
        return False  # whoever reads it says what is wrong with it


def _shards(index: Path) -> list[Path]:
    try:
        weight_map: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(weight_map.values()))
        missing = [name for name in names if not (index.parent / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{index}: not an index of weights; copy the file again") from None
    if missing:
        raise InputError(
            f"{index}: {len(missing)} of {len(names)} shards are not there, first {missing[0]}; "
            f"copy or download the rest"
        )
    return [index.parent / name for name in names]


def _listed(file: Path) -> Iterator[Weight]:
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as reader:
                for name in reader.keys():  # noqa: SIM118 (safe_open cannot be iterated)
                    entry = reader.get_slice(name)
                    dtype = _SAFETENSORS_DTYPES.get(entry.get_dtype())
                    yield Weight(name, file, tuple(entry.get_shape()), dtype)
            return
        for name, tensor in _load_mapped(file).items():
            dtype = tensor.dtype if tensor.dtype in _SAFETENSORS_DTYPES.values() else None
            yield Weight(name, file, tuple(tensor.shape), dtype)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: damaged weights ({one_line(error)}); copy the file again") from None


def _load_mapped(file: Path) -> Mapping[str, torch.Tensor]:
    try:
        # PyTorch's format before 1.6 is no zip archive and cannot be mapped.
        mapped = zipfile.is_zipfile(file)
        loaded: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # damaged bytes are read as instructions, which fail in every way there is
        raise InputError(
            f"{file}: not a readable PyTorch file of weights ({one_line(error)[:100]}); copy the file again"
        ) from None
    if not isinstance(loaded, dict) or not all(map(_is_named_weight, loaded.items())):
        held = f" but {some([str(name) for name in loaded])}" if isinstance(loaded, dict) else ""
        raise InputError(
            f"{file}: does not hold named weights{held}; save the dictionary of weights by itself"
        )
    return loaded


def _is_named_weight(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], torch.Tensor)
