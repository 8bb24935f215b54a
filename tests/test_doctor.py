"""What doctor finds wrong, and that it survives it."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from leo_drive import doctor


@pytest.fixture(autouse=True)
def assets(monkeypatch, tmp_path) -> Path:
    """The package's models: a nano, as far as doctor looks."""
    (tmp_path / "nano").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "nano" / name).write_text("{}")
    monkeypatch.setattr("leo_drive.models.ASSETS", tmp_path)
    return tmp_path


def test_nothing_is_wrong_here():
    assert doctor.diagnose()["problems"] == []


def test_it_in_a_checkout_that_is_not_installed(monkeypatch):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", nothing)
    monkeypatch.setattr(doctor, "version", nothing)
    (problem,) = doctor.diagnose()["problems"]
    assert "pip install -e ." in problem


@pytest.mark.parametrize(
    ("broken", "cure"),
    [
        ("torch", "install torch and torchvision together, see docs/install.md"),
        ("leo_drive.inference.load", "install torch and torchvision together, see docs/install.md"),
        ("av", "pip install --force-reinstall av"),
        ("packaging.requirements", "pip install packaging"),
    ],
)
def test_it_survives_what_cannot_be_imported(monkeypatch, broken, cure):
    monkeypatch.setitem(sys.modules, broken, None)
    assert any(cure in problem for problem in doctor.diagnose()["problems"])


def test_it_asks_for_torch_and_torchvision_together(monkeypatch):
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["torch~=1.0", "torchvision~=0.1.0", "absent-package>=3"]
    )
    one, two, three = doctor.diagnose()["problems"]
    assert "pip install 'torch~=1.0' 'torchvision~=0.1.0'" in one and one.endswith(two.split(": ")[1])
    assert three == "absent-package is missing: pip install 'absent-package>=3'"


def test_it_does_not_take_an_encoder_for_a_decoder(monkeypatch):
    monkeypatch.setattr(doctor, "_DECODERS", ("libx264",))
    assert "no libx264 decoder" in doctor.diagnose()["problems"][0]


def test_it_does_not_count_a_model_without_weights(assets):
    (assets / "nano" / "model.safetensors").unlink()
    assert "nano is missing" in doctor.diagnose()["problems"][0]
