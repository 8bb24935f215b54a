"""The ground: verge, pavements, carriageways, paint, shadows and the grain that shows how fast we go."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from leo_drive.data.synthetic import labels
from leo_drive.data.synthetic.appearance import ground_grain
from leo_drive.data.synthetic.canvas import NEAR, Canvas
from leo_drive.data.synthetic.geometry import clip_near
from leo_drive.data.synthetic.world import Drive, Road, Strip

BEHIND, AHEAD = -14.0, 170.0


def _stations(near: float) -> np.ndarray:
    """Distances along the road at which its edges are sampled: dense close by."""
    return near + np.concatenate([np.arange(BEHIND, 40, 4.0), np.arange(40, AHEAD, 10.0)])


def _flat(xy: np.ndarray) -> np.ndarray:
    return np.concatenate([xy, np.zeros((len(xy), 1))], axis=1)


@dataclass(frozen=True)
class _Rail:
    """The road's line at the stations (n, 2) and the unit vectors (n, 2) to its right."""

    middle: np.ndarray
    aside: np.ndarray

    def beside(self, d: float) -> np.ndarray:
        return self.middle + d * self.aside


def _band(canvas: Canvas, rail: _Rail, strip: Strip, colour: tuple, tag: int) -> None:
    left, right = rail.beside(strip.left), rail.beside(strip.right)
    outline = canvas.view.to_camera(_flat(np.concatenate([left, right[::-1]])))
    canvas.polygon(outline, canvas.shade(colour, 12.0), tag)


def _cross_band(canvas: Canvas, x0: float, x1: float, y0: float, y1: float, colour: tuple, tag: int) -> None:
    corners = np.array([[x0, y0, 0], [x0, y1, 0], [x1, y1, 0], [x1, y0, 0]], float)
    canvas.polygon(canvas.view.to_camera(corners), canvas.shade(colour, 12.0), tag)


def draw_ground(canvas: Canvas, drive: Drive, t: float) -> None:
    """Everything flat, with its shadows and grain; fills all rows below the horizon."""
    road, view = drive.road, canvas.view
    height = canvas.tags.shape[0]
    top = int(np.clip(np.ceil(view.horizon), 0, height))
    canvas.image[top:] = canvas.shade(road.verge, 30.0)
    canvas.tags[top:] = labels.OTHER
    here = _nearest(road, view.eye[0], view.eye[1])
    # Looking along the road nothing behind the lens can be in view, and nothing needs cutting there.
    stations = (
        _stations(here) if drive.situation[:4] == "turn" else _stations(here)[_stations(here) > here + 1.0]
    )
    stations = np.concatenate([[min(stations[0], here + 1.0)], stations])
    middle = road.path.points(stations, 0.0)
    rail = _Rail(middle, road.path.points(stations, 1.0) - middle)
    junction = road.junction
    for strip in road.pavements:
        _band(canvas, rail, strip, road.pavement, labels.PAVEMENT)
    if junction is not None:
        y0, y1 = junction.y - junction.half_width, junction.y + junction.half_width
        if road.pavements:
            for a, b in ((y0 - 2.6, y0), (y1, y1 + 2.6)):
                _cross_band(canvas, junction.left, junction.right, a, b, road.pavement, labels.PAVEMENT)
    kerb = tuple(min(255, int(c * 1.18)) for c in road.pavement)
    if road.pavements:
        for strip in road.carriageways:
            _band(canvas, rail, Strip(strip.left - 0.16, strip.right + 0.16), kerb, labels.PAVEMENT)
    if junction is not None:
        _cross_band(canvas, junction.left, junction.right, y0, y1, road.asphalt, labels.ROAD)
    for strip in road.carriageways:
        _band(canvas, rail, strip, road.asphalt, labels.ROAD)
    _wheel_tracks(canvas, road, rail)
    _paint(canvas, road, here)
    _shadows(canvas, drive, t, top)
    _grain(canvas, drive, top)


def _nearest(road: Road, x: float, y: float) -> float:
    """Distance along the road of the place nearest to x, y."""
    return float(road.path.s[np.argmin((road.path.xy[:, 0] - x) ** 2 + (road.path.xy[:, 1] - y) ** 2)])


def _wheel_tracks(canvas: Canvas, road: Road, rail: _Rail) -> None:
    darker = tuple(int(c * 0.93) for c in road.asphalt)
    for centre in (c for c, _ in road.lanes if abs(c) < 4.5):
        for side in (-0.75, 0.75):
            _band(canvas, rail, Strip(centre + side - 0.3, centre + side + 0.3), darker, labels.ROAD)


def _paint_colour(canvas: Canvas, road: Road, yellow: bool) -> tuple[float, float, float]:
    fresh = (222, 178, 62) if yellow else (226, 226, 220)
    mixed = tuple(
        f * (1 - 0.7 * road.wear) + a * 0.7 * road.wear for f, a in zip(fresh, road.asphalt, strict=True)
    )
    return canvas.shade(mixed, 12.0, 1.08)


