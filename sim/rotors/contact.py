"""Contacts of drones with obstacles and with each other: one simple model, and its reference code.

A drone is a disc of radius `disc_radius`, made thick by `skin` (so that it fills its collision
cylinder, with round edges). Obstacles are exact boxes, spheres, capsules, cylinders, half-spaces.

- Points. Four points at 45 deg on the rim act where they are closer than `skin` to an obstacle;
  when none is, the disc's nearest point does (found by alternating projections between the two
  shapes). Two discs touch at their nearest points. So a drone rests on four points, never rocking.
- Normal force. A spring-damper f = max(0, d / tau^2 - 2 v / tau) / s on the penetration d [m] and
  the speed of separation v [m/s]: critically damped, with tau = `ContactConfig.time_constant`, at
  least 2.4 physics steps, where the explicit step still damps. s [1/kg] is 1/m + r^2/I, the least
  inertia that a point can show, or what four can show together; so the pair is as stiff as the
  step allows, whatever the drone weighs.
- Friction. Coulomb, f <= mu n, against the slip; viscous, slip / (s tau), below that cone.

The compiled kernel (`compiled/contact.py`) computes the same; here it is written over arrays, for
GPUs and as what the kernel is tested against.
"""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace

from .algebra import cross, rotate, unrotate
from .constants import PROJECTIONS, RIM
from .layout import BOX, CAPSULE, CYLINDER, PLANE, SPHERE

__all__ = ["contact_wrench", "height_below", "touching"]
CORNERS = ((RIM, RIM), (-RIM, RIM), (RIM, -RIM), (-RIM, -RIM))


def surface(kind: int, size: Any, point: Any) -> tuple[Any, Any]:
    """Signed distance (...,) [m] of points (..., 3) in a shape's frame, and outward normal."""
    xp = array_namespace(point)
    x, y, z = (point[..., i] for i in range(3))
    zero, one = xp.zeros_like(x), xp.ones_like(x)
    a, b, c = (float(s) for s in size)
    if kind == PLANE:
        return z, xp.stack([zero, zero, one], axis=-1)
    if kind in (SPHERE, CAPSULE):
        dz = z if kind == SPHERE else z - xp.clip(z, -b, b)
        d = xp.sqrt(x * x + y * y + dz * dz)
        at = xp.where(d == 0, 1.0, d)
        return d - a, xp.stack([x / at, y / at, xp.where(d == 0, 1.0, dz / at)], axis=-1)
    if kind == CYLINDER:
        radius = xp.sqrt(x * x + y * y)
        at = xp.where(radius > 0, radius, 1.0)
        ux, uy = xp.where(radius > 0, x / at, 1.0), xp.where(radius > 0, y / at, 0.0)
        side, top = radius - a, xp.abs(z) - b
        sz = xp.where(z >= 0, one, -one)
        inside, by_side = (side <= 0) & (top <= 0), side > top
        e, f = xp.clip(side, 0.0, None), xp.clip(top, 0.0, None)
        d = xp.sqrt(e * e + f * f)
        at = xp.where(d > 0, d, 1.0)
        normal = xp.stack(
            [
                xp.where(inside, xp.where(by_side, ux, zero), ux * e / at),
                xp.where(inside, xp.where(by_side, uy, zero), uy * e / at),
                xp.where(inside, xp.where(by_side, zero, sz), sz * f / at),
            ],
            axis=-1,
        )
        return xp.where(inside, xp.maximum(side, top), d), normal
    half = xp.asarray([a, b, c], dtype=point.dtype, device=_device(point))
    sign = xp.where(point < 0, -xp.ones_like(point), xp.ones_like(point))
    excess = xp.abs(point) - half
    inside = xp.all(excess <= 0, axis=-1)
    ex, ey, ez = (excess[..., i] for i in range(3))
    on_x = (ex >= ey) & (ex >= ez)
    on_y = ~on_x & (ey >= ez)
    face = xp.stack([on_x, on_y, ~on_x & ~on_y], axis=-1)
    out = xp.clip(excess, 0.0, None)
    d = xp.sqrt(xp.sum(out * out, axis=-1))
    at = xp.where(d > 0, d, 1.0)[..., None]
    normal = sign * xp.where(inside[..., None], xp.where(face, 1.0, 0.0), out / at)
    return xp.where(inside, xp.maximum(ex, xp.maximum(ey, ez)), d), normal


def distance(shape: Any, place: tuple[Any, Any], point: Any) -> tuple[Any, Any]:
    """`surface` of world points (N, ..., 3), the normal in the world.

    `shape` (4,) numbers of one obstacle; `place` its position (N, 3) and rotation (N, 3, 3).
    """
    extra = (1,) * (point.ndim - 2)
    origin, turn = place
    origin = origin.reshape((origin.shape[0], *extra, 3))
    turn = turn.reshape((turn.shape[0], *extra, 3, 3))
    d, normal = surface(int(shape[0]), shape[1:], unrotate(turn, point - origin))
    return d, rotate(turn, normal)


