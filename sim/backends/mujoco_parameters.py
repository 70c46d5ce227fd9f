"""Parameters of each MuJoCo world: physics as shares of the scene's own values, and looks."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from ..scene import Scene
from .mujoco_looks import MujocoLooks
from .shares import Shares

DERIVED = ("body_mass", "body_inertia")
"""Fields from which MuJoCo computes constants when they change."""


@dataclass
class Part:
    """Rows of model fields that one parameter scales."""

    fields: dict[str, Any] = field(default_factory=dict)
    """MjModel field -> index of its rows (after the worlds' axis)."""


class MujocoParameters(Shares):
    """N worlds' values by name; a model field is copied for each world once a share touches it.

    Names: `OBJECT.mass` (with inertia), `OBJECT.friction` and `GEOM.friction` of a static geom
    (of the two that touch, MuJoCo takes the larger), `JOINT.damping` of objects' joints,
    `joints.damping`, `joints.friction` and `servos.gain` of each robot (with its prefix), and
    `gravity`: shares. Then the looks, see `MujocoLooks`.
    """

    def __init__(self, scene: Scene, model: mujoco.MjModel, num_worlds: int) -> None:
        self._model, self._parts = model, _parts(scene, model)
        self.looks = MujocoLooks(scene, model)
        """How worlds can look."""
        # a scene with rotorcraft has its drones' own parameters instead
        nominal = dict.fromkeys(self._parts, 1.0) | (self.looks.nominal if self._parts else {})
        super().__init__(nominal, num_worlds)
        self._batch: Batch | None = None
        self._expanded: dict[str, NDArray] = {}

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._batch, self._expanded = batch, {}
        if self.active:
            self._apply(self.names, np.arange(len(self.values)))

    @property
    def look_values(self) -> NDArray | None:
        """(N, L) values of `looks`, None while all worlds look as built."""
        values = self.values[:, len(self._parts) :]
        return values if (values != self.nominal[len(self._parts) :]).any() else None

    def _apply(self, names: tuple[str, ...], rows: NDArray) -> None:
        assert self._batch is not None
        derived = False
        for name in names:
            if name not in self._parts:
                continue  # looks are read when a picture is drawn
            share = self.values[rows, self.names.index(name)]
            for field_name, where in self._parts[name].fields.items():
                array = self._field(field_name)
                nominal = self._nominal(field_name)
                scale = share.reshape(-1, *[1] * nominal[where].ndim)
                array[np.ix_(rows, *_axes(where, nominal))] = nominal[where][None] * scale
                derived |= field_name in DERIVED
        if derived:
            self._batch.set_const(rows.astype(np.int32))

    def _field(self, name: str) -> NDArray:
        if name not in self._expanded:
            assert self._batch is not None
            self._expanded[name] = self._batch.expand(name)
        return self._expanded[name]

    def _nominal(self, name: str) -> NDArray:
        if name.startswith("opt."):
            return np.array(getattr(self._model.opt, name.removeprefix("opt.")))
        return np.array(getattr(self._model, name))


def _axes(where: NDArray, nominal: NDArray) -> list[NDArray]:
    """Index arrays of `nominal[where]`: the rows, then all columns."""
    return [where, *(np.arange(n) for n in nominal.shape[1:])]


def _parts(scene: Scene, model: mujoco.MjModel) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    if any(placed.spec.rotorcraft is not None for placed in scene.robots):
        return parts  # what can differ there is the drones' own
    bodies = {model.body(i).name: i for i in range(model.nbody)}
    joints = {model.joint(i).name: i for i in range(model.njnt)}
    for spec in scene.bodies:
        body = bodies[spec.name]
        if spec.mass and spec.joint is not None:
            rows = np.array([body])
            parts[f"{spec.name}.mass"] = Part({"body_mass": rows, "body_inertia": rows})
        solid = np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype > 0))
        if len(solid):
            parts[f"{spec.name}.friction"] = Part({"geom_friction": solid})
        if spec.joint is not None and spec.joint.kind != "free":
            parts[f"{spec.joint.name}.damping"] = Part(
                {"dof_damping": _dofs(model, [joints[spec.joint.name]])}
            )
    geoms = {model.geom(i).name: i for i in range(model.ngeom)}
    for geom in scene.static_geoms:
        if geom.collides and geom.name in geoms:
            parts[f"{geom.name}.friction"] = Part({"geom_friction": np.array([geoms[geom.name]])})
    for placed in scene.robots:
        own = [
            joints[placed.prefix + b.joint.name]
            for b in placed.spec.bodies
            if b.joint is not None and b.joint.kind != "free"
        ]
        if not own:
            continue
        dofs = _dofs(model, own)
        parts[f"{placed.prefix}joints.damping"] = Part({"dof_damping": dofs})
        parts[f"{placed.prefix}joints.friction"] = Part({"dof_frictionloss": dofs})
        servos = np.flatnonzero(np.isin(model.actuator_trnid[:, 0], own))
        if len(servos):
            parts[f"{placed.prefix}servos.gain"] = Part(
                {"actuator_gainprm": servos, "actuator_biasprm": servos}
            )
    parts["gravity"] = Part({"opt.gravity": np.arange(3)})
    return parts


def _dofs(model: mujoco.MjModel, joints: list[int]) -> NDArray:
    return np.array([model.jnt_dofadr[j] for j in joints])
