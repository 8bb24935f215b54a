"""Drawing what stands along the road: buildings, trees, hedges, fences, poles, signs, lights, cones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from leo_drive.data.synthetic import labels
from leo_drive.data.synthetic.canvas import NEAR, Canvas, placed
from leo_drive.data.synthetic.world import Thing, generator

_DISC = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 17)[:-1])], axis=1
)


def _depth(canvas: Canvas, thing: Thing) -> float:
    eye = canvas.view.eye
    return float(np.hypot(thing.x - eye[0], thing.y - eye[1]))


def _box(thing: Thing) -> np.ndarray:
    """(8, 3) world corners: four below, four above, both rear-left, rear-right, front-right, front-left."""
    w, d, h = thing.width / 2, thing.length / 2, thing.height
    flat = [(-w, -d), (w, -d), (w, d), (-w, d)]
    return placed(thing.x, thing.y, thing.heading, np.array([(*c, z) for z in (0.0, h) for c in flat]))


_SIDES = {"rear": (0, 1, 5, 4), "right": (1, 2, 6, 5), "front": (2, 3, 7, 6), "left": (3, 0, 4, 7)}
_TURN = {"rear": np.pi, "right": np.pi / 2, "front": 0.0, "left": -np.pi / 2}


def _seen_sides(canvas: Canvas, thing: Thing) -> list[str]:
    dx, dy = canvas.view.eye[0] - thing.x, canvas.view.eye[1] - thing.y
    sin, cos = np.sin(thing.heading), np.cos(thing.heading)
    right, ahead = dx * cos - dy * sin, dx * sin + dy * cos
    seen = []
    if abs(ahead) > thing.length / 2:
        seen.append("front" if ahead > 0 else "rear")
    if abs(right) > thing.width / 2:
        seen.append("right" if right > 0 else "left")
    return seen


def _grid(corners: np.ndarray, us: np.ndarray, vs: np.ndarray, du: float, dv: float) -> np.ndarray:
    """(len(us) * len(vs), 4, 3) panes on a face (4, 3) at shares us (across) and vs (up)."""
    u, v = (a.ravel() for a in np.meshgrid(us, vs))
    a, b, _, d = corners
    across, up = b - a, d - a
    panes = [(u, v), (u + du, v), (u + du, v + dv), (u, v + dv)]
    return np.stack([a + p[:, None] * across + q[:, None] * up for p, q in panes], axis=1)


@dataclass(frozen=True)
class _Facade:
    """One side of a building in world coordinates; everything that does not change from frame to frame."""

    face: np.ndarray
    panes: np.ndarray
    rims: np.ndarray
    bright: np.ndarray
    dark_lit: np.ndarray
    shop: np.ndarray
    shop_panes: np.ndarray
    frame_colour: tuple
    shop_colour: tuple
    shop_lit: bool


@lru_cache(maxsize=1024)
def _facade(thing: Thing, name: str) -> _Facade:
    """Storeys of windows with rims, and shop fronts on a shop's front."""
    rng = generator(thing.seed, 1)
    storey = float(rng.uniform(2.9, 3.6))
    wide, high = float(rng.uniform(0.9, 1.6)), float(rng.uniform(1.2, 1.9))
    spacing = wide + float(rng.uniform(0.9, 2.0))
    frame = tuple(rng.uniform(150, 235) * np.ones(3))
    shop_colour = tuple(rng.uniform(20, 190, 3))
    face = _box(thing)[list(_SIDES[name])]
    length, tall = float(np.linalg.norm(face[1] - face[0])), thing.height
    bays, floors = max(1, int(length / spacing)), max(1, int(tall / storey))
    us = (np.arange(bays) + 0.5) / bays - wide / length / 2
    vs = ((np.arange(floors) + 0.32) * storey) / tall
    vs = vs[vs + high / tall < 0.98]
    shop = thing.style == "shop" and name == "front"
    empty = np.empty((0, 4, 3))
    shop_face, shop_panes = empty, empty
    if shop:
        shop_face = _grid(face, np.array([0.02]), np.array([0.0]), 0.96, 3.0 / tall)
        fronts = np.arange(0.05, 0.9, 3.4 / length)
        shop_panes = _grid(face, fronts, np.array([0.5 / tall]), 2.7 / length, 1.7 / tall)
        vs = vs[1:]
    panes = _grid(face, us, vs, wide / length, high / tall)
    rims = _grid(face, us - 0.12 / length, vs - 0.1 / tall, (wide + 0.24) / length, (high + 0.2) / tall)
    bright, lit = rng.random(len(panes)) < 0.3, rng.random(len(panes)) < 0.35
    return _Facade(
        face, panes, rims, bright, lit, shop_face, shop_panes, frame, shop_colour, bool(rng.random() < 0.7)
    )


