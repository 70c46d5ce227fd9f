"""Machine code is compiled before it is needed: a fresh process does not wait for it."""

import subprocess
import sys

from octoworld.core.registry import BACKENDS
from octoworld.recipes.machine_code import compile_all

FIRST_STEP = """
import time
import numpy as np
from octoworld.core.registry import BACKENDS
from octoworld.recipes.drone_speed import grid

world = BACKENDS.get("rotorcraft")(grid(2, "PYB_GND_DRAG_DW"), 4)
began = time.process_time()
world.step(np.zeros((4, 8)), 5)
print(time.process_time() - began)
"""


def test_the_first_step_of_a_fresh_process_does_not_compile():
    names = [part.name for part in compile_all()]
    assert names[-1] == "controllers" and set(names[:-1]) <= set(BACKENDS.names())
    assert {"rotorcraft", "mujoco"} <= set(names)
    answer = subprocess.run(
        [sys.executable, "-c", FIRST_STEP], capture_output=True, text=True, check=True
    )
    # loading takes 0.5 s of CPU, compiling 8 s
    assert float(answer.stdout.split()[-1]) < 2.0
