"""How each kind of question is asked, in many ways that do not depend on its answer."""

from __future__ import annotations

import re
from itertools import product
from string import Formatter

from leo_drive.data.synthetic.action_wording import ACTION
from leo_drive.data.synthetic.scenery_wording import SCENERY

TEMPLATES = {**SCENERY, **ACTION}
"""By kind, or by kind and subject."""

_WORDS: dict[str, tuple[str, ...]] = {
    "us": ("us", "our vehicle", "the ego vehicle", "me", "our car"),
    "ego": ("our vehicle", "the ego vehicle", "our car", "the ego car"),
    "view": ("in view", "in the scene", "visible", "in the picture", "on the road scene"),
    "driver": ("the driver", "the ego driver", "our driver"),
    "lead": ("the vehicle ahead", "the vehicle in front", "the vehicle in front of us", "the lead vehicle"),
}
# For each subject: with its article, its plural.
NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "vehicle": (("a vehicle", "vehicles"), ("a car or other vehicle", "cars or other vehicles")),
    "car": (("a car", "cars"),),
    "truck": (("a truck", "trucks"), ("a lorry", "lorries")),
    "bus": (("a bus", "buses"),),
    "truck or bus": (("a truck or bus", "trucks or buses"), ("a bus or truck", "buses or trucks")),
    "parked vehicle": (("a parked vehicle", "parked vehicles"), ("a parked car", "parked cars")),
    "oncoming vehicle": (
        ("an oncoming vehicle", "oncoming vehicles"),
        ("a vehicle coming towards us", "vehicles coming towards us"),
    ),
    "pedestrian": (
        ("a pedestrian", "pedestrians"),
        ("a person on foot", "people on foot"),
    ),
    "cyclist": (
        ("a cyclist", "cyclists"),
        ("a bicycle", "bicycles"),
        ("a bike", "bikes"),
        ("a bicycle or cyclist", "bicycles or cyclists"),
    ),
    "traffic light": (("a traffic light", "traffic lights"), ("a traffic signal", "traffic signals")),
    "traffic sign": (("a traffic sign", "traffic signs"), ("a road sign", "road signs")),
    "zebra crossing": (
        ("a zebra crossing", "zebra crossings"),
        ("a pedestrian crossing", "pedestrian crossings"),
        ("a crosswalk", "crosswalks"),
        ("a zebra crossing ahead", "zebra crossings ahead"),
    ),
    "fence": (
        ("a fence", "fences"),
        ("a fence or wall", "fences or walls"),
        ("a fence beside the road", "fences beside the road"),
    ),
    "tree": (("a tree", "trees"), ("a tree or bush", "trees or bushes")),
    "building": (("a building", "buildings"), ("a house or other building", "houses or other buildings")),
    "left": (("the nearest vehicle on the left", ""), ("the closest vehicle to the left", "")),
    "right": (("the nearest vehicle on the right", ""), ("the closest vehicle to the right", "")),
    "vehicles": (("", "vehicles"), ("", "cars and other vehicles")),
    "people": (("", "people"), ("", "pedestrians and cyclists")),
}


def wordings(kind: str, subject: str = "") -> list[str]:
    """Every way a question of this kind is asked about a subject."""
    templates = TEMPLATES.get(f"{kind} {subject}", TEMPLATES.get(kind, ()))
    names = NAMES.get(subject, (("", ""),))
    out: dict[str, None] = {}
    for template in templates:
        fields = [name for _, name, _, _ in Formatter().parse(template) if name]
        words = [_WORDS[name] for name in fields if name in _WORDS]
        keys = [name for name in fields if name in _WORDS]
        for chosen in product(*words):
            for one, many in names:
                the = re.sub(r"^an? ", "the ", one)
                out[template.format(**dict(zip(keys, chosen, strict=True)), a=one, the=the, many=many)] = None
    return list(out)
