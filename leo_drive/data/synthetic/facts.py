"""What is true of a clip: measured from the pixels that are really seen and from the world behind them.

A fact is None where the picture does not settle it; such things are not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from leo_drive.data.synthetic import labels
from leo_drive.data.synthetic.ego import NOW, TIMES
from leo_drive.data.synthetic.render import Frame
from leo_drive.data.synthetic.world import Actor, Drive

VEHICLES = ("car", "van", "truck", "bus")
FIRST = 0.0
# Shares of the picture below which nothing is seen, and of its area and height from which a thing is plain.
HIDDEN = 0.00004
PLAIN = {
    "vehicle": (0.0014, 0.045),
    "pedestrian": (0.0009, 0.085),
    "cyclist": (0.0013, 0.085),
    "sign": (0.0008, 0.04),
}
LAMP = 0.00016
CONTRAST = 11.0


@dataclass(frozen=True)
class Seen:
    """An object as the last frame shows it. Positions are shares of width and height.

    Attributes:
        group: "vehicle", "pedestrian", "cyclist", "bicycle" (without a rider), "sign" or "light".
        share: of all pixels. left, right, top, bottom: its box.
        plain: large and distinct enough to be asked about.
        actor: who it is, None for signs and lights.
        gap: metres to an actor's near end along our way; infinite for signs and lights.
    """

    instance: int
    group: str
    share: float
    left: float
    right: float
    top: float
    bottom: float
    plain: bool
    actor: Actor | None = None
    gap: float = float("inf")

    @property
    def centre(self) -> float:
        """Middle of its box, 0 at the left edge, 1 at the right."""
        return (self.left + self.right) / 2


@dataclass(frozen=True)
class Lead:
    """The vehicle directly ahead: its gap in metres now and at the first frame, and its brake lamps."""

    seen: Seen
    gap: float
    gap_before: float
    braking: bool | None


@dataclass(frozen=True)
class Facts:
    """Everything questions are made from."""

    drive: Drive
    seen: tuple[Seen, ...]
    shares: np.ndarray
    presence: dict[str, bool | None] = field(default_factory=dict)
    light: str | None = None
    lead: Lead | None = None
    vehicle_ahead: bool | None = None
    crossing: bool | None = None
    cyclist_in_path: bool | None = None
    ego_speed: tuple[float, float] = (0.0, 0.0)
    ego_distance: float = 0.0
    ego_turn: float = 0.0
    bend: str | None = None

    def of(self, group: str) -> list[Seen]:
        """All seen objects of a group, plain or faint."""
        return [s for s in self.seen if s.group == group]

    def settled(self, group: str) -> bool:
        """Whether a group's objects are all that its names may mean.

        A bicycle that leans on a wall is no cyclist, but "Are there any bicycles?" asks for cyclists too.
        """
        return group != "cyclist" or not any(s.share > HIDDEN for s in self.of("bicycle"))


def side_of(items: Sequence[Seen]) -> str | None:
    """ "left", "right" or "both" for things that all lie clearly to a side."""
    sides = {("left" if s.centre < 0.43 else "right" if s.centre > 0.57 else "middle") for s in items}
    if not sides or "middle" in sides:
        return None
    return "both" if len(sides) == 2 else sides.pop()


def colours_are_plain(item: Seen, drive: Drive) -> bool:
    """Whether the paint of a vehicle can be told: not from afar, at night or in fog."""
    return item.gap < 30 and drive.look.time_of_day != "night" and drive.look.weather != "fog"


def _group(kind: str) -> str:
    return "vehicle" if kind in VEHICLES else kind


def _contrast(frame: Frame, mask: np.ndarray, rows: slice, columns: slice) -> float:
    """How much a thing stands out from what is around it, grey levels."""
    patch = frame.image[rows, columns].astype(np.float32)
    inside, outside = patch[mask], patch[~mask]
    if not len(outside) or not len(inside):
        return 0.0
    return float(
        max(np.abs(inside.mean(axis=0) - outside.mean(axis=0)).max(), 0.55 * inside.std(axis=0).max())
    )


def _see(frame: Frame, drive: Drive) -> list[Seen]:
    height, width = frame.labels.shape
    counts = np.bincount(frame.instances.ravel())
    actors = {a.instance: a for a in drive.actors}
    things = {t.instance: t for t in drive.things if t.instance}
    out = []
    for instance in np.flatnonzero(counts)[np.flatnonzero(counts) > 0]:
        actor, thing = actors.get(int(instance)), things.get(int(instance))
        group = _group(actor.kind) if actor else (thing.kind if thing else "")
        share = counts[instance] / (height * width)
        mask = frame.instances == instance
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        y0, y1, x0, x1 = ys[0], ys[-1] + 1, xs[0], xs[-1] + 1
        area, tall = PLAIN.get(group, (0.0006, 0.03))
        plain = share >= area and (y1 - y0) / height >= tall
        # A thing cut by the picture's edge is plain only if a good part of it is inside.
        if plain and (x0 == 0 or x1 == width):
            plain = share >= 4 * area and (x1 - x0) / width > 0.05
        if plain:
            pad_y, pad_x = max(2, (y1 - y0) // 5), max(2, (x1 - x0) // 4)
            rows, columns = slice(max(0, y0 - pad_y), y1 + pad_y), slice(max(0, x0 - pad_x), x1 + pad_x)
            plain = _contrast(frame, mask[rows, columns], rows, columns) >= CONTRAST
        out.append(
            Seen(
                int(instance),
                group,
                float(share),
                x0 / width,
                x1 / width,
                y0 / height,
                y1 / height,
                bool(plain),
                actor,
                _ahead(drive, actor, NOW)[0] - actor.size[1] / 2 if actor else float("inf"),
            )
        )
    return out


def _any(seen: Iterable[Seen]) -> bool | None:
    """True when one is plain, False when there is nothing of it, None between."""
    seen = list(seen)
    if any(s.plain for s in seen):
        return True
    return None if any(s.share > HIDDEN for s in seen) else False


def _by_share(share: float, plain: float, hidden: float) -> bool | None:
    return True if share >= plain else (False if share <= hidden else None)


def _ahead(drive: Drive, actor: Actor, t: float) -> tuple[float, float]:
    """Metres from our camera to the actor's middle along our way, and its offset to the right of it."""
    path = drive.ego.path if drive.situation[:4] == "turn" else drive.road.path

    def locate(x: float, y: float) -> tuple[float, float]:
        i = int(np.argmin((path.xy[:, 0] - x) ** 2 + (path.xy[:, 1] - y) ** 2))
        dx, dy, heading = x - path.xy[i, 0], y - path.xy[i, 1], path.heading[i]
        along = dx * np.sin(heading) + dy * np.cos(heading)
        return float(path.s[i] + along), float(dx * np.cos(heading) - dy * np.sin(heading))

    s, d = locate(*actor.motion.at(t)[:2])
    mine, _ = locate(*drive.ego.at(t)[:2])
    return s - mine, d


