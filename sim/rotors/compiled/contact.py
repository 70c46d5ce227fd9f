"""Contacts of discs with obstacles and with each other; the model is described in `../contact.py`.

`x` (A, 18 + M) is a world's state, `shape` (O, 4) an obstacle's code and sizes, `place` (O, 7) its
pose.
"""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math

import numpy as np

from ..constants import PROJECTIONS, RIM
from ..layout import (
    BOX,
    CAPSULE,
    CONTACT_TIME,
    CYLINDER,
    ELLIPSOID,
    FRICTION,
    PLANE,
    SPHERE,
)  # fmt: skip
from .algebra import compiled, rotation, turn, unturn


@compiled
def surface(shape, x, y, z):
    """Signed distance of a point to a shape in the shape's frame, and the outward normal."""
    kind = int(shape[0])
    a, b, c = shape[1], shape[2], shape[3]
    if kind == PLANE:
        return z, 0.0, 0.0, 1.0
    if kind in (SPHERE, CAPSULE):
        dz = z if kind == SPHERE else z - min(max(z, -b), b)
        d = math.sqrt(x * x + y * y + dz * dz)
        if d == 0:
            return -a, 0.0, 0.0, 1.0
        return d - a, x / d, y / d, dz / d
    if kind == CYLINDER:
        radius = math.sqrt(x * x + y * y)
        ux, uy = (x / radius, y / radius) if radius > 0 else (1.0, 0.0)
        side, top = radius - a, abs(z) - b
        sz = 1.0 if z >= 0 else -1.0
        if side <= 0 and top <= 0:
            return (side, ux, uy, 0.0) if side > top else (top, 0.0, 0.0, sz)
        e, f = max(side, 0.0), max(top, 0.0)
        d = math.sqrt(e * e + f * f)
        return d, ux * e / d, uy * e / d, sz * f / d
    sx, sy, sz = math.copysign(1.0, x), math.copysign(1.0, y), math.copysign(1.0, z)
    ex, ey, ez = abs(x) - a, abs(y) - b, abs(z) - c
    if ex <= 0 and ey <= 0 and ez <= 0:
        if ex >= ey and ex >= ez:
            return ex, sx, 0.0, 0.0
        return (ey, 0.0, sy, 0.0) if ey >= ez else (ez, 0.0, 0.0, sz)
    ex, ey, ez = max(ex, 0.0), max(ey, 0.0), max(ez, 0.0)
    d = math.sqrt(ex * ex + ey * ey + ez * ez)
    return d, sx * ex / d, sy * ey / d, sz * ez / d


@compiled
def distance(shape, place, px, py, pz):
    """`surface` of a point in the world, with the normal in the world."""
    r = rotation(place[3:7])
    lx, ly, lz = unturn(r, px - place[0], py - place[1], pz - place[2])
    d, nx, ny, nz = surface(shape, lx, ly, lz)
    wx, wy, wz = turn(r, nx, ny, nz)
    return d, wx, wy, wz


@compiled
def on_disc(x, r, radius, px, py, pz):
    """The point of a drone's disc that is nearest to a point."""
    dx, dy, dz = px - x[0], py - x[1], pz - x[2]
    along = dx * r[2] + dy * r[5] + dz * r[8]
    dx, dy, dz = dx - along * r[2], dy - along * r[5], dz - along * r[8]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    scale = radius / length if length > radius else 1.0
    return x[0] + scale * dx, x[1] + scale * dy, x[2] + scale * dz


@compiled
def nearest(x, r, radius, shape, place):
    """The disc's point nearest to an obstacle (alternating projections), distance and normal."""
    px, py, pz = np.float64(x[0]), np.float64(x[1]), np.float64(x[2])
    d, nx, ny, nz = distance(shape, place, px, py, pz)
    for _ in range(PROJECTIONS):
        px, py, pz = on_disc(x, r, radius, px - d * nx, py - d * ny, pz - d * nz)
        d, nx, ny, nz = distance(shape, place, px, py, pz)
    return px, py, pz, d, nx, ny, nz


