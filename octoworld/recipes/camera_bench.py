"""Bench `cameras`: how fast drones see, beside PyBullet's renderer, and that what they see is true.

Rates are frames a CPU-second, drawn in the calling thread: a rate a core. An OpenGL on the CPU
whose context went astray can give stale images, fast and without an error; so every frame that was
timed is drawn again by a new renderer in another order, and compared with another engine's view.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.io import read_json
from octoworld.core.registry import BACKENDS, ROBOTS, register_bench
from octoworld.core.rotations import quat_from_rotvec
from robots.spec import GeomSpec
from sim.cameras import intrinsics
from sim.scene import RobotPlacement, Scene
from sim.world import FlyingWorld, World
from tasks.env import TaskEnv, task_env

TASK, CAMERA, SIZE, WORLDS = "FlyThroughGate", "front", (48, 64), 32
FINE = (192, 256)
"""(H, W) of the images in which angles are measured."""
AGREED = 0.95
"""Least share of pixels on which the two engines agree about sky or thing; edges are mixed."""


@dataclass(frozen=True)
class Eye:
    """One way to draw."""

    backend: str
    samples: int
    """Antialiasing: samples a pixel."""


EYES = {
    "mujoco": Eye("mujoco", 4),
    "mujoco-plain": Eye("mujoco", 0),
    "rotorcraft": Eye("rotorcraft", 4),
    "pybullet": Eye("pybullet", 0),
}
RATES = ("rgb", "depth", "segmentation")
TRUTHS = {"horizon": 0.5, "wall": 1e-3, "sphere": 1.0}
"""Largest error of the tilt of a horizon [deg], the depth of a wall 2 m away [m], and of the
roundness of a sphere's outline [px]."""
ENV_ARM = "environment"


def starts(seed: int) -> tuple[Scene, dict[str, NDArray]]:
    """The scene of `TASK` and poses (N, 7) of everything that a start places."""
    env: TaskEnv = task_env(TASK, WORLDS, seed=seed)
    scene = env.world.scene
    names = [b.name for b in scene.bodies if b.movable_base] + list(env.task.drones)  # type: ignore[attr-defined]
    poses = {name: env.world.pose(name).copy() for name in names}
    env.close()
    return scene, poses


def placed(eye: Eye, scene: Scene, poses: dict[str, NDArray]) -> World:
    """The scene in a backend, with everything at its pose."""
    world = BACKENDS.get(eye.backend)(replace(scene, antialiasing=eye.samples), WORLDS)
    for name, pose in poses.items():
        world.set_pose(name, pose)
    world.refresh()
    return world


def rate(call: Callable[[], Any], seconds: float) -> tuple[float, Any]:
    """Frames a CPU-second of a call that draws all worlds, and what its last call gave."""
    count, last, began = 0, None, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        last = call()
        count += WORLDS
    return count / spent, last


def measure_frames(arm: str, seed: int, rounds: int, seconds: float) -> ArmResult:
    """Rates of an eye and, in turn with it, of PyBullet's TinyRenderer; and whether images hold."""
    scene, poses = starts(seed)
    world, other = placed(EYES[arm], scene, poses), placed(EYES["pybullet"], scene, poses)
    try:
        frames = world.render(CAMERA, size=SIZE)
        timed = np.ones(WORLDS, bool)
        outcomes: dict[str, list[float]] = {f"{kind}_per_cpu_s": [] for kind in (*RATES, "tiny")}
        for _ in range(rounds):
            for kind in RATES:
                draw = getattr(world, "render" if kind == "rgb" else f"render_{kind}")
                value, last = rate(lambda draw=draw: draw(CAMERA, size=SIZE), seconds)
                outcomes[f"{kind}_per_cpu_s"].append(value)
                if kind == "rgb":
                    timed &= (last == frames).all(axis=(1, 2, 3))
            tiny, _ = rate(lambda: other.render(CAMERA, size=SIZE), seconds)
            outcomes["tiny_per_cpu_s"].append(tiny)
        pairs = zip(outcomes["rgb_per_cpu_s"], outcomes["tiny_per_cpu_s"], strict=True)
        outcomes["ratio"] = [ours / theirs for ours, theirs in pairs]
        right, agreed, mistaken = judged(world, other, frames, scene)
        outcomes["frames_right"] = [float((right & timed).mean())] * rounds
        facts = {
            "frames": len(frames),
            "distinct": len({frame.tobytes() for frame in frames}),
            "agreement_min": float(agreed.min()),
            "agreement_with_another_start_mean": float(mistaken.mean()),
            "samples": EYES[arm].samples,
        }
        return ArmResult(list(range(rounds)), outcomes, facts=facts)
    finally:
        world.close()
        other.close()