def _lead(drive: Drive, frame: Frame, seen: list[Seen]) -> tuple[Lead | None, bool | None]:
    """The vehicle in our path, and whether there is one (None when that is unclear)."""
    best: Lead | None = None
    unclear = False
    for item in seen:
        actor = item.actor
        if item.group != "vehicle" or actor is None or item.share < HIDDEN:
            continue
        ahead, offset = _ahead(drive, actor, NOW)
        clearance = abs(offset) - actor.size[0] / 2
        if actor.role == "cross":
            unclear |= abs(offset) < 6
        elif clearance < 0.2 and ahead > 0:
            gap = ahead - actor.size[1] / 2
            facing_away = actor.motion.across == 0
            if not item.plain or gap > 50 or not facing_away:
                unclear = True
            elif best is None or gap < best.gap:
                before = _ahead(drive, actor, FIRST)[0] - actor.size[1] / 2
                lamps = np.count_nonzero(
                    (frame.labels == labels.BRAKE_LAMP) & (frame.instances == item.instance)
                )
                share = lamps / frame.labels.size
                braking = (
                    _by_share(share, 0.00022, 0.0) if actor.braking(NOW) else (False if gap < 26 else None)
                )
                best = Lead(item, gap, before, braking)
        elif clearance < 0.75 and 0 < ahead < 50 and drive.situation[:4] != "turn":
            unclear = True
    if best is not None:
        return best, True
    if drive.situation == "lane_change":
        unclear |= abs(_nearest_offset(drive)) > 0.8
    return None, None if unclear else False


