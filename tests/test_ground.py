"""The ground: what the package promises about its own files."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def test_environment_yml_and_pyproject_name_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in conda if isinstance(entry, dict))
    assert sorted(d for d in pip if d != "-e .") == sorted(project["dependencies"])
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