def draw_building(canvas: Canvas, thing: Thing) -> None:
    """A box with storeys of windows, a ground floor with shops or doors, and a flat or pitched roof."""
    look, depth = canvas.look, _depth(canvas, thing)
    night = look.time_of_day != "day"
    glass = tuple(0.3 * h * a + 16 for h, a in zip(look.haze_colour, look.ambient, strict=True))
    for name in _seen_sides(canvas, thing):
        facade = _facade(thing, name)
        camera = canvas.view.to_camera(facade.face)
        if camera[:, 2].max() < NEAR:
            continue
        light = look.facing_sun(thing.heading + _TURN[name])
        near = max(NEAR, float(np.sort(camera[:, 2])[1]))
        canvas.polygon(camera, canvas.shade(thing.colour, near * 0.7 + depth * 0.3, light), labels.BUILDING)
        if depth > 100 or _out_of_view(canvas, camera):
            continue
        if len(facade.shop):
            low = canvas.view.to_camera(facade.shop[0])
            canvas.polygon(low, canvas.shade(facade.shop_colour, depth, light), labels.BUILDING)
            lit = night and facade.shop_lit
            colour = canvas.emit((226, 200, 140), depth) if lit else canvas.shade(glass, depth)
            canvas.quads(_to_camera(canvas, facade.shop_panes), colour)
        if not len(facade.panes):
            continue
        if depth < 45:
            canvas.quads(_to_camera(canvas, facade.rims), canvas.shade(facade.frame_colour, depth, light))
        panes = _to_camera(canvas, facade.panes)
        canvas.quads(panes, canvas.shade(glass, depth, 1.0))
        if night:
            canvas.quads(panes[facade.dark_lit], canvas.emit((232, 196, 120), depth))
        elif depth < 60:
            canvas.quads(panes[facade.bright], canvas.shade(tuple(1.7 * c for c in glass), depth))
    if thing.style == "pitched":
        roof = np.array([95, 75, 68]) * (0.6 + 0.6 * (thing.seed % 97) / 97)
        _pitched_roof(canvas, thing, _box(thing), tuple(roof), depth)


def _out_of_view(canvas: Canvas, points: np.ndarray) -> bool:
    """Whether a face lies wholly to the left or right of the picture."""
    slope = canvas.view.size[0] / 2 / canvas.view.focal
    reach = np.maximum(points[:, 2], NEAR) * slope
    return bool((points[:, 0] > reach).all() or (points[:, 0] < -reach).all())


def _to_camera(canvas: Canvas, quads: np.ndarray) -> np.ndarray:
    return canvas.view.to_camera(quads.reshape(-1, 3)).reshape(-1, 4, 3)


