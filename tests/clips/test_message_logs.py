"""MCAP files and ROS bags: the right frame at every time, whatever wrote them, and what damage does."""

from __future__ import annotations

import logging
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mutate import mutate
from leo_drive.clips import Source, open_source
from leo_drive.clips.message_log import MessageLog, camera_names
from leo_drive.clips.messages import Topic, picture
from leo_drive.errors import InputError
from tests.clips.numbered import draw, read
from tests.clips.recorded import (
    FRONT,
    LEFT,
    LZ4,
    SIZE,
    START,
    STEP,
    UNCHUNKED,
    UNINDEXED,
    compressed,
    encoded,
    raw,
    types,
    write_bag1,
    write_bag2,
    write_images,
    write_mcap,
    write_shared_topic,
)

KINDS: dict[str, Callable[[Path], Path]] = {
    "mcap": lambda folder: write_mcap(folder / "log.mcap"),
    "mcap lz4": lambda folder: write_mcap(folder / "log.mcap", **LZ4),
    "mcap without index": lambda folder: write_mcap(folder / "log.mcap", **UNINDEXED),
    "mcap without chunks": lambda folder: write_mcap(folder / "log.mcap", **UNCHUNKED),
    "mcap of ROS 1": lambda folder: write_mcap(folder / "log.MCAP", encoding="ros1"),
    "mcap protobuf": lambda folder: write_mcap(folder / "log.mcap", encoding="protobuf"),
    "mcap json": lambda folder: write_mcap(folder / "log.mcap", encoding="json"),
    "ROS 2 sqlite3": lambda folder: write_bag2(folder / "log"),
    "ROS 2 sqlite3, messages compressed": lambda folder: write_bag2(folder / "log", compression="message"),
    "ROS 2 sqlite3, files compressed": lambda folder: write_bag2(folder / "log", compression="file"),
    "ROS 2 mcap": lambda folder: write_bag2(folder / "log", storage="mcap"),
    "db3 alone": lambda folder: next(write_bag2(folder / "log").glob("*.db3")),
    "ROS 1": lambda folder: write_bag1(folder / "log.bag"),
}


