"""The trainer on generated drives, from the repository's root, as users run it."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import leo_drive
from leo_drive.data.lingoqa import read_part
from leo_drive.errors import InputError, LeoDriveError
from leo_drive.files import locked, writable_folder
from leo_drive.inference.load import open_processor
from leo_drive.model import LeoForConditionalGeneration
from tests.model.tiny import tiny_leo
from tests.processes import run_ranks, start_process
from tests.training.conftest import losses
from training.recipe import read_recipe
from training.run_folder import BEGUN_WITH, has_begun, last_whole_checkpoint
from training.sources import read_source
from training.train import train
from training.trainer import LeoTrainer, TrainingModel

ROOT = Path(__file__).parent.parent.parent


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return LeoForConditionalGeneration.from_pretrained(folder).state_dict()


def test_both_stages_run_from_the_root_and_the_result_answers(
    run_module, tmp_path, recipe_file, drives, tiny
):
    held_out = [{"root": str(drives), "frames": 1}]
    status, out, err = run_module("training.train", recipe_file(validation=held_out))
    assert status == 0, err
    stage1 = tmp_path / "run" / "model"
    assert f"finished model: {stage1}" in out
    for name in ("log.csv", "samples.csv", "loss.png", "model/README.md"):
        assert (tmp_path / "run" / name).stat().st_size > 100, name
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    card = (stage1 / "README.md").read_text()
    assert str(drives) in card and "loss on held-out data" in card and "learning_rate: 0.001" in card

    second = recipe_file(
        tmp_path / "second",
        model=str(stage1),
        train=["projectors", "language_model"],
        data=[{"root": str(drives), "frames": 5, "dataset": "synthetic", "part": "drives"}],
        dense_weight=0.0,
        vision_cache=str(tmp_path / "cache"),
    )
    stage2 = train(read_recipe(second))
    assert (
        "Generated drives, drives, leo-drive synth; licence: Apache-2.0" in (stage2 / "README.md").read_text()
    )
    before, after = weights(stage1), weights(stage2)
    for name, tensor in before.items():
        moved = not torch.equal(tensor, after[name])
        assert moved == (not name.startswith("branches.")), name
    segment = read_part(drives)[0]
    clip = leo_drive.open([drives / name for name in segment.images]).clip()
    assert isinstance(leo_drive.load(stage2).ask(clip, "Is it day or night?").text, str)


def test_branches_alone_learn_from_label_maps(tmp_path, recipe_file, drives):
    path = recipe_file(
        train=["branches"],
        answer_weight=0,
        steps=12,
        batch_size=4,
        learning_rate=3e-3,
        augmentation={"colour": 0.3, "jpeg": [70, 100], "crop": 0.5, "mirror": 0.5, "paste": 0.5},
    )
    finished = train(read_recipe(path))
    table = losses(tmp_path / "run")
    assert float(table[-1][1]) < float(table[0][1])
    start = weights(read_recipe(path).model)
    moved = {n.split(".")[0] for n, t in weights(finished).items() if not torch.equal(t, start[n])}
    assert moved == {"branches"}


@pytest.mark.parametrize("kill_after", [2, 3])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path, recipe_file, drives, kill_after):
    # It saves where a validation is the best so far, too, and that may be between two records.
    often = {"log_steps": 3, "save_steps": 4, "eval_steps": 2}
    held_out = [{"root": str(drives), "frames": 0, "share": [0.8, 1]}]
    options = {"steps": 8, "augmentation": {"colour": 0.5}, "validation": held_out, **often}
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    train(read_recipe(recipe_file(whole, **options)))
    path = recipe_file(parted, **options)
    process = start_process(["-m", "training.train", path])
    log = parted / "run" / "log.csv"
    while process.poll() is None and not (log.is_file() and len(log.read_text().splitlines()) > kill_after):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (parted / "run" / "model").exists()
    train(read_recipe(path))
    assert losses(parted / "run") == losses(whole / "run")
    one, two = weights(whole / "run" / "model"), weights(parted / "run" / "model")
    for name, tensor in one.items():
        assert torch.equal(two[name], tensor), name


def test_a_checkpoint_cut_off_while_it_was_written_is_passed_over(tmp_path, recipe_file):
    train(read_recipe(recipe_file()))
    checkpoints = tmp_path / "run" / "checkpoints"
    assert last_whole_checkpoint(checkpoints) == checkpoints / "checkpoint-4"
    state = checkpoints / "checkpoint-4" / "trainer_state.json"
    state.write_text(state.read_text()[:100])
    assert last_whole_checkpoint(checkpoints) == checkpoints / "checkpoint-2"
    state.unlink()
    assert train(read_recipe(recipe_file())).is_dir()
    assert json.loads(state.read_text())["global_step"] == 4


def test_two_processes_have_the_loss_of_one(tmp_path, recipe_file, drives):
    # The same four clips a step: in one go, in two parts one after the other, and in two processes. They have
    # other numbers of frames, and those that are held out cannot be shared out evenly.
    data = [{"root": str(drives), "frames": frames} for frames in (1, 3)]
    held_out = [{"root": str(drives), "frames": frames, "share": [0, 0.83]} for frames in (1, 2, 3)]
    options = {"batch_size": 4, "steps": 3, "save_steps": 3, "data": data, "validation": held_out}
    assert sum(len(read_source(source)) for source in read_recipe(recipe_file(**options)).validation) % 4 == 3
    train(read_recipe(recipe_file(tmp_path / "one", **options)))
    train(read_recipe(recipe_file(tmp_path / "parts", micro_batch_size=1, **options)))
    path = recipe_file(tmp_path / "two", **options)
    for done in run_ranks(["-m", "training.train", path]):
        assert done.returncode == 0, done.stderr[-3000:]
    reference = losses(tmp_path / "one" / "run")
    for other in ("parts", "two"):
        table = losses(tmp_path / other / "run")
        assert [step for step, *_ in table] == [step for step, *_ in reference]
        for (_, ours, _), (_, theirs, _) in zip(table, reference, strict=True):
            if ours and theirs:
                assert float(ours) == pytest.approx(float(theirs), rel=1e-4), other
        one, logged = (pd.read_csv(tmp_path / name / "run/log.csv") for name in ("one", other))
        assert one.eval_loss.notna().sum() == 1
        for name in ("eval_loss", "dense_loss", "answers"):
            assert list(logged[name].dropna()) == pytest.approx(list(one[name].dropna()), rel=1e-4), name


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_checkpoint(tmp_path, recipe_file, monkeypatch):
    forward = TrainingModel.forward

    def broken(self, *args, **kwargs):
        losses = forward(self, *args, **kwargs)
        broken.calls += 1
        return {n: v * (float("nan") if broken.calls > 3 else 1.0) for n, v in losses.items()}

    broken.calls = 0
    monkeypatch.setattr(TrainingModel, "forward", broken)
    with pytest.raises(LeoDriveError, match=r"step 4: the loss is nan.*last checkpoint is good"):
        train(read_recipe(recipe_file()))
    assert last_whole_checkpoint(tmp_path / "run" / "checkpoints").name == "checkpoint-2"
    monkeypatch.undo()
    assert train(read_recipe(recipe_file())).is_dir()


def test_too_little_memory_is_one_line_with_what_to_change_and_the_run_goes_on(
    tmp_path, recipe_file, monkeypatch
):
    forward = TrainingModel.forward

    def greedy(self, *args, **kwargs):
        greedy.calls += 1
        if greedy.calls > 3:
            torch.empty(2**60, dtype=torch.uint8)
        return forward(self, *args, **kwargs)

    greedy.calls = 0
    monkeypatch.setattr(TrainingModel, "forward", greedy)
    with pytest.raises(
        LeoDriveError, match=r"step 4: out of memory with 2 clips at once; .*micro_batch_size: 1 .*frames"
    ):
        train(read_recipe(recipe_file()))
    monkeypatch.undo()
    smaller = recipe_file(micro_batch_size=1, gradient_checkpointing=True)
    assert train(read_recipe(smaller)).is_dir()
    assert [step for step, *_ in losses(tmp_path / "run")][:4] == ["1", "2", "3", "4"]


def test_a_learning_rate_far_too_high_is_one_clear_line(run_module, recipe_file):
    path = recipe_file(learning_rate=1e30, steps=10, dense_weight=0.0)
    status, _, err = run_module("training.train", path)
    assert status == 1
    assert "the loss is nan" in err or "the loss is inf" in err
    assert "Traceback" not in err


def test_weights_that_blew_up_are_not_kept_as_the_last_good_ones(tmp_path, recipe_file):
    options = {"steps": 6, "save_steps": 1, "dense_weight": 0.0}
    with pytest.raises(LeoDriveError, match="step 1: the weights are not finite any more"):
        train(read_recipe(recipe_file(learning_rate=1e39, warmup_ratio=0, **options)))
    assert last_whole_checkpoint(tmp_path / "run" / "checkpoints") is None


def test_another_recipe_is_not_taken_for_the_run_that_is_there(tmp_path, recipe_file):
    finished = train(read_recipe(recipe_file()))
    with pytest.raises(InputError, match=r"another recipe, with learning_rate 0\.001, not 0\.01"):
        train(read_recipe(recipe_file(learning_rate=1e-2)))
    # A checkpoint without FSDP cannot be loaded with it.
    with pytest.raises(InputError, match=r"another recipe, with fsdp null, not"):
        has_begun(read_recipe(recipe_file(fsdp={"version": 2})))
    # How often it saves and what it reads with change nothing.
    assert train(read_recipe(recipe_file(save_steps=4, workers=0))) == finished


@pytest.mark.parametrize(
    "variable, named", [("ACCELERATE_USE_FSDP", "fsdp"), ("ACCELERATE_USE_DEEPSPEED", "deepspeed")]
)
def test_what_accelerate_alone_is_set_to_do_is_refused(recipe_file, monkeypatch, variable, named):
    monkeypatch.setenv(variable, "true")
    with pytest.raises(InputError, match=f"the recipe is not: set {named} in the recipe"):
        train(read_recipe(recipe_file()))


def test_two_runs_in_one_folder_are_kept_apart(tmp_path, recipe_file):
    recipe = read_recipe(recipe_file(steps=2))
    with (
        locked(writable_folder(recipe.output)),
        pytest.raises(InputError, match=r"run: another run .*pro"),
    ):
        train(recipe)
    assert not list(recipe.output.iterdir())
    assert train(recipe).is_dir()


@pytest.mark.parametrize("changed", ["model", "training data"])
def test_another_model_or_other_data_is_not_gone_on_with(tmp_path, recipe_file, drives, tiny, changed):
    folders = {"model": tmp_path / "model", "data": tmp_path / "data"}
    shutil.copytree(tiny, folders["model"])
    shutil.copytree(drives, folders["data"])
    source = {"root": str(folders["data"]), "frames": 1}
    path = recipe_file(model=str(folders["model"]), data=[source], steps=2)
    train(read_recipe(path))
    if changed == "model":
        other, _ = tiny_leo(seed=1, max_tiles=1, context=1024)
        other.save_pretrained(folders["model"])
    else:
        table = folders["data"] / "train.parquet"
        pd.read_parquet(table).iloc[9:].to_parquet(table)
    with pytest.raises(InputError, match=f"began with something else as {changed} than is there now"):
        train(read_recipe(path))


def test_data_that_was_unpacked_meanwhile_is_gone_on_with(tmp_path, recipe_file, drives):
    data = shutil.copytree(drives, tmp_path / "data")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "data/images")
    images = (data / "images").rename(tmp_path / "unpacked")
    shutil.move(packed, data / "images.zip")
    path = recipe_file(data=[{"root": str(data), "frames": 1}], steps=2)
    finished = train(read_recipe(path))
    (data / "images.zip").unlink()
    images.rename(data / "images")
    assert train(read_recipe(path)) == finished
    for picture in (data / "images").rglob("*.jpg"):
        picture.write_bytes(picture.read_bytes() + b"other")
    with pytest.raises(InputError, match="began with something else as training data than is there now"):
        train(read_recipe(path))
    # As an earlier version wrote it, whose fingerprints told unpacked data from packed.
    begun = tmp_path / "run" / BEGUN_WITH
    model = json.loads(begun.read_text())["model"]
    begun.write_text(json.dumps({"model": model, "data": "0", "validation": ""}))
    assert train(read_recipe(path)) == finished
    begun.write_text("1")
    with pytest.raises(InputError, match=r"begun_with\.json: damaged"):
        train(read_recipe(path))


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("optimizer.pt", Path.unlink),
        ("model.safetensors", Path.unlink),
        *((name, lambda file: os.truncate(file, 100)) for name in ("optimizer.pt", "model.safetensors")),
        *((name, lambda file: os.truncate(file, 100)) for name in ("scheduler.pt", "rng_state.pth")),
        ("trainer_state.json", lambda file: file.write_text("{}")),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, recipe_file, file, harm):
    train(read_recipe(recipe_file()))
    checkpoints = tmp_path / "run" / "checkpoints"
    harm(checkpoints / "checkpoint-4" / file)
    assert last_whole_checkpoint(checkpoints) == checkpoints / "checkpoint-2"


def test_held_out_questions_that_cannot_be_asked_do_not_end_the_run(tmp_path, recipe_file, drives, tiny):
    def turns(question):
        return [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": "Stop."}]

    (tmp_path / "images").mkdir()
    shutil.copy(next((drives / "images").rglob("*.jpg")), tmp_path / "images/0.jpg")
    # One has a token of the model's own; the other fits, but not with room for an answer.
    a_word = len(open_processor(tiny).tokenizer(" stop" * 100)["input_ids"]) / 100
    asked = ["What does <|im_end|> mean?", " stop" * int(890 / a_word)]
    rows = [{"id": i, "image": "0.jpg", "conversations": turns(q)} for i, q in enumerate(asked)]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    held_out = [{"root": str(tmp_path), "format": "llava"}]
    train(read_recipe(recipe_file(validation=held_out, dense_weight=0.0)))
    said = pd.read_csv(tmp_path / "run" / "samples.csv").answer.astype(str)
    assert "the model's context holds" in said.iloc[1] and "not asked" not in said.iloc[0]


def test_the_best_weights_are_kept_however_rarely_it_saves(tmp_path, recipe_file, drives, monkeypatch):
    held_out = [{"root": str(drives), "frames": 0, "share": [0.5, 1]}]
    data = [{"root": str(drives), "frames": 1, "share": [0, 0.5]}]
    found = iter([3.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr(LeoTrainer, "_held_out_loss", lambda trainer, _: {"loss": next(found)})
    finished = train(read_recipe(recipe_file(data=data, validation=held_out, eval_steps=1, save_steps=4)))
    table = pd.read_csv(tmp_path / "run" / "log.csv")
    assert list(table[table.eval_loss.notna()].step) == [1, 2, 3, 4]
    best, last = (tmp_path / "run" / "checkpoints" / f"checkpoint-{step}" for step in (2, 4))
    assert set(best.parent.iterdir()) == {best, last}
    kept, model = load_file(best / "model.safetensors"), weights(finished)
    of_leo = {n.removeprefix("leo."): tensor for n, tensor in kept.items() if n.startswith("leo.")}
    assert of_leo and all(torch.equal(model[name], tensor) for name, tensor in of_leo.items())
    assert "the checkpoint that was kept (step 2): 1.0000" in (finished / "README.md").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_clear_line_and_training_goes_on_after_room_is_made(
    run_module, tmp_path, recipe_file
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        path = recipe_file(output=str(disk / "run"), steps=6)
        status, _, err = run_module("training.train", path)
        assert status == 1 and "the disk is full" in err, err[-2000:]
        assert "Traceback" not in err
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        status, _, err = run_module("training.train", path)
        assert status == 0, err[-2000:]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
