"""Benches `stori` and `transfer`: policies in worlds they were not trained in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.intervals import wilson
from octoworld.core.errors import ConfigError, DependencyError, UnknownNameError
from octoworld.core.io import read_json
from octoworld.core.paths import asset
from octoworld.core.registry import BACKENDS, register_bench
from octoworld.rl.evaluate import evaluate
from tasks.make import make_worlds
from vla.checkpoint import load_policy
from vla.policy import ActionChunk

FIRST_START = 7_000_000
"""Seed of the first test start; no bench before and no training has used these."""
STARTS, QUICK_STARTS = 100, 8
WORLDS = 50
TYPES = {
    "none": "",
    "1 (random commands)": "1:random,p=0.3",
    "1 (held commands)": "1:hold,p=0.3",
    "2.1 (gusts)": "2.1:gust",
    "2.1 (nudges)": "2.1:nudge",
    "2.1 (gripper slips)": "2.1:slip",
    "2.2 (wear, sudden)": "2.2:wear,sudden@25",
    "2.2 (wear, cyclic)": "2.2:wear,cyclic@25",
    "2.2 (payload, sudden)": "2.2:payload,sudden@25",
    "3.2 (dropped sensors)": "3.2:drop",
    "noise": "noise:action,std=0.1+noise:observation,std=0.02",
    "late": "late:command,least=1,most=2",
}
"""Name -> effects. STORI's type 3.1, pixels for state, asks for a policy that sees."""


@dataclass(frozen=True)
class Tenant:
    """A policy and the world it knows."""

    task: str
    checkpoint: str = ""
    """Folder in assets/checkpoints; "" is the task's scripted teacher."""
    home: str = "rotorcraft"
    """Backend it was trained in."""
    physics: str = "flight"
    """Preset of what is randomised for it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the environment."""

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.task} {'ppo' if self.checkpoint else 'scripted'}"


TENANTS = (
    Tenant("Hover", "hover-ppo"),
    Tenant("Hover"),
    Tenant("TrackVelocity", "trackvelocity-ppo"),
    Tenant("Reach", "reach-ppo", "mujoco", "servos"),
    Tenant("Reach", "", "mujoco", "servos"),
    Tenant("PickUp", "", "mujoco", "arm"),
    Tenant("PushToZone", "", "mujoco", "arm"),
)


class Teacher:
    """A task's scripted teacher as a policy; it reads the world, not the observation."""

    chunk_size = 1

    def __init__(self, env: Any) -> None:
        self._env, self._expert = env, env.task.expert()

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """It remembers nothing of its own."""

    def act(self, obs: Any, instructions: Sequence[str], **_: Any) -> ActionChunk:
        """One action, (N, 1, A)."""
        action = np.asarray(self._expert.act(self._env.world), np.float32)
        return ActionChunk(torch.from_numpy(action)[:, None])


def tested(tenant: Tenant, starts: Sequence[int], **world: Any) -> dict[str, NDArray]:
    """Outcomes of a tenant's greedy episodes in a world of `make_worlds`'s options.

    Raises:
        ConfigError: the world is not possible.
    """
    options = {**tenant.options, **world}
    env = make_worlds(
        tenant.task, min(WORLDS, len(starts)), autoreset_mode=AutoresetMode.DISABLED, **options
    )
    try:
        policy: Any = Teacher(env)
        if tenant.checkpoint:
            policy = load_policy(asset("checkpoints", tenant.checkpoint))
        outcome = evaluate(env, policy, list(starts), horizon=env.max_episode_length)
    finally:
        env.close()
    return {"success": outcome.success.astype(float), "return": outcome.returns}


def _table(folder: Path, heading: str) -> str:
    lines = [heading, "|---|---|---|---|"]
    for path in sorted(folder.glob("rows/*/*.json")):
        row = read_json(path)
        success = row["outcomes"]["success"]
        rate = wilson(int(sum(success)), len(success))
        place, where = row["arm"].split(": ")
        lines.append(
            f"| {place} | {where} | {100 * rate.estimate:.0f} % "
            f"[{100 * rate.low:.0f}, {100 * rate.high:.0f}] | "
            f"{np.mean(row['outcomes']['return']):.1f} |"
        )
    return "\n".join(lines)