def judged(
    world: World, other: World, frames: NDArray, scene: Scene
) -> tuple[NDArray, NDArray, NDArray]:
    """Which of the timed frames are right, (n,) bool.

    And their agreement with the other engine's picture of the same start, and of another start,
    (n,) shares of pixels: what is sky in one is sky in the other.
    """
    world.close()  # the next image needs a new renderer
    order = np.random.default_rng(0).permutation(len(frames))
    again = np.concatenate([world.render(CAMERA, [n], SIZE) for n in order])
    same = np.zeros(len(frames), bool)
    same[order] = (again == frames[order]).all(axis=(1, 2, 3))
    sky = np.asarray(scene.background_rgb) * 255
    thing = np.abs(frames - sky).max(axis=-1) > 8
    theirs = other.render_segmentation(CAMERA, size=SIZE) > 0
    agreed = (thing == theirs).mean(axis=(1, 2))
    mistaken = (thing == np.roll(theirs, 1, axis=0)).mean(axis=(1, 2))
    return same & (agreed >= AGREED), agreed, mistaken


def measure_environment(seed: int, rounds: int, seconds: float) -> ArmResult:
    """Steps of a whole environment that observes 64 x 48 pixels at 48 Hz, physics at 240 Hz."""
    env = task_env("Hover", WORLDS, obs_mode="vision", cameras=(CAMERA,), seed=seed)
    action = np.zeros((WORLDS, *env.single_action_space.shape), np.float32)  # type: ignore[misc]
    try:
        env.step(action)
        rates = [rate(lambda: env.step(action), seconds)[0] for _ in range(rounds)]
    finally:
        env.close()
    return ArmResult(list(range(rounds)), {"steps_per_cpu_s": rates})


# -- truth ---------------------------------------------------------------------------------------


def stage(*geoms: GeomSpec) -> Scene:
    """A drone 1.5 m over a plain, with something before it."""
    return Scene(
        "stage",
        robots=(RobotPlacement(ROBOTS.get("cf2x")(), (0.0, 0.0, 1.5)),),
        static_geoms=geoms,
    )


def horizon_error(world: World, roll: float) -> float:
    """Tilt of the horizon that an image shows, against minus the roll; both [deg]."""
    put(world, roll)
    image = world.render(CAMERA, [0], FINE)[0].astype(float)
    sky = np.asarray(world.scene.background_rgb) * 255
    ground = np.abs(image - sky).sum(axis=-1) > 60
    columns = np.arange(64, 192)
    slope = np.polyfit(columns, FINE[0] - ground[:, columns].sum(axis=0), 1)[0]
    return abs(float(np.rad2deg(np.arctan(slope))) + roll)


def wall_error(world: World, roll: float, side: float) -> float:
    """Largest error of the depth of a wall 2 m before the camera, over all pixels of it [m]."""
    put(world, roll, side)
    wall = world.render_segmentation(CAMERA, [0], SIZE) == world.segments.index("wall")
    return float(np.abs(world.render_depth(CAMERA, [0], SIZE)[wall] - 2.0).max())


def sphere_error(world: World, side: float) -> float:
    """By how much a ball's outline is wider than high, or the other way round [px]."""
    put(world, 0.0, side)
    red = world.render(CAMERA, [0], (96, 128))[0].astype(int)
    ball = red[..., 0] > 2 * red[..., 2]
    return float(abs(int(ball.any(axis=0).sum()) - int(ball.any(axis=1).sum())))


def put(world: World, roll: float, side: float = 0.0) -> None:
    """The drone rolled [deg] and moved aside [m]."""
    quat = quat_from_rotvec(np.array([np.deg2rad(roll), 0.0, 0.0]))
    cast("FlyingWorld", world).set_pose("drone", np.array([[0.0, side, 1.5, *quat]]))
    world.refresh()


def measure_truth(backend: str, seed: int, poses: int) -> ArmResult:
    """Errors of `TRUTHS` over random poses; the first roll is 30 deg."""
    rng = np.random.default_rng(seed)
    rolls = np.concatenate([[30.0, -30.0], rng.uniform(-45, 45, poses - 2)])
    sides = rng.uniform(-0.1, 0.1, poses)
    camera = ROBOTS.get("cf2x")().cameras[0]
    eye = camera.position[0]
    plain = GeomSpec("floor", "plane", (60, 60), rgba=(0.2, 0.3, 0.2, 1))
    wall = GeomSpec("wall", "box", (0.1, 0.6, 0.5), (eye + 2.1, 0.0, 1.5))
    ball = GeomSpec("ball", "sphere", (0.4,), (eye + 3.0, 0.0, 1.5), rgba=(1, 0, 0, 1))
    make = BACKENDS.get(backend)
    errors: dict[str, list[float]] = {}
    for name, geom in (("horizon", plain), ("wall", wall), ("sphere", ball)):
        world = make(stage(geom), 1)
        try:
            if name == "horizon":
                errors[name] = [horizon_error(world, r) for r in rolls.tolist()]
            elif name == "wall":
                pairs = zip(rolls.tolist(), sides.tolist(), strict=True)
                errors[name] = [wall_error(world, r, s) for r, s in pairs]
            else:
                errors[name] = [sphere_error(world, s) for s in sides.tolist()]
        finally:
            world.close()
    held = {f"{k}_held": [float(e <= TRUTHS[k]) for e in v] for k, v in errors.items()}
    facts = {
        "focal_px": float(intrinsics(camera, SIZE)[0, 0]),
        **{f"{k}_max": max(v) for k, v in errors.items()},
    }
    return ArmResult(
        list(range(poses)), {f"{k}_error": v for k, v in errors.items()} | held, facts=facts
    )


