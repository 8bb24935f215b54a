"""What label maps tell: the truth of generated drives and CamVid's own answers, and copies that stay true."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from leo_drive.data.closed import read_value
from leo_drive.data.kinds import infer_kinds
from leo_drive.data.label_questions import label_questions
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.data.synthetic import clip_of, sample_drive, write_dataset
from leo_drive.data.synthetic.labels import BUILDING, COARSE, CYCLIST, PEDESTRIAN, ROAD, SKY, VEHICLE
from leo_drive.data.synthetic.wording import wordings
from training.variants import write_variants

ROOT = Path(__file__).parent.parent.parent


def values(labels: np.ndarray) -> dict[tuple[str, str], str]:
    return {(q.kind, q.subject): q.value for q in label_questions(labels, np.random.default_rng(0))}


def street(**things: tuple[slice, slice]) -> np.ndarray:
    """Sky over buildings over road, with things in it."""
    labels = np.full((100, 100), ROAD, np.uint8)
    labels[:20], labels[20:50] = SKY, BUILDING
    for name, place in things.items():
        labels[place] = {"vehicle": VEHICLE, "pedestrian": PEDESTRIAN, "cyclist": CYCLIST}[name]
    return labels


def test_an_empty_street():
    told = values(street())
    for subject in ("vehicle", "pedestrian", "cyclist", "fence", "tree"):
        assert told["presence", subject] == "no"
    assert told["presence", "building"] == "yes" and told["background", ""] == "buildings"
    assert told["absence", "pedestrian"] == "yes" and told["near", "pedestrian"] == "no"
    assert told["vehicle_ahead", ""] == "no" and told["traffic", ""] == "open"
    assert ("side", "vehicle") not in told


@pytest.mark.parametrize("columns, side", [(slice(5, 20), "left"), (slice(80, 95), "right")])
def test_a_side(columns, side):
    told = values(street(pedestrian=(slice(40, 65), columns)))
    assert told["side", "pedestrian"] == side and told["near", "pedestrian"] == "yes"
    assert told["presence", "pedestrian"] == "yes" and told["absence", "pedestrian"] == "no"


def test_both_sides_and_what_is_between():
    labels = street(vehicle=(slice(40, 60), slice(0, 20)))
    labels[40:60, 85:] = VEHICLE
    assert values(labels)["side", "vehicle"] == "both"
    labels[40:60, 85:96] = ROAD
    assert ("side", "vehicle") not in values(labels), "a fifth on the other side is neither"


def test_ahead_and_crowded():
    labels = street(vehicle=(slice(30, 95), slice(5, 95)))
    told = values(labels)
    assert told["vehicle_ahead", ""] == "yes" and told["traffic", ""] == "crowded"


def test_what_is_asked_reads_back_and_has_many_wordings():
    for seed in range(20):
        for q in label_questions(street(vehicle=(slice(40, 60), slice(0, 20))), np.random.default_rng(seed)):
            assert read_value(q.answer, q.choices) == q.value
            assert q.text in wordings(q.kind, q.subject)


def test_generated_drives_are_told_the_same():
    """Truth from the world, and from the map alone. What there is, both tell alike; where it is, the world
    tells by the thing and the map by its pixels, and they may differ now and then.
    """
    checked: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    for seed in range(40):
        clip = clip_of(sample_drive(seed), (320, 180), 1)
        truth = {(q.kind, q.subject): q.value for q in clip.questions}
        for key, value in values(COARSE[clip.rendered[-1].labels]).items():
            if key in truth:
                checked[key[0]] += 1
                differ[key[0]] += truth[key] != value
    assert differ["presence"] == differ["absence"] == differ["background"] == 0
    for kind in ("side", "near", "vehicle_ahead"):
        assert differ[kind] <= 0.2 * checked[kind], kind
    assert checked["presence"] > 100 and checked["side"] > 5 and checked["background"] > 10


def test_camvids_own_answers(shared):
    """Its answers were derived from the label maps; every one is found again."""
    folder = shared / "data/lingoqa_camvid"
    if not folder.is_dir():
        pytest.skip("no lingoqa_camvid beside the repository")
    checked: Counter[str] = Counter()
    for example in infer_kinds(read_lingoqa(folder / "scenery")):
        drive, frame = example.pictures[-1].path.parts[-2:]
        told = values(np.array(Image.open(folder / "labels" / drive / f"{Path(frame).stem}.png")))
        keys = {
            "bicycles": ("presence", "cyclist"),
            "fence": ("presence", "fence"),
            "pedestrian close": ("near", "pedestrian"),
            "directly ahead": ("vehicle_ahead", ""),
            "the pedestrians": ("side", "pedestrian"),
            "the vehicles": ("side", "vehicle"),
            "open or crowded": ("traffic", ""),
            "background": ("background", ""),
        }
        for q in example.questions:
            for words, key in keys.items():
                if words in q.question:
                    assert told[key] == q.value, (example.example_id, q)
                    checked[words] += 1
    assert len(checked) == len(keys) and sum(checked.values()) > 1700


def test_copies_are_changed_alike_and_asked_what_their_maps_tell(run_module, tmp_path):
    part = tmp_path / "part"
    write_dataset(part, 3, seed=5, size=(160, 90), labels=True, frames=2)
    for path in sorted((part / "labels").rglob("0.png")):
        # Coarse classes, and the first frame twice.
        Image.fromarray(COARSE[np.array(Image.open(path))]).save(path)
        shutil.copy(path, path.with_name("1.png"))
        image = Path(str(path).replace("/labels/", "/images/")).with_suffix(".jpg")
        shutil.copy(image, image.with_name("1.jpg"))
    write_variants(part, tmp_path / "out", 4)
    examples = read_lingoqa(tmp_path / "out", labels="labels/train")
    assert 10 <= len(examples) <= 12
    asked = 0
    subjects = pd.read_parquet(tmp_path / "out/train_kinds.parquet").set_index("question_id")["subject"]
    pictures = {e.pictures[-1].path.read_bytes() for e in examples}
    assert len(pictures) == len(examples), "every copy is another one"
    for example in examples:
        told = values(np.array(Image.open(example.label_maps[-1].path)))
        assert len(example.pictures) == 2
        for qa in example.questions:
            assert read_value(qa.answer, qa.choices) == qa.value == told[qa.kind, subjects[qa.question_id]]
            asked += 1
        maps = [np.array(Image.open(path.path)) for path in example.label_maps]
        assert (maps[0] == maps[1]).all(), "the part's two frames are the same, and so are a copy's"
    assert asked > 30
    status, _, err = run_module("training.variants", part, "--out", tmp_path / "out")
    assert status == 2 and "there is a part already" in err
    write_variants(part, tmp_path / "same", 4)
    first, second = (pd.read_parquet(tmp_path / name / "train.parquet") for name in ("out", "same"))
    assert first.equals(second), "the same seed gives the same part"


def test_no_label_maps_is_one_line(run_module, tmp_path):
    part = tmp_path / "part"
    write_dataset(part, 1, seed=5, size=(160, 90), frames=2)
    status, _, err = run_module("training.variants", part, "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1 and "label" in err
