"""Sources that are hub ids: what is downloaded, the cache, and a hub that cannot be reached."""

import shutil

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file

from leo_drive.model import LeoConfig
from tests.building.checkpoints import write_segment_anything
from tests.building.harm import as_bin_shards
from tests.building.hub import COMMIT, local_hub


@pytest.fixture
def build_from(run, tmp_path, monkeypatch):
    """Run the build with another hub and a cache of its own: exit status, standard output, standard error."""

    def go(endpoint: str, *arguments: object, offline: bool = False) -> tuple[int, str, str]:
        settings = {
            "ENDPOINT": endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": offline,
        }
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        return run("build", *arguments)

    return go


def test_only_what_is_needed_is_downloaded_and_only_once(build_from, tmp_path, internvl, sam):
    theirs = shutil.copytree(internvl, tmp_path / "theirs")
    for name in ("tokenization_internlm2.py", "pytorch_model.bin", "picture.png"):
        (theirs / name).write_text("not wanted")
    sources = ("--internvl", "lab/internvl", "--sam", "lab/sam")
    with local_hub({"lab/internvl": theirs, "lab/sam": sam}) as (address, fetched):
        status, out, err = build_from(address, *sources, "--out", tmp_path / "out")
        assert status == 0, err
        assert sorted(fetched) == sorted(
            2 * ["config.json", "model.safetensors"]
            + ["README.md", "tokenizer.model", "tokenizer_config.json"]
        )
    assert "to download: " in out
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"https://huggingface.co/lab/internvl, revision {COMMIT}" in card and "sha256 " in card
    # The hub is gone: the cache has it all.
    status, _, err = build_from(address, *sources, "--out", tmp_path / "again", offline=True)
    assert status == 0, err
    assert LeoConfig.from_pretrained(tmp_path / "again").tokens_per_tile == 8


def test_weights_in_other_formats_than_safetensors(build_from, tmp_path, internvl):
    theirs = shutil.copytree(internvl, tmp_path / "theirs")
    as_bin_shards(theirs, shards=2)
    (theirs / "training_args.bin").write_text("not wanted")
    (tmp_path / "sam").mkdir()
    write_segment_anything(tmp_path / "sam" / "sam_vit_l.pth")
    with local_hub({"lab/internvl": theirs, "lab/sam": tmp_path / "sam"}) as (address, fetched):
        status, _, err = build_from(
            address, "--internvl", "lab/internvl", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert status == 0, err
    weights = {name for name in fetched if name.startswith(("pytorch_model", "sam"))}
    assert {name.rpartition(".")[2] for name in weights} == {"bin", "json", "pth"} and len(weights) == 4
    assert "training_args.bin" not in fetched
    built, original = load_file(tmp_path / "out/model.safetensors"), load_file(internvl / "model.safetensors")
    assert built["projectors.0.1.bias"].equal(original["mlp1.1.bias"])


def test_every_source_is_seen_to_have_weights_before_any_is_downloaded(build_from, tmp_path, internvl, sam):
    bare = shutil.copytree(sam, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with local_hub({"lab/internvl": internvl, "lab/sam": bare}) as (address, fetched):
        status, _, err = build_from(
            address, "--internvl", "lab/internvl", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert status == 2 and err.startswith("leo-drive: lab/sam: no weights (")
    assert len(err.splitlines()) == 1 and not fetched and not (tmp_path / "out").exists()


def test_another_model_is_refused_before_its_weights_are_downloaded(build_from, tmp_path, internvl, sam):
    with local_hub({"lab/internvl": sam, "lab/sam": sam}) as (address, fetched):
        status, _, err = build_from(
            address, "--internvl", "lab/internvl", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert status == 2 and "lab/internvl/config.json: its architecture is" in err
    assert "model.safetensors" not in fetched and not (tmp_path / "out").exists()


def test_a_repository_that_is_not_there(build_from, tmp_path, sam):
    with local_hub({"lab/sam": sam}) as (address, _):
        status, _, err = build_from(
            address, "--internvl", "lab/nothing", "--sam", "lab/sam", "--out", tmp_path / "out"
        )
    assert status == 2 and "lab/nothing: neither a folder here nor a repository" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("offline", [True, False], ids=["told to stay offline", "no answer"])
def test_no_hub_is_one_line_with_the_cure(build_from, tmp_path, offline):
    nobody = "http://127.0.0.1:9"
    status, _, err = build_from(nobody, "--preset", "leo-8b", "--out", tmp_path / "out", offline=offline)
    assert status == 1 and len(err.splitlines()) == 1
    assert "OpenGVLab/InternVL2-8B: the hub cannot be reached" in err
    assert "no such folder here" in err
    assert "name the folder: --internvl DIR" in err and not (tmp_path / "out").exists()
