"""Machine code is compiled before it is needed: a fresh process does not wait for it."""

from octoworld.core.registry import BACKENDS
from octoworld.recipes.drone_speed import first_step
from octoworld.recipes.machine_code import compile_all


def test_the_first_step_of_a_fresh_process_does_not_compile():
    names = [part.name for part in compile_all()]
    assert names[-1] == "controllers" and set(names[:-1]) <= set(BACKENDS.names())
    assert {"rotorcraft", "mujoco"} <= set(names)
    # loading takes 0.5 s of CPU, compiling 8 s
    assert first_step() < 2.0