def on_disc(center: Any, turn: Any, radius: Any, point: Any) -> Any:
    """Points of discs, (..., 3) centre and (..., 3, 3) rotation, nearest to points (..., 3)."""
    xp = array_namespace(point)
    arm = point - center
    axis = turn[..., :, 2]
    arm = arm - xp.sum(arm * axis, axis=-1)[..., None] * axis
    length = xp.linalg.vector_norm(arm, axis=-1)
    far = length > radius
    scale = xp.where(far, radius / xp.where(far, length, 1.0), 1.0)
    return center + scale[..., None] * arm


def nearest(center: Any, turn: Any, radius: Any, shape: Any, place: Any) -> tuple[Any, Any, Any]:
    """The discs' points nearest to an obstacle, their distance, and the normal there."""
    point = center
    d, normal = distance(shape, place, point)
    for _ in range(PROJECTIONS):
        point = on_disc(center, turn, radius, point - d[..., None] * normal)
        d, normal = distance(shape, place, point)
    return point, d, normal


def spring(
    depth: Any, normal: Any, velocity: Any, softness: Any, tau: float, friction: float
) -> Any:
    """Contact force (..., 3) [N] on what is `depth` (...,) deep and moves with `velocity`."""
    xp = array_namespace(depth)
    vn = xp.sum(velocity * normal, axis=-1)
    push = xp.clip((depth / (tau * tau) - 2 * vn / tau) / softness, 0.0, None)
    push = xp.where(depth > 0, push, 0.0)
    slip = velocity - vn[..., None] * normal
    speed = xp.linalg.vector_norm(slip, axis=-1)
    hold = 1 / (softness * tau)
    sliding = speed * hold > friction * push
    hold = xp.where(sliding, friction * push / xp.where(sliding, speed, 1.0), hold)
    hold = xp.where(depth > 0, hold, 0.0)
    return push[..., None] * normal - hold[..., None] * slip


def contact_wrench(
    state: tuple[Any, Any, Any, Any], p: Any, shapes: Any, places: Any, tau: float, friction: float
) -> tuple[Any, Any]:
    """Contact forces on drones, (N, A, 3) world force [N] and (N, A, 3) body torque [N m].

    Args:
        state: position (N, A, 3), rotation (N, A, 3, 3), velocity, body rates (N, A, 3).
        p: RotorParameters.
        shapes: (O, 4) numpy, on the host.
        places: O pairs of position (N, 3) and rotation (N, 3, 3).
        tau: time constant [s].
        friction: Coulomb coefficient.
    """
    center, turn, velocity, rates = state
    xp = array_namespace(center)
    spin_world = rotate(turn, rates)
    force, torque = xp.zeros_like(center), xp.zeros_like(center)
    radius, skin, mass = (xp.broadcast_to(v, center.shape[:2])
                          for v in (p.disc_radius, p.skin, p.mass))  # fmt: skip
    least = xp.minimum(p.inertia[..., 0], p.inertia[..., 1])
    spin = xp.broadcast_to(p.disc_radius**2 / least, center.shape[:2])
    corners = xp.asarray([(*c, 0.0) for c in CORNERS], dtype=center.dtype, device=_device(center))
    rim = rotate(turn[:, :, None], corners * radius[..., None, None])
    for shape, place in zip(shapes, places, strict=True):
        points = center[:, :, None] + rim
        d, normal = distance(shape, place, points)
        active = d < skin[..., None]
        count = xp.sum(xp.astype(active, center.dtype), axis=-1)
        softness = xp.maximum(1 / mass + spin, count * xp.maximum(1 / mass, 0.5 * spin))
        point, gap, facing = nearest(center, turn, radius, shape, place)
        points = xp.concat([points, point[:, :, None]], axis=2)
        depth = xp.concat(
            [
                xp.where(active, skin[..., None] - d, 0.0),
                xp.where(count == 0, xp.clip(skin - gap, 0.0, None), 0.0)[..., None],
            ],
            axis=2,
        )
        normal = xp.concat([normal, facing[:, :, None]], axis=2)
        arm = points - center[:, :, None] - skin[..., None, None] * normal
        moving = velocity[:, :, None] + cross(spin_world[:, :, None], arm)
        push = spring(depth, normal, moving, softness[..., None], tau, friction)
        force = force + xp.sum(push, axis=2)
        torque = torque + xp.sum(cross(arm, push), axis=2)
    if center.shape[1] > 1:
        first, second, depth, normal, arms = _pairs(center, turn, radius, skin)
        a, b = velocity[:, first], velocity[:, second]
        a = a + cross(spin_world[:, first], arms[0])
        b = b + cross(spin_world[:, second], arms[1])
        softness = 1 / mass + spin
        push = spring(depth, normal, a - b, softness[:, first] + softness[:, second], tau, friction)
        for drones, arm, way in ((first, arms[0], 1.0), (second, arms[1], -1.0)):
            # sums over pairs as a product with their incidence matrix: the same on every device
            who = xp.arange(center.shape[1], device=_device(center))[:, None] == drones
            who = xp.astype(who, center.dtype)
            force = force + who @ (way * push)
            torque = torque + who @ cross(arm, way * push)
    return force, unrotate(turn, torque)


