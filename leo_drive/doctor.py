"""What this machine has for LEO-Drive: versions, devices, codecs, models; what is missing, and the cure."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from rich.console import Console

from leo_drive import __version__
from leo_drive.errors import one_line

# Decoders that dashcam footage commonly needs.
_DECODERS = ("h264", "hevc", "mpeg4", "mjpeg", "av1", "vp9")

# Of different builds, importing either fails.
_TOGETHER = ("torch", "torchvision")
_REINSTALL_TORCH = "install torch and torchvision together, see docs/install.md"


def diagnose() -> dict[str, Any]:
    """Everything `leo-drive doctor` shows; `problems` lists what is wrong, each with its cure."""
    problems: list[str] = []

    def examine(what: str, look: Callable[[list[str]], dict[str, Any]], cure: str) -> dict[str, Any]:
        """A section of the diagnosis. A broken package fails with nearly any exception when imported."""
        try:
            return look(problems)
        except Exception as error:
            problems.append(
                f"{what} cannot be examined ({type(error).__name__}: {one_line(error):.200}): {cure}"
            )
            return {}

    return {
        "leo_drive": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": examine("the packages", _packages, "pip install packaging"),
        "devices": examine("the devices", _devices, _REINSTALL_TORCH),
        "decoders": examine("the decoders", _decoders, "pip install --force-reinstall av"),
        "models": examine("the models", _models, f"{_REINSTALL_TORCH}; then pip install -e ."),
        "problems": problems,
    }


def print_diagnosis(diagnosis: dict[str, Any], console: Console) -> None:
    """The diagnosis for people."""
    console.print(f"leo-drive {diagnosis['leo_drive']}, Python {diagnosis['python']}", style="bold")
    for title in ("devices", "decoders", "models", "packages"):
        values = diagnosis[title]
        shown = {name: ("yes" if v is True else "no" if v is False else v) for name, v in values.items()}
        console.print(f"\n{title}", style="bold")
        for name, value in shown.items():
            console.print(f"  {name:28} {value}")
    console.print()
    if diagnosis["problems"]:
        console.print("to mend", style="bold red")
        for problem in diagnosis["problems"]:
            console.print(f"  {problem}")
    else:
        console.print("nothing is missing", style="green")


def _packages(problems: list[str]) -> dict[str, str]:
    """The version of every package that leo-drive requires, or "missing"."""
    from packaging.requirements import Requirement

    try:
        required = [Requirement(line) for line in requires("leo-drive") or []]
    except PackageNotFoundError:
        problems.append("leo-drive is not installed, so what it requires is not known: pip install -e .")
        return {}
    required = [r for r in required if r.marker is None or r.marker.evaluate({"extra": ""})]
    pair = " ".join(f"'{r}'" for r in required if r.name in _TOGETHER)
    found = {}
    for requirement in required:
        cure = "pip install " + (pair if requirement.name in _TOGETHER else f"'{requirement}'")
        try:
            found[requirement.name] = version(requirement.name)
        except PackageNotFoundError:
            found[requirement.name] = "missing"
            problems.append(f"{requirement.name} is missing: {cure}")
            continue
        if not requirement.specifier.contains(found[requirement.name], prereleases=True):
            problems.append(
                f"{requirement.name} {found[requirement.name]} is not {requirement.specifier}: {cure}"
            )
    return found


def _devices(problems: list[str]) -> dict[str, str]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {"cpu": f"{os.cpu_count()} cores, {memory:.0f} GiB"}
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        found[f"cuda:{i}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if not torch.cuda.is_available():
        found["cuda"] = "none: the embedded model needs no GPU, the full-size LEO does"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def _decoders(problems: list[str]) -> dict[str, bool]:
    import av

    def there(name: str) -> bool:
        # Not av.codecs_available: it counts encoders too.
        try:
            av.Codec(name, "r")
        except ValueError:
            return False
        return True

    found = {name: there(name) for name in _DECODERS}
    problems += [
        f"PyAV has no {name} decoder: videos in it cannot be read; pip install --force-reinstall av"
        for name, present in found.items()
        if not present
    ]
    return found


def _models(problems: list[str]) -> dict[str, str]:
    import leo_drive.inference.load  # noqa: F401  what loads them has to be whole too
    from leo_drive.models import ASSETS, embedded_models

    whole = [name for name in embedded_models() if any((ASSETS / name).glob("*.safetensors"))]
    if "nano" not in whole:
        problems.append("the embedded model nano is missing: reinstall leo-drive")
    return {
        name: f"embedded, {sum(f.stat().st_size for f in (ASSETS / name).iterdir()) / 1e6:.1f} MB"
        for name in whole
    }