def _in_junction(road: Road, s: np.ndarray, margin: float) -> np.ndarray:
    if road.junction is None:
        return np.zeros(s.shape, bool)
    return np.abs(s - road.junction.y) < road.junction.half_width + margin


def _quads(canvas: Canvas, corners: np.ndarray, colour: tuple, tag: int) -> None:
    """(n, 4, 2) ground quads; those that reach behind the lens are clipped one by one."""
    flat = np.concatenate([corners, np.zeros((*corners.shape[:2], 1))], axis=2)
    points = canvas.view.to_camera(flat.reshape(-1, 3)).reshape(-1, 4, 3)
    depth = points[:, :, 2]
    canvas.quads(points, colour, tag, smooth=True)
    for quad in points[(depth.min(axis=1) <= NEAR) & (depth.max(axis=1) > NEAR)]:
        canvas.polygon(quad, colour, tag)


def _paint(canvas: Canvas, road: Road, here: float) -> None:
    path = road.path
    for line in road.lines:
        colour = _paint_colour(canvas, road, line.yellow)
        if line.dash:
            period = line.dash + line.gap
            start = np.arange(np.floor((here + BEHIND) / period) * period, here + 110, period)
            end = start + line.dash
        else:
            start = np.concatenate(
                [np.arange(here + BEHIND, here + 40, 4.0), np.arange(here + 40, here + 140, 10.0)]
            )
            start = np.sort(start)
            end = np.append(start[1:], start[-1] + 4)
        clear = ~(_in_junction(road, start, 1.0) | _in_junction(road, end, 1.0))
        if road.zebra is not None:
            clear &= (end < road.zebra - 2.2) | (start > road.zebra + 2.2)
        start, end = start[clear], end[clear]
        if not len(start):
            continue
        half = line.width / 2
        corners = np.stack(
            [
                path.points(start, line.d - half),
                path.points(end, line.d - half),
                path.points(end, line.d + half),
                path.points(start, line.d + half),
            ],
            axis=1,
        )
        _quads(canvas, corners, colour, labels.MARKING)
    left, right = road.edges
    if road.junction is not None:
        x = np.concatenate(
            [np.arange(left - 5, road.junction.left, -6.0), np.arange(right + 2, road.junction.right, 6.0)]
        )
        y = np.full_like(x, road.junction.y)
        corners = np.stack(
            [np.stack([x + dx, y + dy], 1) for dx, dy in ((0, -0.06), (0, 0.06), (3, 0.06), (3, -0.06))], 1
        )
        _quads(canvas, corners, _paint_colour(canvas, road, False), labels.MARKING)
    if road.stop_line is not None:
        ours = [c for c, direction in road.lanes if direction > 0]
        a, b = min(ours) - 1.55, max(ours) + 1.55
        s = np.array([road.stop_line, road.stop_line + 0.45])
        corner = np.concatenate([path.points(s, a), path.points(s[::-1], b)])[None]
        _quads(canvas, corner, _paint_colour(canvas, road, False), labels.MARKING)
    if road.zebra is not None:
        d = np.arange(left + 0.3, right - 0.5, 1.1)
        near, far = np.full_like(d, road.zebra - 1.5), np.full_like(d, road.zebra + 1.5)
        corners = np.stack(
            [
                path.points(near, d),
                path.points(far, d),
                path.points(far, d + 0.6),
                path.points(near, d + 0.6),
            ],
            axis=1,
        )
        ends = np.array([road.zebra - 1.5, road.zebra + 1.5])
        patch = np.concatenate([path.points(ends, left), path.points(ends[::-1], right)])[None]
        _quads(canvas, patch, canvas.shade(road.asphalt, 12.0), labels.ZEBRA)
        _quads(canvas, corners, canvas.shade((228, 228, 224), 12.0, 1.08 - 0.25 * road.wear), labels.ZEBRA)


