"""Held-out data: shown as they are, and a few of their questions answered as training goes."""

from __future__ import annotations

import json

import numpy as np
import torch
from PIL import Image

from leo_drive.evaluation.answering import clip_of
from leo_drive.inference import Leo
from leo_drive.inference.load import open_model
from tests.evaluation.challenge_case import write_root
from training.data import QuestionClips
from training.recipe import DataSource, read_recipe
from training.records import Records, SampleAnswers
from training.train import open_sources, train


def test_held_out_pictures_and_questions_are_not_changed(recipe_file, drives, tiny):
    _, processor = open_model(str(tiny), torch.float32)
    harsh = {"colour": 0.9, "jpeg": [1, 10]}
    recipe = read_recipe(recipe_file(augmentation=harsh, follow_ups=2, validation=[{"root": str(drives)}]))
    plain = read_recipe(recipe_file(validation=[{"root": str(drives)}]))

    def drawn(recipe, held_out):
        (source,) = open_sources(recipe, recipe.validation, processor, held_out=held_out)
        return source.sample(0, np.random.default_rng(0))

    as_is, changed, shown = drawn(plain, True), drawn(recipe, False), drawn(recipe, True)
    assert not torch.equal(changed.pixels[0], as_is.pixels[0])
    assert torch.equal(shown.pixels[0], as_is.pixels[0])
    assert torch.equal(shown.packed.input_ids, as_is.packed.input_ids)


def test_label_maps_that_are_held_out_are_not_moved(recipe_file, drives, tiny):
    _, processor = open_model(str(tiny), torch.float32)
    moved = {"crop": 0.3, "mirror": 1.0, "colour": 0.9}
    options = {"train": ["branches"], "answer_weight": 0, "validation": [{"root": str(drives), "frames": 1}]}
    shown = []
    for augmentation in (moved, {}):
        recipe = read_recipe(recipe_file(augmentation=augmentation, **options))
        (source,) = open_sources(recipe, recipe.validation, processor, held_out=True)
        shown.append(source.sample(1, np.random.default_rng(0)))
    assert torch.equal(shown[0].pixels[0], shown[1].pixels[0])
    assert np.array_equal(shown[0].labels, shown[1].labels)


def test_a_damaged_table_of_samples_does_not_end_the_run(tmp_path, recipe_file, drives, caplog):
    held_out = [{"root": str(drives), "frames": 1, "share": [0, 0.4]}]
    recipe = read_recipe(recipe_file(validation=held_out))
    train(recipe)
    samples = tmp_path / "run/samples.csv"
    whole = samples.read_text()
    for damage in ("", "so\n1\n"):
        samples.write_text(damage)
        leo, processor = open_model(str(recipe.model), torch.float32)
        data = QuestionClips(DataSource(root=drives, frames=1), processor, 4)
        answers = SampleAnswers(Leo(leo, processor), data, Records(tmp_path / "run"))
        assert answers._earlier(99).empty and f"{samples}: damaged" in caplog.text
    samples.write_text(whole)
    assert list(answers._earlier(3).step.unique()) == [2]


def test_samples_are_asked_as_they_are_trained(tmp_path, tiny):
    turns = [("human", "<image>\nFirst?"), ("gpt", "Yes."), ("human", "And then?"), ("gpt", "No.")]
    said = [{"from": who, "value": what} for who, what in turns]
    Image.new("RGB", (90, 60)).save(tmp_path / "0.jpg")
    rows = [{"id": i, "image": "0.jpg", "conversations": said} for i in range(100)]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    leo, processor = open_model(str(tiny), torch.float32)
    data = QuestionClips(DataSource(root=tmp_path, format="llava"), processor, 1, every=True)
    asked = SampleAnswers(Leo(leo, processor), data, Records(tmp_path)).asked
    # Twelve, and what begins a conversation: "And then?" alone says nothing.
    assert len(asked) == 12 and {qa.question for _, qa in asked} == {"First?"}


def test_cameras_keep_their_names_in_samples(tmp_path, tiny):
    cameras = ["CAM_FRONT", "CAM_BACK"]
    leo, processor = open_model(str(tiny), torch.float32)
    options = {"cameras": cameras}
    source = DataSource(root=write_root(tmp_path), format="drivelm", options=options)
    samples = SampleAnswers(Leo(leo, processor), QuestionClips(source, processor, 1), Records(tmp_path))
    shown = [clip_of(example, len(example.pictures)) for example, _ in samples.asked]
    assert shown and all(list(clip.names) == cameras for clip in shown)