def _numbers(source: Source, times: list[float], camera: str | None = None) -> list[int]:
    return [read(frame.image) for frame in source.frames_at(times, camera)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    with open_source(path) as log:
        assert isinstance(log, MessageLog) and isinstance(log, Source)
        assert log.cameras == ("front", "left") and log.name == path.name
        assert log.topic("left") == LEFT
        assert log.rate == pytest.approx(10.0)
        assert log.last_time == pytest.approx(2.9) and log.duration == pytest.approx(3.0)
        assert _numbers(log, [0.0, 2.95, 0.1, 1.49, 0.1]) == [0, 29, 1, 14, 1]
        assert _numbers(log, [i / 10 for i in range(30)], "left") == list(range(100, 130))
        assert log.frames_at([1.25], FRONT)[0].timestamp == pytest.approx(1.2)
        clip = log.clip(at=2.0, seconds=1.0, frames=5, camera=LEFT)
        assert clip.camera == "left" and [read(frame) for frame in clip.frames] == [112, 114, 116, 118, 120]
        copy = pickle.loads(pickle.dumps(log))
    assert _numbers(copy, [0.7]) == [7] and _numbers(log, [0.8]) == [8]  # both open again
    copy.close()
    log.close()
    only = open_source(path, camera="left")
    assert only.cameras == ("left",) and _numbers(only, [0.0]) == [100]
    with pytest.raises(InputError, match="no camera 'rear'; there is front, left"):
        open_source(path, camera="rear")


@pytest.mark.parametrize(
    "encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "yuv422_yuy2"]
)
@pytest.mark.parametrize("padding", [0, 16])
def test_raw_encodings(encoding: str, padding: int) -> None:
    topic = Topic(LEFT, "sensor_msgs/msg/Image", "cdr")
    data = bytes(types.serialize_cdr(raw(77, START, encoding, padding), "sensor_msgs/msg/Image"))
    pixels = np.asarray(picture(topic, data)).astype(int)
    expected = encoded(draw(77, SIZE), "rgb8" if encoding[:3] in ("rgb", "bgr") else "mono8").astype(int)
    expected = expected if expected.ndim == 3 else expected[:, :, None].repeat(3, axis=2)
    # YUV of studio range is stretched: its dark is darker, its light lighter.
    tolerance = 40 if encoding.startswith("yuv") else 0
    assert pixels.shape == (*SIZE[::-1], 3) and np.abs(pixels - expected).max() <= tolerance


def test_bayer_colours() -> None:
    """A red scene behind a colour filter comes out red."""
    mosaic = np.zeros(SIZE[::-1], np.uint8)
    message = raw(0, START, "bayer_rggb8")
    mosaic[0::2, 0::2] = 200
    message.data = mosaic.reshape(-1)
    topic = Topic(LEFT, "sensor_msgs/msg/Image", "cdr")
    data = bytes(types.serialize_cdr(message, "sensor_msgs/msg/Image"))
    assert np.asarray(picture(topic, data))[20:40, 20:40].reshape(-1, 3).mean(0).tolist() == [200.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoding": "32FC1"}, "encoding '32FC1' are not read"),
        ({"height": 1000}, "no bgr8 image of 96x1000"),
        ({"width": 0}, "no bgr8 image of 0x64"),
        ({"encoding": "yuv422", "width": 95, "step": 190}, "yuv422 image of 95x64 pixels that cannot be"),
    ],
)
def test_raw_images_that_are_none(change: dict[str, object], says: str) -> None:
    message = raw(0, START)
    for name, value in change.items():
        setattr(message, name, value)
    data = bytes(types.serialize_cdr(message, "sensor_msgs/msg/Image"))
    with pytest.raises(ValueError, match=says):
        picture(Topic(LEFT, "sensor_msgs/msg/Image", "cdr"), data)


def test_compressed_images_that_are_none() -> None:
    topic = Topic(FRONT, "sensor_msgs/msg/CompressedImage", "cdr")
    video = types.serialize_cdr(compressed(0, START, form="h264"), "sensor_msgs/msg/CompressedImage")
    with pytest.raises(ValueError, match="h264 video packets"):
        picture(topic, bytes(video))
    whole = bytes(types.serialize_cdr(compressed(0, START), "sensor_msgs/msg/CompressedImage"))
    with pytest.raises(ValueError, match="not a sensor_msgs/msg/CompressedImage message"):
        picture(topic, whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (["/camera/image_raw"], ["camera"]),
        (
            ["/front/image_raw", "/front/image_raw/compressed"],
            ["front/image_raw", "front/image_raw/compressed"],
        ),
        (["/car1/front/image", "/car2/front/image"], ["car1/front", "car2/front"]),
        (["/image_raw"], ["image_raw"]),
    ],
)
def test_camera_names(topics: list[str], names: list[str]) -> None:
    assert list(camera_names(topics).values()) == names


@pytest.mark.parametrize(
    "publishers",
    [
        [("protobuf", "compressed", "one"), ("protobuf", "compressed", "another")],
        [("protobuf", "compressed", ""), ("protobuf", "raw", "")],
        [("json", "raw", ""), ("protobuf", "raw", "")],
    ],
    ids=["schemas", "types", "encodings"],
)
def test_topic_of_two_publishers(publishers: list[tuple[str, str, str]], tmp_path: Path) -> None:
    with open_source(write_shared_topic(tmp_path / "log.mcap", publishers)) as log:
        assert log.cameras == ("cam",) and log.topic("cam") == "/cam"
        assert _numbers(log, [i / 10 for i in range(20)]) == list(range(20))
        copy = pickle.loads(pickle.dumps(log))
    with copy:
        assert _numbers(copy, [0.5, 1.2]) == [5, 12]


