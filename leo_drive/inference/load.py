"""Load a model: the embedded one by name, a folder, or a hub id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as transformers_logging

from leo_drive.errors import InputError, LeoDriveError, one_line
from leo_drive.inference.leo import Leo
from leo_drive.model import LeoConfig, LeoForConditionalGeneration, LeoProcessor
from leo_drive.models import find_model

_HUB_TIMEOUT = 5.0
"""Seconds to wait for the hub to answer."""


def load(
    model: str | os.PathLike[str] = "nano",
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> Leo:
    """Load a model to ask.

    Args:
        model: the name of an embedded model, a folder that `save_pretrained` or `leo-drive build` wrote, or a
            hub id (owner/name).
        device: "cpu", "cuda", "cuda:1", "mps" ...; the first GPU when there is one.
        dtype: "float32", "bfloat16", "float16"; bfloat16 on a GPU, float32 elsewhere.

    Raises:
        InputError: no such model, a folder without configuration or weights, a model that is not LEO, weights
            that are damaged or do not fit, or a device that is not there.
    """
    name = os.fspath(model)
    where = torch.device(pick_device(device))
    network, processor = open_model(name, _dtype(dtype, where))
    with _one_line_errors(name):
        # As a plain module: the annotations of transformers spoil its own `to`.
        cast(torch.nn.Module, network).to(where)
    return Leo(network, processor, name=name)


def open_model(
    name: str, dtype: torch.dtype, **options: Any
) -> tuple[LeoForConditionalGeneration, LeoProcessor]:
    """A model's network, on the CPU unless the options say otherwise, and its processor.

    Args:
        name: as `load` has it.
        options: more of transformers' `from_pretrained`.

    Raises:
        InputError: as `load`.
    """
    source = _source(name)
    _ask_hub(source)
    with _one_line_errors(name), quiet():
        # With the loading info a pair comes back, which the annotations of transformers do not say.
        loaded: Any = LeoForConditionalGeneration.from_pretrained(
            source, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
        network, report = loaded
        processor = LeoProcessor.from_pretrained(source)
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        # A mismatched key comes with its two shapes.
        if keys := sorted(k if isinstance(k, str) else " ".join(map(str, k)) for k in report[problem]):
            raise InputError(
                f"model {name}: {len(keys)} {problem.replace('_', ' ')} in its weights, first {keys[0]}; "
                f"the weights do not belong to this config.json"
            )
    with _one_line_errors(name):
        processor.use_config(network.config)
    return network, processor


def open_processor(name: str) -> LeoProcessor:
    """A model's processor alone, with its configuration, without reading any weights.

    Args:
        name: as `load` has it.

    Raises:
        InputError: as `load`.
    """
    source = _source(name)
    _ask_hub(source)
    with _one_line_errors(name), quiet():
        processor = LeoProcessor.from_pretrained(source)
        processor.use_config(LeoConfig.from_pretrained(source))
    return processor


def configured_frames(model: str | os.PathLike[str]) -> int:
    """Frames a clip had when the model was trained, from its configuration alone.

    A model that is neither a folder nor in the hub's cache has no say yet: LeoConfig's default.
    """
    name = os.fspath(model)
    source = _source(name)
    if not Path(source).exists():
        cached = _cached_config(source)
        if cached is None:
            return LeoConfig.trained_frames
        source = str(cached.parent)
    with _one_line_errors(name):
        return LeoConfig.from_pretrained(source).trained_frames


def _source(name: str) -> str:
    """The folder of a model, checked, or its hub id."""
    source = find_model(name)
    if Path(source).exists():
        _check_folder(Path(source))
    return source


def _cached_config(hub_id: str) -> Path | None:
    """The configuration of a model that was fetched from the hub before."""
    found = try_to_load_from_cache(hub_id, "config.json")
    return Path(found) if isinstance(found, str) else None


def _ask_hub(source: str) -> None:
    """Ask the hub once whether it has the model, before every file of it is tried several times over.

    Raises:
        InputError: the hub cannot be reached and the model was not fetched before, or there is no such model.
    """
    if Path(source).exists() or _cached_config(source):
        return
    try:
        HfApi().model_info(source, timeout=_HUB_TIMEOUT)
    except Exception as error:  # the network's, the hub's, and those of both their libraries
        raise InputError(
            f"model {source}: no such folder here, and not to be had from the hub ({one_line(error)[:80]}); "
            f"check the name and the network, or give a model folder, such as leo-drive build makes"
        ) from None


@contextmanager
def _one_line_errors(name: str) -> Iterator[None]:
    """A model comes from outside, and every library that reads a part of it has errors of its own."""
    try:
        yield
    except LeoDriveError:
        raise
    except torch.OutOfMemoryError:
        raise LeoDriveError(
            f"model {name}: does not fit the device's memory; try dtype bfloat16 or device cpu"
        ) from None
    except Exception as error:
        raise InputError(f"model {name}: cannot be loaded: {one_line(error)}") from None


def _check_folder(folder: Path) -> None:
    """Raise InputError for what can be wrong with a model folder, before anything large is read."""
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise InputError(f"model {folder}: no config.json; give a folder that holds a LEO model")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{config_path}: not readable as JSON ({one_line(error)})") from None
    described = config.get("model_type") if isinstance(config, dict) else None
    if described != "leo":
        raise InputError(f"model {folder}: its config.json describes {described!r}, not a LEO ('leo')")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(f"model {folder}: no weights (*.safetensors) in the folder")
    for path in weights:
        try:
            with safe_open(path, "pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: damaged weights ({one_line(error)}); copy the file again") from None
    if not (folder / "tokenizer.json").is_file():
        raise InputError(f"model {folder}: no tokenizer.json in the folder")


def pick_device(device: str | torch.device | None) -> str:
    """The device itself if it is there; by default a GPU where there is one, or the CPU.

    Raises:
        InputError: there is no such device.
    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device}: not available ({one_line(error)})") from None
    return str(device)


def _dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    resolved = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if resolved not in (torch.float32, torch.bfloat16, torch.float16):
        raise InputError(f"dtype {dtype}: one of float32, bfloat16, float16")
    return resolved


@contextmanager
def quiet() -> Iterator[None]:
    """transformers draws a bar and prints a report for every load; what matters of it becomes our error."""
    enabled, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if enabled:
            transformers_logging.enable_progress_bar()
