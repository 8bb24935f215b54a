"""nuScenes scenes through nuscenes-devkit: generated ones, and the DriveLM sample's images."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from PIL import Image

from leo_drive.clips import NuScenesScene, Source, open_source
from leo_drive.clips.nuscenes import CAMERAS, load_tables
from leo_drive.errors import InputError
from tests.clips.numbered import draw, read
from tests.clips.nuscenes_tables import shots_of, write_tables

_START = 1_533_000_000_000_000
_SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "drivelm_sample" / "nuscenes"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes of 3 s, one after the other: frames at 10 Hz, each fifth a key frame, the back from 100."""
    scenes: dict[str, dict[str, list[tuple[str, int, bool]]]] = {}
    for first, scene in ((0, "scene-0001"), (31, "scene-0002")):
        for channel, offset in (("CAM_BACK", 100), ("CAM_FRONT", 0)):
            shots = []
            for i in range(first, first + 31):
                is_key = (i - first) % 5 == 0
                file = f"{'samples' if is_key else 'sweeps'}/{channel}/{i}.jpg"
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw(i + offset)).save(tmp_path / file)
                # The cameras of nuScenes are not quite at once.
                shots.append((file, _START + i * 100_000 + (25_000 if offset else 0), is_key))
            scenes.setdefault(scene, {})[channel] = shots
    return write_tables(tmp_path, scenes)


def _numbers(source: Source, times: list[float], camera: str | None = None) -> list[int]:
    return [read(frame.image) for frame in source.frames_at(times, camera)]


def test_key_frames(root: Path) -> None:
    scene = open_source(root, scene="scene-0001")
    assert isinstance(scene, NuScenesScene) and isinstance(scene, Source)
    assert scene.cameras == ("CAM_FRONT", "CAM_BACK") and scene.rate == pytest.approx(2.0)
    assert scene.name == f"{root.name}/scene-0001"
    assert _numbers(scene, [0.0, 0.49, 0.5, 3.0]) == [0, 0, 5, 30]
    # The back camera is 25 ms late; before its first frame it shows that.
    assert _numbers(scene, [0.0, 0.51, 0.53, 3.02], "CAM_BACK") == [100, 100, 105, 125]
    assert scene.last_time == pytest.approx(3.025) and scene.duration == pytest.approx(3.525)
    clip = scene.clip(at=2.0, seconds=2.0, frames=4, camera="back")
    assert clip.camera == "CAM_BACK" and [read(frame) for frame in clip.frames] == [100, 105, 110, 115]
    assert _numbers(pickle.loads(pickle.dumps(scene)), [1.0]) == [10]


def test_sweeps_of_the_second_scene_only(root: Path) -> None:
    scene = open_source(root, scene="scene-0002", sweeps=True)
    assert scene.rate == pytest.approx(10.0)
    assert _numbers(scene, [0.0, 0.1, 2.95, 3.0]) == [31, 32, 60, 61]
    first = open_source(root, scene="scene-0001", sweeps=True, camera="CAM_FRONT")
    assert first.cameras == ("CAM_FRONT",) and _numbers(first, [first.last_time]) == [30]


def test_missing_files_and_names(root: Path) -> None:
    scene = open_source(root, scene="scene-0001")
    (root / "samples" / "CAM_FRONT" / "10.jpg").unlink()
    with pytest.raises(InputError, match=r"samples/CAM_FRONT/10\.jpg: no such image"):
        scene.frames_at([1.0])
    assert _numbers(scene, [0.5, 1.5]) == [5, 15]
    for options, says in (
        ({}, "say which scene .* such as scene-0001, scene-0002"),
        ({"scene": "scene-0003"}, "no scene 'scene-0003'; it has, for example, scene-0001"),
        ({"scene": "scene-0001", "camera": "CAM_LEFT"}, "no camera 'CAM_LEFT'; there is CAM_FRONT, CAM_BACK"),
        ({"scene": "scene-0001", "version": "v1.0-test"}, "no tables 'v1.0-test'; there is v1.0-mini"),
        ({"rate": 2.0}, "rate does not apply to a nuScenes folder; it takes camera, scene, sweeps, version"),
    ):
        with pytest.raises(InputError, match=says):
            open_source(root, **options)


@pytest.mark.parametrize("table", ["scene", "sample_data", "sensor"])
def test_damaged_tables(table: str, root: Path) -> None:
    load_tables.cache_clear()
    path = root / "v1.0-mini" / f"{table}.json"
    path.write_text(path.read_text()[:-30])
    with pytest.raises(InputError, match=r"v1\.0-mini.*download") as refused:
        open_source(root, scene="scene-0001")
    assert "\n" not in str(refused.value)


def test_row_that_is_not_there(root: Path) -> None:
    load_tables.cache_clear()
    path = root / "v1.0-mini" / "sample_data.json"
    path.write_text(path.read_text().replace('"next": "', '"next": "0', 1))
    with pytest.raises(InputError, match="scene-0001: its tables lack a row"):
        open_source(root, scene="scene-0001", sweeps=True)


@pytest.mark.skipif(not _SAMPLE.is_dir(), reason="no DriveLM sample beside the repository")
def test_real_images(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(_SAMPLE / "samples")
    logs = {"scene-a": "n008", "scene-b": "n015"}
    shots = {scene: {c: shots_of(tmp_path, c, log) for c in CAMERAS} for scene, log in logs.items()}
    write_tables(tmp_path, shots)
    for scene, count in (("scene-a", 4), ("scene-b", 5)):
        source = open_source(tmp_path, scene=scene)
        assert source.cameras == CAMERAS
        assert all(len(source.times(camera)) == count for camera in CAMERAS)
        for camera in CAMERAS:
            stamps = [stamp for _, stamp, _ in shots[scene][camera]]
            frames = source.frames_at(source.times(camera).tolist(), camera)
            assert [round(source.start_ns / 1000 + f.timestamp * 1e6) for f in frames] == stamps
            names = [tmp_path / file for file, _, _ in shots[scene][camera]]
            with Image.open(names[-1]) as image:
                assert frames[-1].image.tobytes() == image.convert("RGB").tobytes()
