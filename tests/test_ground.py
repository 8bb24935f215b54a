"""The ground: what the package promises about its own files."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from leo_drive.model import LeoConfig

ROOT = Path(__file__).parent.parent


def test_environment_yml_and_pyproject_want_the_same_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert f"python{project['requires-python']}" in conda


def test_no_source_file_is_longer_than_400_lines():
    tracked = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    long = {f: n for f in tracked.stdout.split() if (n := len((ROOT / f).read_text().splitlines())) > 400}
    assert not long


def test_the_library_imports_neither_apps_nor_training():
    for path in (ROOT / "leo_drive").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (apps|training|benchmarks)\b", path.read_text(), re.M), path


def test_importing_the_library_does_not_need_the_test_packages():
    code = "import sys; sys.modules['segment_anything'] = sys.modules['pytest'] = None; import leo_drive"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_what_needs_no_model_does_not_wait_for_pytorch():
    names = ("cli", "clips", "annotation.look", "data.synthetic", "evaluation.compare")
    modules = ", ".join(f"leo_drive.{name}" for name in names)
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_embedded_models_card_has_its_shape_and_size():
    folder = ROOT / "leo_drive/assets/nano"
    card = (folder / "README.md").read_text()
    config = LeoConfig.from_pretrained(folder)
    for branch in config.branch_configs:
        side = branch.grid // branch.unshuffle
        shape = f"{branch.image_size} px tile, patch {branch.image_size // branch.grid},"
        assert re.search(rf"{shape}.* unshuffle {branch.unshuffle} -> {side}x{side} tokens", card)
    assert f"{config.tokens_per_tile} tokens a tile" in card
    assert f"context {config.text_config.max_position_embeddings} " in card
    for file in folder.glob("*.json"):
        assert "_name_or_path" not in file.read_text(), f"{file.name} names a path of whoever trained it"
    megabytes = (folder / "model.safetensors").stat().st_size / 1e6
    assert f"bfloat16, {megabytes:.0f} MB" in card and megabytes <= 25
