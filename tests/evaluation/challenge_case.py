"""Two key frames in the challenge's test format; its own scorer was run on them, see test_drivelm.py."""

from __future__ import annotations

import json
from pathlib import Path

from leo_drive.clips.nuscenes import CAMERAS
from tests.data.pictures import jpeg, write

A, B, C = "<c1,CAM_FRONT,500.0,300.0>", "<c2,CAM_BACK,900.5,410.2>", "<c3,CAM_FRONT_LEFT,120.0,450.0>"


def _qa(question: str, answer: str, tag: int) -> dict:
    return {"Q": question, "A": answer, "tag": [tag]}


def asked() -> dict:
    """The questions: in the first frame both objects are found, in the second one of two."""
    first = {
        "perception": [
            _qa("What are the important objects?", f"There is a red car and a bus. They are {A} and {B}.", 2),
            _qa(
                f"What is the moving status of object {A}? A. Stopped. B. Back up. C. Turn left. D. Going.",
                "D",
                0,
            ),
        ],
        "prediction": [
            _qa("What should be noticed first, and second?", f"Firstly {A}, secondly {B}, thirdly {C}.", 3),
            _qa(f"Is {B} a traffic sign?", "No.", 0),
        ],
        "planning": [_qa("What are safe actions?", "Keep going.", 1)],
        "behavior": [_qa("Predict the behavior. A. Straight. B. Left. C. Right. D. Back.", "B", 0)],
    }
    second = {
        "perception": [
            _qa("What are the important objects?", f"There is a white van, and a cyclist: {A}, {C}.", 2),
            _qa(
                f"What is the moving status of object {C}? A. Stopped. B. Back up. C. Turn left. D. Going.",
                "A",
                0,
            ),
        ],
        "prediction": [
            _qa("What should be noticed?", f"{C}, then {A}.", 3),
            _qa(f"Is {A} a sign?", "No.", 0),
        ],
        "planning": [_qa(f"What actions could the ego vehicle take based on {C}?", "Brake.", 1)],
        "behavior": [],
    }

    def frame(qas: dict, number: int) -> dict:
        paths = {camera: f"../nuscenes/samples/{camera}/{number}.jpg" for camera in CAMERAS}
        return {"QA": qas, "image_paths": paths}

    return {"s": {"key_frames": {"f1": frame(first, 1), "f2": frame(second, 2)}}}


def predictions() -> list[dict]:
    """Answers near and far: a centre 15 pixels off is found, one 17 pixels off is not."""
    said = {
        "s_f1": [
            "There is a red car and a truck at <c1,CAM_FRONT,505.0,310.0> and <c2,CAM_BACK,900.0,410.0>.",
            "D",
            "Firstly <c1,CAM_FRONT,500.0,300.0>, then <c2,CAM_BACK,910.0,417.0>, then 3.",
            "No",
            "Keep going.",
            "B",
        ],
        "s_f2": [
            "A white van <c1,CAM_FRONT,500.0,315.0>, and <c3,CAM_FRONT_LEFT,130.0,457.5>.",
            "A",
            "<c1,CAM_FRONT,500.0,300.0>, <c9,CAM_BACK,1.0,2.0> and 7.5",
            "No.",
            "Stop.",
        ],
    }
    return [
        {"id": f"{frame}_{i}", "question": "", "answer": answer}
        for frame, answers in said.items()
        for i, answer in enumerate(answers)
    ]


def write_root(folder: Path, file: dict | None = None) -> Path:
    """The test file, as it is or changed, in a folder of its own with the pictures beside it."""
    root = folder / "data"
    root.mkdir()
    (root / "test_eval.json").write_text(json.dumps(file or asked()))
    write(
        folder / "nuscenes",
        {f"samples/{c}/{n}.jpg": jpeg(20 * i + 10 * n) for i, c in enumerate(CAMERAS) for n in (1, 2)},
    )
    return root
