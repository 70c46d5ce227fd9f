"""Recorded physics: from a `sim_state` row and the run's scene.xml to body poses and colours."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class PhysicsReplay:
    """One MuJoCo model and data that are put in recorded states; nothing is ever simulated.

    A row of `sim_state` is MuJoCo's `mjSTATE_INTEGRATION` vector, then the world's geom colours
    (4 values for every geom of the model) or nothing.
    """

    def __init__(self, scene_path: Path) -> None:
        """Compile `scene_path`; raises DatasetError when MuJoCo cannot read it."""
        try:
            self.model = mujoco.MjModel.from_xml_path(str(scene_path))
        except (ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DatasetError(
                f"{scene_path} is not a scene MuJoCo can load ({reason}); expected a "
                "self-contained MJCF file, as the run wrote it"
            ) from None
        self.data = mujoco.MjData(self.model)
        self.state_size = mujoco.mj_stateSize(self.model, STATE)
        mujoco.mj_kinematics(self.model, self.data)

    def paths(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where all that flies is in rows (T, S), (B, T, 3): what is free and carries a camera."""
        model = self.model
        carriers = set(model.cam_bodyid.tolist())
        at = [
            1 + model.jnt_qposadr[j]  # the first number of a row is the time
            for j in range(model.njnt)
            if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE.value
            and model.jnt_bodyid[j] in carriers
        ]
        if self.misfit(rows.shape[1]) is not None:
            at = []
        return np.array([rows[:, k : k + 3] for k in at]).reshape(len(at), len(rows), 3)

    def misfit(self, row_size: int) -> str | None:
        """Why rows of this size do not belong to this scene; None when they do."""
        sizes = (self.state_size, self.state_size + 4 * self.model.ngeom)
        if row_size in sizes:
            return None
        return f"sim_state has {row_size} values a step; scene.xml expects {sizes[0]} or {sizes[1]}"

    def show(self, row: NDArray[np.float64]) -> bool:
        """Put bodies where `row` (S,) says; returns whether a colour changed.

        Raises:
            DatasetError: the row is of another scene.
        """
        misfit = self.misfit(len(row))
        if misfit is not None:
            raise DatasetError(misfit)
        # mj_setState wants the exact array type
        state = np.array(row[: self.state_size], np.float64)
        mujoco.mj_setState(self.model, self.data, state, STATE)
        mujoco.mj_kinematics(self.model, self.data)
        if len(row) == self.state_size:
            return False
        colors = np.asarray(row[self.state_size :], np.float32).reshape(-1, 4)
        changed = (np.abs(self.model.geom_rgba - colors) > 1 / 512).any(axis=1)
        if not changed.any():
            return False
        # a material would hide the geom's own colour
        self.model.geom_matid[changed] = -1
        self.model.geom_rgba[:] = colors
        return True
