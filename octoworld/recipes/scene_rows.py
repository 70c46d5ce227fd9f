"""SceneRows: how worlds of any physics engine look, in the form that the viewer replays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.arrays import as_numpy
from sim.backends.mujoco import MujocoWorld
from sim.world import World


class SceneRows:
    """Rows (N, S) for the column `scene_state`: see `octoworld.viewer.recording`.

    `world.get_state` restores a world to the bit, in a form that is each engine's own; a viewer
    wants poses and colours, in one form. A MuJoCo world is its own stand-in; that of another
    engine is posed like it, and never steps.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._stand_in = world if isinstance(world, MujocoWorld) else None
        if self._stand_in is None:
            self._stand_in = MujocoWorld(world.scene, world.num_worlds, 1)
        model = self._stand_in.model
        self._size = self._stand_in.batch.state.shape[1] + 4 * model.ngeom
        parts: list[tuple[str, Any]] = [("", body) for body in world.scene.bodies]
        for placed in world.scene.robots:
            parts += [(placed.prefix, body) for body in placed.spec.bodies]
        self._placed = [
            prefix + body.name
            for prefix, body in parts
            if body.movable_base or (body.joint is not None and body.joint.kind == "free")
        ]
        self._joints = tuple(
            prefix + body.joint.name
            for prefix, body in parts
            if body.joint is not None and body.joint.kind != "free"
        )
        self._geoms = [
            prefix + geom.name for prefix, body in parts for geom in body.geoms if geom.visible
        ]

    @property
    def is_needed(self) -> bool:
        """False where `get_state` is in the viewer's form already.

        Rotors and air, and the physical parameters of worlds that have their own, come behind it.
        """
        return self.world is not self._stand_in or self.world.get_state().shape[1] != self._size

    def __call__(self) -> NDArray[np.float64]:
        """Of all worlds as they are now."""
        world, drawn = self.world, self._stand_in
        assert drawn is not None
        if world is not drawn:
            for body in self._placed:
                drawn.set_pose(body, as_numpy(world.pose(body)))
            if self._joints:
                drawn.set_joint_position(
                    self._joints, as_numpy(world.joint_position(*self._joints))
                )
            for geom in self._geoms:
                drawn.set_color(geom, world.color(geom))
        return drawn.get_state()[:, : self._size]
