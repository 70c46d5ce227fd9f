"""Bench `throughput`: what our environments cost beside the bare engine, gymnasium and others."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.throughput import throughput
from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from sim.backends.offscreen import make_gl_context
from sim.gym_env import SingleWorldEnv
from tasks.env import TaskEnv, task_env

from .hand_written import HandWrittenPickUp
from .worldenv.config import TASKS

BATCHES = (1, 64, 256, 1024, 4096)
BIG = 256
"""Worlds from which on the engine's rate must be kept."""
CAMERA = "front"
OTHERS = {"ManiSkill PickCube": "mani_skill", "robosuite Lift": "robosuite"}
SCRIPT = Path(__file__).with_name("other_lifts.py")
# robosuite 1.5.2 fails in MuJoCo 4
INSTALL = """\
python3.11 -m venv lifts
lifts/bin/pip install mani_skill robosuite 'mujoco<3.4'"""

Stepper = Callable[[], int]
"""Makes some environment steps and returns how many."""


def side_by_side(steppers: Mapping[str, Stepper], seconds: float) -> dict[str, float]:
    """Rates [environment steps/s] of steppers that take turns, so that a busy machine slows all.

    Whoever has had the least time goes next, until each has had its part of `seconds`.
    """
    spent, made = dict.fromkeys(steppers, 0.0), dict.fromkeys(steppers, 0)
    while min(spent.values()) < seconds / len(steppers):
        name = min(spent, key=lambda key: spent[key])
        began = time.perf_counter()
        made[name] += steppers[name]()
        spent[name] += time.perf_counter() - began
    return {name: made[name] / spent[name] for name in steppers}


def batch_stepper(env: gymnasium.vector.VectorEnv, seed: int = 0) -> Stepper:
    """Random actions in all worlds of a vector environment, which resets by itself."""
    env.reset(seed=seed)
    rng, space = np.random.default_rng(seed), env.single_action_space
    assert isinstance(space, gymnasium.spaces.Box)
    actions = rng.uniform(space.low, space.high, (16, env.num_envs, *space.shape))
    turns = iter(range(sys.maxsize))

    def step() -> int:
        env.step(actions[next(turns) % 16].astype(np.float32))
        return env.num_envs

    step()
    return step


def single_stepper(env: gymnasium.Env, options: dict[str, Any] | None = None) -> Stepper:
    """Random actions in one world, 20 steps at a time, reset when it ends."""
    env.reset(seed=0, options=options)
    rng, space = np.random.default_rng(0), env.action_space
    assert isinstance(space, gymnasium.spaces.Box)
    actions = rng.uniform(space.low, space.high, (20, *space.shape)).astype(np.float32)

    def steps() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset(options=options)
        return len(actions)

    steps()
    return steps


def growth(task: str, few: int, many: int, seconds: float) -> dict[str, float]:
    """Cost of a world among `many` over its cost among `few`."""
    envs = {str(n): task_env(task, n) for n in (few, many)}
    try:
        rates = side_by_side({k: batch_stepper(e) for k, e in envs.items()}, seconds)
    finally:
        for env in envs.values():
            env.close()
    return {"growth": rates[str(few)] / rates[str(many)]}


def images(task: str, count: int, seconds: float) -> dict[str, float]:
    """Steps that observe a picture each, over pictures by a bare `mujoco.Renderer`."""
    import mujoco
    from mujoco.rendering.classic import gl_context

    env = task_env(task, count, obs_mode="vision", cameras=(CAMERA,))
    height, width = env.single_observation_space[f"observation.images.{CAMERA}"].shape[:2]  # type: ignore[index]
    model = env.world.model  # type: ignore[attr-defined]
    data = mujoco.MjData(model)  # type: ignore[attr-defined]
    mujoco.mj_resetDataKeyframe(model, data, 0)  # type: ignore[attr-defined]
    mujoco.mj_forward(model, data)  # type: ignore[attr-defined]
    # MuJoCo chose its OpenGL when it was imported; it shall draw with what draws for us
    gl_context.GLContext = type(make_gl_context(width, height)[1])
    renderer = mujoco.Renderer(model, height, width)

    def bare() -> int:
        renderer.update_scene(data, CAMERA)
        renderer.render()
        return 1

    try:
        rates = side_by_side({"vision": batch_stepper(env), "bare": bare}, seconds)
    finally:
        renderer.close()
        env.close()
    return {"vision rate": rates["vision"], "share": rates["vision"] / rates["bare"]}


