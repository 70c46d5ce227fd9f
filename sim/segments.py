"""Segments: what the numbers of segmentation images mean, the same in every backend."""

from __future__ import annotations

from .scene import Scene

BACKGROUND = "background"


def segment_names(scene: Scene) -> tuple[str, ...]:
    """Names by id: 0 the background, then each static geom, object and robot body that is drawn.

    A body counts with all its shapes, but without the bodies that hang on it; names carry the
    robots' prefixes.
    """
    names = [geom.name for geom in scene.static_geoms if geom.visible]
    names += [b.name for b in scene.bodies if any(g.visible for g in b.geoms)]
    for robot in scene.robots:
        names += [
            robot.prefix + b.name
            for b in robot.spec.bodies
            if any(g.visible for g in b.geoms)
        ]  # fmt: skip
    return (BACKGROUND, *names)


def segment_of_geom(scene: Scene) -> dict[str, int]:
    """Id of every drawn geom, by its name with the robot's prefix."""
    ids: dict[str, int] = {}
    number = 0
    for geom in scene.static_geoms:
        if geom.visible:
            number += 1
            ids[geom.name] = number
    groups = [("", scene.bodies), *((r.prefix, r.spec.bodies) for r in scene.robots)]
    for prefix, bodies in groups:
        for body in bodies:
            drawn = [g for g in body.geoms if g.visible]
            number += bool(drawn)
            ids |= {prefix + g.name: number for g in drawn}
    return ids
