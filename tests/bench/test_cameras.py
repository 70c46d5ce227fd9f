"""The bench of cameras: true pictures have small errors, and a wrong one is found."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.recipes.camera_bench import CAMERA, EYES, SIZE, judged, measure_truth, placed, starts


@pytest.mark.parametrize("backend", ["mujoco", "rotorcraft"])
def test_pictures_are_true(backend):
    result = measure_truth(backend, 0, 4)
    assert all(np.mean(result.outcomes[f"{k}_held"]) == 1 for k in ("horizon", "wall", "sphere"))
    assert max(result.outcomes["horizon_error"]) < 0.2


def test_stale_and_mixed_up_frames_are_found():
    pytest.importorskip("pybullet")
    scene, poses = starts(0)
    world, other = (
        placed(EYES["mujoco-plain"], scene, poses),
        placed(EYES["pybullet"], scene, poses),
    )
    frames = world.render(CAMERA, size=SIZE)
    right, agreed, mistaken = judged(world, other, frames, scene)
    assert right.all() and agreed.min() > 0.97 and mistaken.mean() < agreed.min()
    stale = frames.copy()
    stale[5] = stale[4]
    assert np.flatnonzero(~judged(world, other, stale, scene)[0]).tolist() == [5]
    for one in (world, other):
        one.close()
