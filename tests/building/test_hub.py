"""Sources that are hub ids: what is downloaded, the cache, and a hub that cannot be reached."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from leo_drive.model import LeoConfig
from tests.building.checkpoints import write_segment_anything
from tests.building.harm import as_bin_shards
from tests.building.hub import COMMIT, local_hub

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def build_from(tmp_path):
    """Run the build in a process of its own, as huggingface_hub reads its settings once."""

    def run(endpoint: str, *arguments: object, offline: bool = False) -> subprocess.CompletedProcess:
        settings = {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": str(int(offline)),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", "leo_drive.cli", "build", *map(str, arguments)],
            env={**os.environ, **settings},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    return run


def test_only_what_is_needed_is_downloaded_and_only_once(build_from, tmp_path, internvl, sam):
    theirs = shutil.copytree(internvl, tmp_path / "theirs")
    for name in ("tokenization_internlm2.py", "pytorch_model.bin", "picture.png"):
        (theirs / name).write_text("not wanted")
    sources = ("--internvl", "lab/internvl", "--sam", "lab/sam")
    with local_hub({"lab/internvl": theirs, "lab/sam": sam}) as (address, fetched):
        done = build_from(address, *sources, "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert sorted(fetched) == sorted(
            2 * ["config.json", "model.safetensors"]
            + ["README.md", "tokenizer.model", "tokenizer_config.json"]
        )
    assert "to download: " in done.stdout
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"https://huggingface.co/lab/internvl, revision {COMMIT}" in card and "sha256 " in card
    # The hub is gone: the cache has it all.
    again = build_from(address, *sources, "--out", tmp_path / "again", offline=True)
    assert again.returncode == 0, again.stderr
    assert LeoConfig.from_pretrained(tmp_path / "again").tokens_per_tile == 8


def test_weights_in_other_formats_than_safetensors(build_from, tmp_path, internvl):
    theirs = shutil.copytree(internvl, tmp_path / "theirs")
    as_bin_shards(theirs, shards=2)
    (theirs / "training_args.bin").write_text("not wanted")
    (tmp_path / "sam").mkdir()
    write_segment_anything(tmp_path / "sam" / "sam_vit_l.pth")
    with local_hub({"lab/internvl": theirs, "lab/sam": tmp_path / "sam"}) as (address, fetched):
        done = build_from(
            address, "--internvl", "lab/internvl", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert done.returncode == 0, done.stderr
    weights = {name for name in fetched if name.startswith(("pytorch_model", "sam"))}
    assert {name.rpartition(".")[2] for name in weights} == {"bin", "json", "pth"} and len(weights) == 4
    assert "training_args.bin" not in fetched
    built, original = load_file(tmp_path / "out/model.safetensors"), load_file(internvl / "model.safetensors")
    assert built["projectors.0.1.bias"].equal(original["mlp1.1.bias"])


def test_every_source_is_seen_to_have_weights_before_any_is_downloaded(build_from, tmp_path, internvl, sam):
    bare = shutil.copytree(sam, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with local_hub({"lab/internvl": internvl, "lab/sam": bare}) as (address, fetched):
        done = build_from(
            address, "--internvl", "lab/internvl", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert done.returncode == 2 and done.stderr.startswith("leo-drive: lab/sam: no weights (")
    assert len(done.stderr.splitlines()) == 1 and not fetched and not (tmp_path / "out").exists()


def test_another_model_is_refused_before_its_weights_are_downloaded(build_from, tmp_path, internvl, sam):
    with local_hub({"lab/internvl": sam, "lab/sam": sam}) as (address, fetched):
        done = build_from(
            address, "--internvl", "lab/internvl", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert done.returncode == 2 and "lab/internvl/config.json: its architecture is" in done.stderr
    assert "model.safetensors" not in fetched and not (tmp_path / "out").exists()


def test_a_repository_that_is_not_there(build_from, tmp_path, sam):
    with local_hub({"lab/sam": sam}) as (address, _):
        done = build_from(address, "--internvl", "lab/nothing", "--sam", "lab/sam", "--out", tmp_path / "out")
    assert done.returncode == 2 and "lab/nothing: neither a folder here nor a repository" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("offline", [True, False], ids=["told to stay offline", "no answer"])
def test_no_hub_is_one_line_with_the_cure(build_from, tmp_path, offline):
    nobody = "http://127.0.0.1:9"
    done = build_from(nobody, "--preset", "leo-8b", "--out", tmp_path / "out", offline=offline)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "OpenGVLab/InternVL2-8B: the hub cannot be reached" in done.stderr
    assert "no such folder here" in done.stderr
    assert "name the folder: --internvl DIR" in done.stderr and not (tmp_path / "out").exists()
