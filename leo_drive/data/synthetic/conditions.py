"""From facts to yes or no: what holds of the drive as a whole, asked straight and the other way round."""

from __future__ import annotations

from collections.abc import Iterator

from leo_drive.data.synthetic.facts import HIDDEN, Facts
from leo_drive.data.synthetic.findings import Finding, absence, near, yes

ABSENT = ("pedestrian", "cyclist", "traffic light")
"""What is also asked about by its absence."""

NEAR = ("pedestrian", "cyclist")
"""What may be close to us."""

_CLOSE, _FAR = 9.0, 18.0
"""Metres, below and above which it is plain whether a thing is close."""

_MOVES, _STANDS = 1.0, 0.3
"""Metres of a clip, above and below which it is plain whether our vehicle moves."""


def conditions(f: Facts) -> Iterator[Finding]:
    """Every condition that the clip settles.

    Presence, rain, traffic and motion are asked both ways ("Is it raining?", "Is the weather dry?"), so that
    an answer takes reading the question.
    """
    look = f.drive.look
    # Free where no vehicle is near the way either: those beside it leave the question open.
    if f.vehicle_ahead or (f.vehicle_ahead is False and not _vehicles_about(f)):
        told = "No, there is a vehicle ahead." if f.vehicle_ahead else "Yes, there is no vehicle ahead."
        yield Finding("condition", "free road", yes(not f.vehicle_ahead), told)
    for subject in ABSENT:
        if (present := f.presence[subject]) is not None:
            yield absence(subject, present)
    for subject in NEAR:
        seen = [s for s in f.of(subject) if s.share > HIDDEN]
        close = any(s.plain and s.gap <= _CLOSE for s in seen)
        if close or (f.settled(subject) and all(s.gap >= _FAR for s in seen)):
            yield near(subject, close)
    # By day only: in the dark, rain is hard to see and fog harder.
    day, wet = look.time_of_day == "day", look.weather == "rain"
    if day:
        yield Finding("condition", "rain", yes(wet), "Yes, it is raining." if wet else "No, it is dry.")
        yield Finding("condition", "dry", yes(not wet), "No, it is raining." if wet else "Yes, it is dry.")
    if look.time_of_day != "dusk":
        night = look.time_of_day == "night"
        yield Finding("condition", "night", yes(night), "Yes, it is night." if night else "No, it is day.")
    if day and not wet:
        poor = look.weather == "fog"
        told = "Yes, there is fog." if poor else "No, the view is good."
        yield Finding("condition", "poor view", yes(poor), told)


def _vehicles_about(f: Facts) -> bool:
    """Whether a vehicle that is not parked can be seen."""
    return any(s.share > HIDDEN and s.actor and s.actor.role != "parked" for s in f.of("vehicle"))


def motion(f: Facts) -> Iterator[Finding]:
    """Whether our vehicle moves, asked both ways."""
    stands = f.ego_distance < _STANDS
    if stands or (f.ego_distance > _MOVES and f.ego_speed[1] > 1):
        told = "we are stopped." if stands else "we are moving."
        yield Finding("moving", "", yes(not stands), f"{'No' if stands else 'Yes'}, {told}")
        yield Finding("moving", "stopped", yes(stands), f"{'Yes' if stands else 'No'}, {told}")


def crowding(busy: bool) -> Iterator[Finding]:
    """Whether there is much traffic, where that is plain, asked both ways."""
    yield Finding("condition", "busy", yes(busy), "Yes, it is crowded." if busy else "No, it is quiet.")
    yield Finding("condition", "quiet", yes(not busy), "No, it is crowded." if busy else "Yes, it is quiet.")
