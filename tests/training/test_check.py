"""--check: everything that is wrong is found before a step is taken, and what training would take is told."""

import shutil

import pytest

from leo_drive.errors import InputError
from training.check import check_recipe
from training.recipe import read_recipe


def checked(path, capsys) -> str:
    check_recipe(read_recipe(path))
    return " ".join(capsys.readouterr().out.split())


def test_it_tells_what_there_is_and_what_it_takes(recipe_file, capsys, drives):
    out = checked(recipe_file(), capsys)
    assert f"{drives}: 6 examples" in out and "nothing missing" in out
    assert "1.0 tiles x 8 tokens an example" in out
    assert "4 steps of 2 clips" in out and "GiB for weights" in out
    assert "nothing is wrong" in out
    out = checked(recipe_file(train=["branches"], answer_weight=0), capsys)
    assert "6 pictures with label maps" in out


def test_an_epoch_is_everything_once(recipe_file, capsys):
    assert "3 steps of 2 clips" in checked(recipe_file(steps=None, epochs=1), capsys)


def test_missing_and_damaged_pictures_are_listed_together(recipe_file, capsys, drives, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(drives, broken)
    pictures = sorted(broken.glob("images/train/*/4.jpg"))
    for path in pictures[:2]:
        path.unlink()
    pictures[2].write_bytes(b"no picture")
    sorted(broken.glob("labels/train/*/4.png"))[3].unlink()
    with pytest.raises(InputError) as error:
        check_recipe(read_recipe(recipe_file(data=[{"root": str(broken), "frames": 1}])))
    message = str(error.value)
    assert "2 pictures missing" in message and "1 pictures damaged" in message
    assert "1 label maps missing" in message and str(pictures[2]) in message and "\n" not in message


def test_a_sample_that_does_not_fit_is_found_before_any_step(recipe_file, drives):
    # 5 frames x about 40 tiles x 8 tokens, in a context of 1024.
    data = [{"root": str(drives), "frames": 5, "max_tiles": 200}]
    path = recipe_file(data=data, dense_weight=0, train=["projectors"])
    with pytest.raises(InputError, match=r"synthetic-0-train-\d+: takes \d+ tokens, the context holds 1024"):
        check_recipe(read_recipe(path))