def beside_gymnasium(
    kind: str, task: str, count: int, rounds: int, seconds: float
) -> list[dict[str, float]]:
    """Our batch over gymnasium's vector of as many single environments of the same task."""
    makers = [partial(_single, task)] * count
    if kind == "async":
        # forked from a process that has imported everything: spawned, each would import anew
        multiprocessing.set_forkserver_preload([__name__])
        theirs = gymnasium.vector.AsyncVectorEnv(makers, context="forkserver")
    else:
        theirs = gymnasium.vector.SyncVectorEnv(makers)
    ours = task_env(task, count)
    try:
        steppers = {"ours": batch_stepper(ours), "theirs": batch_stepper(theirs)}
        rates = [side_by_side(steppers, seconds) for _ in range(rounds)]
    finally:
        theirs.close()
        ours.close()
    return [{"times": r["ours"] / r["theirs"], "rate": r["theirs"]} for r in rates]


def _single(task: str, **options: Any) -> SingleWorldEnv:
    """What `octoworld.make` gives."""
    return SingleWorldEnv(task_env(task, autoreset_mode=AutoresetMode.DISABLED, **options))


def beside_hand_written(seconds: float) -> dict[str, float]:
    """Time of a step of `make("PickUp")` over that of the world written by hand."""
    ours = _single("PickUp", control_mode="joint_delta_pos")
    theirs = HandWrittenPickUp()
    ours.reset(seed=0)
    start = ours.vec_env.sim_state()  # type: ignore[attr-defined]
    import mujoco

    kind = mujoco.mjtState.mjSTATE_INTEGRATION  # type: ignore[attr-defined]
    size = mujoco.mj_stateSize(theirs.model, kind)  # type: ignore[attr-defined]
    # both start from the same state, so that steps are compared and not how a start is drawn
    steppers = {
        "ours": single_stepper(ours, {"start": start}),
        "theirs": single_stepper(theirs, {"state": start[0, :size]}),
    }
    rates = side_by_side(steppers, seconds)
    ours.close()
    return {"times": rates["theirs"] / rates["ours"], "rate": rates["ours"]}


def memory(task: str, few: int = 256, many: int = 4096) -> dict[str, float]:
    """Resident memory of a world [kB]: what more worlds add to a fresh process."""
    code = (
        "import sys, numpy as np\n"
        "from tasks.env import task_env\n"
        f"env = task_env({task!r}, int(sys.argv[1]), seed=0)\n"
        "zero = np.zeros(env.action_space.shape, np.float32)\n"
        "for _ in range(3): env.step(zero)\n"
        "status = open('/proc/self/status').read()\n"
        "print(status.split('VmRSS:')[1].split()[0])\n"
    )
    held = {}
    for count in (few, many):
        done = subprocess.run(
            [sys.executable, "-c", code, str(count)], capture_output=True, text=True, check=True
        )
        held[count] = float(done.stdout.split()[-1])
    return {"kB": (held[many] - held[few]) / (many - few)}


