"""The DriveLM challenge's questions: from its test files, or drawn from a training file by its rules.

Source: the challenge folder of DriveLM (GitHub OpenDriveLab/DriveLM, version 1.1): of every key frame a few
questions, each with a tag for how it is scored; ids SCENE_FRAME_NUMBER, numbered perception, prediction,
planning, behavior.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from leo_drive.clips.nuscenes import CAMERAS
from leo_drive.data.documents import read_json
from leo_drive.data.drivelm import drivelm_file, drivelm_images, frame_picture, known_cameras
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.errors import InputError, some

STAGES = ("perception", "prediction", "planning", "behavior")
SORTS = ("accuracy", "chatgpt", "language", "match")
"""What the tags 0 to 3 mean: how an answer is scored."""
UNTOLD = "untold"
"""In place of one, in a file without tags."""

_OPTIONS = " Please select the correct answer from the following options: "
_MOVING = "what is the moving status of object"
_PLANNING = ("what actions could the ego vehicle take", "lead to a collision", "safe actions")
_STATUSES = (
    *("Going ahead.", "Turn right.", "Turn left.", "Stopped.", "Back up.", "Reverse parking."),
    "Drive backward.",
)
_STEERING = ("slightly steering to the left", "steering to the left", "going straight",
             "slightly steering to the right", "steering to the right")  # fmt: skip
_SPEEDS = ("driving slowly", "driving with normal speed", "driving fast", "driving very fast")
_BEHAVIOURS = (
    *(f"The ego vehicle is {way}. The ego vehicle is {speed}." for way, speed in product(_STEERING, _SPEEDS)),
    "The ego vehicle is going straight. The ego vehicle is not moving.",
)


class _QA(BaseModel):
    Q: str
    A: str | None = None
    tag: list[int] | None = None


class _Frame(BaseModel):
    QA: dict[str, list[_QA]]
    image_paths: dict[str, str]
    key_object_infos: dict[str, dict[str, Any]] = {}


class _Scene(BaseModel):
    key_frames: dict[str, _Frame]


@dataclass(frozen=True)
class Challenge:
    """What is asked.

    Attributes:
        path: the JSON file.
        examples: a key frame each, with its cameras' pictures; answers are empty where the file has none.
        stages, sorts: of each question, by id; a sort of SORTS, or UNTOLD.
        answered: whether the file has the answers, so that there is something to score.
        drawn: whether the questions were drawn here from a training file; the options of its multiple
            choice are then ours.
    """

    path: Path
    examples: list[Example]
    stages: dict[str, str]
    sorts: dict[str, str]
    answered: bool
    drawn: bool


def read_challenge(
    root: str | Path, nuscenes: str | Path | None = None, cameras: Sequence[str] | None = None
) -> Challenge:
    """The challenge's questions about every key frame.

    Args:
        root: the JSON file, or a folder that holds no other: one of the challenge's, with tags or without
            answers, or a training file.
        nuscenes: as `leo_drive.data.drivelm.read_drivelm` has it.
        cameras: which are shown, in this order; all six by default.

    Raises:
        InputError: no file, not DriveLM's layout, an unknown camera or tag, answers to some of the
            questions alone, or none of the challenge's questions.
    """
    path = drivelm_file(Path(root))
    shown = known_cameras(path, cameras or CAMERAS)
    scenes = read_json(path, dict[str, _Scene], "DriveLM's layout")
    images = drivelm_images(path, None if nuscenes is None else Path(nuscenes))
    frames = [(f"{s}_{f}", frame) for s, scene in scenes.items() for f, frame in scene.key_frames.items()]
    every = {
        f"{name} {stage} {number}": qa
        for name, frame in frames
        for stage in STAGES
        for number, qa in enumerate(frame.QA.get(stage, ()))
    }
    if not every:
        raise InputError(f"{path}: has no questions")
    tagged = any(qa.tag for qa in every.values())
    answered = _has_answers(path, every)
    # Tags say how answers are scored; where there are none to score against, all questions are asked.
    drawn = answered and not tagged
    examples, stages, sorts = [], {}, {}
    for name, frame in frames:
        asked = list(_draw(name, frame) if drawn else _all(path, name, frame, tagged))
        for qa, stage, sort in asked:
            stages[qa.question_id], sorts[qa.question_id] = stage, sort
        pictures = tuple(
            frame_picture(f"{path}: key frame {name}", images, frame.image_paths, c) for c in shown
        )
        if asked:
            examples.append(Example(name, pictures, tuple((qa,) for qa, _, _ in asked), names=shown))
    if not examples:
        raise InputError(f"{path}: none of its {len(every)} questions is one that the challenge asks")
    return Challenge(path, examples, stages, sorts, answered, drawn)


def bare_question(text: str) -> str:
    """A question's words alone: without placeholders for pictures, one space between words.

    Example:
        >>> bare_question("<image>\\nIs it  moving?")
        'Is it moving?'
    """
    return " ".join(text.replace("<image>", " ").split())


def same_question(given: str, asked: str) -> bool:
    """Whether a file's question is the challenge's: bare ones, the challenge's with our options or without.

    Not with other options, since answers are their letters.
    """
    return given in (bare_question(asked), bare_question(asked.partition(_OPTIONS)[0]))


def _has_answers(path: Path, every: Mapping[str, _QA]) -> bool:
    """Whether the file has the answers. One without any is for the server; one that lacks some is damaged."""
    empty = [where for where, qa in every.items() if not (qa.A and qa.A.strip())]
    if 0 < len(empty) < len(every):
        raise InputError(
            f"{path}: {len(empty)} of {len(every)} questions have no answer (A): {some(empty)}; give them "
            f"one, or take all answers out if only the challenge's server is to score"
        )
    return not empty


def _all(path: Path, name: str, frame: _Frame, tagged: bool) -> Iterator[tuple[QuestionAnswer, str, str]]:
    number = 0
    for stage in STAGES:
        for qa in frame.QA.get(stage, ()):
            tag = qa.tag or []
            if tagged and not (len(tag) == 1 and 0 <= tag[0] < len(SORTS)):
                raise InputError(f"{path}: key frame {name}: {stage}: not one tag of 0 to 3, found {qa.tag}")
            if not qa.Q.strip():
                raise InputError(f"{path}: key frame {name}: {stage}: a question is empty")
            yield (
                QuestionAnswer(f"{name}_{number}", qa.Q, qa.A or ""),
                stage,
                SORTS[tag[0]] if tagged else UNTOLD,
            )
            number += 1


def _draw(name: str, frame: _Frame) -> Iterator[tuple[QuestionAnswer, str, str]]:
    """The questions of a training file's key frame that the challenge would ask.

    One about all important objects, one about an object's movement, one that orders all objects, the first
    answered with yes or no, three of planning, and the behaviour. One that is picked twice is scored both
    times as it was picked last, as in the challenge's own files.
    """
    described = [
        str(o.get("Visual_description", "")).split(".")[0].lower() for o in frame.key_object_infos.values()
    ]
    objects = [tag.lower() for tag in frame.key_object_infos]
    stages = {stage: frame.QA.get(stage, []) for stage in STAGES}

    def first(stage: str, wanted: Any) -> list[_QA]:
        return [qa for qa in stages[stage] if wanted(qa)][:1]

    def has_all(parts: list[str]) -> Any:
        return lambda qa: all(part in _answer(qa) for part in parts)

    yes_no = first("prediction", lambda qa: "yes" in _answer(qa) or "no" in _answer(qa))
    picked = [
        *(("perception", "language", qa) for qa in first("perception", has_all(described))),
        *(("perception", "accuracy", qa) for qa in first("perception", lambda qa: _MOVING in qa.Q.lower())),
        *(("prediction", "match", qa) for qa in first("prediction", has_all(objects))),
        *(("prediction", "accuracy", qa) for qa in yes_no),
        *(("planning", "chatgpt", qa) for qa in _planning(stages["planning"])),
        *(("behavior", "accuracy", qa) for qa in stages["behavior"]),
    ]
    last = {id(qa): sort for _, sort, qa in picked}
    for number, (stage, _, qa) in enumerate(picked):
        id_ = f"{name}_{number}"
        question, answer = qa.Q.strip(), (qa.A or "").strip()
        if stage == "perception" and _MOVING in question.lower():
            question, answer = _multiple_choice(id_, question, answer, _STATUSES)
        elif stage == "behavior":
            question, answer = _multiple_choice(id_, question, answer, _BEHAVIOURS)
        yield QuestionAnswer(id_, question, answer), stage, last[id(qa)]


def _planning(asked: list[_QA]) -> list[_QA]:
    """The first of each of the three, in the file's order."""
    left, picked = set(_PLANNING), []
    for qa in asked:
        for words in [w for w in _PLANNING if w in left and w in qa.Q.lower()]:
            left.discard(words)
            picked.append(qa)
    return picked


def _multiple_choice(id_: str, question: str, answer: str, known: tuple[str, ...]) -> tuple[str, str]:
    """The question with four options, and the letter of the right one. The same id gives the same options."""
    drawn = random.Random(id_)
    options = [answer, *drawn.sample([option for option in known if option != answer], 3)]
    drawn.shuffle(options)
    letters = "ABCD"
    said = " ".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
    return f"{question}{_OPTIONS}{said}", letters[options.index(answer)]


def _answer(qa: _QA) -> str:
    return (qa.A or "").lower()