def _nearest_offset(drive: Drive) -> float:
    x, y, _ = drive.ego.at(NOW)
    path = drive.road.path
    return float(np.min(np.hypot(path.xy[:, 0] - x, path.xy[:, 1] - y)))


def _light(drive: Drive, frame: Frame, seen: list[Seen]) -> tuple[bool | None, str | None]:
    """Whether a traffic light is in view, and its state ("none" without one, None when unclear)."""
    state = drive.light_state(NOW)
    lamp = {"red": labels.LIGHT_RED, "amber": labels.LIGHT_AMBER, "green": labels.LIGHT_GREEN}.get(
        state or ""
    )
    heads = [s for s in seen if s.group == "light" and s.share > HIDDEN]
    if not heads:
        return False, "none"
    if lamp is None:
        return None, None
    lit = frame.instances[frame.labels == lamp]
    largest = np.bincount(lit).max() / frame.labels.size if len(lit) else 0.0
    # Only a head that is whole can be read.
    return (True, state) if largest >= LAMP else (None, None)


def _bend(drive: Drive) -> str | None:
    """Whether the road ahead is straight or bends, from where it lies 50 m on."""
    if drive.situation[:4] in ("turn", "lane"):
        return None
    x, _ = drive.road.path.point(50.0, 0.0)
    if abs(x) < 0.8:
        return "straight"
    return ("bends right" if x > 0 else "bends left") if abs(x) > 4.0 else None


def gather(drive: Drive, frame: Frame) -> Facts:
    """The facts of a clip, from its drive and its last frame."""
    seen = _see(frame, drive)
    shares = np.bincount(frame.labels.ravel(), minlength=len(labels.LABELS)) / frame.labels.size
    groups = {g: [s for s in seen if s.group == g] for g in ("vehicle", "pedestrian", "cyclist", "sign")}
    has_light, light = _light(drive, frame, seen)
    lead, vehicle_ahead = _lead(drive, frame, seen)
    presence = {
        "vehicle": _any(groups["vehicle"]),
        **{
            " or ".join(kinds): _any(s for s in groups["vehicle"] if s.actor and s.actor.kind in kinds)
            for kinds in (("car",), ("truck",), ("bus",), ("truck", "bus"))
        },
        "parked vehicle": _any(s for s in groups["vehicle"] if s.actor and s.actor.role == "parked"),
        "oncoming vehicle": _any(s for s in groups["vehicle"] if s.actor and s.actor.role == "oncoming"),
        "pedestrian": _any(groups["pedestrian"]),
        "cyclist": _any(groups["cyclist"]),
        "traffic light": has_light,
        "traffic sign": _any(groups["sign"]),
        "zebra crossing": _by_share(shares[labels.ZEBRA], 0.006, 0.0002),
        "fence": _by_share(shares[labels.FENCE], 0.008, 0.0003),
        "tree": _by_share(shares[labels.TREE], 0.02, 0.0008),
        "building": _by_share(shares[labels.BUILDING], 0.03, 0.0008),
    }
    # A bicycle without a rider leaves it open, see `Facts.settled`.
    if not presence["cyclist"] and _any(s for s in seen if s.group == "bicycle") is not False:
        presence["cyclist"] = None
    crossers = [s for s in groups["pedestrian"] if s.actor and s.actor.role == "crossing"]
    crossing = _any(crossers)
    if crossing and not any(
        s.plain and s.actor and abs(_ahead(drive, s.actor, NOW)[1]) < 2.8 for s in crossers
    ):
        crossing = None
    riders = []
    for s in groups["cyclist"]:
        if s.actor and s.actor.role == "riding" and s.actor.motion.across == 0:
            ahead, offset = _ahead(drive, s.actor, NOW)
            if abs(offset) < 2.3 and ahead < 22:
                riders.append(s)
    return Facts(
        drive=drive,
        seen=tuple(seen),
        shares=shares,
        presence=presence,
        light=light,
        lead=lead,
        vehicle_ahead=vehicle_ahead,
        crossing=crossing,
        cyclist_in_path=_any(riders),
        ego_speed=(drive.ego.speed(FIRST), drive.ego.speed(NOW)),
        ego_distance=float(np.interp(NOW, TIMES, drive.ego.s) - np.interp(FIRST, TIMES, drive.ego.s)),
        ego_turn=drive.ego_turn(FIRST, NOW),
        bend=_bend(drive),
    )
