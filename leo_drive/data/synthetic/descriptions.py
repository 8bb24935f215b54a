"""From facts to answers without a fixed set of values: what is going on, and who is where."""

from __future__ import annotations

from collections.abc import Iterator

from leo_drive.data.synthetic.facts import HIDDEN, Facts, Seen, colours_are_plain, side_of

OPEN_KINDS = ("description", "objects")
_MOST = 4


def open_answers(f: Facts) -> Iterator[tuple[str, str, str]]:
    """Kind, subject and answer of every open question that the clip settles."""
    yield "description", "", describe(f)
    for subject, groups in (("vehicles", ("vehicle",)), ("people", ("pedestrian", "cyclist"))):
        if (listed := list_objects(f, groups, subject)) is not None:
            yield "objects", subject, listed


def list_objects(f: Facts, groups: tuple[str, ...], plural: str) -> str | None:
    """Every object of the groups with its place and distance, the nearest first; at most four.

    None where something is seen but nothing is plain.
    """
    seen = [s for s in f.seen if s.group in groups and s.share > HIDDEN and s.actor is not None]
    if not seen:
        return f"There are no {plural}."
    plain = sorted((s for s in seen if s.plain), key=lambda s: s.gap)
    return " ".join(_object(f, s) for s in plain[:_MOST]) or None


def _object(f: Facts, s: Seen) -> str:
    assert s.actor is not None
    kind = "cyclist" if s.group == "cyclist" else s.actor.kind
    words = [s.actor.role] if s.actor.role in ("parked", "oncoming") else []
    if s.group == "vehicle" and colours_are_plain(s, f.drive):
        words.append(s.actor.colour_name)
    words.append(kind)
    side = side_of([s])
    where = f"on the {side}" if side else "ahead"
    distance = "close" if s.gap <= 11 else "far" if s.gap > 23 else "at a medium distance"
    article = "An" if words[0][0] in "aeiou" else "A"
    crossing = " crossing" if s.actor.role == "crossing" else ""
    return f"{article} {' '.join(words)}{crossing} {where}, {distance}."


def describe(f: Facts) -> str:
    """One or two sentences of true things, the most important first."""
    look = f.drive.look
    light = {"day": "by day", "dusk": "at dusk", "night": "at night"}[look.time_of_day]
    air = {"rain": " in the rain", "fog": " in fog"}.get(look.weather, "")
    road = {
        "city": "a city street",
        "suburb": "a street in a suburb",
        "rural": "a country road",
        "highway": "a highway",
    }
    first = f"We are on {road[f.drive.place]} {light}{air}."
    parts = []
    if f.crossing:
        parts.append("a pedestrian is crossing in front of us")
    if f.light in ("red", "amber", "green"):
        parts.append(f"the traffic light is {f.light}")
    if f.lead is not None and f.lead.seen.actor is not None:
        state = " and braking" if f.lead.braking else ""
        parts.append(f"there is a {f.lead.seen.actor.kind} ahead of us{state}")
    for group, plural in (("cyclist", "cyclists"), ("pedestrian", "pedestrians")):
        seen = [s for s in f.of(group) if s.share > HIDDEN]
        side = side_of(seen) if all(s.plain for s in seen) else None
        if side and not (group == "pedestrian" and f.crossing):
            where = "on both sides" if side == "both" else f"on the {side}"
            parts.append(f"there are {plural} {where}" if len(seen) > 1 else f"there is a {group} {where}")
    if not parts and f.vehicle_ahead is False:
        parts.append("the road ahead of us is clear")
    if not parts:
        return first
    second = parts[0] if len(parts) == 1 else f"{parts[0]}, and {parts[1]}"
    return f"{first} {second[0].upper()}{second[1:]}."