def test_cut_off_mcap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_mcap(tmp_path / "log.mcap", frames=60)
    whole = path.read_bytes()
    lasts = []
    for share in (0.9, 0.5, 0.3):
        path.write_bytes(whole[: int(len(whole) * share)])
        caplog.clear()
        with caplog.at_level(logging.WARNING, "leo_drive"), open_source(path) as log:
            assert "log.mcap: was cut off; it is read up to the cut" in caplog.text
            last = round(log.last_time * 10)
            assert _numbers(log, [0.0, log.last_time]) == [0, last]
            lasts.append(last)
    assert 50 <= lasts[0] < 59 and 25 <= lasts[1] < 35 and 12 <= lasts[2] < 20  # to the last whole chunk
    path.write_bytes(whole[:60])
    with pytest.raises(InputError, match="holds no messages"):
        open_source(path)


def test_damaged_mcap(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "log.mcap", frames=60)
    content = bytearray(path.read_bytes())
    at = len(content) // 2
    content[at : at + 200] = bytes(200)
    path.write_bytes(content)
    good = bad = 0
    with open_source(path) as log:
        for number in range(60):
            try:
                assert _numbers(log, [number / 10]) == [number]
                good += 1
            except InputError as error:
                bad += 1
                assert "log.mcap" in str(error) and "damaged" in str(error) and "\n" not in str(error)
    assert good >= 50 and bad >= 1
    # A damaged end, with the summary in it, costs nothing but a look through the file.
    content = bytearray(write_mcap(path, frames=60).read_bytes())
    content[-300:-40] = bytes(260)
    path.write_bytes(content)
    assert _numbers(open_source(path), [0.0, 5.9]) == [0, 59]


