"""A checkpoint's weights by name, without reading them: where each is, its shape and its precision."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from leo_drive.errors import InputError, one_line, some

_SAFETENSORS_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# In the order of preference; a folder may hold the same weights in several formats.
_WHOLE_OR_INDEX = ("model.safetensors", "pytorch_model.bin")


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
        InputError: there are none, a shard that the index names is not there, or a file is damaged.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.files = _weight_files(source)
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


def _weight_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    for name in _WHOLE_OR_INDEX:
        if (source / f"{name}.index.json").is_file():
            return _shards(source / f"{name}.index.json")
        if (source / name).is_file():
            return [source / name]
    for pattern in ("*.safetensors", "*.pth"):
        if len(found := sorted(source.glob(pattern))) == 1:
            return found
        if found:
            raise InputError(
                f"{source}: {len(found)} {pattern} files and no index that says what belongs together; "
                f"copy model.safetensors.index.json too, or name one file"
            )
    raise InputError(f"{source}: no weights (model.safetensors, its shards with their index, or *.pth)")


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
