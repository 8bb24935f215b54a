"""The classes of the label maps: the twelve coarse ones of CamVid's order, then finer ones."""

from __future__ import annotations

import numpy as np

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, VEHICLE, PEDESTRIAN, CYCLIST, OTHER = range(12)
LIGHT_RED, LIGHT_AMBER, LIGHT_GREEN, BRAKE_LAMP, ZEBRA, MARKING = range(12, 18)
# Vehicles whose paint has a name; VEHICLE itself are those without one.
PAINTED = {
    name: 18 + i for i, name in enumerate(("white", "black", "grey", "red", "blue", "green", "yellow"))
}

LABELS = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign or signal",
    "fence or wall",
    "vehicle",
    "pedestrian",
    "bicycle and rider",
    "other",
    "traffic light red",
    "traffic light amber",
    "traffic light green",
    "lit brake lamp",
    "zebra crossing",
    "lane marking",
    *(f"{name} vehicle" for name in PAINTED),
)

COARSE = np.array([*range(12), SIGN, SIGN, SIGN, VEHICLE, ROAD, ROAD, *[VEHICLE] * 7], dtype=np.uint8)
"""(25,) the coarse class of each class: `COARSE[labels]` is a label map with 0..11 only."""

PALETTE = np.array(
    [
        (130, 180, 230), (150, 75, 60), (190, 190, 150), (100, 90, 110), (220, 150, 200), (70, 130, 50),
        (240, 220, 60), (150, 120, 160), (40, 60, 200), (230, 40, 60), (0, 160, 170), (120, 130, 100),
        (255, 0, 0), (255, 160, 0), (0, 230, 60), (255, 90, 90), (255, 255, 255), (210, 210, 250),
        (235, 235, 240), (30, 30, 30), (125, 125, 130), (190, 30, 40), (30, 70, 180), (30, 120, 60),
        (240, 200, 40),
    ],
    dtype=np.uint8,
)  # fmt: skip
"""(25, 3) RGB colours for showing label maps."""
