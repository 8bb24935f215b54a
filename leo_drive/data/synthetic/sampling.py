"""Drawing a whole drive from a seed: the situation first, then a world that shows it, then clutter.

Every place is laid out around where we are NOW (a clip's last frame), so that what is asked is in view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_drive.data.synthetic.appearance import sample_look
from leo_drive.data.synthetic.camera import sample_camera
from leo_drive.data.synthetic.ego import (
    NOW,
    TIMES,
    Motion,
    distance_from_speed,
    lane_change_path,
    speed_profile,
    turning_path,
)
from leo_drive.data.synthetic.roads import RoadPlan, sample_road
from leo_drive.data.synthetic.scenery import SIGN_STYLES, sample_scenery, sample_scenery_plan
from leo_drive.data.synthetic.traffic import Cast, Stage
from leo_drive.data.synthetic.world import Drive, Thing, generator

SITUATIONS = {
    "cruise": 0.1,
    "follow": 0.13,
    "lead_brakes": 0.07,
    "queue": 0.065,
    "red": 0.12,
    "green": 0.105,
    "amber": 0.075,
    "crossing": 0.145,
    "turn_left": 0.075,
    "turn_right": 0.075,
    "lane_change": 0.04,
}
_INTERRUPTED = ("red", "crossing", "queue")


@dataclass(frozen=True)
class _Plan:
    situation: str
    place: str
    keep: int
    speed: str
    cruise: float


def _plan(rng: np.random.Generator) -> _Plan:
    situation = str(rng.choice(list(SITUATIONS), p=list(SITUATIONS.values())))
    place = str(rng.choice(["city", "suburb", "rural", "highway"], p=[0.4, 0.28, 0.14, 0.18]))
    if place == "highway" and situation not in ("cruise", "follow", "lead_brakes", "queue", "lane_change"):
        place = str(rng.choice(["city", "suburb"]))
    cruise = rng.uniform(18, 30) if place == "highway" else rng.uniform(7, 14)
    ways = {
        "lead_brakes": ("braking", "braking", "steady"),
        "queue": ("stopped", "stopped", "starting"),
        "red": ("stopped", "stopped", "braking"),
        "green": ("steady", "starting"),
        "amber": ("steady", "braking"),
        "crossing": ("stopped", "braking"),
    }.get(situation, ("steady", "steady", "steady", "steady", "starting"))
    speed = str(rng.choice(ways))
    if situation[:4] in ("turn", "lane"):
        speed, cruise = "steady", (rng.uniform(4.2, 6.8) if situation[:4] == "turn" else cruise)
    if speed == "braking" and place == "highway":
        cruise = rng.uniform(12, 18)
    return _Plan(situation, place, int(rng.choice([1, -1])), speed, float(cruise))


def sample_drive(seed: int) -> Drive:
    """The drive of a seed; the same one every time, on every machine."""
    rng = generator(seed, 0)
    plan = _plan(rng)
    look = sample_look(generator(seed, 1))
    camera = sample_camera(generator(seed, 2))
    turning = plan.situation[:4] == "turn"
    lit = plan.situation in ("red", "green", "amber")
    speed = speed_profile(rng, plan.speed, plan.cruise)
    travelled = distance_from_speed(speed)
    # How far we shall still roll: whatever we stop for lies beyond that.
    to_go = float(travelled[-1]) if plan.speed in ("braking", "stopped") else 0.0
    busy = plan.place != "highway"
    stop_line = to_go + float(rng.uniform(3.5, 7)) if lit else None
    if lit and plan.speed in ("steady", "starting"):
        stop_line = float(rng.uniform(3, 16))
    zebra = None
    if plan.situation == "crossing":
        zebra = to_go + float(rng.uniform(6.5, 11)) if rng.random() < 0.6 else None
    elif lit and stop_line is not None and rng.random() < 0.3:
        zebra = stop_line + 2.6
    elif busy and not turning and rng.random() < 0.38:
        zebra = float(rng.uniform(8, 22))
    junction = None
    if turning:
        junction = float(rng.uniform(6, 16))
    elif lit and rng.random() < 0.65:
        junction = (zebra or stop_line or 5) + float(rng.uniform(8, 10))
    elif busy and not lit and rng.random() < 0.2:
        junction = (zebra or 8.0) + float(rng.uniform(9, 30))
    parking = (
        tuple(bool(b) for b in rng.random(2) < 0.42)
        if plan.place in ("city", "suburb") and not turning
        else (False, False)
    )
    straight = junction is not None or lit or plan.situation in ("crossing", "lane_change")
    road = sample_road(
        rng,
        RoadPlan(plan.place, plan.keep, straight, junction, zebra, stop_line, parking, turning),  # type: ignore[arg-type]
    )
    ego, guide, base = _ego(rng, plan, road, travelled)
    stage = Stage(road, guide, base, camera, ego, speed, plan.place, plan.situation, plan.speed, parking)  # type: ignore[arg-type]
    things = sample_scenery(generator(seed, 3), road, sample_scenery_plan(generator(seed, 4), plan.place))
    cast = Cast(generator(seed, 5), stage)
    _fill_cast(rng, cast, plan, to_go)
    light: tuple[tuple[float, str], ...] = ()
    if lit:
        things += _lights(rng, cast, stop_line or 5.0)
        light = _light_states(rng, plan)
    things += _signs(generator(seed, 6), cast)
    return Drive(
        seed, plan.situation, plan.place, road, camera, look, ego, tuple(cast.actors), tuple(things), light
    )


def _ego(rng: np.random.Generator, plan: _Plan, road, travelled: np.ndarray):
    """Our motion, the line that others are placed along, and where on that line we are now."""
    zero = np.zeros_like(TIMES)
    if plan.situation[:4] == "turn":
        direction = -1 if plan.situation == "turn_left" else 1
        wide = direction * plan.keep < 0
        end_y = road.junction.y - direction * plan.keep * road.junction.half_width / 2
        radius = float(rng.uniform(9, 12) if wide else rng.uniform(6.5, 9))
        path = turning_path(direction, end_y, radius)
        begin = float(path.s[np.argmin(np.abs(path.xy[:, 1] - (end_y - radius)) + np.abs(path.xy[:, 0]))])
        now = begin + radius * np.pi / 2 * float(rng.uniform(0.7, 1.15))
        return Motion(path, now + travelled, zero), path, now
    if plan.situation == "lane_change":
        shift = 3.3 * (1 if rng.random() < 0.5 else -1)
        path = lane_change_path(road.path, float(rng.uniform(-2, 6)), shift, max(14.0, 2.6 * plan.cruise))
        now = float(path.s[np.argmin(np.hypot(path.xy[:, 0], path.xy[:, 1]))])
        return Motion(path, now + travelled, zero), road.path, 0.0
    wander = 0.12 * np.sin(TIMES * rng.uniform(0.3, 0.8) + rng.uniform(0, 6))
    return Motion(road.path, travelled, wander * (travelled.ptp() > 1)), road.path, 0.0


def _fill_cast(rng: np.random.Generator, cast: Cast, plan: _Plan, to_go: float) -> None:
    turning, highway = plan.situation[:4] == "turn", plan.place == "highway"
    if plan.situation == "crossing":
        cast.crossing(cast.stage.road.zebra or to_go + float(rng.uniform(6, 12)))
    lead_share = {
        "follow": 1.0,
        "lead_brakes": 1.0,
        "queue": 1.0,
        "crossing": 0.0,
        "green": 0.3,
        "red": 0.15,
        "amber": 0.2,
        "cruise": 0.3,
    }
    if rng.random() < lead_share.get(plan.situation, 0.25):
        cast.lead()
    quiet = rng.random() < 0.3
    if not highway:
        walkers = int(rng.choice([0, 1, 2, 3, 4, 5], p=[0.46, 0.18, 0.14, 0.1, 0.07, 0.05]))
        for _ in range(walkers):
            cast.walker()
        for _ in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.42, 0.24, 0.15, 0.1, 0.09]))):
            cast.cyclist()
    if not quiet:
        for _ in range(int(rng.choice([0, 1, 2, 3, 4, 6], p=[0.1, 0.3, 0.24, 0.18, 0.12, 0.06]))):
            cast.oncoming() if rng.random() < 0.6 or (highway and rng.random() < 0.5) else cast.beside()
        if highway:
            for _ in range(int(rng.integers(0, 4))):
                cast.beside()
    if not turning:
        cast.parked(few=rng.random() < 0.6)
    if cast.stage.road.junction is not None and not quiet and rng.random() < 0.5:
        cast.cross_traffic()


def _lights(rng: np.random.Generator, cast: Cast, stop_line: float) -> list[Thing]:
    """Signal heads that face us: beyond the junction, on a pole or over the lanes, perhaps at the line."""
    road = cast.stage.road
    left, right = road.edges
    far = stop_line + float(rng.uniform(7, 10))
    if road.junction is not None:
        far = road.junction.y + road.junction.half_width + float(rng.uniform(0.5, 2.0))
    size = float(rng.uniform(0.42, 0.56))
    kerb, seed = (right + 0.5 if road.keep > 0 else left - 0.5), int(rng.integers(1 << 20))
    instance = 900
    out: list[Thing] = []

    def head(s: float, d: float, height: float, style: str, reach: float = 0.0) -> None:
        x, y = road.path.point(s, d)
        heading = float(np.interp(s, road.path.s, road.path.heading))
        out.append(
            Thing("light", x, y, heading, size, reach, height, (20, 20, 20), style, seed, instance + len(out))
        )

    gantry = rng.random() < 0.35
    if gantry:
        head(far, float(rng.uniform(-0.8, 0.8)), float(rng.uniform(4.2, 5.2)), "gantry", kerb)
    else:
        head(far, kerb, float(rng.uniform(2.6, 3.3)), "pole")
    if rng.random() < 0.5:
        head(far, (left - 0.5) if road.keep > 0 else right + 0.5, float(rng.uniform(2.6, 3.3)), "pole")
    if stop_line > 8 and rng.random() < 0.7:
        head(stop_line + 0.8, kerb, 2.8, "pole")
    return out


def _light_states(rng: np.random.Generator, plan: _Plan) -> tuple[tuple[float, str], ...]:
    if plan.situation == "red":
        if plan.speed == "braking" and rng.random() < 0.5:
            return ((-9.0, "amber"), (float(rng.uniform(0.3, 2.5)), "red"))
        return ((-9.0, "red"),)
    if plan.situation == "amber":
        return ((-9.0, "green"), (float(rng.uniform(2.2, 3.8)), "amber"), (NOW + 1.2, "red"))
    if plan.speed == "starting":
        return ((-9.0, "red"), (float(rng.uniform(0.0, 0.2)), "green"))
    return ((-9.0, "green"),)


def _signs(rng: np.random.Generator, cast: Cast) -> list[Thing]:
    if rng.random() < 0.48:
        return []
    out = []
    for number in range(int(rng.choice([1, 2], p=[0.7, 0.3]))):
        spot = cast.kerbside(rng, 0.6, far=24.0)
        if spot is None:
            continue
        x, y, heading = spot
        style = str(rng.choice(SIGN_STYLES))
        wide = float(rng.uniform(0.8, 1.15))
        colour = (
            ((20, 80, 170), (20, 100, 60), (240, 240, 235))[int(rng.integers(3))]
            if style == "direction"
            else (0, 0, 0)
        )
        height = float(rng.uniform(2.2, 2.9))
        out.append(
            Thing(
                "sign",
                x,
                y,
                heading,
                wide,
                0.1,
                height,
                colour,
                style,
                int(rng.integers(1 << 20)),
                950 + number,
            )
        )
    return out
