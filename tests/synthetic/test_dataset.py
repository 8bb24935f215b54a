"""The layout on disk, its determinism, and refusing to overwrite."""

import hashlib
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from leo_drive.data.synthetic import LABELS, clip, drive_seed, sample_drive, write_dataset, write_video
from leo_drive.errors import InputError


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_layout_is_lingoqas(dataset):
    table = pd.read_parquet(dataset / "train.parquet")
    assert list(table.columns) == ["question_id", "segment_id", "images", "question", "answer"]
    assert table.question_id.is_unique and table.segment_id.nunique() == 6
    for row in table.itertuples():
        assert [*row.images] == [f"images/train/{row.segment_id}/{i}.jpg" for i in range(5)]
    for name in set(table.images.explode()):
        picture = cv2.imread(str(dataset / name))
        assert picture.shape == (72, 128, 3)
        label = cv2.imread(
            str(dataset / name.replace("images", "labels").replace(".jpg", ".png")), cv2.IMREAD_UNCHANGED
        )
        assert label.shape == (72, 128) and label.max() < len(LABELS)


def test_the_kinds_table_goes_with_the_questions(dataset):
    table, kinds = (
        pd.read_parquet(dataset / "train.parquet"),
        pd.read_parquet(dataset / "train_kinds.parquet"),
    )
    assert list(kinds.columns) == ["question_id", "kind", "subject", "value", "choices"]
    assert kinds.question_id.tolist() == table.question_id.tolist()
    closed = kinds[kinds.value != ""]
    assert all(row.value in list(row.choices) for row in closed.itertuples())


def test_two_processes_write_the_same_bytes(dataset, tmp_path):
    write_dataset(tmp_path, clips=6, seed=3, size=(128, 72), labels=True, workers=2)
    assert digest(tmp_path) == digest(dataset)


def test_splits_and_seeds_share_no_drive():
    seeds = {drive_seed(s, split, i) for s in (0, 1) for split in ("train", "val") for i in range(200)}
    assert len(seeds) == 800


def test_a_clip_is_the_same_every_time():
    one, two = clip(11, (128, 72)), clip(11, (128, 72))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one.rendered, two.rendered, strict=True))
    assert one.questions == two.questions
    assert not np.array_equal(one.rendered[-1].image, clip(12, (128, 72)).rendered[-1].image)


def test_the_size_changes_the_resolution_not_the_world():
    large, small = clip(11, (512, 288)), clip(11, (256, 144))
    shrunk = cv2.resize(large.rendered[-1].labels, (256, 144), interpolation=cv2.INTER_NEAREST)
    assert (shrunk == small.rendered[-1].labels).mean() > 0.95


def test_an_existing_data_set_is_not_overwritten(dataset):
    before = digest(dataset)
    with pytest.raises(InputError, match=r"train\.parquet: there is a data set already"):
        write_dataset(dataset, clips=1)
    assert digest(dataset) == before


def test_a_run_cut_short_leaves_no_table_and_can_be_repeated(dataset, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, clips=6, seed=3, size=(128, 72), labels=True, progress=stop)
    assert not list(tmp_path.glob("*.parquet"))
    write_dataset(tmp_path, clips=6, seed=3, size=(128, 72), labels=True)
    assert digest(tmp_path) == digest(dataset)


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"clips": 1, "workers": 0}, {"clips": 1, "split": "../val"}])
def test_arguments_that_make_no_sense_are_refused(tmp_path, wrong):
    with pytest.raises(InputError):
        write_dataset(tmp_path, **wrong)


def test_the_video_shows_the_drive(tmp_path):
    path = write_video(sample_drive(4), tmp_path / "drive.mp4", seconds=1.0, fps=10, size=(128, 72))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.average_rate == 10
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(pictures) == 10
    shown = clip(4, (128, 72)).rendered[0].image.astype(int)
    assert np.abs(pictures[0].astype(int) - shown).mean() < 12
