"""Drawing traffic lights and traffic signs."""

from __future__ import annotations

import cv2
import numpy as np

from leo_drive.data.synthetic import labels
from leo_drive.data.synthetic.canvas import NEAR, Canvas
from leo_drive.data.synthetic.world import Thing

_DISC = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 17)[:-1])], axis=1
)
_LENSES = (
    ("red", (255, 44, 30), labels.LIGHT_RED),
    ("amber", (255, 176, 20), labels.LIGHT_AMBER),
    ("green", (40, 245, 140), labels.LIGHT_GREEN),
)


def _card(canvas: Canvas, thing: Thing, outline: np.ndarray) -> np.ndarray:
    return canvas.card(thing.x, thing.y, np.asarray(outline, float))


def draw_light(canvas: Canvas, thing: Thing, state: str | None) -> None:
    """A signal head that faces us: `width` of its housing; the lenses' middle is at `height`."""
    eye = canvas.view.eye
    depth = float(np.hypot(thing.x - eye[0], thing.y - eye[1]))
    if _card(canvas, thing, np.array([(0.0, 1.0)]))[0, 2] < NEAR + 0.5:
        return
    half, centre = thing.width / 2, thing.height
    top = centre + 3.0 * half
    grey = canvas.shade((70, 72, 74), depth)
    pole = canvas.view.to_camera(np.array([(thing.x, thing.y, 0.0), (thing.x, thing.y, centre - 2.8 * half)]))
    if thing.style == "gantry":
        # The mast stands beside the road and reaches over it.
        foot = np.array([np.cos(thing.heading), -np.sin(thing.heading)]) * thing.length + (thing.x, thing.y)
        mast = np.array([(*foot, 0.0), (*foot, top + 0.2), (thing.x, thing.y, top + 0.2)])
        points = canvas.view.to_camera(mast)
        canvas.line(points[:2], grey, 0.16, labels.POLE)
        canvas.line(points[1:], grey, 0.14, labels.POLE)
    else:
        canvas.line(pole, grey, 0.13, labels.POLE)
    tag = thing.instance * 32
    board = np.array(
        [
            (-half * 1.5, -3.5 * half),
            (half * 1.5, -3.5 * half),
            (half * 1.5, 3.5 * half),
            (-half * 1.5, 3.5 * half),
        ]
    )
    if thing.seed % 2:
        edge = canvas.shade((225, 225, 225), depth)
        canvas.polygon(_card(canvas, thing, board * 1.07 + np.array([0, centre])), edge, tag + labels.SIGN)
        canvas.polygon(
            _card(canvas, thing, board + np.array([0, centre])),
            canvas.shade((16, 16, 18), depth),
            tag + labels.SIGN,
        )
    else:
        slim = board * (0.72, 0.96) + np.array([0, centre])
        canvas.polygon(_card(canvas, thing, slim), canvas.shade((22, 23, 25), depth), tag + labels.SIGN)
    for index, (name, colour, label) in enumerate(_LENSES):
        up = centre + (1 - index) * 2.05 * half
        disc = _DISC * (half * 0.86) + (0, up)
        points = _card(canvas, thing, disc)
        if name != state:
            dim = tuple(0.22 * c for c in colour)
            canvas.polygon(points, canvas.shade(dim, depth), tag + labels.SIGN)
            continue
        canvas.polygon(points, canvas.emit(colour, depth * 0.5), tag + label)
        core = tuple(0.45 * c + 140 for c in colour)
        canvas.polygon(
            _card(canvas, thing, _DISC * (half * 0.4) + (0, up)), canvas.emit(core, depth * 0.5), tag + label
        )
        canvas.glow(points.mean(axis=0), half * 1.5, colour, tag + label)


def draw_sign(canvas: Canvas, thing: Thing) -> None:
    """A sign on a pole: `height` of its middle, `width` across."""
    eye = canvas.view.eye
    depth = float(np.hypot(thing.x - eye[0], thing.y - eye[1]))
    r, z = thing.width / 2, thing.height
    points = _card(canvas, thing, np.array([(0, 0), (0, z + r)]))
    if points[:, 2].min() < NEAR + 0.5:
        return
    canvas.line(points, canvas.shade((120, 122, 124), depth), 0.08, labels.POLE)
    tag = thing.instance * 32 + labels.SIGN

    def part(outline: np.ndarray | list[tuple[float, float]], colour: tuple) -> None:
        card = _card(canvas, thing, np.asarray(outline, float) * r + (0, z))
        canvas.polygon(card, canvas.shade(colour, depth, 1.12), tag)

    red, white, dark = (200, 24, 34), (238, 238, 234), (28, 28, 30)
    octagon = _DISC[::2] @ np.array([[0.924, 0.383], [-0.383, 0.924]])
    triangle = np.array([(-1, -0.72), (1, -0.72), (0, 1.0)])
    if thing.style == "stop":
        part(octagon * 1.06, white)
        part(octagon, red)
        part([(-0.7, -0.16), (0.7, -0.16), (0.7, 0.16), (-0.7, 0.16)], white)
    elif thing.style == "limit":
        part(_DISC, red)
        part(_DISC * 0.76, white)
        _number(canvas, thing, str((thing.seed % 6 + 2) * 10), depth)
    elif thing.style == "warning":
        part(triangle, red)
        part(triangle * 0.68 + (0, -0.03), white)
        part([(-0.07, -0.3), (0.07, -0.3), (0.07, 0.25), (-0.07, 0.25)], dark)
    elif thing.style == "no entry":
        part(_DISC, red)
        part([(-0.68, -0.16), (0.68, -0.16), (0.68, 0.16), (-0.68, 0.16)], white)
    elif thing.style == "parking":
        square = np.array([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)])
        part(square, (24, 70, 170))
        part([(-0.3, -0.6), (-0.08, -0.6), (-0.08, 0.6), (-0.3, 0.6)], white)
        part(_DISC * 0.38 + (0.06, 0.24), white)
    else:
        board = np.array([(-1.9, -0.8), (1.9, -0.8), (1.9, 0.8), (-1.9, 0.8)])
        part(board * 1.05, white)
        part(board, thing.colour)
        for row in (-0.4, 0.02, 0.44):
            part(
                [
                    (-1.5, row - 0.09),
                    (0.4 + 0.3 * (thing.seed % 4), row - 0.09),
                    (0.4 + 0.3 * (thing.seed % 4), row + 0.09),
                    (-1.5, row + 0.09),
                ],
                white,
            )


def _number(canvas: Canvas, thing: Thing, text: str, depth: float) -> None:
    centre = _card(canvas, thing, np.array([(0.0, thing.height)]))
    u, v = canvas.pixels(centre)[0] / 8
    tall = thing.width * 0.4 * canvas.view.focal / centre[0, 2]
    if tall < 4 or not (0 <= u < canvas.view.size[0]):
        return
    scale = tall / 21
    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    place = (int(u - wide / 2), int(v + tall / 2))
    cv2.putText(
        canvas.image,
        text,
        place,
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        canvas.shade((28, 28, 30), depth),
        max(1, round(tall / 7)),
        cv2.LINE_AA,
    )