class Others:
    """ManiSkill's and robosuite's lift tasks, stepped by another interpreter."""

    def __init__(self, python: Path) -> None:
        # not resolved: the link in bin/ is what makes a virtual environment
        self.python = Path(python).absolute()
        if not self.python.is_file():
            raise ConfigError(f"--beside {python}: no such interpreter; make one so:\n{INSTALL}")

    def measure(self, library: str, seconds: float) -> dict[str, float]:
        """Environment steps/s and simulated seconds/s of one environment on the CPU."""
        done = subprocess.run(
            [str(self.python), "-I", str(SCRIPT), library, str(seconds)],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            last = "".join(done.stderr.strip().splitlines()[-1:])
            raise ConfigError(f"--beside {self.python}: {last}; install it so:\n{INSTALL}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def _claim(name: str, arms: Sequence[str], metric: str, margin: float, words: str, **more: Any):
    return Claim(name, tuple(arms), (0,), metric, margin=margin, statement=words, **more)


def _at(task: str, count: int) -> str:
    return f"{task} x {count}"


def claims(quick: bool, others: bool) -> list[Claim]:
    """What is promised; arms are measured once for all of them."""
    sizes = (1, BIG) if quick else BATCHES
    big = [_at(t, BIG) for t in (TASKS[:1] if quick else TASKS)]
    big += [_at("PickUp", n) for n in sizes if n > BIG]
    small = [_at("PickUp", n) for n in sizes if n < BIG]
    pictures = [f"vision x {n}" for n in ((64,) if quick else (64, 1024, 4096))]
    told = [
        _claim(
            "the engine's rate is kept", big, "ratio", 0.8,
            f"env.step reaches 80 % of the bare Batch.step rate at {BIG} worlds and more",
        ),
        _claim("small batches", small, "ratio", 0.3, "and 30 % with fewer worlds"),
        _claim(
            "one world", ["hand-written"], "times", 1.5,
            "a step of make('PickUp') takes at most 1.5 times one written by hand with mujoco",
            direction="less",
        ),
        _claim(
            "pictures", pictures, "share", 0.7,
            "steps with a picture reach 70 % of a bare mujoco.Renderer's pictures",
        ),
        _claim("a picture of one world", ["vision x 1"], "share", 0.5, "and 50 % in one world"),
        _claim(
            "batched beats gymnasium", ["sync x 64", "async x 64"], "times", 1.0,
            "64 worlds of ours are faster than gymnasium's Sync- and AsyncVectorEnv of them",
        ),
    ]  # fmt: skip
    if not quick:
        told.append(
            _claim(
                "linear", ["growth"], "growth", 1.2,
                "a world among 4,096 costs at most 1.2 times what it costs among 256",
                direction="less",
            )
        )  # fmt: skip
        told.append(
            _claim(
                "memory", ["memory"], "kB", 200.0, "a world of PickUp holds less than 200 kB",
                direction="less",
            )
        )  # fmt: skip
    if others:
        told.append(
            _claim(
                "others' lifts", list(OTHERS), "times", 1.0,
                "one world of PickUp simulates more seconds a second",
            )
        )  # fmt: skip
    return told


@register_bench("throughput")
class ThroughputBench:
    """The environment's rate beside the bare engine's and others', in one run."""

    name = "throughput"
    description = "steps/s of state and vision beside mujoco.batch, gymnasium, ManiSkill, robosuite"
    measures_beside = "mani_skill and robosuite"

    def run(self, quick: bool, folder: Path, beside: Path | None = None) -> None:
        """All arms one after the other, each beside what it is compared with."""
        rounds, seconds = (3, 1.0) if quick else (7, 4.0)
        others = Others(beside) if beside else None

        def rows_of(arm: str) -> list[dict[str, float]]:
            match arm.split(" x "):
                case [("sync" | "async") as kind, count]:
                    return beside_gymnasium(kind, "PickUp", int(count), rounds, seconds)
                case ["memory"]:
                    return [memory("PickUp")]
            return [once(arm) for _ in range(rounds)]

        def once(arm: str) -> dict[str, float]:
            match arm.split(" x "):
                case ["growth"]:
                    return growth("PickUp", BIG, BATCHES[-1], 4 * seconds)
                case ["hand-written"]:
                    return beside_hand_written(seconds)
                case ["vision", count]:
                    return images("PickUp", int(count), seconds)
                case [library] if library in OTHERS:
                    assert others is not None
                    return _beside_other(others, OTHERS[library], seconds)
                case [task, count]:
                    return throughput(
                        lambda n: task_env(task, n), substeps=_substeps(task),
                        num_worlds=int(count), rounds=1, seconds=seconds,
                    )  # fmt: skip
            raise ConfigError(f"no such arm: {arm!r}")

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            rows = rows_of(arm)
            return ArmResult(
                starts=list(range(len(rows))), outcomes={k: [r[k] for r in rows] for k in rows[0]}
            )

        settings = {"rounds": rounds, "seconds": seconds}
        run(claims(quick, others is not None), measure, folder, config=settings)

    def report(self, folder: Path) -> str:
        """Verdicts, and the medians of what was measured."""
        lines = [report(folder), "", "| measured | median |", "|---|---|"]
        for path in sorted(folder.glob("rows/*/*.json")):
            row = read_json(path)
            told = (
                f"{name} {statistics.median(values):,.3g}"
                if statistics.median(values) < 100
                else f"{name} {statistics.median(values):,.0f}"
                for name, values in row["outcomes"].items()
            )
            lines.append(f"| {row['arm']} | {', '.join(told)} |")
        return "\n".join(lines)


def _beside_other(others: Others, library: str, seconds: float) -> dict[str, float]:
    """Simulated seconds a second of our lift over the other's, right after one another."""
    env = _single("PickUp")
    ours = side_by_side({"ours": single_stepper(env)}, seconds)["ours"]
    simulated = ours / env.metadata["render_fps"]
    env.close()
    theirs = others.measure(library, seconds)
    return {
        "times": simulated / theirs["simulated"], "steps/s": theirs["steps"],
        "simulated s/s": theirs["simulated"], "our steps/s": ours, "our simulated s/s": simulated,
    }  # fmt: skip


def _substeps(task: str) -> int:
    env: TaskEnv = task_env(task, autoreset_mode=AutoresetMode.DISABLED)
    try:
        return env.substeps
    finally:
        env.close()
