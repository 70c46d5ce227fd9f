"""gym-pybullet-drones, measured by its own interpreter: a plain file, which ours never imports.

`PYTHON original_drones.py` reads a request, {"what": "steps", ...}, and ends with one line of JSON.
Nothing of octoworld is needed there, only https://github.com/learnsyslab/gym-pybullet-drones with
its dependencies; its code is neither copied nor changed.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGE = "gym_pybullet_drones"
FREQUENCIES = {"pyb_freq": 240, "ctrl_freq": 48}


def module(name: str) -> Any:
    """A module of the package by its dotted name."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def per_call(call: Callable[[], Any], seconds: float, repeats: int) -> list[float]:
    """CPU seconds of one call, over as many as fit into `seconds`, again and again."""
    found = []
    for _ in range(repeats):
        count, began = 0, time.process_time()
        while (spent := time.process_time() - began) < seconds or not count:
            call()
            count += 1
        found.append(spent / count)
    return found


def flock(places: list[list[float]], physics: str) -> Any:
    """A CtrlAviary of Crazyflies at `places`."""
    enums = module("utils.enums")
    env = module("envs.CtrlAviary").CtrlAviary(
        drone_model=enums.DroneModel.CF2X,
        num_drones=len(places),
        initial_xyzs=np.array(places),
        physics=getattr(enums.Physics, physics),
        gui=False,
        **FREQUENCIES,
    )
    env.reset()
    return env


def steps(request: dict[str, Any]) -> list[float]:
    """CPU seconds of a control step under rotor speeds of hover."""
    env = flock(request["places"], request["physics"])
    action = env.HOVER_RPM * np.ones((len(request["places"]), 4))
    return per_call(lambda: env.step(action), request["seconds"], request["repeats"])


def resets(request: dict[str, Any]) -> list[float]:
    """CPU seconds of a reset."""
    env = flock(request["places"], request["physics"])
    return per_call(env.reset, request["seconds"], request["repeats"])


def hover_env() -> Any:
    """A HoverAviary with four rotor speeds, reset."""
    enums = module("utils.enums")
    env = module("envs.HoverAviary").HoverAviary(
        obs=enums.ObservationType.KIN, act=enums.ActionType.RPM, gui=False, **FREQUENCIES
    )
    env.reset()
    return env


def hover(request: dict[str, Any]) -> list[float]:
    """CPU seconds of a step of the hover task, resets among them."""
    env, action = hover_env(), np.zeros((1, 4), np.float32)

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()

    return per_call(step, request["seconds"], request["repeats"])


def hover_resets(request: dict[str, Any]) -> list[float]:
    """CPU seconds of a reset of the hover task."""
    return per_call(hover_env().reset, request["seconds"], request["repeats"])


def dslpid(request: dict[str, Any]) -> list[list[list[float]]]:
    """Commands (S, K, 4) of DSLPIDControl in S sequences of K calls on rows of 20 numbers.

    A row: position, quaternion xyzw, velocity, target position, target yaw, target velocity,
    target Euler rates. Memory is cleared between sequences.
    """
    model = module("utils.enums").DroneModel(request["model"])
    controller = module("control.DSLPIDControl").DSLPIDControl(drone_model=model)
    commands = []
    for rows in request["rows"]:
        controller.reset()
        commands.append([])
        for row in np.array(rows):
            rpm, _, _ = controller.computeControl(
                control_timestep=request["dt"],
                cur_pos=row[:3],
                cur_quat=row[3:7],
                cur_vel=row[7:10],
                cur_ang_vel=np.zeros(3),
                target_pos=row[10:13],
                target_rpy=np.array([0.0, 0.0, row[13]]),
                target_vel=row[14:17],
                target_rpy_rates=row[17:20],
            )
            commands[-1].append(rpm.tolist())
    return commands


MEASURES = {
    "steps": steps,
    "resets": resets,
    "hover": hover,
    "hover resets": hover_resets,
    "dslpid": dslpid,
}


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    print(json.dumps(MEASURES[asked["what"]](asked)))
