"""Every format of question-answering set trains: text alone among pictures, cameras by their names."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from leo_drive.errors import InputError
from leo_drive.inference.load import open_model
from tests.conftest import SHARED
from training.check import check_recipe
from training.data import Collator, QuestionClips
from training.packing import IGNORE
from training.recipe import DataSource, read_recipe
from training.train import train

STAGE2 = {"train": ["projectors", "language_model"], "dense_weight": 0.0}


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava")
    (folder / "images").mkdir()
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (90, 60), colour).save(folder / "images" / f"{i}.jpg")
    turns = [("human", "<image>\nWhat colour?"), ("gpt", "Red."), ("human", "Sure?"), ("gpt", "Yes.")]

    def said(*turns):
        return [{"from": who, "value": what} for who, what in turns]

    rows = [
        {"id": "one", "image": "0.jpg", "conversations": said(*turns)},
        {"id": "text", "conversations": said(("human", "Stop?"), ("gpt", "A vehicle."))},
        {
            "id": "two",
            "images": ["1.jpg", "2.jpg"],
            "conversations": said(("human", "<image><image> Which?"), ("gpt", "Stop.")),
        },
    ]
    (folder / "chat.json").write_text(json.dumps(rows))
    return folder


def test_pictures_and_text_alone_share_a_batch(llava, tiny):
    _, processor = open_model(str(tiny), torch.float32)
    clips = QuestionClips(DataSource(root=llava, format="llava"), processor, 4)
    samples = [clips.sample(i, np.random.default_rng(0)) for i in range(3)]
    batch = Collator(processor.tokenizer.pad_token_id)(samples)
    assert [p.shape[0] for p in batch["pixels"]] == [3, 3]
    tokens = (batch["input_ids"] == processor.leo.image_token_id).sum(1).tolist()
    per_tile = processor.leo.tokens_per_tile
    assert tokens == [per_tile, 0, 2 * per_tile]
    learned = [processor.tokenizer.decode(row[row != IGNORE]) for row in batch["labels"]]
    assert learned == ["Red.<|im_end|>Yes.<|im_end|>", "A vehicle.<|im_end|>", "Stop.<|im_end|>"]


@pytest.mark.parametrize("cached", [False, True])
def test_it_trains(recipe_file, llava, tmp_path, cached):
    data = [{"root": str(llava), "format": "llava"}]
    cache = {"vision_cache": str(tmp_path / "cache")} if cached else {}
    path = recipe_file(data=data, steps=None, epochs=2, batch_size=3, group_by_length=True, **cache, **STAGE2)
    assert train(read_recipe(path)).is_dir()


def test_a_row_shows_all_its_pictures_of_whatever_sizes(recipe_file, tmp_path, tiny):
    (tmp_path / "images").mkdir()
    names = [f"{i}.jpg" for i in range(7)]
    for i, name in enumerate(names):
        Image.new("RGB", (60 + 10 * i, 60), "red").save(tmp_path / "images" / name)
    turns = [{"from": "human", "value": "<image>" * 7 + "Stop?"}, {"from": "gpt", "value": "Yes."}]
    (tmp_path / "chat.json").write_text(json.dumps([{"id": "7", "images": names, "conversations": turns}]))
    data = [{"root": str(tmp_path), "format": "llava"}]
    path = recipe_file(data=data, validation=data, batch_size=1, **STAGE2)
    check_recipe(read_recipe(path))
    assert train(read_recipe(path)).is_dir()
    _, processor = open_model(str(tiny), torch.float32)
    sample = QuestionClips(DataSource(**data[0]), processor, 4).sample(0, np.random.default_rng(0))
    assert sample.pixels[0].shape[0] == 7


def test_text_alone_trains_where_no_weight_is_in_its_way(recipe_file, llava, tmp_path):
    """With a frozen language model nothing of it learns, and it is no error."""
    rows = [row for row in json.loads((llava / "chat.json").read_text()) if row["id"] == "text"]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    data = [{"root": str(tmp_path), "format": "llava"}]
    frozen = {"train": ["projectors"], "dense_weight": 0.0, "weight_decay": 0.0}
    before, _ = open_model(read_recipe(recipe_file()).model, torch.float32)
    after, _ = open_model(str(train(read_recipe(recipe_file(data=data, **frozen)))), torch.float32)
    for name, tensor in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], tensor), name


def test_a_special_token_in_a_text_does_not_stop_training(recipe_file, tmp_path):
    turns = [{"from": "human", "value": "What is <img>?"}, {"from": "gpt", "value": "A tag."}]
    (tmp_path / "chat.json").write_text(json.dumps([{"id": "tag", "conversations": turns}]))
    path = recipe_file(data=[{"root": str(tmp_path), "format": "llava"}], **{**STAGE2, "steps": 1})
    assert train(read_recipe(path)).is_dir()


def test_the_same_questions_of_another_picture_are_other_data(recipe_file, llava, tmp_path):
    shutil.copytree(llava, tmp_path / "llava")
    path = recipe_file(**STAGE2, data=[{"root": str(tmp_path / "llava"), "format": "llava"}], steps=2)
    train(read_recipe(path))
    chat = tmp_path / "llava/chat.json"
    chat.write_text(chat.read_text().replace('"0.jpg"', '"1.jpg"'))
    with pytest.raises(InputError, match="began with something else as training data than is there now"):
        train(read_recipe(path))


@pytest.mark.skipif(not (SHARED / "data/drivelm_sample").is_dir(), reason="needs ../shared")
def test_cameras_are_named(tiny):
    _, processor = open_model(str(tiny), torch.float32)
    source = DataSource(
        root=SHARED / "data/drivelm_sample",
        format="drivelm",
        options={"cameras": ["CAM_FRONT", "CAM_FRONT_LEFT"]},
        frames=1,
    )
    clips = QuestionClips(source, processor, 2)
    sample = clips.sample(0, np.random.default_rng(0))
    text = processor.tokenizer.decode(sample.packed.input_ids)
    assert "CAM_FRONT: <img>" in text and "CAM_FRONT_LEFT: <img>" in text and "Frame1" not in text
    assert sample.pixels[0].shape[0] == 2