@compiled
def between_discs(x, r, radius, y, s, other):
    """Centre distance direction, gap of two discs and the points on each that are nearest."""
    px, py, pz = np.float64(x[0]), np.float64(x[1]), np.float64(x[2])
    qx, qy, qz = on_disc(y, s, other, px, py, pz)
    for _ in range(PROJECTIONS):
        px, py, pz = on_disc(x, r, radius, qx, qy, qz)
        qx, qy, qz = on_disc(y, s, other, px, py, pz)
    dx, dy, dz = px - qx, py - qy, pz - qz
    d = math.sqrt(dx * dx + dy * dy + dz * dz)
    if d > 1e-9:
        return d, dx / d, dy / d, dz / d, px, py, pz, qx, qy, qz
    # discs that cross have no direction of their own: push the centres apart
    dx, dy, dz = x[0] - y[0], x[1] - y[1], x[2] - y[2]
    c = math.sqrt(dx * dx + dy * dy + dz * dz)
    if c > 1e-9:
        return 0.0, dx / c, dy / c, dz / c, px, py, pz, qx, qy, qz
    return 0.0, 0.0, 0.0, 1.0, px, py, pz, qx, qy, qz


@compiled
def point_velocity(x, r, ax, ay, az):
    """World velocity of the point of a drone at the arm (ax, ay, az) in world axes."""
    ox, oy, oz = turn(r, np.float64(x[10]), np.float64(x[11]), np.float64(x[12]))
    return x[7] + oy * az - oz * ay, x[8] + oz * ax - ox * az, x[9] + ox * ay - oy * ax


@compiled
def push(out, r, ax, ay, az, fx, fy, fz):
    """Add a world force that acts at an arm (world axes) to a drone's wrench."""
    out[0] += fx
    out[1] += fy
    out[2] += fz
    tx, ty, tz = unturn(r, ay * fz - az * fy, az * fx - ax * fz, ax * fy - ay * fx)
    out[3] += tx
    out[4] += ty
    out[5] += tz


@compiled
def spring(depth, nx, ny, nz, vx, vy, vz, softness, tau, friction):
    """Contact force: a spring-damper along the normal, Coulomb friction, viscous when slow."""
    vn = vx * nx + vy * ny + vz * nz
    normal = max(0.0, (depth / (tau * tau) - 2 * vn / tau) / softness)
    tx, ty, tz = vx - vn * nx, vy - vn * ny, vz - vn * nz
    slip = math.sqrt(tx * tx + ty * ty + tz * tz)
    hold = 1 / (softness * tau)
    if slip * hold > friction * normal:
        hold = friction * normal / slip
    return normal * nx - hold * tx, normal * ny - hold * ty, normal * nz - hold * tz


