"""The viewer as a Hugging Face Space: `python app.py` in a folder that holds what this folder holds.

A Space has no package around it, so this makes one of its own folder. The environment may say more:
LEO_MODEL (nano), LEO_LOGS (a folder of logs), GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _as_package(name: str = "leo_viewer") -> str:
    """Make this folder importable under a name."""
    spec = importlib.util.spec_from_file_location(
        name, _HERE / "__init__.py", submodule_search_locations=[str(_HERE)]
    )
    assert spec is not None and spec.loader is not None  # the file lies here
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return name


def main() -> None:
    """Serve until stopped."""
    package = _as_package()
    command = importlib.import_module(f"{package}.__main__")
    arguments = ["--model", os.environ.get("LEO_MODEL", "nano"), "--max-mb", "200", "--max-seconds", "900"]
    if logs := os.environ.get("LEO_LOGS"):
        arguments += ["--logs", logs]
    # In a Space everybody may come in; elsewhere only who sits at this machine.
    host = os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1")
    arguments += ["--host", host]
    if port := os.environ.get("GRADIO_SERVER_PORT"):
        arguments += ["--port", port]
    sys.argv[1:] = arguments
    command.main()


if __name__ == "__main__":
    main()
