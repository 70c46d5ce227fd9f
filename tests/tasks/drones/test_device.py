"""Drone tasks whose physics runs on a torch device: what tasks read comes to the host."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.env import task_env

TASKS = ("Hover", "TrackVelocity", "GateRace", "MultiHover", "ObstacleField", "LandOnColoredPad")


@pytest.fixture
def stubborn(monkeypatch):
    """Tensors refuse to become arrays by themselves, as those of a GPU do."""

    def refuse(self, *_, **__):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    monkeypatch.setattr(torch.Tensor, "__array__", refuse)


@pytest.mark.parametrize("task", TASKS)
def test_tasks_run_on_a_device_and_see_what_they_see_on_the_processor(task, stubborn):
    options = {"backend": "rotorcraft", "seed": 3}
    device = task_env(task, 4, backend_options={"device": "cpu"}, **options)
    processor = task_env(task, 4, **options)
    rng = np.random.default_rng(0)
    shape = (4, *device.single_action_space.shape)  # type: ignore[misc]
    for _ in range(5):
        action = rng.uniform(-1, 1, shape).astype(np.float32)
        seen, wanted = device.step(action), processor.step(action)
        np.testing.assert_allclose(seen[0], wanted[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(seen[1], wanted[1], rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(seen[2], wanted[2])
    start = device.sim_state()
    device.restore_worlds(np.ones(4, bool), start)
    np.testing.assert_array_equal(device.sim_state(), start)
