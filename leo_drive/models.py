"""What models are called: the embedded ones by name, folders, hub ids."""

from __future__ import annotations

from pathlib import Path

from leo_drive.errors import InputError

ASSETS = Path(__file__).parent / "assets"


def embedded_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(folder.name for folder in ASSETS.iterdir() if (folder / "config.json").is_file())


def find_model(name: str) -> str:
    """A model's folder, or its hub id (owner/name); neither is looked into.

    Raises:
        InputError: the name is of no embedded model, no folder, and cannot be a hub id.
    """
    folder = ASSETS / name if name in embedded_models() else Path(name)
    if folder.exists():
        return str(folder)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not folder.parent.is_dir():
        return name
    raise InputError(
        f"model {name}: neither an embedded model ({', '.join(embedded_models()) or 'there is none'}) nor a "
        f"folder (a stage of training, or leo-drive build, makes one); a hub id has the form owner/name"
    )