def touching(state: tuple[Any, Any], p: Any, shapes: Any, places: Any) -> Any:
    """(N, A, O + A) bool: drone touches obstacle, drone touches drone."""
    center, turn = state
    xp = array_namespace(center)
    worlds, drones = center.shape[:2]
    radius, skin = (xp.broadcast_to(v, (worlds, drones)) for v in (p.disc_radius, p.skin))
    found = [
        nearest(center, turn, radius, s, q)[1] <= skin for s, q in zip(shapes, places, strict=True)
    ]
    both = xp.zeros((worlds, drones, drones), dtype=xp.bool, device=_device(center))
    if drones > 1:
        first, second, depth, _, _ = _pairs(center, turn, radius, skin)
        both[:, first, second] = depth >= 0
        both[:, second, first] = depth >= 0
    return xp.concat([xp.reshape(f, (worlds, drones, 1)) for f in found] + [both], axis=-1)


def height_below(points: Any, shapes: Any, places: Any) -> Any:
    """How far below world points (N, A, M, 3) obstacles begin [m]; inf over nothing.

    Shapes other than boxes and half-spaces count as their boxes.
    """
    xp = array_namespace(points)
    best = xp.full_like(points[..., 0], float("inf"))
    for shape, (origin, turn) in zip(shapes, places, strict=True):
        kind, (a, b, c) = int(shape[0]), (float(s) for s in shape[1:])
        turn = turn[:, None, None]
        local = unrotate(turn, points - origin[:, None, None])
        # straight down, in the shape's frame
        down = -turn[..., 2, :] + xp.zeros_like(local)
        if kind == PLANE:
            meets = (down[..., 2] < 0) & (local[..., 2] >= 0)
            t = -local[..., 2] / xp.where(meets, down[..., 2], -1.0)
            best = xp.where(meets, xp.minimum(best, t), best)
            continue
        half = {
            SPHERE: (a, a, a), CAPSULE: (a, a, b + a), CYLINDER: (a, a, b), BOX: (a, b, c),
        }.get(kind, (a, b, c))  # fmt: skip
        enter, leave = xp.full_like(best, -float("inf")), xp.full_like(best, float("inf"))
        for axis in range(3):
            p, d, s = local[..., axis], down[..., axis], half[axis]
            flat = xp.abs(d) < 1e-12
            slope = xp.where(flat, 1.0, d)
            t1, t2 = (-s - p) / slope, (s - p) / slope
            enter = xp.where(flat, enter, xp.maximum(enter, xp.minimum(t1, t2)))
            leave = xp.where(flat, leave, xp.minimum(leave, xp.maximum(t1, t2)))
            leave = xp.where(flat & (xp.abs(p) > s), -float("inf"), leave)
        hit = (enter >= 0) & (enter <= leave)
        best = xp.where(hit, xp.minimum(best, enter), best)
    return best


def _pairs(center: Any, turn: Any, radius: Any, skin: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Each pair of drones once: indices (P,), depth (N, P), normal on the first, both arms."""
    xp = array_namespace(center)
    index = [(a, b) for a in range(center.shape[1]) for b in range(a)]
    table = xp.asarray(index, device=_device(center))
    first, second = table[:, 0], table[:, 1]
    one, two = (center[:, first], turn[:, first]), (center[:, second], turn[:, second])
    q = on_disc(*two, radius[:, second], one[0])
    p = one[0]
    for _ in range(PROJECTIONS):
        p = on_disc(*one, radius[:, first], q)
        q = on_disc(*two, radius[:, second], p)
    gap = p - q
    d = xp.linalg.vector_norm(gap, axis=-1)
    apart = one[0] - two[0]
    c = xp.linalg.vector_norm(apart, axis=-1)
    up = xp.zeros_like(gap) + xp.asarray([0.0, 0.0, 1.0], dtype=gap.dtype, device=_device(gap))
    # discs that cross have no direction of their own: push the centres apart
    crossing, same = d <= 1e-9, c <= 1e-9
    aside = xp.where(same[..., None], up, apart / xp.where(same, 1.0, c)[..., None])
    normal = xp.where(crossing[..., None], aside, gap / xp.where(crossing, 1.0, d)[..., None])
    depth = skin[:, first] + skin[:, second] - xp.where(crossing, 0.0, d)
    return first, second, depth, normal, (p - one[0], q - two[0])


def _device(array: Any) -> Any:
    return getattr(array, "device", None)
