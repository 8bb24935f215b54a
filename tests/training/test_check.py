"""--check: everything that is wrong is found before a step is taken, and what training would take is told."""

import json
import re
import shutil

import pandas as pd
import pytest
from PIL import Image

from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.errors import InputError
from tests.model.tiny import tiny_leo
from training import costs
from training.check import check_recipe
from training.recipe import read_recipe
from training.start import start_model
from training.train import total_steps, train


def checked(path, capsys) -> str:
    check_recipe(read_recipe(path))
    return " ".join(capsys.readouterr().out.split())


def test_it_tells_what_there_is_and_what_it_takes(recipe_file, capsys, drives):
    out = checked(recipe_file(), capsys)
    assert f"{drives}: 6 examples" in out and "nothing missing" in out
    assert "1 frames and 1.0 tiles x 8 tokens an example" in out and "(synthetic-0-train-" in out
    assert "4 steps of 2 clips" in out and "GiB for weights" in out
    assert "GiB for activations, 2 of the largest clips at once" in out
    first = read_lingoqa(drives)[0].questions[0]
    assert f"such as synthetic-0-train-000000: {first.question} -> {first.answer}" in out
    assert "nothing is wrong" in out
    out = checked(recipe_file(train=["branches"], answer_weight=0), capsys)
    assert "6 pictures with label maps" in out


