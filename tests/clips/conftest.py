"""Video files of every kind, each written once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clips.numbered import Kind, write

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Writes the video of a kind, or gives the one written before."""
    folder = tmp_path_factory.mktemp("videos")
    written: dict[str, Path] = {}

    def make(kind: Kind) -> Path:
        key = repr(kind)
        if key not in written:
            written[key] = write(folder / f"video{len(written)}{kind.suffix}", kind)
        return written[key]

    return make


@pytest.fixture(scope="session")
def shared_video() -> Path:
    """The folder of real drives, where there is one."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "video"
    if not folder.is_dir():
        pytest.skip("no real drives beside the repository")
    return folder
