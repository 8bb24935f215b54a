"""A generated drive: the road, what stands along it, who moves on it, and how our vehicle drives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from leo_drive.data.synthetic.appearance import Look
from leo_drive.data.synthetic.camera import Camera, View, view_from
from leo_drive.data.synthetic.ego import Motion
from leo_drive.data.synthetic.geometry import Path

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Strip:
    """A band of ground along the main road, from `left` to `right` metres beside our lane's middle."""

    left: float
    right: float


@dataclass(frozen=True)
class Line:
    """A painted line along the main road, `d` metres right of our lane's middle; dash 0 is unbroken."""

    d: float
    width: float = 0.12
    dash: float = 0.0
    gap: float = 0.0
    yellow: bool = False


@dataclass(frozen=True)
class Junction:
    """A crossing road at right angles, `y` metres ahead of us now, reaching `left` and `right` metres."""

    y: float
    half_width: float
    left: float = -90.0
    right: float = 90.0


@dataclass(frozen=True)
class Road:
    """The main road. Offsets are metres right of the middle of our lane.

    Attributes:
        path: the middle of our lane; s = 0 is where we are now (unless we turn off).
        keep: 1 where one drives on the right, -1 on the left.
        carriageways: the paved bands.
        pavements: bands for walking; none in the country.
        lines: painted lines.
        lanes: (centre, direction) of each lane, direction 1 is ours.
        junction, zebra, stop_line: where they are along the path, or None.
        colours: RGB of asphalt, pavement, verge.
        wear: 0..1, how faded the paint is.
    """

    path: Path
    keep: int
    carriageways: tuple[Strip, ...]
    pavements: tuple[Strip, ...]
    lines: tuple[Line, ...]
    lanes: tuple[tuple[float, int], ...]
    bend: str
    junction: Junction | None
    zebra: float | None
    stop_line: float | None
    asphalt: RGB
    pavement: RGB
    verge: RGB
    wear: float

    @property
    def edges(self) -> tuple[float, float]:
        """Left and right edge of all carriageways."""
        return min(c.left for c in self.carriageways), max(c.right for c in self.carriageways)


@dataclass(frozen=True)
class Thing:
    """Something that stands still and is not counted as traffic: building, tree, fence, sign, light...

    Attributes:
        kind: which drawing it gets.
        x, y, heading: where, and which way its front looks.
        width, length, height: metres; width across its heading.
        colour: RGB.
        style: which variant of its kind.
        seed: for its details.
        instance: > 0 for what questions count.
    """

    kind: str
    x: float
    y: float
    heading: float
    width: float
    length: float
    height: float
    colour: RGB
    style: str = ""
    seed: int = 0
    instance: int = 0


@dataclass(frozen=True)
class Actor:
    """A road user.

    Attributes:
        instance: > 0, its number in the instance maps.
        kind: "car", "van", "truck", "bus", "pedestrian" or "cyclist" ("bicycle" when nobody rides it).
        role: "lead", "oncoming", "beside", "parked", "cross", "walking", "standing", "crossing", "riding".
        colour: RGB; colour_name is what a person would call it.
        brakes: when its brake lamps are lit, as (from, to) seconds.
        size: width, length, height, metres.
    """

    instance: int
    kind: str
    role: str
    motion: Motion
    size: tuple[float, float, float]
    colour: RGB
    colour_name: str = ""
    brakes: tuple[float, float] | None = None
    style: int = 0
    seed: int = 0

    def braking(self, t: float) -> bool:
        """Whether its brake lamps are lit."""
        return self.brakes is not None and self.brakes[0] <= t <= self.brakes[1]


@dataclass(frozen=True)
class Drive:
    """Everything there is to know about a generated drive; `render(drive, t)` shows it at any time.

    Attributes:
        light: the states of the traffic lights that face us, as (from second, state), or () for none.
        ego: how our vehicle moves. situation: what the drive was made to show.
    """

    seed: int
    situation: str
    place: str
    road: Road
    camera: Camera
    look: Look
    ego: Motion
    actors: tuple[Actor, ...] = ()
    things: tuple[Thing, ...] = ()
    light: tuple[tuple[float, str], ...] = field(default=())

    def light_state(self, t: float) -> str | None:
        """ "red", "amber", "green", or None where no light faces us."""
        state = None
        for since, name in self.light:
            if t >= since or state is None:
                state = name
        return state

    def view(self, t: float, size: tuple[int, int]) -> View:
        """The camera's view at a time."""
        x, y, heading = self.ego.at(t)
        return view_from(self.camera, x, y, heading, size)

    def ego_turn(self, start: float, end: float) -> float:
        """Change of our heading between two times, radians, positive to the right."""
        return self.ego.at(end)[2] - self.ego.at(start)[2]


def generator(*key: int) -> np.random.Generator:
    """The random numbers that belong to a key."""
    return np.random.default_rng([abs(int(k)) for k in key])