def _shadows(canvas: Canvas, drive: Drive, t: float, top: int) -> None:
    """Darken the ground under vehicles and people, and where buildings and trees keep the sun off."""
    view, look = canvas.view, drive.look
    mask = np.full(canvas.tags.shape, 255, np.uint8)

    def fill(footprint: np.ndarray, value: int) -> None:
        points = view.to_camera(_flat(footprint))
        if points[:, 2].max() <= NEAR or points[:, 2].min() > 90:
            return
        if points[:, 2].min() < NEAR:
            points = clip_near(points, NEAR)
        if len(points) > 2:
            cv2.fillConvexPoly(mask, canvas.pixels(points), (value,), cv2.LINE_8, 3)

    reach = 1.4 * np.array([-np.sin(look.sun), -np.cos(look.sun)])
    if look.sun_strength > 0.15:
        hard = int(255 * (1 - 0.5 * look.sun_strength))
        for thing in drive.things:
            if thing.kind in ("building", "tree", "hedge"):
                wide, long = (0.7, 0.7) if thing.kind != "tree" else (thing.width * 0.6, thing.width * 0.6)
                if thing.kind != "tree":
                    wide, long = thing.width, thing.length
                base = _footprint(thing.x, thing.y, thing.heading, wide, long)
                both = np.concatenate([base, base + reach * min(thing.height, 14.0)]).astype(np.float32)
                fill(cv2.convexHull(both)[:, 0].astype(float), hard)
        for actor in drive.actors:
            x, y, heading = actor.motion.at(t)
            base = _footprint(x, y, heading, actor.size[0], actor.size[1])
            both = np.concatenate([base, base + reach * actor.size[2] * 0.8]).astype(np.float32)
            fill(cv2.convexHull(both)[:, 0].astype(float), hard)
    for actor in drive.actors:
        x, y, heading = actor.motion.at(t)
        fill(_footprint(x, y, heading, actor.size[0] + 0.25, actor.size[1] + 0.3), 105)
    small = mask[top:]
    if small.size:
        soft = cv2.merge([cv2.blur(small, (3, 3))] * 3)
        canvas.image[top:] = cv2.multiply(canvas.image[top:], soft, scale=1 / 255)


def _footprint(x: float, y: float, heading: float, width: float, length: float) -> np.ndarray:
    cos, sin = np.cos(heading), np.sin(heading)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, length / 2)
    return np.stack(
        [x + corners[:, 0] * cos + corners[:, 1] * sin, y - corners[:, 0] * sin + corners[:, 1] * cos], 1
    )


def _grain(canvas: Canvas, drive: Drive, top: int) -> None:
    """Lay texture that is fixed in the world over the ground, then haze, headlight beam and wetness."""
    height, width = canvas.tags.shape
    view, look = canvas.view, drive.look
    if top >= height:
        return
    rows = np.arange(top, height) + 0.5
    depth = view.eye[2] * view.focal / np.maximum(rows - view.horizon, 0.5)
    matrix = (
        np.diag([7.0, 7.0, 1.0]) @ view.ground_from_image() @ np.array([[1, 0, 0], [0, 1, top], [0, 0, 1.0]])
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # At half the resolution: it is smooth texture, and warping is what costs most here.
    half = (width // 2, (height - top + 1) // 2)
    warped = cv2.warpPerspective(
        ground_grain(), matrix @ np.diag([2.0, 2.0, 1.0]), half, flags=flags, borderMode=cv2.BORDER_WRAP
    )
    grain: np.ndarray = cv2.resize(warped, (width, height - top), interpolation=cv2.INTER_LINEAR).astype(
        np.float32
    )
    keep = np.clip(1.25 - depth / 34, 0.06, 1.0)
    haze = 1 - np.exp(-look.fog * np.maximum(depth - 12, 0))
    beam = np.ones(len(rows))
    if look.headlights:
        # Undo the beam that every ground colour was shaded with and let it fall off with distance.
        light = float(np.mean(look.ambient))
        base = light + look.headlights * np.exp(-12.0 / 16)
        beam = (light + 1.5 * look.headlights * np.exp(-np.abs(depth - 7) / 11)) / base
    scale = beam * (1 - haze) / 2
    grain *= (keep * scale)[:, None].astype(np.float32)
    grain += (128 * (1 - keep) * scale)[:, None].astype(np.float32)
    texture = cv2.convertScaleAbs(grain)
    ground = cv2.multiply(canvas.image[top:], cv2.merge([texture] * 3), scale=1 / 64)
    veil = np.empty_like(ground)
    veil[:] = (haze[:, None] * look.haze_colour).astype(np.uint8)[:, None]
    cv2.add(ground, veil, dst=ground)
    canvas.image[top:] = ground


def mirror_wet(canvas: Canvas, drive: Drive) -> None:
    """On a wet road show what stands above it, upside down and smeared."""
    top = int(np.clip(canvas.view.horizon, 0, canvas.tags.shape[0]))
    height = canvas.tags.shape[0]
    if drive.look.wet <= 0 or top < 8 or top >= height - 8:
        return
    rows = min(top, height - top)
    above = cv2.blur(canvas.image[top - rows : top][::-1], (3, max(3, rows // 6)))
    below = canvas.image[top : top + rows]
    tags = canvas.tags[top : top + rows]
    share = 0.42 * drive.look.wet
    mixed = cv2.addWeighted(below, 1 - share, above, share, 0)
    wet = ((tags == labels.ROAD) | (tags == labels.MARKING) | (tags == labels.ZEBRA)).astype(np.uint8)
    cv2.copyTo(mixed, wet, below)