def _pitched_roof(canvas: Canvas, thing: Thing, corners: np.ndarray, colour: tuple, depth: float) -> None:
    """A ridge along the width; the slope that faces the road and the gables that are seen."""
    rise = 0.45 * thing.length
    ridge_right = (corners[5] + corners[6]) / 2 + (0, 0, rise)
    ridge_left = (corners[4] + corners[7]) / 2 + (0, 0, rise)
    seen = _seen_sides(canvas, thing)
    final = canvas.shade(colour, depth, 0.95)
    gable = canvas.shade(thing.colour, depth, 0.85)
    pieces = []
    if "right" in seen:
        pieces.append((np.array([corners[5], corners[6], ridge_right]), gable))
    if "left" in seen:
        pieces.append((np.array([corners[7], corners[4], ridge_left]), gable))
    if "front" in seen:
        pieces.append((np.array([corners[6], corners[7], ridge_left, ridge_right]), final))
    if "rear" in seen:
        pieces.append((np.array([corners[4], corners[5], ridge_right, ridge_left]), final))
    for piece, shade in pieces:
        camera = canvas.view.to_camera(piece)
        if camera[:, 2].max() > NEAR:
            canvas.polygon(camera, shade, labels.BUILDING)


@lru_cache(maxsize=512)
def _crown(seed: int, style: str) -> tuple[np.ndarray, ...]:
    """Outlines (n, 2) of a crown in a unit box (x -0.5..0.5, up 0..1), back to front."""
    rng = generator(seed, 2)
    if style == "conifer":
        tiers = []
        for level in range(4):
            low, high, half = level * 0.2, level * 0.2 + 0.42, 0.5 - level * 0.1
            tiers.append(np.array([(-half, low), (half, low + rng.uniform(-0.02, 0.02)), (0, min(1, high))]))
        return tuple(tiers)
    lumps = []
    for _ in range(7):
        centre = rng.uniform((-0.24, 0.3), (0.24, 0.72))
        radius = rng.uniform(0.2, 0.3) * (1 + 0.16 * rng.normal(size=16))
        lumps.append(centre + _DISC * radius[:, None])
    whole = _DISC * (0.5 * (1 + 0.1 * rng.normal(size=16)))[:, None] + (0, 0.5)
    return (whole, *lumps)


