"""Mirrored text, and the parts that prepare.py makes of CamVid's questions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from leo_drive.data.kinds import infer_kinds
from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.data.mirror import mirror_text
from leo_drive.errors import LeoDriveError
from training.drives import split_real
from training.recipe import DataSource
from training.sources import read_source

ROOT = Path(__file__).parent.parent.parent
SIDES = {"left": "right", "right": "left", "both": "both"}


@pytest.mark.parametrize(
    "text, mirrored",
    [
        ("Left.", "Right."),
        ("The vehicles are on the right.", "The vehicles are on the left."),
        ("On the left-hand side, turning RIGHT.", "On the right-hand side, turning LEFT."),
        ("The leftmost lane, righthand bend.", "The rightmost lane, lefthand bend."),
        ("There are pedestrians on both sides.", "There are pedestrians on both sides."),
        ("Stop right now; the cyclist on the right has right of way.",
         "Stop right now; the cyclist on the left has right of way."),
        ("A bright light on leftover snow.", "A bright light on leftover snow."),
        ("Is it the lane on the right?", "Is it the lane on the left?"),
        ("It is on the left, right?", "It is on the right, right?"),
        ("Is that right lane free?", "Is that left lane free?"),
        ("Is that right or left?", "Is that left or right?"),
        ("On the left the road is clear.", "On the right the road is clear."),
        ("Turning left the car stops.", "Turning right the car stops."),
        ("The car on the left left the right lane.", "The car on the right left the left lane."),
        ("On the right behind the van.", "On the left behind the van."),
        ("Look left, then right before crossing.", "Look right, then left before crossing."),
        ("We move right before the junction.", "We move left before the junction."),
        ("The car merges right in front of us.", "The car merges left in front of us."),
        ("The van indicates right before turning.", "The van indicates left before turning."),
        ("The road bends sharply right ahead.", "The road bends sharply left ahead."),
        ("A car on the rear right behind us.", "A car on the rear left behind us."),
        ("The lane that is right, the other is closed.", "The lane that is left, the other is closed."),
        ("On the right there is a bus.", "On the left there is a bus."),
        ("To our right ahead of the bus.", "To our left ahead of the bus."),
        ("Turn right ahead, then take a right after the lights.",
         "Turn left ahead, then take a left after the lights."),
        ("Keep right before the bridge; left or right behind it?",
         "Keep left before the bridge; right or left behind it?"),
        ("The one on the right right behind us.", "The one on the left right behind us."),
    ],
)  # fmt: skip
def test_text(text, mirrored):
    assert mirror_text(text) == mirrored
    assert mirror_text(mirrored) == text


@pytest.mark.parametrize(
    "text",
    [
        "You have the right-of-way.",
        "Is that right?",
        "That's right, the light is red.",
        "You are right!",
        "It is a bus, right?",
        "What is the right thing to do?",
        "It stands at a right angle to us.",
        "The bus has left.",
        "Go on right now.",
        "The car left the lane.",
        "A van has left our lane and left the road.",
        "Is there a car right behind us?",
        "Stop right before the line, or right here.",
        "Right after the bus, a cyclist right beside us, right next to the kerb.",
        "A pedestrian is right in front of us; the way right ahead is blocked.",
    ],
)
def test_what_is_no_side_stays(text):
    assert mirror_text(text) == text


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Three drives of four frames: dark on the left, and the class number of the left in the label map."""
    folder = tmp_path_factory.mktemp("camvid")
    rows = []
    for drive in ("D1", "D2", "D3"):
        picture = np.zeros((24, 32, 3), np.uint8)
        picture[:, 16:] = 200
        labels = np.full((24, 32), 3, np.uint8)
        labels[:, :5] = 8
        names = [f"images/train/{drive}/{i:06d}.jpg" for i in range(4)]
        for i, name in enumerate(names):
            for path, pixels in ((f"scenery/{name}", picture), (f"labels/{drive}/{i:06d}.png", labels)):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / path)
        for s in range(2):
            for q, (question, answer) in enumerate(
                [("On which side are they?", "On the left."), ("Is the right lane free?", "Yes.")]
            ):
                rows.append((f"{drive}{s}{q}", f"{drive}{s}", names[s : s + 3], question, answer))
    columns = ["question_id", "segment_id", "images", "question", "answer"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "scenery/train.parquet")
    return folder


