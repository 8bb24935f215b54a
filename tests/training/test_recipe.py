"""Recipes: those that ship are valid, and each wrong one is one clear line."""

import shutil
from pathlib import Path

import pytest

from leo_drive.data.synthetic import OVER_TIME, write_dataset
from leo_drive.errors import InputError
from leo_drive.yaml_files import read_yaml
from training import ablate_plan
from training.recipe import DataSource, read_recipe
from training.train import train

RECIPES = sorted((Path(__file__).parent.parent.parent / "training" / "recipes").glob("*.yaml"))
FROZEN = {"vision_cache": "x", "train": ["projectors"], "dense_weight": 0}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_that_ship_are_valid(path):
    recipe = read_recipe(path)
    assert recipe.train and recipe.validation
    # What is held out is not learned from: other roots, or the rest of the same ones.
    for held_out in recipe.validation:
        same = [s for s in recipe.data if (s.root, s.part) == (held_out.root, held_out.part)]
        assert all(source.share[1] <= held_out.share[0] for source in same)


def test_single_frames_are_asked_nothing_that_takes_several():
    recipes = [read_recipe(path) for path in RECIPES]
    sources = [s for recipe in recipes if recipe.answer_weight for s in recipe.data]
    ablations = Path(ablate_plan.__file__).parent / "recipes/ablations/nano.yaml"
    for stage in read_yaml(ablations, ablate_plan.Plan, "a plan").stages.values():
        sources += [DataSource(**source) for source in stage["data"]]
    single = [s for s in sources if s.root.name == "single"]
    assert len(single) == 3
    for source in single:
        assert set(source.without_kinds) == {*OVER_TIME, "description"} and source.frames == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"learning_rat": 1.0}, "line 6: learning_rat: unknown; did you mean learning_rate?"),
        ({"train": ["encoders"]}, "train.0"),
        ({"train": []}, "train: "),
        ({"train": ["projectors", "projectors"]}, "train: projectors is given twice"),
        (
            {"data": [{"root": "x", "format": "lava"}]},
            "data.0.format: 'lava' is unknown; did you mean llava?",
        ),
        (
            {"validation": [{"root": "x", "dataset": "lingqa", "part": "scenery"}]},
            "validation.0.dataset: lingqa: no such data set in datasets/; did you mean lingoqa?",
        ),
        ({"steps": 0}, "steps"),
        ({"epochs": 2}, "steps or epochs"),
        ({"steps": None}, "steps or epochs"),
        ({"vision_cache": "x"}, "vision_cache needs frozen branches"),
        ({**FROZEN, "augmentation": {"colour": 0.1}}, "augmentation changes pixels"),
        ({"train": ["projectors"]}, "dense_weight teaches the branches"),
        ({"augmentation": {"mirror": 0.5}}, "may make an answer false"),
        ({"data": [{"root": "x", "max_tiles": 6}]}, "dense_weight learns from frames of one tile"),
        ({"validation": [{"root": "x", "max_tiles": 6}]}, "dense_weight learns from frames of one tile"),
        ({"data": [{"root": "x", "part": "scenery"}]}, "part scenery of which dataset?"),
        ({"steps": None, "epochs": float("inf")}, "epochs: "),
        ({"learning_rate": float("inf")}, "learning_rate: "),
        ({"seed": -1}, "seed: "),
        ({"seed": 2**32}, "seed: "),
        ({"data": [{"root": "x", "share": [0.5, 0.5]}]}, "share: from and to"),
        ({"data": [{"root": "x", "weight": float("inf")}]}, "weight"),
        ({"eval_steps": 3, "save_steps": 4}, "save_steps 4 is no multiple of eval_steps 3"),
        ({"output": ""}, "output: is empty"),
        ({"augmentation": {"jpeg": [90, 70]}}, "jpeg"),
        ({"augmentation": {"mirrors": 0.5}}, "augmentation.mirrors: unknown; did you mean mirror?"),
        ({"lora": {"rnk": 4}}, "lora.rnk: unknown; did you mean rank?"),
        (
            {"fsdp": {"reshard_after": True}},
            "fsdp.reshard_after: unknown; did you mean reshard_after_forward?",
        ),
        ({"fsdp": {"auto_wrap_policy": "LAYERS"}}, "fsdp.auto_wrap_policy: "),
        ({"deepspeed": "zero4.json"}, "deepspeed: zero4.json: no such file"),
        ({"fsdp": {}, "deepspeed": "training/recipes/zero3.json"}, "give one of them"),
        ({**FROZEN, "drop_path": 0.1}, "but drop_path changes it each time"),
        ({"quantize": True}, "give lora too"),
        ({"batch_size": 6, "micro_batch_size": 4}, "no multiple"),
        ({"data": [{"root": "x", "frame": 2}]}, "data.0.frame: unknown; did you mean frames?"),
        ({"answer_weight": 0}, "train: [branches]"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(recipe_file, changes, reason):
    path = recipe_file(**changes)
    with pytest.raises(InputError) as error:
        read_recipe(path)
    assert reason in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_recipe_data_and_label_maps(tmp_path, recipe_file):
    with pytest.raises(InputError, match=r"nothing\.yaml"):
        read_recipe(tmp_path / "nothing.yaml")
    for text, reason in (("[1, 2]", "a mapping"), ("a: [", "not YAML")):
        (tmp_path / "odd.yaml").write_text(text)
        with pytest.raises(InputError, match=reason):
            read_recipe(tmp_path / "odd.yaml")
    with pytest.raises(InputError, match=r"neither val\.parquet nor train\.parquet"):
        train(read_recipe(recipe_file(data=[{"root": str(tmp_path)}])))
    write_dataset(tmp_path / "bare", 2, size=(192, 108))
    with pytest.raises(InputError, match="2 label maps missing"):
        train(read_recipe(recipe_file(data=[{"root": str(tmp_path / "bare"), "frames": 1}])))
    with pytest.raises(InputError, match="model mano: neither"):
        train(read_recipe(recipe_file(model="mano")))


@pytest.mark.parametrize(
    ("format", "option"),
    [("lingoqa", "labels"), ("llava", "file"), ("llava", "images"), ("drivelm", "cameras")],
)
def test_options_of_another_type_are_one_clear_line(tmp_path, recipe_file, format, option):
    source = {"root": str(tmp_path), "format": format, "options": {option: 3}}
    with pytest.raises(InputError, match=f"option {option}.*; found 3") as error:
        train(read_recipe(recipe_file(data=[source], dense_weight=0)))
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_key_that_is_given_twice_is_one_clear_line(recipe_file):
    path = recipe_file()
    path.write_text(path.read_text() + "data: []\n")
    with pytest.raises(InputError, match=r"line \d+: data is given twice$"):
        read_recipe(path)


def test_a_recipe_that_holds_itself_is_one_clear_line(recipe_file):
    path = recipe_file()
    path.write_text(path.read_text() + "itself: &x {again: *x}\n")
    with pytest.raises(InputError, match=r"line \d+: itself: unknown;"):
        read_recipe(path)


def test_kinds_are_left_out_only_where_there_are_any(tmp_path, recipe_file, drives):
    shutil.copytree(drives, tmp_path / "part")
    (tmp_path / "part/train_kinds.parquet").unlink()
    source = {"root": str(tmp_path / "part"), "frames": 1, "without_kinds": ["moving"]}
    with pytest.raises(InputError, match=r"part: without_kinds, but its questions have no kinds"):
        train(read_recipe(recipe_file(data=[source])))


def test_label_maps_alone_need_pictures(recipe_file, drives):
    options = {"train": ["branches"], "answer_weight": 0, "data": [{"root": str(drives), "frames": 0}]}
    with pytest.raises(InputError, match="shows no pictures"):
        train(read_recipe(recipe_file(**options)))


def test_low_rank_additions_are_not_shared_out(recipe_file):
    for sharded in ({"fsdp": {"version": 2}}, {"deepspeed": "training/recipes/zero3.json"}):
        with pytest.raises(InputError, match=r"lora learns little.*leave out fsdp and deepspeed"):
            read_recipe(recipe_file(lora={}, dense_weight=0, **sharded))


def test_paths_may_begin_at_home(recipe_file):
    data = [{"root": "~/drives", "options": {"nuscenes": "~/nuscenes", "cameras": ["~"]}}]
    recipe = read_recipe(recipe_file(output="~/run", model="~/model", data=data))
    home = Path.home()
    assert recipe.output == home / "run" and recipe.model == str(home / "model")
    assert recipe.data[0].root == home / "drives"
    assert recipe.data[0].options == {"nuscenes": str(home / "nuscenes"), "cameras": ["~"]}


def test_fsdp_with_one_process_says_how_to_start_it(recipe_file):
    with pytest.raises(InputError, match="accelerate launch --num_processes 8"):
        train(read_recipe(recipe_file(fsdp={"version": 2})))