@lru_cache(maxsize=512)
def _branches(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bare branches in a unit box: (n, 2, 2) segments and (n,) thickness shares, thickest first."""
    rng = generator(seed, 3)
    tips, segments, thickness = [(0.0, 0.0, float(rng.uniform(-0.05, 0.05)), 0.3)], [], []
    for level in range(5):
        grown = []
        for x, z, angle, length in tips:
            end = (x + length * np.sin(angle), z + length * np.cos(angle))
            segments.append([(x, z), end])
            thickness.append(0.03 * 0.6**level)
            for turn in rng.uniform(0.2, 0.6, 2) * (-1, 1):
                grown.append((*end, angle + turn, length * float(rng.uniform(0.62, 0.82))))
        tips = grown
    return np.array(segments), np.array(thickness)


def draw_tree(canvas: Canvas, thing: Thing) -> None:
    """A tree: bare, round or conifer; `width` is its crown, `height` its tip."""
    depth = _depth(canvas, thing)
    if float(canvas.card(thing.x, thing.y, np.array([(0.0, 2.0)]))[0, 2]) < 2.0:
        return
    bark = canvas.shade((82, 68, 56), depth, 0.9)
    if thing.style == "bare":
        _draw_bare(canvas, thing, depth, bark)
        return
    trunk = thing.height * (0.12 if thing.style == "conifer" else 0.28)
    half = 0.03 * thing.height
    stem = np.array([(-half, 0), (half, 0), (half * 0.7, trunk * 1.3), (-half * 0.7, trunk * 1.3)])
    canvas.polygon(canvas.card(thing.x, thing.y, stem), bark, labels.TREE)
    crown = _crown(thing.seed, thing.style)[: 8 if depth < 50 else 4]
    parts, start = [], 0
    tones = [
        canvas.shade(thing.colour, depth, light) for light in (0.66, 0.77, 0.86, 0.95, 1.04)[: len(crown)]
    ]
    for index, outline in enumerate(crown):
        parts.append((slice(start, start + len(outline)), tones[index % len(tones)]))
        start += len(outline)
    card = np.concatenate(crown) * (thing.width, thing.height - trunk) + (0, trunk)
    canvas.outlines(canvas.card(thing.x, thing.y, card), parts, labels.TREE)
    if depth < 45 and thing.style != "conifer":
        _leaves(canvas, thing, depth, trunk)


def _draw_bare(canvas: Canvas, thing: Thing, depth: float, bark: tuple) -> None:
    segments, thickness = _branches(thing.seed)
    count = 31 if depth < 35 else 15
    segments, thickness = segments[:count], thickness[:count] * thing.height * canvas.view.focal / depth
    points = canvas.card(thing.x, thing.y, segments.reshape(-1, 2) * (thing.height * 0.9, thing.height))
    if points[:, 2].min() < NEAR:
        return
    pixels = canvas.pixels(points).reshape(-1, 2, 2)
    wide = np.maximum(1, np.round(thickness)).astype(int)
    for width in np.unique(wide):
        lines = list(pixels[wide == width])
        cv2.polylines(canvas.image, lines, False, bark, int(width), cv2.LINE_AA, 3)
        cv2.polylines(canvas.tags, lines, False, (labels.TREE,), int(width) + 1, cv2.LINE_8, 3)


def _leaves(canvas: Canvas, thing: Thing, depth: float, trunk: float) -> None:
    """Specks of light and dark in a crown."""
    for specks, light in zip(_specks(thing, trunk), (0.55, 1.15), strict=True):
        points = canvas.card(thing.x, thing.y, specks).reshape(-1, 4, 3)
        canvas.quads(points, canvas.shade(thing.colour, depth, light))


@lru_cache(maxsize=512)
def _specks(thing: Thing, trunk: float) -> tuple[np.ndarray, np.ndarray]:
    """Two lots of leaves, (26 * 4, 2) each."""
    rng = generator(thing.seed, 4)
    middle = np.array([0, (thing.height + trunk) / 2])
    shape = np.array([(-1, 0), (0, -0.8), (1, 0.1), (0.1, 0.9)])
    lots = []
    for _ in range(2):
        centre = rng.normal(0, 0.19, (26, 2)) * (thing.width, thing.height - trunk) + middle
        lots.append((centre[:, None] + shape * rng.uniform(0.08, 0.28, (26, 1, 1))).reshape(-1, 2))
    return lots[0], lots[1]


def draw_hedge(canvas: Canvas, thing: Thing) -> None:
    """A clipped box of leaves."""
    corners, depth = _box(thing), _depth(canvas, thing)
    rng = generator(thing.seed, 7)
    for name in _seen_sides(canvas, thing):
        face = corners[list(_SIDES[name])]
        camera = canvas.view.to_camera(face)
        if camera[:, 2].max() < NEAR:
            continue
        light = 0.85 * canvas.look.facing_sun(thing.heading + _TURN[name])
        canvas.polygon(camera, canvas.shade(thing.colour, depth, light), labels.TREE)
        if depth < 45:
            n = 40
            u, v, size = rng.random(n), rng.random(n), rng.uniform(0.01, 0.03, n)
            across, up = face[1] - face[0], face[3] - face[0]
            spots = [(u, v), (u + size, v + 0.05), (u + 2 * size, v), (u + size, v - 0.05)]
            quads = np.stack([face[0] + p[:, None] * across + q[:, None] * up for p, q in spots], axis=1)
            canvas.quads(
                _to_camera(canvas, quads), canvas.shade(thing.colour, depth, light * 1.25), labels.TREE
            )


@lru_cache(maxsize=2048)
def _fence_parts(thing: Thing, fine: bool) -> tuple[np.ndarray, np.ndarray]:
    """A stretch's outline (4, 3) and its bars, boards or courses (n, 4, 3), world coordinates."""
    half, length = thing.length / 2, thing.length
    low = 0.42 if thing.style == "guardrail" else 0.0
    local = [(0, -half, low), (0, half, low), (0, half, thing.height), (0, -half, thing.height)]
    face = placed(thing.x, thing.y, thing.heading, np.array(local))
    one = np.array([0.0])
    if thing.style == "railing":
        bars = _grid(face, np.arange(0, 1, (0.16 if fine else 0.32) / length), one + 0.05, 0.05 / length, 0.9)
        return face, np.concatenate([bars, _grid(face, one, np.array([0.05, 0.9]), 1.0, 0.08)])
    if thing.style == "brick":
        return face, _grid(face, one, np.arange(0.12, 1, 0.17), 1.0, 0.025)
    if thing.style == "wood":
        return face, _grid(face, np.arange(0, 1, 0.2 / length), one, 0.03 / length, 1.0)
    return face, _grid(face, one, one + 0.42, 1.0, 0.14)


def draw_fence(canvas: Canvas, thing: Thing) -> None:
    """A stretch of fence or wall along its heading: "brick", "wood", "railing" or "guardrail"."""
    depth = _depth(canvas, thing)
    face, parts = _fence_parts(thing, depth < 30)
    camera = canvas.view.to_camera(face)
    if camera[:, 2].max() < NEAR or _out_of_view(canvas, camera):
        return
    light = canvas.look.facing_sun(thing.heading + np.pi / 2)
    final = canvas.shade(thing.colour, depth, light)
    if thing.style == "railing":
        # The map shows the whole stretch as fence, as people label one; the picture only its bars.
        if camera[:, 2].min() > NEAR:
            cv2.fillPoly(canvas.tags, [canvas.pixels(camera)], (labels.FENCE,), cv2.LINE_8, 3)
        canvas.quads(_to_camera(canvas, parts), final, labels.FENCE, depth < 40)
        return
    canvas.polygon(camera, final, labels.FENCE)
    darker = canvas.shade(thing.colour, depth, light * 0.72)
    if depth < 40:
        canvas.quads(_to_camera(canvas, parts), darker)
    if thing.style == "guardrail" and depth < 60:
        post = placed(thing.x, thing.y, thing.heading, np.array([(0, 0, 0.0), (0, 0, thing.height)]))
        canvas.line(canvas.view.to_camera(post), darker, 0.1, labels.FENCE)


def draw_pole(canvas: Canvas, thing: Thing) -> None:
    """A lamp post (lit in the dark) or a bare pole."""
    depth, view = _depth(canvas, thing), canvas.view
    grey = canvas.shade(thing.colour, depth)
    stem = view.to_camera(np.array([(thing.x, thing.y, 0.0), (thing.x, thing.y, thing.height)]))
    canvas.line(stem, grey, 0.14, labels.POLE)
    if thing.style != "lamp":
        return
    arm = placed(
        thing.x, thing.y, thing.heading, np.array([(0, 0, thing.height), (0, 1.6, thing.height + 0.25)])
    )
    canvas.line(view.to_camera(arm), grey, 0.1, labels.POLE)
    low, high = thing.height + 0.14, thing.height + 0.3
    head = np.array([(-0.3, low), (0.3, low), (0.3, high), (-0.3, high)])
    points = canvas.card(arm[1, 0], arm[1, 1], head)
    lit = canvas.look.time_of_day == "night"
    if points[:, 2].min() > NEAR:
        canvas.polygon(points, canvas.emit((255, 214, 150), depth) if lit else grey, labels.POLE)
        if lit:
            canvas.glow(points.mean(axis=0), 0.7, (255, 205, 140), labels.POLE)


def draw_cone(canvas: Canvas, thing: Thing) -> None:
    """A traffic cone."""
    depth = _depth(canvas, thing)
    for outline, colour in (
        (((-0.2, 0), (0.2, 0), (0.2, 0.06), (-0.2, 0.06)), (40, 40, 40)),
        (((-0.15, 0.06), (0.15, 0.06), (0.03, 0.75), (-0.03, 0.75)), (235, 88, 30)),
        (((-0.105, 0.28), (0.105, 0.28), (0.07, 0.46), (-0.07, 0.46)), (235, 235, 230)),
    ):
        points = canvas.card(thing.x, thing.y, np.array(outline))
        if points[:, 2].min() > NEAR:
            canvas.polygon(points, canvas.shade(colour, depth), labels.OTHER)
