"""Run by another interpreter: steps of ManiSkill's PickCube or robosuite's Lift, one CPU world.

Prints one line of JSON: environment steps/s, simulated seconds/s.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# (the packages are the other interpreter's)

import json
import sys
import time


def mani_skill():
    """PickCube-v1 on the CPU, state observations: a stepper and its control rate [Hz]."""
    import gymnasium
    import sapien

    try:
        sapien.render.RenderMaterial()
    except RuntimeError:  # no Vulkan device: physics alone runs once nothing asks for looks
        _without_looks(sapien)
    import mani_skill.envs  # noqa: F401  (registers the tasks)

    env = gymnasium.make(
        "PickCube-v1", num_envs=1, obs_mode="state", control_mode="pd_ee_delta_pos",
        sim_backend="physx_cpu", render_backend="none",
    )  # fmt: skip
    env.reset(seed=0)

    def step():
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if bool(terminated) or bool(truncated):
            env.reset()

    return step, env.unwrapped.control_freq


def _without_looks(sapien):
    """Shapes without visuals: ManiSkill 3.0.1 wants materials even with `render_backend="none"`."""
    from sapien.wrapper.actor_builder import ActorBuilder

    class Material:
        base_color = (1.0, 1.0, 1.0, 1.0)

        def __init__(self, *values, **named):
            pass

    for name in [n for n in dir(ActorBuilder) if n.startswith("add_") and n.endswith("_visual")]:
        setattr(ActorBuilder, name, lambda self, *values, **named: self)
    sapien.render.RenderMaterial = Material


def robosuite():
    """Lift with a Panda, state observations: a stepper and its control rate [Hz]."""
    import numpy as np
    import robosuite as suite

    env = suite.make(
        "Lift", robots="Panda", has_renderer=False, has_offscreen_renderer=False,
        use_camera_obs=False, use_object_obs=True,
    )  # fmt: skip
    env.reset()
    low, high = env.action_spec
    rng = np.random.default_rng(0)

    def step():
        if env.step(rng.uniform(low, high))[2]:
            env.reset()

    return step, env.control_freq


def main(library, seconds):
    """Step for `seconds` and say how often."""
    step, rate = {"mani_skill": mani_skill, "robosuite": robosuite}[library]()
    for _ in range(5):
        step()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        count += 1
    steps = count / (time.perf_counter() - began)
    print(json.dumps({"steps": steps, "simulated": steps / rate}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
