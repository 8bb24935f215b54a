"""What this machine has for LEO-Drive: versions, devices, codecs, models; what is missing, and the cure."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import Requirement
from rich.console import Console

# Decoders that dashcam footage commonly needs.
_DECODERS = ("h264", "hevc", "mpeg4", "mjpeg", "av1", "vp9")


def diagnose() -> dict[str, Any]:
    """Everything `leo-drive doctor` shows; `problems` lists what is wrong, each with its cure."""
    problems: list[str] = []
    packages = {}
    for line in requires("leo-drive") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            packages[requirement.name] = "missing"
            problems.append(f"{requirement.name} is missing: pip install '{requirement}'")
            continue
        packages[requirement.name] = found
        if not requirement.specifier.contains(found, prereleases=True):
            problems.append(
                f"{requirement.name} {found} is not {requirement.specifier}: pip install '{requirement}'"
            )
    codecs = _codecs()
    problems += [
        f"PyAV has no {name} decoder: videos in it cannot be read; pip install --force-reinstall av"
        for name, there in codecs.items()
        if not there
    ]
    models = _models()
    if "nano" not in models:
        problems.append("the embedded model nano is missing: reinstall leo-drive")
    return {
        "leo_drive": version("leo-drive"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": packages,
        "devices": _devices(),
        "decoders": codecs,
        "models": models,
        "problems": problems,
    }


def print_diagnosis(diagnosis: dict[str, Any], console: Console) -> None:
    """The diagnosis for people."""
    console.print(
        f"[bold]leo-drive {diagnosis['leo_drive']}[/bold], Python {diagnosis['python']}", highlight=False
    )
    for title in ("devices", "decoders", "models", "packages"):
        values = diagnosis[title]
        shown = {name: ("yes" if v is True else "no" if v is False else v) for name, v in values.items()}
        console.print(f"\n[bold]{title}[/bold]")
        for name, value in shown.items():
            console.print(f"  {name:28} {value}", highlight=False, markup=False)
    console.print()
    if diagnosis["problems"]:
        console.print("[bold red]to mend[/bold red]")
        for problem in diagnosis["problems"]:
            console.print(f"  {problem}", highlight=False, markup=False)
    else:
        console.print("[green]nothing is missing[/green]")


def _devices() -> dict[str, str]:
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


def _codecs() -> dict[str, bool]:
    import av

    return {name: name in av.codecs_available for name in _DECODERS}


def _models() -> dict[str, str]:
    from leo_drive.inference.load import ASSETS, embedded_models

    return {
        name: f"embedded, {sum(f.stat().st_size for f in (ASSETS / name).iterdir()) / 1e6:.1f} MB"
        for name in embedded_models()
    }
