"""The folder on its own, as a Hugging Face Space."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import yaml

from apps import viewer

FOLDER = Path(viewer.__file__).parent


def test_the_folder_serves_without_the_checkout_around_it(tmp_path):
    space = shutil.copytree(FOLDER, tmp_path / "space", ignore=shutil.ignore_patterns("__pycache__"))
    for path in space.glob("*.py"):
        assert "apps.viewer" not in re.sub(r'""".*?"""|#.*|".*?"', "", path.read_text(), flags=re.S), (
            path.name
        )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GRADIO_", "SPACE_"))}
    with subprocess.Popen(
        [sys.executable, "app.py"], cwd=space, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
            assert url, "it did not start"
            assert "LEO-Drive" in httpx.get(url[0], timeout=120).text
        finally:
            process.terminate()


def test_its_header_and_requirements_name_what_it_is_tested_with():
    header = yaml.safe_load((FOLDER / "README.md").read_text().split("---")[1])
    assert header["sdk"] == "gradio" and header["sdk_version"] == version("gradio")
    assert (FOLDER / header["app_file"]).is_file()
    requirements = (FOLDER / "requirements.txt").read_text()
    assert "leo-drive" in requirements and "://" not in requirements
    clips = sum(path.stat().st_size for path in (FOLDER / "clips").iterdir())
    assert clips < 2_000_000
