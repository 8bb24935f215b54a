"""nuScenes tables around given images, of the columns that nuscenes-devkit loads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import md5
from itertools import pairwise
from pathlib import Path
from typing import Any

# Of one camera: file relative to the root, microseconds, whether it is a key frame.
Shots = Sequence[tuple[str, int, bool]]


def _token(*what: object) -> str:
    return md5(repr(what).encode()).hexdigest()


def write_tables(root: Path, scenes: Mapping[str, Mapping[str, Shots]], version: str = "v1.0-mini") -> Path:
    """Writes root/version/*.json: scene -> channel -> its shots in the order of time.

    All channels have the same number of key frames. The shots of all scenes are one chain, as they are where
    nuScenes cut several scenes from one drive.
    """
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("attribute", "category", "instance", "sample_annotation", "visibility")
    }
    log = _token("log")
    tables["log"] = [
        {
            "token": log,
            "logfile": "n000",
            "vehicle": "n000",
            "date_captured": "2018-01-01",
            "location": "somewhere",
        }
    ]
    # The devkit looks for the map's file, and wants every log on a map.
    tables["map"] = [
        {"token": _token("map"), "log_tokens": [log], "category": "semantic_prior", "filename": "map.png"}
    ]
    (root / "map.png").touch()
    channels = list(next(iter(scenes.values())))
    tables["sensor"] = [{"token": _token(c), "channel": c, "modality": "camera"} for c in channels]
    tables["calibrated_sensor"] = [
        {"token": _token(c, "calibration"), "sensor_token": _token(c), "translation": [0, 0, 0],
         "rotation": [1, 0, 0, 0], "camera_intrinsic": []}
        for c in channels
    ]  # fmt: skip
    tables["ego_pose"] = [
        {"token": _token("pose"), "timestamp": 0, "rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}
    ]
    tables["scene"], tables["sample"], tables["sample_data"] = [], [], []
    for scene, cameras in scenes.items():
        _write_scene(tables, scene, log, cameras)
    for channel in channels:
        own = [
            row
            for row in tables["sample_data"]
            if row["calibrated_sensor_token"] == _token(channel, "calibration")
        ]
        for before, after in pairwise(own):
            before["next"], after["prev"] = after["token"], before["token"]
    (root / version).mkdir(parents=True)
    for name, rows in tables.items():
        (root / version / f"{name}.json").write_text(json.dumps(rows))
    return root


def _write_scene(
    tables: dict[str, list[dict[str, Any]]], scene: str, log: str, cameras: Mapping[str, Shots]
) -> None:
    keys = [stamp for _, stamp, is_key in next(iter(cameras.values())) if is_key]
    samples = [_token(scene, "sample", i) for i in range(len(keys))]
    tables["scene"].append(
        {"token": _token(scene), "name": scene, "description": "", "log_token": log,
         "nbr_samples": len(samples),
         "first_sample_token": samples[0], "last_sample_token": samples[-1]}
    )  # fmt: skip
    for i, token in enumerate(samples):
        tables["sample"].append(
            {"token": token, "timestamp": keys[i], "scene_token": _token(scene),
             "prev": samples[i - 1] if i else "", "next": samples[i + 1] if i + 1 < len(samples) else ""}
        )  # fmt: skip
    for channel, shots in cameras.items():
        passed = -1
        for i, (file, stamp, is_key) in enumerate(shots):
            passed += is_key
            tables["sample_data"].append(
                {"token": _token(scene, channel, i), "sample_token": samples[max(passed, 0)],
                 "ego_pose_token": _token("pose"), "calibrated_sensor_token": _token(channel, "calibration"),
                 "timestamp": stamp, "fileformat": "jpg", "is_key_frame": is_key, "height": 64, "width": 96,
                 "filename": file, "prev": "", "next": ""}
            )  # fmt: skip


def shots_of(root: Path, channel: str, log: str) -> Shots:
    """The key frames of a channel under samples/ whose names begin with `log`."""
    found = sorted((root / "samples" / channel).glob(f"{log}*.jpg"))
    return [(str(p.relative_to(root)), int(re.findall(r"\d+", p.stem)[-1]), True) for p in found]