def test_time_that_64_bits_with_a_sign_cannot_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_mcap(tmp_path / "log.mcap", frames=20, topics=(FRONT,), **UNCHUNKED)
    content = bytearray(path.read_bytes())
    time = (START + 19 * STEP).to_bytes(8, "little")
    last = content.rfind(time * 2)  # log time and publish time
    content[last : last + 8] = bytes([255] * 8)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "leo_drive"), open_source(path) as log:
        assert "log.mcap: 1 damaged part is left out" in caplog.text
        assert _numbers(log, [i / 10 for i in range(19)]) == list(range(19))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"not an MCAP file at all", "not an MCAP file"),
        (b"\x89MCAP0\r\n", "holds no messages"),
    ],
)
def test_no_mcap(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        open_source(path)
    assert "log.mcap" in str(refused.value) and "\n" not in str(refused.value)


def test_logs_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no topic with images .*; it has /imu \(sensor_msgs/msg/Imu\)"):
        open_source(write_mcap(tmp_path / "log.mcap", topics=()))
    with pytest.raises(InputError, match=r"no topic with images .*; it has /imu"):
        open_source(write_bag2(tmp_path / "bag", images=False))
    with pytest.raises(InputError, match=r"no image was recorded on /camera/front.*, /camera/left"):
        open_source(write_bag2(tmp_path / "empty", frames=0))


def test_bad_bags(tmp_path: Path) -> None:
    refused: dict[str, str] = {}

    def refuse(what: str, path: Path) -> None:
        with pytest.raises(InputError) as error:
            open_source(path)
        refused[what] = str(error.value)
        assert path.name in refused[what] and "\n" not in refused[what]

    bag = write_bag2(tmp_path / "gone")
    next(bag.glob("*.db3")).unlink()
    refuse("no db3", bag)
    bag = write_bag2(tmp_path / "cut")
    storage = next(bag.glob("*.db3"))
    storage.write_bytes(storage.read_bytes()[:5000])
    refuse("cut db3", bag)
    bag = write_bag2(tmp_path / "mcapless", storage="mcap")
    next(bag.glob("*.mcap")).unlink()
    refuse("no mcap", bag)
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    refuse("bad yaml", bag)
    old = write_bag1(tmp_path / "cut.bag")
    old.write_bytes(old.read_bytes()[:5000])
    refuse("cut bag", old)
    old.write_bytes(b"")
    refuse("empty bag", old)
    assert "missing" in refused["no db3"] and "no such file" in refused["no mcap"]
    assert "reindex" in refused["cut db3"] and "rosbag reindex" in refused["cut bag"]
    assert "metadata.yaml" in refused["bad yaml"] and "is empty" in refused["empty bag"]


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_is_one_line_or_none(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes flipped, cut, spliced: frames may be lost, which a warning says; nothing but an InputError comes
    out.
    """
    (tmp_path / "whole").mkdir()
    whole = KINDS[kind](tmp_path / "whole")
    felt = 0
    for seed in range(12):
        generator = random.Random(f"{kind} {seed}")
        path = tmp_path / str(seed) / whole.name
        if whole.is_dir():
            shutil.copytree(whole, path)
        else:
            path.parent.mkdir()
            shutil.copy(whole, path)
        file = generator.choice(sorted(path.iterdir())) if path.is_dir() else path
        file.write_bytes(mutate(file.read_bytes(), whole.name.encode() * 9, generator))
        try:
            with closing(open_source(path)) as source:
                for camera in source.cameras:
                    source.frames_at([0.0, source.last_time / 2, source.last_time], camera)
        except InputError as error:
            felt += 1
            assert path.name in str(error) and "\n" not in str(error)
    assert felt or caplog.records, "damage that is never felt proves nothing"


def test_bag_of_several_files(tmp_path: Path) -> None:
    """A bag that its recorder split, and cut off in its last file."""
    bag = write_bag2(tmp_path / "split", storage="mcap", frames=1)
    names = ["one.mcap", "two.mcap"]
    (bag / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  storage_identifier: mcap\n  relative_file_paths: {names}\n"
    )
    for number, name in enumerate(names):
        write_mcap(bag / name, frames=20, start=START + number * 20 * STEP, first=number * 20)
    content = (bag / names[1]).read_bytes()
    (bag / names[1]).write_bytes(content[: len(content) * 3 // 4])
    with open_source(bag) as log:
        assert 3.0 < log.last_time < 3.9
        assert _numbers(log, [1.9, 2.0, 3.0]) == [19, 20, 30]


def test_real_frames(tmp_path: Path, shared_video: Path) -> None:
    """A real drive's frames come back from a bag and an MCAP file as they were recorded."""
    with open_source(shared_video / "highway_960x540.mp4") as video:
        frames = [frame.image for frame in video.frames_at([0.0, 2.0, 4.0, 8.0])]
    for path in (write_images(tmp_path / "bag", frames), write_images(tmp_path / "log.mcap", frames)):
        with open_source(path) as log:
            assert log.cameras == ("front", "left")
            shown = log.frames_at([i / 10 for i in range(4)])
            again = log.frames_at([i / 10 for i in range(4)], "left")
        for frame, compressed_again, raw_again in zip(frames, shown, again, strict=True):
            assert raw_again.image.tobytes() == frame.tobytes()
            error = np.abs(np.asarray(compressed_again.image).astype(int) - np.asarray(frame)).mean()
            assert compressed_again.image.size == (960, 540) and error < 4


def test_memory_stays_flat_and_imports_wait(tmp_path: Path) -> None:
    """Reading 100 MB of log takes far less memory; no reader is imported before a log needs it."""
    path = write_mcap(
        tmp_path / "log.mcap", frames=100, topics=(LEFT,), chunk_size=1 << 20, other_bytes=1 << 20
    )
    assert path.stat().st_size > 100 << 20
    code = f"""
import resource, sys
import leo_drive.clips as clips
assert not {{"mcap", "rosbags", "nuscenes", "cv2"}} & set(sys.modules)
log = clips.open_source({str(path)!r})
log.frames_at([0.0])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for i in range(100):
    log.frames_at([i / 10])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown_kb = int(ran.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert grown_kb < 30_000
