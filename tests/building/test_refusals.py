"""Every way in which a build can fail: one line, the right exit status, and no half-made model."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import leo_drive
from leo_drive.building import build as build_module
from leo_drive.building.build import Choice, prepare
from leo_drive.building.writing import model_folder
from leo_drive.errors import InputError, LeoDriveError
from tests.building.checkpoints import VIT, write_internvl
from tests.building.harm import cut, edit_config, edit_weights
from tests.model.tiny import noise_clip
from tests.processes import run_process

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def source(internvl, tmp_path) -> Path:
    return shutil.copytree(internvl, tmp_path / "source")


def drop_layer_scales(weights):
    for i in range(2):
        for j in (1, 2):
            del weights[f"vision_model.encoder.layers.{i}.ls{j}"]


def without_added_tokens(folder, kind):
    """The file that says which they are was not copied."""
    shutil.rmtree(folder)
    write_internvl(folder, kind)
    (folder / "tokenizer_config.json").unlink()


def without_their_names(folder, kind):
    """The file is there and, as older ones, leaves them to another one."""
    shutil.rmtree(folder)
    write_internvl(folder, kind)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["added_tokens_decoder"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def no_shard(folder):
    shutil.rmtree(folder)
    write_internvl(folder, shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()


def shards_without_index(folder):
    shutil.rmtree(folder)
    write_internvl(folder, shards=3)
    (folder / "model.safetensors.index.json").unlink()


def index_of_numbers(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"mlp1.1.bias": 1}}')


def other_file(content, **options):
    """The weights' place taken by a PyTorch file of something else."""

    def harm(folder):
        (folder / "model.safetensors").unlink()
        torch.save(content, folder / "pytorch_model.bin", **options)

    return harm


def lfs_pointer(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (folder / "model.safetensors").write_text(pointer)


def missing_unexpected_and_misshapen(weights):
    weights["mlp1.2.bias"] = weights.pop("mlp1.1.bias")
    weights["language_model.model.norm.weight"] = torch.zeros(50)
    weights["mlp1.3.bias"] = torch.zeros(50)


def bad_index(folder):
    (folder / "model.safetensors.index.json").write_text("[]")


CONFIG_REASONS = [
    ({"ps_version": "v1"}, "ps_version=v1"),
    # Missing fields have InternVL's own defaults.
    ({"ps_version": ...}, "ps_version=v1"),
    ({"template": ...}, "template=None"),
    ({"vision_config": {k: v for k, v in VIT.items() if k != "norm_type"}}, "norm_type=rms_norm"),
    ({"select_layer": -2}, "select_layer=-2"),
    ({"pad2square": True}, "pad2square=True"),
    ({"min_dynamic_patch": 2}, "min_dynamic_patch=2"),
    ({"use_llm_lora": 16}, "use_llm_lora=16"),
    ({"template": "phi3-chat"}, "template='phi3-chat'"),
    ({"force_image_size": 112}, "position embeddings for 56"),
    ({"downsample_ratio": 0.3}, "downsample_ratio=0.3"),
    ({"downsample_ratio": 0.25}, "InternViT gives 1 tokens a tile"),
    ({"architectures": ["LlavaForConditionalGeneration"]}, "not InternVLChatModel"),
    ({"vision_config": {}}, "qk_normalization=True"),
    ({"llm_config": "internlm2"}, "a field is not as in an InternVL config.json"),
    ({"vision_config": [1]}, "a field is not as in an InternVL config.json"),
    ({"vision_config": {**VIT, "qk_normalization": True}}, "qk_normalization=True"),
    ({"vision_config": {**VIT, "num_attention_heads": 5}}, "no model can be made"),
]


@pytest.mark.parametrize(("changes", "reason"), CONFIG_REASONS, ids=lambda value: str(value)[:30])
def test_configurations_that_would_answer_otherwise(build, source, sam, tmp_path, changes, reason):
    edit_config(source, **changes)
    status, out, err = build("--internvl", source, "--sam", sam, "--out", tmp_path / "out")
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert reason in err and str(source) in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: cut(f / "model.safetensors"), "damaged weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "damaged weights"),
        (no_shard, "1 of 3 shards are not there, first model-00002-of-00003.safetensors"),
        (shards_without_index, "3 *.safetensors files and no index"),
        (
            lfs_pointer,
            "a Git LFS pointer in place of the weights; in the repository's folder: git lfs pull",
        ),
        (bad_index, "not an index"),
        (index_of_numbers, "not an index"),
        (other_file({1: torch.zeros(2)}), "does not hold named weights but 1"),
        (other_file({"model": {}, "epoch": 3}), "does not hold named weights but model, epoch"),
        (other_file([], _use_new_zipfile_serialization=False), "does not hold named weights"),
        (lambda f: edit_config(f, "llm_config", architectures=["Phi3ForCausalLM"]), "Phi3ForCausalLM"),
        (lambda f: edit_config(f, "llm_config", vocab_size=100), "but the language model 100"),
        (
            lambda f: without_added_tokens(f, "internlm2"),
            "360 tokens, the language model 364 embeddings, and no",
        ),
        (lambda f: without_their_names(f, "internlm2"), "360 tokens, the language model 364 embeddings"),
        (
            lambda f: without_added_tokens(f, "qwen2"),
            "and no tokenizer_config.json or added_tokens.json names the others; get them",
        ),
        (
            lambda f: edit_config(f, "llm_config", num_hidden_layers=3),
            "7 weights missing (language_model.model",
        ),
        (lambda f: edit_config(f, "llm_config", num_hidden_layers=1), "7 weights unexpected (language_model"),
        (lambda f: edit_config(f, "llm_config", intermediate_size=64), "config.json says [64, 48]"),
        (
            lambda f: edit_weights(f, drop_layer_scales),
            "4 weights missing (vision_model.encoder.layers.0.ls1, vision_model.encoder.layers.0.ls2, "
            "vision_model.encoder.layers.1.ls1, vision_model.encoder.layers.1.ls2), 0 weights unexpected",
        ),
        (lambda f: edit_weights(f, lambda w: w.pop("mlp1.1.bias")), "1 weights missing (mlp1.1.bias)"),
        (
            lambda f: edit_weights(f, missing_unexpected_and_misshapen),
            "1 weights missing (mlp1.1.bias), 1 weights unexpected (mlp1.2.bias), 2 weights of another shape "
            "(mlp1.3.bias: [50], where config.json says [48]; language_model.model.norm.weight: [50], where",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.update({"mlp2.1.bias": torch.zeros(3)})),
            "1 weights unexpected (mlp2.1.bias)",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.update({"mlp1.1.bias": torch.zeros(48, dtype=torch.int8)})),
            "mlp1.1.bias is not in float32, float16 or bfloat16",
        ),
    ],
)
def test_checkpoints_that_are_wrong_or_not_whole(build, source, sam, tmp_path, harm, reason):
    harm(source)
    status, out, err = build("--internvl", source, "--sam", sam, "--out", tmp_path / "out")
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert reason in err and str(source) in err and not (tmp_path / "out").exists()


