"""What all tests of evaluations share."""

from __future__ import annotations

import pytest

WITH_JAVA = ("test_language", "test_drivelm")


@pytest.fixture(autouse=True)
def without_java(request, monkeypatch):
    """Java's start takes seconds each time; WITH_JAVA have it where it is."""
    if request.module.__name__.rpartition(".")[2] not in WITH_JAVA:
        monkeypatch.setenv("PATH", "")