def test_an_epoch_is_every_question_once(recipe_file, capsys, drives):
    of_clips = [len(e.questions) for e in read_lingoqa(drives)]
    assert "3 steps of 2 clips" in checked(recipe_file(steps=None, epochs=1, max_questions=99), capsys)
    items = sum(-(-n // 4) for n in of_clips)
    steps = -(-items // 2)
    assert f"{steps} steps of 2 clips" in checked(recipe_file(steps=None, epochs=1), capsys)
    # Half as much of it twice is the same.
    half = {"root": str(drives), "frames": 1, "weight": 0.5}
    again = checked(recipe_file(steps=None, epochs=2, data=[half]), capsys)
    assert f"{steps} steps of 2 clips" in again


def test_the_last_batch_of_an_epoch_is_filled_up(recipe_file, drives):
    recipe = read_recipe(recipe_file(steps=None, epochs=1, batch_size=8))
    assert [total_steps(recipe, [items]) for items in (7, 8, 9, 11, 16, 17)] == [1, 1, 2, 2, 2, 3]


def test_additions_count_as_what_learns_and_encoded_pictures_as_disk(recipe_file, capsys, tmp_path):
    options = {"model": "nano", "train": ["projectors", "language_model"], "dense_weight": 0}
    for lora in (None, {"rank": 64, "alpha": 8}):
        path = recipe_file(**options, vision_cache=str(tmp_path / "cache"), lora=lora)
        leo, _ = start_model(read_recipe(path))
        learning = sum(p.numel() for p in leo.parameters() if p.requires_grad)
        out = checked(path, capsys)
        assert f"{learning / 1e6:.1f} of 5." in out and f"{tmp_path / 'cache'}: at most" in out


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


def test_one_source_that_is_wrong_hides_nothing_of_the_others(recipe_file, capsys, drives, tmp_path):
    broken, gone = tmp_path / "broken", [tmp_path / "gone", tmp_path / "gone too"]
    shutil.copytree(drives, broken)
    lost = sorted(broken.glob("images/train/*/*.jpg"))[:24]
    for path in lost:
        path.unlink()
    data = [{"root": str(root), "frames": 1} for root in (gone[0], drives)]
    held_out = [{"root": str(gone[1])}, {"root": str(broken), "frames": 5}]
    path = recipe_file(data=data, validation=held_out)
    with pytest.raises(InputError) as error:
        check_recipe(read_recipe(path))
    told = str(error.value)
    assert all(f"{root}: " in told for root in gone) and "24 pictures missing" in told and "\n" not in told
    shown = capsys.readouterr().out
    whole = tmp_path / "run" / "check.txt"
    assert whole.read_text().splitlines() == [f"pictures missing: {path}" for path in lost]
    assert [str(path) in shown for path in lost] == [True] * 20 + [False] * 4
    assert f"and 4 more; {whole} lists them all" in shown
    # Of what can be read, lengths and costs are told.
    assert f"{drives}: 1 frames" in shown and f"{broken}: 5 frames" in shown and "4 steps of 2" in shown
    with pytest.raises(InputError, match=r"10 pictures missing.*; model mano: neither"):
        data = [{"root": str(broken), "frames": 5, "share": [0, 0.4]}]
        check_recipe(read_recipe(recipe_file(data=data, model="mano")))


def test_rows_that_are_damaged_or_left_out_are_listed_and_hide_no_pictures(recipe_file, capsys, tmp_path):
    turns = [{"from": "human", "value": "<image>\nStop?"}, {"from": "gpt", "value": "Yes."}]
    asked = [{"id": i, "image": f"{i}.jpg", "conversations": turns} for i in range(3)]
    empty = [asked[0] | {"id": i, "conversations": [turns[0], turns[1] | {"value": ""}]} for i in range(21)]
    Image.new("RGB", (90, 60)).save(tmp_path / "0.jpg")
    Image.new("RGB", (90, 60)).save(tmp_path / "1.jpg")
    chat, table = tmp_path / "chat.json", tmp_path / "part" / "train.parquet"
    chat.write_text(json.dumps([*asked, *empty]))
    row = {"segment_id": 0, "images": ["../0.jpg"], "question": "Stop?"}
    table.parent.mkdir()
    pd.DataFrame([row | {"question_id": i, "answer": "Yes." * (i > 0)} for i in range(3)]).to_parquet(table)
    data = [{"root": str(chat), "format": "llava"}, {"root": str(table.parent)}]
    options = {"dense_weight": 0, "train": ["projectors"]}
    with pytest.raises(InputError) as error:
        check_recipe(read_recipe(recipe_file(data=data, **options)))
    told, shown = str(error.value), " ".join(capsys.readouterr().out.split())
    assert "21 entries damaged: " in told and f"1 pictures missing: {tmp_path}/2.jpg" in told
    assert "without an answer" not in told and "\n" not in told
    left = f"questions without an answer: {table}: row 0"
    assert (tmp_path / "run" / "check.txt").read_text().splitlines() == [
        *(f"entries damaged: {chat}: row {i + 3} (id {i}): answer 0 is empty" for i in range(21)),
        f"pictures missing: {tmp_path}/2.jpg",
        f"left out: {left}",
    ]
    assert f"left out: 1 {left}" in shown and "row 22 (id 19)" in shown and "and 3 more" in shown
    # Nothing but what is left out stops no training; nothing but what is damaged has no pictures.
    assert f"left out: 1 {left}" in checked(recipe_file(data=data[1:], **options), capsys)
    chat.write_text(json.dumps(empty[:4]))
    with pytest.raises(InputError, match=r"row 0 \(id 0\): .*and 1 more rows are wrong"):
        check_recipe(read_recipe(recipe_file(data=data[:1], **options)))
    assert "row 3 (id 3): answer 0 is empty" in capsys.readouterr().out


def test_the_time_of_validations_is_counted(recipe_file, capsys, drives, monkeypatch):
    monkeypatch.setattr(costs, "_device_flops", lambda: 1e7)
    held_out = {"validation": [{"root": str(drives), "frames": 1}], "save_steps": 4}

    def minutes(**changes) -> tuple[int, int]:
        told = re.search(r"about (\d+) minutes? on one device.*?(?:validation (\d+)|;)", checked(**changes))
        return int(told[1]), int(told[2] or 0)

    def checked(**changes) -> str:
        check_recipe(read_recipe(recipe_file(**changes)))
        return capsys.readouterr().out

    (alone, none), (once, one), (often, four) = (
        minutes(),
        minutes(**held_out),
        minutes(**held_out, eval_steps=1),
    )
    assert none == 0 and one > 0 and four == pytest.approx(4 * one, abs=4)
    assert once == pytest.approx(alone + one, abs=2) and often == pytest.approx(alone + four, abs=2)
    assert costs.spoken(1) == costs.spoken(80) == "1 minute" and costs.spoken(7260) == "2.0 hours"


def test_a_sample_that_does_not_fit_is_found_before_any_step(recipe_file, drives):
    # 5 frames x about 40 tiles x 8 tokens, in a context of 1024.
    data = [{"root": str(drives), "frames": 5, "max_tiles": 200}]
    path = recipe_file(data=data, dense_weight=0, train=["projectors"])
    with pytest.raises(InputError, match=r"synthetic-0-train-\d+: takes \d+ tokens, the context holds 1024"):
        check_recipe(read_recipe(path))


def test_a_recipe_may_allow_fewer_tokens_than_the_context(recipe_file, drives):
    data = [{"root": str(drives), "frames": 2}]
    path = recipe_file(data=data, dense_weight=0, train=["projectors"], max_tokens=40)
    with pytest.raises(InputError, match=r"takes \d+ tokens, max_tokens is 40 \(\d of 6 are too long\)"):
        check_recipe(read_recipe(path))


def test_training_itself_refuses_what_is_missing_or_too_long_before_any_step(recipe_file, drives, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(drives, broken)
    for path in sorted(broken.glob("images/train/*/4.jpg"))[:2]:
        path.unlink()
    options = {"dense_weight": 0, "train": ["projectors"]}
    with pytest.raises(InputError, match=r"broken: 2 pictures missing: .*4\.jpg"):
        train(read_recipe(recipe_file(data=[{"root": str(broken), "frames": 1}], **options)))
    data = [{"root": str(drives), "frames": 5, "max_tiles": 200}]
    with pytest.raises(InputError, match=r"takes \d+ tokens, the context holds 1024"):
        train(read_recipe(recipe_file(data=data, **options)))
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_is_damaged_ends_training_with_one_line(recipe_file, drives, tmp_path, workers):
    broken = tmp_path / "broken"
    shutil.copytree(drives, broken)
    for path in broken.glob("images/train/*/4.jpg"):
        # Its head tells the size; the rest is gone.
        path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError) as error:
        train(read_recipe(recipe_file(data=[{"root": str(broken), "frames": 1}], workers=workers)))
    assert (
        "4.jpg" in str(error.value) and "\n" not in str(error.value) and "Traceback" not in str(error.value)
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            {"dataset": "lingqa", "part": "scenery"},
            r"lingqa: no such data set in datasets/; did you mean lingoqa\?",
        ),
        ({"dataset": "lingoqa"}, "name the part of lingoqa that is meant, such as part: scenery; there are"),
        ({"without_kinds": ["what_todo"]}, r"without_kinds has what_todo; did you mean what_to_do\?"),
    ],
)
def test_names_that_do_not_exist_have_the_nearest_that_does(recipe_file, drives, source, reason):
    with pytest.raises(InputError, match=reason):
        check_recipe(read_recipe(recipe_file(data=[{"root": str(drives), **source}])))


def test_label_maps_that_are_none_are_listed(recipe_file, drives, tmp_path):
    odd = tmp_path / "odd"
    shutil.copytree(drives, odd)
    maps = sorted(odd.glob("labels/train/*/4.png"))
    Image.new("L", (192, 108), 200).save(maps[0])
    Image.new("RGB", (192, 108)).save(maps[1])
    cut = bytearray(maps[2].read_bytes())
    cut[45:60] = bytes(15)  # where its first pixels are
    maps[2].write_bytes(cut)
    path = recipe_file(data=[{"root": str(odd), "frames": 1}])
    with pytest.raises(InputError, match="3 label maps damaged") as error:
        check_recipe(read_recipe(path))
    assert f"{maps[0]}: has the class number 200" in str(error.value) and f"{maps[1]}: " in str(error.value)
    assert f"{maps[2]}: not an image, or a damaged one" in str(error.value)
    with pytest.raises(InputError, match=r"labels/train/.*/4\.png: "):
        train(read_recipe(path))


def test_frames_of_several_tiles_have_no_label_maps(recipe_file, drives, tmp_path):
    network, processor = tiny_leo(max_tiles=6, context=1024)
    network.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    options = {"model": str(tmp_path / "model"), "steps": 1}
    for start in (check_recipe, train):
        with pytest.raises(InputError, match="give this source max_tiles: 1"):
            start(read_recipe(recipe_file(**options)))
    one = {"root": str(drives), "frames": 1, "max_tiles": 1}
    # Text alone has no picture to learn a map of.
    assert train(read_recipe(recipe_file(**options, data=[one, {"root": str(drives), "frames": 0}]))).is_dir()
