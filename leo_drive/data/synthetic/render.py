"""From a drive and a time to a picture and its label maps, drawn from far to near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from leo_drive.data.synthetic import labels, roadside, signals
from leo_drive.data.synthetic.appearance import bloom, develop, paint_sky, weather_over
from leo_drive.data.synthetic.canvas import Canvas
from leo_drive.data.synthetic.geometry import blocked
from leo_drive.data.synthetic.ground import draw_ground, mirror_wet
from leo_drive.data.synthetic.people import draw_cyclist, draw_pedestrian
from leo_drive.data.synthetic.vehicles import draw_vehicle
from leo_drive.data.synthetic.world import Drive, generator

_LONG = ("building", "fence", "hedge")
_THINGS: dict[str, Callable] = {
    "building": roadside.draw_building,
    "tree": roadside.draw_tree,
    "hedge": roadside.draw_hedge,
    "fence": roadside.draw_fence,
    "pole": roadside.draw_pole,
    "cone": roadside.draw_cone,
    "sign": signals.draw_sign,
}
_ACTORS: dict[str, Callable] = {
    "pedestrian": draw_pedestrian,
    "cyclist": draw_cyclist,
    "bicycle": draw_cyclist,
}
_SEEN_TO = 150.0


@dataclass(frozen=True)
class Frame:
    """One rendered frame.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8, indices into LABELS.
        instances: (H, W) int32, the number of the object seen, 0 for none.
    """

    image: np.ndarray
    labels: np.ndarray
    instances: np.ndarray


def render(drive: Drive, t: float, size: tuple[int, int] = (640, 360)) -> Frame:
    """Draw a drive as its camera sees it at a time.

    Args:
        drive: what to draw.
        t: seconds; a clip's frames are at 0, 1, 2, 3, 4.
        size: width and height, pixels.
    """
    view = drive.view(t, size)
    canvas = Canvas(view, drive.look)
    paint_sky(canvas.image, drive.look, view.horizon, view.heading, view.focal)
    _distant(canvas, drive)
    draw_ground(canvas, drive, t)
    for stroke in _far_to_near(canvas, drive, t):
        stroke()
    mirror_wet(canvas, drive)
    _bloom_seen(canvas)
    rng = generator(drive.seed, 99, round(t * 1000))
    weather_over(canvas.image, drive.look, rng)
    _bonnet(canvas, drive)
    image = develop(canvas.image, drive.look, rng)
    return Frame(image, canvas.labels, canvas.instances)


def _distant(canvas: Canvas, drive: Drive) -> None:
    """Hills, a tree line or roofs on the horizon; they hide behind haze in fog."""
    rng = generator(drive.seed, 21)
    view, look = canvas.view, drive.look
    width = view.size[0]
    if look.fog > 0.02:
        return
    azimuth = (np.arange(0, width + 8, 8) - width / 2) / view.focal + view.heading
    kinds = [("hills", 0.05, labels.TREE, (88, 108, 96))] if rng.random() < 0.45 else []
    if drive.place in ("city", "suburb"):
        kinds.append(("roofs", 0.05, labels.BUILDING, (112, 104, 102)))
    if drive.place != "city":
        kinds.append(("trees", 0.035, labels.TREE, (66, 82, 58)))
    for kind, tall, label, colour in kinds:
        phase = rng.uniform(0, 6.28, 4)
        rates = {"hills": (2, 3.7, 7, 11), "trees": (9, 23, 51, 90), "roofs": (6, 17, 31, 47)}[kind]
        waves = sum(
            np.sin(azimuth * rate + p) / (i + 1.5)
            for i, (rate, p) in enumerate(zip(rates, phase, strict=True))
        )
        if kind == "roofs":
            waves = np.round(waves * 3) / 3
        rise = view.focal * tall * np.clip(0.55 + 0.35 * waves, 0.12, 2)
        top = np.stack([np.arange(0, width + 8, 8), view.horizon - rise], axis=1)
        outline = np.concatenate([top, [[width + 8, view.horizon + 2], [0, view.horizon + 2]]]).astype(
            np.int32
        )
        final = canvas.shade(colour, min(120.0, 0.7 / max(look.fog, 0.004)))
        cv2.fillPoly(canvas.image, [outline], final, cv2.LINE_AA)
        cv2.fillPoly(canvas.tags, [outline], (label,))


def _far_to_near(canvas: Canvas, drive: Drive, t: float) -> list[Callable[[], None]]:
    """What to draw, in order.

    Long things (walls of houses, fences) go by the distance of their middle. Everything else is drawn
    after all of them, from far to near, unless one stands in between: then before that one.
    """
    view = canvas.view
    eye = view.eye[:2]
    sin, cos = np.sin(view.heading), np.cos(view.heading)
    slope = 1.05 * np.tan(drive.camera.fov / 2)
    long_items, items = [], []
    for thing in drive.things:
        dx, dy = thing.x - eye[0], thing.y - eye[1]
        reach = max(thing.width, thing.length) if thing.kind in _LONG else 1.0
        ahead, across = dx * sin + dy * cos, abs(dx * cos - dy * sin)
        if (
            ahead < -reach / 2
            or across > ahead * slope + (0.75 * reach if thing.kind in _LONG else 6.0)
            or ahead > _SEEN_TO
        ):
            continue
        distance = float(np.hypot(dx, dy))
        if thing.kind == "light":
            items.append((distance, dx, dy, _light(canvas, thing, drive.light_state(t))))
        elif thing.kind in _LONG:
            long_items.append((distance, thing))
        else:
            items.append((distance, dx, dy, _bind(_THINGS[thing.kind], canvas, thing)))
    for actor in drive.actors:
        x, y, _ = actor.motion.at(t)
        dx, dy = x - eye[0], y - eye[1]
        if dx * sin + dy * cos < -actor.size[1] or np.hypot(dx, dy) > _SEEN_TO:
            continue
        draw = _ACTORS.get(actor.kind, draw_vehicle)
        items.append((float(np.hypot(dx, dy)), dx, dy, _bind(draw, canvas, actor, t)))
    long_items.sort(key=lambda item: -item[0])
    slots = np.full(len(items), len(long_items))
    if long_items and items:
        boxes = np.array([(b.x, b.y, b.heading, max(b.width, 0.1) / 2, b.length / 2) for _, b in long_items])
        targets = np.array([(eye[0] + dx, eye[1] + dy) for _, dx, dy, _ in items])
        hidden = blocked(eye, targets, boxes)
        slots = np.where(hidden.any(axis=1), hidden.argmax(axis=1), len(long_items))
    strokes = [
        (float(i), 0.0, _bind(_THINGS[thing.kind], canvas, thing)) for i, (_, thing) in enumerate(long_items)
    ]
    strokes += [(slot - 0.5, -item[0], item[3]) for slot, item in zip(slots, items, strict=True)]
    strokes.sort(key=lambda stroke: (stroke[0], stroke[1]))
    return [stroke[2] for stroke in strokes]


def _bind(draw: Callable, *arguments: object) -> Callable[[], None]:
    return lambda: draw(*arguments)


def _light(canvas: Canvas, thing: object, state: str | None) -> Callable[[], None]:
    return lambda: signals.draw_light(canvas, thing, state)  # type: ignore[arg-type]


def _bloom_seen(canvas: Canvas) -> None:
    height, width = canvas.tags.shape
    spots = []
    for u, v, radius, colour, tag in canvas.glows:
        if 0 <= u < width and 0 <= v < height and canvas.tags[int(v), int(u)] == tag:
            spots.append((u, v, radius, tuple(colour)))
    look = canvas.look
    strength = {"day": 0.3, "dusk": 0.55, "night": 0.7}[look.time_of_day] * (
        1.25 if look.weather in ("fog", "rain") else 1.0
    )
    bloom(canvas.image, spots, min(0.9, strength))


def _bonnet(canvas: Canvas, drive: Drive) -> None:
    camera = drive.camera
    if camera.bonnet <= 0:
        return
    height, width = canvas.tags.shape
    u = np.linspace(-0.05, 1.05, 25)
    rise = camera.bonnet * (1 - 1.1 * (2 * u - 1 + camera.offset * 0.2) ** 2 * 0.6)
    top = np.stack([u * width, height * (1 - rise)], axis=1)
    outline = np.concatenate([top, [[width * 1.05, height + 4], [-0.05 * width, height + 4]]]).astype(
        np.int32
    )
    colour = canvas.shade(camera.bonnet_colour, 1.0, 1.0 if drive.look.headlights == 0 else 0.5)
    cv2.fillPoly(canvas.image, [outline], colour, cv2.LINE_AA)
    cv2.fillPoly(canvas.tags, [outline], (labels.OTHER,))
    sheen = tuple(min(255.0, 1.5 * c + 12) for c in colour)
    cv2.polylines(
        canvas.image,
        [(top + np.array([0, height * 0.012])).astype(np.int32)],
        False,
        sheen,
        max(1, height // 160),
        cv2.LINE_AA,
    )
