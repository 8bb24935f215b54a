"""What several tests share."""

import os
from pathlib import Path

import pytest

# Tests must pass without a network: no hub look-ups that would wait for one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and real footage beside the checkout, or a skip."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The reference implementation's values."""
    return shared / "golden"