def test_a_refused_build_says_nothing_but_why(build, source, sam, tmp_path):
    """Not that there is no tokenizer, which matters to a model that is built."""
    for path in source.glob("tokenizer*"):
        path.unlink()
    edit_weights(source, lambda weights: weights.pop("mlp1.1.bias"))
    status, _, err = build("--internvl", source, "--sam", sam, "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1 and "1 weights missing (mlp1.1.bias)" in err


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), "float32"), (1e6, "float16")])
def test_values_that_the_new_model_cannot_hold(build, source, sam, tmp_path, value, dtype):
    edit_weights(source, lambda weights: weights["mlp1.1.bias"].fill_(value))
    sources = ("--internvl", source, "--sam", sam)
    status, _, err = build(*sources, "--dtype", dtype, "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()
    assert f"model.safetensors: mlp1.1.bias has values that are not finite, or too large for {dtype}" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing does not make a LEO"),
        (["--sam", "x/y"], "--sam does not make a LEO"),
        (["--internvit", "x/y"], "--internvit and --sam does not"),
        (["--internvl", "x/y", "--llm", "x/z"], "does not make a LEO"),
        (["--preset", "leo-9b"], "not one of leo-8b, leo-2b, leo-1b"),
        (["--internvl", "./nowhere"], "./nowhere: no such folder or file"),
        (["--preset", "leo-8b", "--sam", "nowhere.pth"], "nowhere.pth: no such folder or file"),
        (
            ["--preset", "leo-8b", "--sam", "weights/sam.safetensors"],
            "sam.safetensors: no such folder or file",
        ),
        (["--preset", "leo-8b", "--tokenizer", "./nowhere"], "./nowhere: no such folder or file"),
        (["--preset", "leo-8b", "--internvl", ""], "--internvl: the path is empty"),
        (["--internvl", "x/y", "--sam", ""], "--sam: the path is empty"),
        (["--preset", "leo-8b", "--dtype", "int8"], "dtype int8"),
    ],
)
def test_arguments_that_make_no_leo(build, tmp_path, arguments, reason):
    status, out, err = build(*arguments, "--out", tmp_path / "out")
    assert status == 2 and out == "" and len(err.splitlines()) == 1 and reason in err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_in_use_is_left_as_it_is(build, internvl, sam, tmp_path):
    sources = ("--internvl", internvl, "--sam", sam)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    assert build(*sources, "--out", tmp_path / "model")[0] == 0
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    for name, reason in (
        ("model", "already holds config.json"),
        ("notes", "already holds mine.txt"),
        ("file", "cannot write"),
    ):
        status, _, err = build(*sources, "--out", tmp_path / name)
        assert status == 2 and len(err.splitlines()) == 1 and reason in err
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["mine.txt"] and (
        tmp_path / "file"
    ).read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert build(*sources, "--out", tmp_path / "empty")[0] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(build, internvl, sam, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    status, _, err = build("--internvl", internvl, "--sam", sam, "--out", tmp_path / "locked" / "model")
    assert status == 2 and len(err.splitlines()) == 1 and "Permission denied" in err


def prepared(internvl, sam):
    return prepare(Choice(internvl=str(internvl), sam=str(sam)))


def test_an_interrupted_build_leaves_nothing(internvl, sam, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), model_folder(tmp_path / "out") as folder:
        build_module.build(prepared(internvl, sam), folder, stop)
    assert not (tmp_path / "out").exists()


def test_a_killed_build_leaves_nothing_that_loads_and_the_next_one_cleans_up(build, internvl, sam, tmp_path):
    code = """
import os, sys
from pathlib import Path
from leo_drive.building.build import Choice, build, prepare
from leo_drive.building.writing import model_folder
with model_folder(Path(sys.argv[3])) as folder:
    build(prepare(Choice(internvl=sys.argv[1], sam=sys.argv[2])), folder)
    os.kill(os.getpid(), 9)
"""
    out = tmp_path / "out"
    killed = run_process(["-c", code, internvl, sam, out])
    assert killed.returncode == -9 and out.is_dir()
    with pytest.raises(InputError, match=r"no config\.json"):
        leo_drive.load(out)
    assert build("--internvl", internvl, "--sam", sam, "--out", out)[0] == 0
    assert leo_drive.load(out).ask(noise_clip(1), "What?").tokens
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_a_disk_that_fills_underway(internvl, sam, tmp_path):
    """A limit on the size of files stands for a disk that is full."""
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
from leo_drive import cli
from leo_drive.building import estimate
estimate._PROBE_BYTES = 1000
cli.main()
"""
    arguments = ["build", "--internvl", internvl, "--sam", sam, "--out", tmp_path / "out"]
    done = run_process(["-c", code, *arguments])
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "cannot be written" in done.stderr and not (tmp_path / "out").exists()


def test_a_disk_that_is_too_small_is_said_before_the_start(build, monkeypatch, internvl, sam, tmp_path):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    status, out, err = build("--internvl", internvl, "--sam", sam, "--out", tmp_path / "out")
    assert status == 2 and out == "" and len(err.splitlines()) == 1 and "1 kB are free" in err


def test_a_source_that_changes_underway(internvl, sam, tmp_path):
    source = shutil.copytree(internvl, tmp_path / "source")
    ready = prepared(source, sam)
    cut(source / "model.safetensors")
    with (
        pytest.raises(LeoDriveError, match=r"source/model\.safetensors"),
        model_folder(tmp_path / "o") as folder,
    ):
        build_module.build(ready, folder)
    assert not (tmp_path / "o").exists()


def test_many_shards_hold_what_one_file_holds(build, internvl, sam, tmp_path):
    ready = prepared(internvl, sam)
    with model_folder(tmp_path / "many") as folder:
        build_module.build(ready, folder, shard_bytes=100_000)
    build("--internvl", internvl, "--sam", sam, "--out", tmp_path / "one")
    shards = sorted((tmp_path / "many").glob("model-*.safetensors"))
    assert len(shards) > 3 and max(s.stat().st_size for s in shards) < 120_000
    many, one = (leo_drive.load(tmp_path / name).model.state_dict() for name in ("many", "one"))
    assert many.keys() == one.keys() and all(torch.equal(many[k], one[k]) for k in one)
