"""SceneNames: what the names of a scene stand for where nothing but drones moves by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from octoworld.core.errors import ConfigError, UnknownNameError

from ..scene import Scene
from .algebra import compose
from .fleet import Fleet
from .obstacles import Anchor, anchors, obstacles, pose_of


class SceneNames:
    """Bodies, sites, geoms and solids of one scene by name.

    Raises:
        ConfigError: something other than drones and movable bases would have to move.
    """

    def __init__(self, scene: Scene, fleet: Fleet) -> None:
        self._scene = scene
        if scene.cables:
            raise ConfigError(
                f"backend 'rotorcraft' has no cables, which scene {scene.name!r} hangs things by: "
                "use backend 'mujoco'"
            )
        held = anchors(scene)
        bases = {b.name for b in scene.bodies if b.movable_base}
        for name, anchor in held.items():
            if anchor.root and anchor.root not in bases and anchor.root not in fleet.bodies:
                raise ConfigError(
                    f"backend 'rotorcraft' moves drones alone; body {name!r} of scene "
                    f"{scene.name!r} has a joint: use backend 'mujoco'"
                )
        for pair in scene.contact_excludes:
            if set(pair) & set(fleet.bodies):
                raise ConfigError(f"backend 'rotorcraft' has no contact_excludes of drones: {pair}")
        self._bodies: list[tuple[str, Any]] = [("", body) for body in scene.bodies]
        self._bodies += [(r.prefix, body) for r in scene.robots for body in r.spec.bodies]
        self._frames = dict(held)
        for prefix, body in self._bodies:
            own = held[prefix + body.name]
            for site in body.sites:
                local = pose_of(site.position, site.quat_wxyz)
                frame = Anchor(own.root, compose(own.local, local), compose(own.home, local))
                self._frames.setdefault(prefix + site.name, frame)
        colors = [(g.name, g.rgba) for g in scene.static_geoms]
        colors += [(p + g.name, g.rgba) for p, body in self._bodies for g in body.geoms]
        self.rgba = np.array([rgba for _, rgba in colors], np.float32).reshape(-1, 4)
        """(G, 4) colours of all geoms."""
        self.geoms = {name: i for i, (name, _) in enumerate(colors)}
        """Rows of `rgba`."""
        self._solids = self._find_solids(fleet)

    def frame(self, name: str) -> Anchor:
        """What a body or site moves with."""
        if name not in self._frames:
            raise UnknownNameError("body or site", name, self._frames)
        return self._frames[name]

    def geom(self, name: str) -> int:
        """Row of a geom in `rgba`."""
        if name not in self.geoms:
            raise UnknownNameError("geom", name, self.geoms)
        return self.geoms[name]

    def solid(self, name: str) -> tuple[int | None, list[int]]:
        """Index of the drone that `name` is, if it is one, and its columns of `touching`."""
        if name not in self._solids:
            raise UnknownNameError("body or geom that collides", name, self._solids)
        return self._solids[name]

    def _find_solids(self, fleet: Fleet) -> dict[str, tuple[int | None, list[int]]]:
        solid = obstacles(self._scene)
        count = len(solid.names)
        found: dict[str, tuple[int | None, list[int]]] = {
            name: (None, [i]) for i, name in enumerate(solid.names)
        }
        trees: dict[str, set[str]] = {}
        for prefix, body in self._bodies:
            name = prefix + body.name
            trees[name] = {name}
            above = body.parent
            while above is not None:
                trees[prefix + above].add(name)
                above = next(b.parent for p, b in self._bodies if (p, b.name) == (prefix, above))
            if name in fleet.bodies:
                drone = fleet.bodies.index(name)
                hulls = [prefix + g.name for g in body.geoms if g.collides]
                found |= dict.fromkeys([name, *hulls], (drone, [count + drone]))
        for name, tree in trees.items():
            columns = [i for i, owner in enumerate(solid.owners) if owner in tree]
            found.setdefault(name, (None, columns))
        return found