class _Elsewhere(ABC):
    """What the two benches share: arms `TENANT: WORLD`, the same starts for all."""

    name: str

    @abstractmethod
    def worlds(self, tenant: Tenant) -> dict[str, dict[str, Any]]:
        """World -> options of `make_worlds`."""

    @abstractmethod
    def claims(self, arms: Sequence[str]) -> list[Claim]:
        """What is said of the arms."""

    def run(self, quick: bool, folder: Path) -> None:
        """Every tenant in every world that is possible for it."""
        starts = range(FIRST_START, FIRST_START + (QUICK_STARTS if quick else STARTS))
        tenants = [t for t in TENANTS if not quick or t.task == "Hover"]
        jobs = {
            f"{tenant.name}: {where}": (tenant, options)
            for tenant in tenants
            for where, options in self.worlds(tenant).items()
            if _possible(tenant, options)
        }

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            tenant, options = jobs[arm]
            return ArmResult(starts, tested(tenant, starts, **options))

        run(self.claims(list(jobs)), measure, folder, config={"starts": len(starts)})

    def report(self, folder: Path) -> str:
        """Verdicts, and success by policy and world."""
        head = "| policy | world | success [95 % CI] | return |"
        return "\n".join([report(folder), "", _table(folder, head)])


@register_bench("stori")
class StoriBench(_Elsewhere):
    """STORI's types of stochasticity, one at a time, over policies that never saw them."""

    name = "stori"
    description = "policies x STORI's types of stochasticity, with intervals"

    def worlds(self, tenant: Tenant) -> dict[str, dict[str, Any]]:
        """One for each type."""
        return {
            where: {"backend": tenant.home, "stochastic": spec} for where, spec in TYPES.items()
        }

    def claims(self, arms: Sequence[str]) -> list[Claim]:
        """At home they succeed; what each type leaves of that is measured, not promised."""
        home = [a for a in arms if a.endswith(": none")]
        other = [a for a in arms if a not in home]
        return [
            Claim(
                "at home", tuple(home), (0,), "success", margin=0.8, minimum=0.9,
                statement="without stochasticity, success is at least 90 %",
            ),
            Claim(
                "half is left", tuple(other), (0,), "success", margin=0.5,
                statement="under one type of stochasticity, success stays above 50 %",
            ),
        ]  # fmt: skip


@register_bench("transfer")
class TransferBench(_Elsewhere):
    """Sim-to-sim: trained in one engine, tested in others and with other physics."""

    name = "transfer"
    description = "policies of one engine in the others, as built and randomised"

    def worlds(self, tenant: Tenant) -> dict[str, dict[str, Any]]:
        """Every engine, as built and with physics drawn anew for each episode."""
        found: dict[str, dict[str, Any]] = {}
        for backend in BACKENDS.names():
            found[f"{backend}, as built"] = {"backend": backend}
            found[f"{backend}, randomised"] = {
                "backend": backend, "task_options": {"randomize": tenant.physics}
            }  # fmt: skip
        return found

    def claims(self, arms: Sequence[str]) -> list[Claim]:
        """Engines as built are one world to a policy."""
        built = [a for a in arms if a.endswith("as built")]
        drawn = [a for a in arms if a not in built]
        return [
            Claim(
                "engines agree", tuple(built), (0,), "success", margin=0.8, minimum=0.9,
                statement="a policy of one engine succeeds in at least 90 % of starts in another",
            ),
            Claim(
                "other physics", tuple(drawn), (0,), "success", margin=0.5,
                statement="with randomised physics, success stays above 50 %",
            ),
        ]  # fmt: skip


def _possible(tenant: Tenant, options: Mapping[str, Any]) -> bool:
    """Whether the task can have such a world; what cannot be is left out of the table."""
    try:
        env = make_worlds(tenant.task, 1, seed=0, **{**tenant.options, **options})
    except (ConfigError, DependencyError, UnknownNameError):
        return False
    env.close()
    return True