@compiled
def contacts(x, body, shape, place, real, out):
    """Add contact forces of all drones of a world; the model is described in `contact.py`."""
    tau, friction = real[CONTACT_TIME], real[FRICTION]
    for a in range(x.shape[0]):
        r = rotation(x[a, 3:7])
        radius, skin, mass = (
            np.float64(body[a, 27]),
            np.float64(body[a, 28]),
            np.float64(body[a, 0]),
        )
        least = min(body[a, 1], body[a, 2])
        spin = radius * radius / least
        for o in range(shape.shape[0]):
            far = distance(
                shape[o], place[o], np.float64(x[a, 0]), np.float64(x[a, 1]), np.float64(x[a, 2])
            )[0]
            if far >= radius + skin:
                continue
            count = 0
            for k in range(4):
                dx, dy = (1 - 2 * (k & 1)) * RIM * radius, (1 - (k & 2)) * RIM * radius
                ax, ay, az = turn(r, dx, dy, 0.0)
                d = distance(shape[o], place[o], x[a, 0] + ax, x[a, 1] + ay, x[a, 2] + az)[0]
                count += d < skin
            softness = max(1 / mass + spin, count * max(1 / mass, 0.5 * spin))
            if count == 0:
                px, py, pz, d, nx, ny, nz = nearest(x[a], r, radius, shape[o], place[o])
                if d < skin:
                    ax, ay, az = (
                        px - x[a, 0] - skin * nx,
                        py - x[a, 1] - skin * ny,
                        pz - x[a, 2] - skin * nz,
                    )
                    vx, vy, vz = point_velocity(x[a], r, ax, ay, az)
                    fx, fy, fz = spring(skin - d, nx, ny, nz, vx, vy, vz, softness, tau, friction)
                    push(out[a], r, ax, ay, az, fx, fy, fz)
                continue
            for k in range(4):
                dx, dy = (1 - 2 * (k & 1)) * RIM * radius, (1 - (k & 2)) * RIM * radius
                ax, ay, az = turn(r, dx, dy, 0.0)
                d, nx, ny, nz = distance(
                    shape[o], place[o], x[a, 0] + ax, x[a, 1] + ay, x[a, 2] + az
                )
                if d < skin:
                    ax, ay, az = ax - skin * nx, ay - skin * ny, az - skin * nz
                    vx, vy, vz = point_velocity(x[a], r, ax, ay, az)
                    fx, fy, fz = spring(skin - d, nx, ny, nz, vx, vy, vz, softness, tau, friction)
                    push(out[a], r, ax, ay, az, fx, fy, fz)
        for b in range(a):
            dx, dy, dz = x[a, 0] - x[b, 0], x[a, 1] - x[b, 1], x[a, 2] - x[b, 2]
            reach = radius + skin + body[b, 27] + body[b, 28]
            if dx * dx + dy * dy + dz * dz >= reach * reach:
                continue
            s = rotation(x[b, 3:7])
            d, nx, ny, nz, px, py, pz, qx, qy, qz = between_discs(
                x[a], r, radius, x[b], s, np.float64(body[b, 27])
            )
            depth = skin + body[b, 28] - d
            if depth <= 0:
                continue
            ax, ay, az = px - x[a, 0], py - x[a, 1], pz - x[a, 2]
            bx, by, bz = qx - x[b, 0], qy - x[b, 1], qz - x[b, 2]
            ux, uy, uz = point_velocity(x[a], r, ax, ay, az)
            vx, vy, vz = point_velocity(x[b], s, bx, by, bz)
            other = body[b, 27] * body[b, 27] / min(body[b, 1], body[b, 2])
            softness = 1 / mass + spin + 1 / body[b, 0] + other
            fx, fy, fz = spring(
                depth, nx, ny, nz, ux - vx, uy - vy, uz - vz, softness, tau, friction
            )
            push(out[a], r, ax, ay, az, fx, fy, fz)
            push(out[b], s, bx, by, bz, -fx, -fy, -fz)


@compiled
def height(shape, place, px, py, pz):
    """How far below a point the obstacles begin [m]; inf over nothing. Shapes are their boxes."""
    best = math.inf
    for o in range(shape.shape[0]):
        r = rotation(place[o, 3:7])
        lx, ly, lz = unturn(r, px - place[o, 0], py - place[o, 1], pz - place[o, 2])
        # straight down, in the shape's frame
        dx, dy, dz = -r[6], -r[7], -r[8]
        kind = int(shape[o, 0])
        if kind == PLANE:
            if dz < 0 and lz >= 0:
                best = min(best, -lz / dz)
            continue
        sx = shape[o, 1]
        sy = shape[o, 2] if kind in (BOX, ELLIPSOID) else sx
        sz = shape[o, 3]
        if kind == SPHERE:
            sz = sx
        elif kind == CAPSULE:
            sz = shape[o, 2] + sx
        elif kind == CYLINDER:
            sz = shape[o, 2]
        enter, leave = -math.inf, math.inf
        for axis in range(3):
            p, d, s = (lx, dx, sx) if axis == 0 else ((ly, dy, sy) if axis == 1 else (lz, dz, sz))
            if abs(d) < 1e-12:
                if abs(p) > s:
                    leave = -math.inf
                continue
            t1, t2 = (-s - p) / d, (s - p) / d
            enter, leave = max(enter, min(t1, t2)), min(leave, max(t1, t2))
        if 0 <= enter <= leave:
            best = min(best, enter)
    return best