def prepare(source, out, *options):
    command = [sys.executable, "datasets/lingoqa_camvid/prepare.py", str(source), "--out", str(out), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_parts(source, tmp_path):
    done = prepare(source, tmp_path / "made", "--hold-out", "D2", "--hold-out", "D3", "--mirror")
    assert done.returncode == 0, done.stderr
    assert "train: 8 questions" in done.stdout and "val: 8 questions" in done.stdout
    # A part can be moved, and its source removed.
    shutil.move(tmp_path / "made", tmp_path / "moved")
    train = read_lingoqa(tmp_path / "moved/train", labels="labels/train")
    val = read_lingoqa(tmp_path / "moved/val", labels="labels/val")
    assert [e.example_id for e in train] == ["D10", "D11", "D10-mirrored", "D11-mirrored"]
    assert {e.example_id[:2] for e in val} == {"D2", "D3"} and len(val) == 4
    ids = [q.question_id for e in train for q in e.questions]
    assert len(set(ids)) == 8
    plain, mirrored = train[0], train[2]
    assert [q.answer for q in plain.questions] == ["On the left.", "Yes."]
    assert [q.answer for q in mirrored.questions] == ["On the right.", "Yes."]
    assert mirrored.questions[1].question == "Is the left lane free?"
    for kept, flipped in zip(plain.pictures, mirrored.pictures, strict=True):
        assert kept.path.read_bytes() == (source / "scenery/images/train/D1" / kept.path.name).read_bytes()
        difference = np.asarray(flipped.read(), int) - np.asarray(kept.read(), int)[:, ::-1]
        assert np.abs(difference).max() < 10
    for example, columns in ((plain, slice(5)), (mirrored, slice(-5, None))):
        for label_map in example.label_maps:
            labels = np.asarray(Image.open(label_map.path))
            assert (
                labels.dtype == np.uint8 and (labels[:, columns] == 8).all() and (labels == 8).sum() == 24 * 5
            )


def test_a_share_has_a_clip_and_its_mirrored_copy_or_neither(source, tmp_path):
    assert prepare(source, tmp_path, "--mirror").returncode == 0
    names = [
        {e.example_id for e in read_source(DataSource(root=tmp_path / "train", share=share))}
        for share in ((0, 0.25), (0.25, 1))
    ]
    assert names == [
        {name + ending for name in plain for ending in ("", "-mirrored")}
        for plain in (("D11", "D21", "D31"), ("D10", "D20", "D30"))
    ]


def test_all_drives_without_mirroring(source, tmp_path):
    assert prepare(source, tmp_path).returncode == 0
    assert len(read_lingoqa(tmp_path / "train")) == 6 and not (tmp_path / "val").exists()
    again = prepare(source, tmp_path)
    assert again.returncode == 2 and "there is a part already" in again.stderr


@pytest.mark.parametrize(
    "options, message",
    [
        (["--hold-out", "D9"], "no drive D9; there are D1, D2, D3"),
        (["--hold-out", "D1", "--hold-out", "D2", "--hold-out", "D3"], "every drive is held out"),
    ],
)
def test_wrong_drives(source, tmp_path, options, message):
    done = prepare(source, tmp_path / "out", *options)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_label_map_is_named_and_no_table_written(source, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    (copy / "labels/D2/000002.png").unlink()
    done = prepare(copy, tmp_path / "out")
    assert done.returncode == 2 and "labels/D2/000002.png: no such file" in done.stderr
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_camvid(shared, tmp_path):
    source = shared / "data/lingoqa_camvid"
    if not source.is_dir():
        pytest.skip("no lingoqa_camvid beside the repository")
    done = prepare(source, tmp_path, "--hold-out", "0016E5", "--hold-out", "0006R0", "--mirror")
    assert done.returncode == 0, done.stderr
    examples = {e.example_id: e for e in infer_kinds(read_lingoqa(tmp_path / "train"))}
    pairs = [(e, examples[f"{i}-mirrored"]) for i, e in examples.items() if not i.endswith("-mirrored")]
    assert 2 * len(pairs) == len(examples)
    for plain, mirrored in pairs:
        for before, after in zip(plain.questions, mirrored.questions, strict=True):
            if before.kind:
                assert after.value == (
                    SIDES[before.value] if before.kind.startswith("side") else before.value
                )


def test_parts_that_a_stopped_run_left_are_made_again(source, tmp_path):
    parts = tmp_path / "parts"
    prepare(source, parts, "--hold-out", "D2", "--mirror")
    (parts / "val/val.parquet").unlink()  # as if killed before the last table
    split_real(source, "D2", parts)
    assert len(read_lingoqa(parts / "train")) and len(read_lingoqa(parts / "val"))
    with pytest.raises(LeoDriveError, match="could not be split into parts; why is said above"):
        split_real(source, "D9", tmp_path / "other")
    assert not (tmp_path / "other").exists()
