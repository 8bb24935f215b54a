"""From facts to questions with their answers: short ones and full sentences, in LingoQA's manner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from leo_drive.data.synthetic import findings, labels
from leo_drive.data.synthetic.conditions import conditions, crowding, motion
from leo_drive.data.synthetic.descriptions import open_answers
from leo_drive.data.synthetic.facts import HIDDEN, Facts, colours_are_plain, side_of
from leo_drive.data.synthetic.findings import PLURALS, Finding, yes
from leo_drive.data.synthetic.judgement import judgement
from leo_drive.data.synthetic.traffic import COLOURS
from leo_drive.data.synthetic.wording import wordings
from leo_drive.data.synthetic.world import generator

YES_NO = ("yes", "no")
COUNTS = ("none", "one", "two", "three", "four or more")
CHOICES: dict[str, tuple[str, ...]] = {
    "presence": YES_NO,
    "side": ("left", "right", "both"),
    "count": COUNTS,
    "traffic_light": ("red", "amber", "green", "none"),
    "distance": ("close", "medium", "far"),
    "vehicle_ahead": YES_NO,
    "colour": COLOURS,
    "crossing": YES_NO,
    "background": ("buildings", "trees", "sky"),
    "weather": ("clear", "overcast", "rain", "fog"),
    "time_of_day": ("day", "dusk", "night"),
    "road_shape": ("straight", "bends left", "bends right"),
    "traffic": ("open", "crowded"),
    "ego_motion": ("stopped", "straight", "turning left", "turning right"),
    "ego_speed": ("stopped", "slowing down", "steady", "speeding up"),
    "lead_braking": YES_NO,
    "approaching": YES_NO,
    "attention": ("pedestrian", "cyclist", "traffic light", "vehicle ahead", "road ahead"),
    "what_to_do": ("stop", "slow down", "keep going"),
    "justification": ("red light", "pedestrian crossing", "vehicle braking", "green light", "clear road"),
    "road_type": ("city street", "residential street", "country road", "motorway"),
    "condition": YES_NO,
    "absence": YES_NO,
    "near": YES_NO,
    "moving": YES_NO,
    "hazard": YES_NO,
    "which_hazard": ("pedestrian", "cyclist", "vehicle ahead"),
}
"""The values of each closed kind."""
_FEWER: dict[tuple[str, str], tuple[str, ...]] = {
    ("justification", "stopping"): CHOICES["justification"][:3],
}
"""Of a kind and subject that cannot have all values of the kind."""
OVER_TIME = (
    "ego_motion", "ego_speed", "approaching", "justification", "what_to_do", "moving", "hazard",
    "which_hazard",
)  # fmt: skip
"""Kinds that take several frames: of a single one, their answers need not be true."""
_DISTANCES = {"close": "close", "medium": "at a medium distance", "far": "far away"}
_ROADS = {
    "city": "city street",
    "suburb": "residential street",
    "rural": "country road",
    "highway": "motorway",
}


@dataclass(frozen=True)
class Question:
    """A question about a clip and its true answer.

    Attributes:
        kind: which kind, one of CHOICES or OPEN_KINDS.
        subject: what it asks about, "" where the kind says it all.
        text, answer: as a person would put them.
        value: the answer as one of `choices`; both empty for open questions.
    """

    kind: str
    subject: str
    text: str
    answer: str
    value: str
    choices: tuple[str, ...]


def _scenery(f: Facts) -> Iterator[Finding]:
    yield from _presence(f)
    for group, plural in PLURALS.items():
        if not f.settled(group):
            continue
        seen = [s for s in f.of(group) if s.share > HIDDEN]
        plain = [s for s in seen if s.plain]
        side = side_of(seen if len(plain) == len(seen) else [])
        if side is None and plain and {"left", "right"} <= {str(side_of([s])) for s in plain}:
            side = "both"
        if side:
            yield findings.side(group, side, several=len(plain) > 1)
        if len(plain) >= 4 or len(plain) == len(seen):
            number = COUNTS[min(4, len(plain))]
            verb = "is" if number == "one" else "are"
            name = group if number == "one" else plural
            yield Finding(
                "count", group, number, f"There {verb} {'no' if number == 'none' else number} {name}."
            )
    if f.light:
        full = "There is no traffic light." if f.light == "none" else f"The traffic light is {f.light}."
        yield Finding("traffic_light", "", f.light, full)
    yield from _ahead_facts(f)
    yield from _beside_facts(f)
    if f.crossing is not None:
        full = (
            "Yes, a pedestrian is crossing in front of us."
            if f.crossing
            else "No, nobody is crossing in front of us."
        )
        yield Finding("crossing", "", yes(f.crossing), full)
    yield from _surroundings(f)
    yield from conditions(f)


def _presence(f: Facts) -> Iterator[Finding]:
    for subject, present in f.presence.items():
        if present is None:
            continue
        seen = [s for s in f.of(subject) if s.share > HIDDEN] if present and subject in PLURALS else []
        side, several = side_of(seen) if all(s.plain for s in seen) else None, len(seen) > 1
        where = f" on the {side}" if side in ("left", "right") else ""
        if several and side == "both":
            where = " on both sides"
        yield findings.presence(subject, present, where, several)


def _ahead_facts(f: Facts) -> Iterator[Finding]:
    if f.vehicle_ahead is not None:
        yield findings.vehicle_ahead(f.vehicle_ahead)
    if f.lead is None or f.lead.seen.actor is None:
        return
    if value := _distance(f.lead.gap):
        yield Finding("distance", "", value, f"The vehicle ahead is {_DISTANCES[value]}.")
    if colours_are_plain(f.lead.seen, f.drive):
        name = f.lead.seen.actor.colour_name
        yield Finding("colour", "", name, f"The vehicle ahead is {name}.")


def _beside_facts(f: Facts) -> Iterator[Finding]:
    """Colour and distance of the nearest vehicle on each side, where it is plain which that is."""
    for side in ("left", "right"):
        there = [s for s in f.of("vehicle") if s.share > HIDDEN and side_of([s]) == side]
        there.sort(key=lambda s: s.gap)
        if not there or not there[0].plain or any(s.gap < 1.4 * there[0].gap + 2 for s in there[1:]):
            continue
        nearest = there[0]
        if value := _distance(nearest.gap):
            yield Finding(
                "distance", side, value, f"The nearest vehicle on the {side} is {_DISTANCES[value]}."
            )
        if nearest.actor is not None and colours_are_plain(nearest, f.drive):
            name = nearest.actor.colour_name
            yield Finding("colour", side, name, f"The nearest vehicle on the {side} is {name}.")


def _distance(gap: float) -> str | None:
    """A gap in metres in words, None between two of them."""
    if gap <= 9:
        return "close"
    if 12.5 <= gap <= 20:
        return "medium"
    return "far" if gap >= 26 else None


def _surroundings(f: Facts) -> Iterator[Finding]:
    sizes = {
        "buildings": f.shares[labels.BUILDING],
        "trees": f.shares[labels.TREE],
        "sky": f.shares[labels.SKY],
    }
    yield from findings.background(sizes, least=0.12)
    look = f.drive.look
    dim = look.time_of_day != "day"
    told = {
        "rain": "It is raining.",
        "fog": "It is foggy.",
        "clear": "The weather is clear.",
        "overcast": "The sky is overcast.",
    }
    if look.weather == "rain" or (not dim and (look.weather == "fog" or f.shares[labels.SKY] > 0.06)):
        yield Finding("weather", "", look.weather, told[look.weather])
    if look.time_of_day != "dusk" or (look.weather in ("clear", "overcast") and f.shares[labels.SKY] > 0.05):
        full = {"day": "It is day.", "dusk": "It is dusk.", "night": "It is night."}[look.time_of_day]
        yield Finding("time_of_day", "", look.time_of_day, full)
    if f.bend:
        full = (
            "The road ahead is straight."
            if f.bend == "straight"
            else f"The road {f.bend.replace(' ', ' to the ')}."
        )
        yield Finding("road_shape", "", f.bend, full)
    vehicles = [s for s in f.of("vehicle") if s.share > HIDDEN]
    share = sum(s.share for s in vehicles)
    plain = sum(s.plain for s in vehicles)
    if plain >= 4 or (plain >= 3 and share > 0.08):
        yield findings.traffic("crowded")
        # Parked vehicles leave a road narrow, but not busy.
        if sum(s.plain and s.actor is not None and s.actor.role != "parked" for s in vehicles) >= 3:
            yield from crowding(True)
    elif len(vehicles) <= 1 and share < 0.02:
        yield findings.traffic("open")
        yield from crowding(False)
    road = _ROADS[f.drive.place]
    yield Finding("road_type", "", road, f"We are on a {road}.")


def _action(f: Facts) -> Iterator[Finding]:
    yield from motion(f)
    before, now = f.ego_speed
    turn = np.degrees(f.ego_turn)
    if f.ego_distance < 0.3:
        yield Finding("ego_motion", "", "stopped", "Our vehicle is stopped.")
    elif f.drive.situation[:4] == "turn" and abs(turn) > 30:
        side = "right" if turn > 0 else "left"
        yield Finding("ego_motion", "", f"turning {side}", f"Our vehicle is turning {side}.")
    elif abs(turn) < 5 and f.ego_distance > 12 and now > 3 and f.drive.situation != "lane_change":
        yield Finding("ego_motion", "", "straight", "Our vehicle is going straight ahead.")
    if f.ego_distance < 0.3:
        yield Finding("ego_speed", "", "stopped", "Our vehicle is stopped.")
    elif before > 5 and now < 0.4 * before:
        yield Finding("ego_speed", "", "slowing down", "Our vehicle is slowing down.")
    elif before < 1 and now > 4:
        yield Finding("ego_speed", "", "speeding up", "Our vehicle is speeding up.")
    elif before > 5 and abs(now - before) < 0.08 * before:
        yield Finding("ego_speed", "", "steady", "Our vehicle keeps a steady speed.")
    if f.lead is not None:
        yield from _lead_action(f)
    yield from judgement(f)


def _lead_action(f: Facts) -> Iterator[Finding]:
    assert f.lead is not None
    if f.lead.braking is not None:
        full = "Yes, the vehicle ahead is braking." if f.lead.braking else "No, its brake lights are off."
        yield Finding("lead_braking", "", yes(f.lead.braking), full)
    if f.drive.situation[:4] == "turn":
        # Seen from another side before and after a turn, its size does not tell.
        return
    change, ratio = f.lead.gap_before - f.lead.gap, f.lead.gap_before / max(f.lead.gap, 0.5)
    if change > 3.5 and ratio > 1.3 and f.lead.gap_before < 75:
        yield Finding("approaching", "", "yes", "Yes, we are getting closer to the vehicle ahead.")
    elif abs(change) < 0.8:
        yield Finding("approaching", "", "no", "No, the distance stays the same.")
    elif change < -3 and ratio < 0.8:
        yield Finding("approaching", "", "no", "No, it is moving away.")


_SHORT: dict[str, str] = {
    "both": "Both sides.",
    "pedestrian": "The pedestrian crossing in front of us.",
    "cyclist": "The cyclist.",
    "traffic light": "The traffic light.",
    "vehicle ahead": "The vehicle ahead.",
    "road ahead": "The road ahead.",
    "sky": "The sky.",
    "red light": "The light is red.",
    "green light": "The light is green.",
    "pedestrian crossing": "A pedestrian is crossing.",
    "vehicle braking": "The vehicle ahead is braking.",
    "clear road": "The road is clear.",
}


def short_answer(kind: str, value: str, full: str) -> str:
    """A value as the shortest fitting answer."""
    if value == "vehicle braking" and "stopped" in full:
        return "The vehicle ahead has stopped."
    return _SHORT.get(value, value[0].upper() + value[1:] + ".")


def ask(f: Facts) -> list[Question]:
    """Every question that the clip settles, one wording each; the wording never depends on the answer."""
    out: list[Question] = []
    for kind, subject, value, full in chain(_scenery(f), _action(f)):
        # Its own stream for each kind and subject, so that no other finding can shift the choice of words.
        key = [ord(c) for c in f"{kind} {subject}"]
        rng = generator(f.drive.seed, 77, *key)
        ways = wordings(kind, subject)
        text = ways[int(rng.integers(len(ways)))]
        answer = full if rng.random() < 0.5 else short_answer(kind, value, full)
        choices = _FEWER.get((kind, subject), CHOICES[kind])
        out.append(Question(kind, subject, text, answer, value, choices))
    rng = generator(f.drive.seed, 78)
    for kind, subject, answer in open_answers(f):
        ways = wordings(kind, subject)
        out.append(Question(kind, subject, ways[int(rng.integers(len(ways)))], answer, "", ()))
    return out
