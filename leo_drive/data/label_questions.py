"""Closed questions that a label map settles, with their answers, in the generated drives' wordings.

A street scene with a map of what is where answers much by itself: what there is, on which side, how large.
Where a map leaves it open (a fence of a few pixels, a background half of trees and half of sky), nothing is
asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from leo_drive.data.synthetic import findings
from leo_drive.data.synthetic.findings import Finding
from leo_drive.data.synthetic.labels import (
    BUILDING,
    CYCLIST,
    FENCE,
    OTHER,
    PEDESTRIAN,
    ROAD,
    SKY,
    TREE,
    VEHICLE,
)
from leo_drive.data.synthetic.questions import CHOICES, Question, short_answer
from leo_drive.data.synthetic.wording import wordings

ABOUT_US = ("side", "near", "vehicle_ahead")
"""Kinds that are about the camera's own vehicle: of a part of its picture they need not be true. How full the
road is goes by how much of it the picture shows, of a part as of the whole."""

# What the pixels settle is less than what the world does, so these are asked in the words that fit them.
_ASKED_AS = {
    ("side", "vehicle"): ("On which side of the view are the vehicles?",),
    ("side", "pedestrian"): ("On which side are the pedestrians?",),
    ("near", "pedestrian"): ("Is there a pedestrian close to our vehicle?",),
    ("vehicle_ahead", ""): ("Is there a vehicle directly ahead of us?",),
    ("traffic", ""): ("Is the road ahead open or crowded?",),
    ("presence", "fence"): ("Is there a fence?", "Is there a fence beside the road?"),
}

# Shares of the picture, below and above which it is plain whether there is any.
_PRESENT = {
    "vehicle": (VEHICLE, 0.0, 0.004),
    "pedestrian": (PEDESTRIAN, 0.0, 0.002),
    "cyclist": (CYCLIST, 0.0, 0.002),
    "fence": (FENCE, 0.0, 0.01),
    "tree": (TREE, 0.0008, 0.02),
    "building": (BUILDING, 0.0008, 0.03),
}
_SIDED = 0.0008
# Of a side's pixels in all: at most so many elsewhere, at least so many on each side.
_ONE_SIDE, _BOTH_SIDES = 0.15, 0.25
# A person's height as a share of the picture's.
_FAR, _CLOSE = 0.075, 1 / 6
_BACKGROUND = 0.18
# Of the picture, in a street: little road means that it is full.
_CROWDED, _OPEN = 0.22, 0.34
# Of the middle of the picture.
_NOTHING_AHEAD, _AHEAD = 0.02, 0.1
_MIDDLE = (slice(0.35, 0.9), slice(0.42, 0.58))


def label_questions(labels: np.ndarray, rng: np.random.Generator) -> list[Question]:
    """Every question that the map settles, one wording each, drawn without regard to the answer.

    Args:
        labels: (H, W) coarse class numbers, as `leo_drive.data.synthetic.labels.COARSE` has them.

    Example:
        >>> street = np.full((60, 80), ROAD, np.uint8)
        >>> street[20:40, :20] = VEHICLE
        >>> asked = label_questions(street, np.random.default_rng(0))
        >>> {(q.kind, q.subject): q.value for q in asked}["side", "vehicle"]
        'left'
    """
    asked = []
    for kind, subject, value, sentence in label_findings(labels):
        ways = _ASKED_AS.get((kind, subject)) or wordings(kind, subject)
        text = ways[int(rng.integers(len(ways)))]
        answer = sentence if rng.random() < 0.5 else short_answer(kind, value, sentence)
        asked.append(Question(kind, subject, text, answer, value, CHOICES[kind]))
    return asked


def label_findings(labels: np.ndarray) -> Iterator[Finding]:
    """Every answer that the map settles.

    Args:
        labels: as `label_questions` has them.
    """
    shares = np.bincount(labels.ravel(), minlength=OTHER + 1) / labels.size
    for subject, (label, absent, present) in _PRESENT.items():
        if absent < shares[label] < present:
            continue
        there = shares[label] >= present
        yield findings.presence(subject, there)
        if subject in ("pedestrian", "cyclist"):
            yield findings.absence(subject, there)
    for subject in ("vehicle", "pedestrian"):
        if value := _side(labels == _PRESENT[subject][0]):
            yield findings.side(subject, value)
    sizes = {"buildings": shares[BUILDING], "trees": shares[TREE], "sky": shares[SKY]}
    yield from findings.background(sizes, _BACKGROUND)
    tallest = _tallest(labels == PEDESTRIAN)
    if not _FAR < tallest < _CLOSE:
        yield findings.near("pedestrian", tallest >= _CLOSE)
    ahead = _part(labels == VEHICLE, *_MIDDLE)
    if not _NOTHING_AHEAD < ahead < _AHEAD:
        yield findings.vehicle_ahead(ahead >= _AHEAD)
    if not _CROWDED < shares[ROAD] < _OPEN:
        yield findings.traffic("open" if shares[ROAD] >= _OPEN else "crowded")


def _side(mask: np.ndarray) -> str | None:
    """Where most of it is, None where there is too little or it is between a side and both."""
    half = mask.shape[1] // 2
    left, right = int(mask[:, :half].sum()), int(mask[:, -half:].sum())
    if left + right < _SIDED * mask.size:
        return None
    less = min(left, right) / (left + right)
    if less >= _BOTH_SIDES:
        return "both"
    return ("left" if left > right else "right") if less <= _ONE_SIDE else None


def _tallest(mask: np.ndarray) -> float:
    """Height of the tallest connected piece that is more than a few pixels, as a share of the picture's."""
    _, _, pieces, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    heights = [int(piece[3]) for piece in pieces[1:] if piece[4] > 0.0003 * mask.size]
    return max(heights, default=0) / mask.shape[0]


def _part(mask: np.ndarray, rows: slice, columns: slice) -> float:
    """Share of a part of the picture that is given in shares of its height and width."""
    height, width = mask.shape
    part = mask[
        int(rows.start * height) : int(rows.stop * height),
        int(columns.start * width) : int(columns.stop * width),
    ]
    return float(part.mean())
