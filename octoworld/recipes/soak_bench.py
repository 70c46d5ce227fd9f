"""Bench `soak`: hours of random actions and random partial resets over all tasks and engines."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.errors import ConfigError, DependencyError, UnknownNameError
from octoworld.core.io import read_json
from octoworld.core.registry import BACKENDS, TASKS, register_bench
from sim.arrays import as_numpy
from tasks.env import task_env

WORLDS, STEPS, TURN = 16, 40, 0.5
"""Worlds of an environment; steps and seconds after which the next one has its turn."""
FEW = {"pybullet": 4}
"""Fewer worlds where each holds 30 MB."""
WARM_UP = 0.1
"""Part of the time after which memory is held against the end's: caches are filled by then."""
RESET_SHARE = 0.05
"""Worlds reset at a step, whether or not their episode had ended."""
HOURS, QUICK_HOURS = 2.0, 0.015


@register_bench("soak")
class SoakBench:
    """No NaN, no leak, no end."""

    name = "soak"
    description = "two hours of random actions and partial resets over all tasks and engines"

    def run(self, quick: bool, folder: Path) -> None:
        """All tasks on all engines that have them, in turn, until the time is up."""
        hours = QUICK_HOURS if quick else HOURS

        def claim(metric: str, bound: float, words: str) -> Claim:
            return Claim(
                metric, ("all tasks",), (0,), metric, direction="less", margin=bound,
                statement=words,
            )  # fmt: skip

        claims = [
            claim("not finite", 0.5, "no observation or reward is NaN or infinite"),
            claim(
                "memory growth [%]", 50.0 if quick else 2.0,
                "resident memory grows by less than 2 % after the first tenth of the time",
            ),
        ]  # fmt: skip

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            outcomes, facts = soak(hours, seed)
            return ArmResult([0], {k: [v] for k, v in outcomes.items()}, facts=facts)

        run(claims, measure, folder, config={"hours": hours, "worlds": WORLDS, "steps": STEPS})

    def report(self, folder: Path) -> str:
        """Verdicts, and what was done."""
        lines = [report(folder), ""]
        for path in sorted(folder.glob("rows/*/*.json")):
            facts = read_json(path)["facts"]
            lines += [f"- {name}: {facts[name]}" for name in facts if name != "memory [MB]"]
            lines.append(f"- memory over time [MB]: {facts['memory [MB]']}")
        return "\n".join(lines)


def soak(hours: float, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """What went wrong (counts, growth in percent), and what was done.

    Raises:
        ConfigError: the system does not tell how much memory a process holds.
    """
    envs, rng = _environments(), np.random.default_rng(seed)
    for index, env in enumerate(envs.values()):
        env.reset(seed=seed + 1000 * index)
    began, seconds = time.monotonic(), 3600 * hours
    broken, diverged, steps, resets, memory = 0, 0, 0, 0, []
    rounds, warm = 0, 0.0
    while time.monotonic() - began < seconds or rounds < 3:
        for env in envs.values():
            turn = time.monotonic()
            for _ in range(STEPS):
                if time.monotonic() - turn > TURN:
                    break
                wrong, lost, started = _step(env, rng)
                broken, diverged, resets = broken + wrong, diverged + lost, resets + started
                steps += env.num_envs
        rounds += 1
        memory.append(round(resident() / 1e6, 1))
        if not warm and time.monotonic() - began >= WARM_UP * seconds and rounds >= 2:
            warm = memory[-1]
    for env in envs.values():
        env.close()
    warm = warm or memory[-1]
    thin = max(1, len(memory) // 40)
    return (
        {"not finite": float(broken), "memory growth [%]": 100 * (memory[-1] / warm - 1)},
        {
            "environments": list(envs), "hours": round((time.monotonic() - began) / 3600, 2),
            "steps": steps, "partial resets": resets, "diverged episodes": diverged,
            "memory [MB]": memory[::thin],
        },
    )  # fmt: skip


def _environments() -> dict[str, Any]:
    """Every task on every engine that has it, in `state` mode."""
    found = {}
    for task in TASKS.names():
        for backend in BACKENDS.names():
            try:
                found[f"{task} on {backend}"] = task_env(
                    task,
                    FEW.get(backend, WORLDS),
                    backend=backend,
                    autoreset_mode=AutoresetMode.DISABLED,
                )
            except (ConfigError, DependencyError, UnknownNameError):
                continue
    return found


def _step(env: Any, rng: np.random.Generator) -> tuple[int, int, int]:
    """One step of random actions, then resets: numbers not finite, diverged, worlds reset."""
    space = env.single_action_space
    actions = rng.uniform(space.low, space.high, (env.num_envs, *space.shape))
    obs, rewards, terminated, truncated, infos = env.step(actions.astype(np.float32))
    wrong = int((~np.isfinite(as_numpy(obs))).sum() + (~np.isfinite(as_numpy(rewards))).sum())
    lost = int(as_numpy(infos["diverged"]).sum()) if "diverged" in infos else 0
    mask = as_numpy(terminated) | as_numpy(truncated) | (rng.random(env.num_envs) < RESET_SHARE)
    if mask.any():
        env.reset(options={"reset_mask": mask})
    return wrong, lost, int(mask.sum())


def resident() -> float:
    """Resident memory of this process [bytes]; ConfigError where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        raise ConfigError("bench soak reads /proc/self/statm, which is Linux's") from None
    return pages * os.sysconf("SC_PAGE_SIZE")
