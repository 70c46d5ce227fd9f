"""Probe: what a robot would touch if its joints were elsewhere; the world itself is not moved."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.rotations import matrix_from_quat, quat_multiply

from .mujoco import MujocoWorld

_ROBOT, _REST = 1, 2


class Probe:
    """Asks one world of a `MujocoWorld` what would touch, for planning.

    Only pairs of a robot's moving part (or what it carries) and anything else are looked at.
    """

    def __init__(self, world: MujocoWorld, root: str, joints: tuple[str, ...]) -> None:
        """`root`: body whose tree moves with `joints`; these are the ones that `touched` sets."""
        self._world = world
        self._model = copy.copy(world.model)
        self._data = mujoco.MjData(self._model)
        self._qpos = [int(self._model.joint(j).qposadr[0]) for j in joints]
        top = self._model.body(root).id
        self._moving = np.zeros(self._model.nbody, bool)
        for body in range(self._model.nbody):
            at = body
            while at and at != top:
                at = int(self._model.body_parentid[at])
            self._moving[body] = at == top
        self._solid = (self._model.geom_contype != 0) | (self._model.geom_conaffinity != 0)
        self._carried: list[tuple[int, NDArray]] = []
        self._hand = self._model.body(root).id
        self.load()

    def load(
        self,
        row: int = 0,
        carried: Mapping[str, ArrayLike] | None = None,
        hand: str = "",
        ignored: Iterable[str] = (),
        others: Mapping[str, float] | None = None,
        clearance: float = 0.0,
    ) -> None:
        """Take the world's present state over.

        Args:
            row: which world.
            carried: free body -> its pose (7,) in the frame of `hand`, with which it moves.
            hand: body that carries.
            ignored: bodies that may be touched (what is about to be grasped).
            others: joint -> position, for joints beside those of `joints`.
            clearance: what is nearer than this counts as touched [m].
        """
        model, data = self._model, self._data
        data.qpos[:] = self._world.batch.bind("qpos")[row]
        for joint, value in (others or {}).items():
            data.qpos[int(model.joint(joint).qposadr[0])] = value
        self._carried = []
        mine = self._moving.copy()
        for body, pose in (carried or {}).items():
            index = model.body(body).id
            mine[index] = True
            at = int(model.jnt_qposadr[model.body_jntadr[index]])
            self._carried.append((at, np.asarray(pose, float)))
        if hand:
            self._hand = model.body(hand).id
        skipped = np.zeros(model.nbody, bool)
        skipped[[model.body(b).id for b in ignored]] = True
        owner = model.geom_bodyid
        robot = mine[owner] & self._solid
        rest = ~mine[owner] & ~skipped[owner] & self._solid
        self._clearance = clearance
        model.geom_margin[:] = np.where(robot, clearance, 0.0)
        model.geom_contype[:] = np.where(robot, _ROBOT, np.where(rest, _REST, 0))
        model.geom_conaffinity[:] = np.where(robot, _REST, np.where(rest, _ROBOT, 0))

    def touched(self, joints: ArrayLike) -> list[tuple[str, str]]:
        """Pairs of geoms that touch with `joints` at these positions."""
        data, name = self._data, self._model.geom
        self._place(joints)
        close = np.flatnonzero(self._distances() < self._clearance)
        pairs = data.contact.geom[close]
        return [(name(int(a)).name, name(int(b)).name) for a, b in pairs]

    def is_free(self, joints: ArrayLike) -> bool:
        """Whether nothing touches with `joints` at these positions."""
        self._place(joints)
        return self._data.ncon == 0 or not (self._distances() < self._clearance).any()

    def _distances(self) -> NDArray:
        # as one array: the end of a loop over contacts costs 0.6 ms, an exception in C++
        return self._data.contact.dist[: self._data.ncon]

    def _place(self, joints: ArrayLike) -> None:
        model, data = self._model, self._data
        data.qpos[self._qpos] = joints
        mujoco.mj_kinematics(model, data)
        if self._carried:
            position, quat = data.xpos[self._hand], data.xquat[self._hand]
            for at, pose in self._carried:
                data.qpos[at : at + 3] = position + matrix_from_quat(quat) @ pose[:3]
                data.qpos[at + 3 : at + 7] = quat_multiply(quat, pose[3:])
            mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