def claims() -> list[Claim]:
    """Declared before the run."""
    truths = ("truth-mujoco", "truth-rotorcraft", "truth-pybullet")
    drawn = ("mujoco", "mujoco-plain", "rotorcraft")
    words = {
        "horizon": "a roll of up to 45 deg tilts the horizon by that within 0.5 deg",
        "wall": "every pixel of a wall 2 m away has a depth of 2.000 +- 0.001 m",
        "sphere": "a sphere's outline is as wide as high within a pixel",
    }
    return [
        Claim(
            "frames", arms=drawn, seeds=(0,), metric="rgb_per_cpu_s", margin=500.0,
            statement="at least 500 RGB frames of 64 x 48 pixels a second and core",
        ),
        Claim(
            "as fast as TinyRenderer", arms=("mujoco-plain",), seeds=(0,), metric="ratio",
            margin=1.0, statement="with one sample a pixel, faster than PyBullet's TinyRenderer",
        ),
        Claim(
            "frames are right", arms=drawn, seeds=(0,), metric="frames_right", margin=0.99,
            minimum=1.0, statement="frames of the timed rounds come again from a new renderer, "
            f"byte for byte, and agree with PyBullet's view on at least {AGREED:.0%} of the pixels",
        ),
        Claim(
            "environment", arms=(ENV_ARM,), seeds=(0,), metric="steps_per_cpu_s", margin=400.0,
            statement="Hover with 64 x 48 pixels as observation: at least 400 steps a CPU-second",
        ),
        *(
            Claim(
                name, arms=truths, seeds=(0,), metric=f"{name}_held", margin=0.99, minimum=1.0,
                statement=words[name],
            )
            for name in TRUTHS
        ),
    ]  # fmt: skip


@register_bench("cameras")
class CameraBench:
    """Rates and truth of drones' cameras."""

    name = "cameras"
    description = "drones' cameras: frames a second a core beside TinyRenderer's, and their truth"

    def run(self, quick: bool, folder: Path) -> None:
        """Every arm in one process."""
        # Mesa's threads share the tiles of an image, and this is one tile: they would only wait.
        # Read once, when the first context is made.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        rounds, seconds, poses = (3, 0.15, 10) if quick else (25, 0.5, 200)

        def arm(name: str, seed: int, scratch: Path) -> ArmResult:
            if name == ENV_ARM:
                return measure_environment(seed, rounds, seconds)
            if name in EYES:
                return measure_frames(name, seed, rounds, seconds)
            return measure_truth(name.removeprefix("truth-"), seed, poses)

        config = {"rounds": rounds, "seconds": seconds, "poses": poses}
        threads = os.environ["LP_NUM_THREADS"]
        run(claims(), arm, folder, config=config | {"LP_NUM_THREADS": threads})

    def report(self, folder: Path) -> str:
        """Verdicts, rates beside TinyRenderer's, and the largest errors."""
        rate_line = ""
        lines = [
            report(folder), "",
            "| frames a CPU-second, 64 x 48 | samples | RGB | depth | segmentation | TinyRenderer "
            "RGB | ratio |",
            "|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        errors = ["", "| largest error | horizon [deg] | wall at 2 m [m] | sphere [px] |",
                  "|---|---|---|---|"]  # fmt: skip
        for path in sorted(folder.glob("rows/*/*.json")):
            row = read_json(path)
            facts, middle = row["facts"], _medians(row)
            if row["arm"] in EYES:
                rates = " | ".join(
                    f"{middle[f'{k}_per_cpu_s']:.0f}" for k in (*RATES, "tiny")
                )  # fmt: skip
                lines.append(
                    f"| {row['arm']} | {facts['samples']} | {rates} | {middle['ratio']:.2f} |"
                )
            elif row["arm"] == ENV_ARM:
                rate_line = f"Hover with vision: {middle['steps_per_cpu_s']:.0f} steps a CPU-second"
            else:
                worst = " | ".join(f"{facts[f'{k}_max']:.2g}" for k in TRUTHS)
                errors.append(f"| {row['arm'].removeprefix('truth-')} | {worst} |")
        return "\n".join([*lines, "", rate_line, *errors])


def _medians(row: dict[str, Any]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in row["outcomes"].items()}
