"""Bench of flying: every drone task's scripted pilot over a hundred starts, in claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.intervals import wilson
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from tasks.drones.pilot import Pilot
from tasks.env import TaskEnv, task_env

FIRST_START, QUICK_FIRST = 5_000_000, 4_000_000
"""Seeds of the first start, and of a quick run's; none of the former was flown before the run."""
STARTS, QUICK_STARTS = 100, 4
QUANTITIES = ("rmse", "mean_error", "worst", "passed")
"""What is kept of an episode's last step, where the task judges it [m, -]."""


@dataclass(frozen=True)
class Case:
    """A task as it is flown, and what is claimed of its success."""

    task: str
    options: Mapping[str, Any] = field(default_factory=dict)
    margin: float = 0.9
    """Below the whole interval of the success rate."""
    minimum: float = 0.95
    """The rate itself."""
    pilot: str = "expert"
    """`expert`: the task's; `plain`: the geometric controller on the task's set-points."""
    quick: bool = True
    """Whether `--quick` flies it too."""


CASES: dict[str, Case] = {
    "hover": Case("Hover"),
    "take-off": Case("TakeOff"),
    "land": Case("Land"),
    "velocity": Case("TrackVelocity"),
    "waypoints": Case("FlyWaypoints"),
    "circle": Case("TrackCircle"),
    "figure-8": Case("TrackFigure8"),
    "gate": Case("FlyThroughGate"),
    "race-level0": Case("GateRace", {"level": 0}, 0.99, 1.0),
    "race-level1": Case("GateRace", {"level": 1}, quick=False),
    "race-level2": Case("GateRace", {"level": 2}, 0.7, 0.8),
    "race-level3": Case("GateRace", {"level": 3}, 0.5, 0.5, quick=False),
    "multi-hover": Case("MultiHover"),
    "formation-10": Case("Formation", {"num_drones": 10}, 0.99, 1.0),
    "leader-follower": Case("LeaderFollower"),
    "flock": Case("Flock"),
    "meet-up": Case("MeetUp"),
    "downwash": Case("DownwashCrossing"),
    "downwash-plain": Case("DownwashCrossing", pilot="plain"),
    "obstacles": Case("ObstacleField"),
    "payload": Case("PayloadTransport"),
    "payload-plain": Case("PayloadTransport", pilot="plain"),
    "coloured-gate": Case("FlyThroughColoredGate"),
    "coloured-pad": Case("LandOnColoredPad"),
    "gate-then-land": Case("GateThenLand"),
}


def fly(case: Case, seeds: range) -> dict[str, NDArray]:
    """One episode from the start of each seed, all at once; outcomes (E,) by name.

    `success` and other judgements are of each episode's last step; `collided` of any step;
    `return` is the mean reward of all steps that the clock would allow, in [0, 1].
    """
    env = task_env(
        case.task, len(seeds), autoreset_mode=AutoresetMode.DISABLED,
        task_options=dict(case.options),
    )  # fmt: skip
    try:
        env.reset(seed=seeds.start)
        pilot = Pilot(env.task) if case.pilot == "plain" else env.task.expert()  # type: ignore[arg-type]
        return _episode(env, lambda: pilot.act(env.world))
    finally:
        env.close()


def idle(case: Case, seeds: range) -> NDArray:
    """Return in [0, 1] of doing nothing (actions of 0) from the same starts, (E,)."""
    env = task_env(
        case.task, len(seeds), autoreset_mode=AutoresetMode.DISABLED,
        task_options=dict(case.options),
    )  # fmt: skip
    try:
        env.reset(seed=seeds.start)
        still = np.zeros((env.num_envs, env.num_acts), np.float32)
        return _episode(env, lambda: still)["return"]
    finally:
        env.close()


def _episode(env: TaskEnv, act: Any) -> dict[str, NDArray]:
    count = env.num_envs
    kept: dict[str, NDArray] = {"return": np.zeros(count), "seconds": np.zeros(count)}
    collided = np.zeros(count, bool)
    while env.live.any():
        live = env.live.copy()
        _, reward, terminated, truncated, _ = env.step(act())
        judged = env.judged
        kept["return"] += np.where(live, reward, 0.0) / env.max_episode_length
        collided |= live & judged.get("collided", np.zeros(count, bool))
        last = live & (terminated | truncated)
        crashed = judged["failure"] & terminated
        kept["seconds"] += live / env.fps
        # teams judge some quantities of each drone: the worst one's
        each = {k: v.max(axis=1) for k, v in getattr(judged, "drones", {}).items()}
        for name, value in {**each, **judged, "crashed": crashed}.items():
            if name in ("success", "crashed", *QUANTITIES):
                kept.setdefault(name, np.zeros(count))[last] = value[last]
    return {**kept, "collided": collided.astype(float)}


def claims(quick: bool) -> list[Claim]:
    """All that is claimed; a quick run claims of fewer starts, and not of all cases."""
    cases = {name: case for name, case in CASES.items() if case.quick or not quick}
    rates = [
        Claim(
            f"{name} succeeds", arms=(name,), seeds=(0,), metric="success", margin=case.margin,
            minimum=case.minimum,
            statement=f"{case.task}{_options(case)}: success >= {case.minimum:.0%}",
        )
        for name, case in cases.items() if case.pilot == "expert"
    ]  # fmt: skip
    return [
        *rates,
        Claim(
            "figure-8 RMSE", arms=("figure-8",), seeds=(0,), metric="rmse", direction="less",
            margin=0.05, statement="geometric controller: RMSE over an episode from 3 s on <= 5 cm",
        ),
        Claim(
            "formation without collision", arms=("formation-10",), seeds=(0,), metric="collided",
            direction="less", margin=0.01, statement="ten drones: no collision in any episode",
        ),
        Claim(
            "feeling the wake", arms=("downwash",), baseline="downwash-plain", seeds=(0,),
            metric="worst", direction="less", margin=0.01,
            statement="who feels the wake stays 1 cm nearer to its line than the plain controller",
        ),
        Claim(
            "feeling the load", arms=("payload",), baseline="payload-plain", seeds=(0,),
            metric="success", margin=0.0,
            statement="success of the pilot that feels the load is above the plain controller's",
        ),
    ]  # fmt: skip


@register_bench("flying")
class FlyingBench:
    """Scripted pilots of all drone tasks."""

    name = "flying"
    description = "scripted pilots of all drone tasks: success over 100 starts, RMSE, collisions"

    def run(self, quick: bool, folder: Path) -> None:
        """Each case once from each start; cases that are stored are not flown again."""
        first, count = (QUICK_FIRST, QUICK_STARTS) if quick else (FIRST_START, STARTS)
        seeds = range(first, first + count)

        def arm(name: str, seed: int, scratch: Path) -> ArmResult:
            outcomes = fly(CASES[name], seeds)
            outcomes["idle_return"] = idle(CASES[name], seeds)
            return ArmResult(list(seeds), outcomes, {"true_episodes": 2 * len(seeds)})

        run(claims(quick), arm, folder, config={"first_start": seeds.start, "starts": len(seeds)})

    def report(self, folder: Path) -> str:
        """Verdicts, then successes with Wilson's interval and what else was measured."""
        lines = [
            report(folder), "",
            "| case | task | success [Wilson 95 %] | crashed | collided | return | doing nothing "
            "| error |",
            "|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for name, case in CASES.items():
            path = folder / "rows" / name / "0.json"
            if not path.exists():
                continue
            values = {k: np.array(v) for k, v in read_json(path)["outcomes"].items()}
            wins, count = int(values["success"].sum()), len(values["success"])
            ci = wilson(wins, count)
            share = f"{wins}/{count} [{ci.low:.1%}, {ci.high:.1%}]"
            error = next((k for k in ("rmse", "worst", "mean_error") if k in values), None)
            cells = [
                name, case.task + _options(case), share, f"{values['crashed'].mean():.0%}",
                f"{values['collided'].mean():.0%}", f"{values['return'].mean():.2f}",
                f"{values['idle_return'].mean():.2f}",
                "-" if error is None else f"{error} {_centimetres(values[error])}",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


def _options(case: Case) -> str:
    words = [f"{k} {v}" for k, v in case.options.items()]
    words += ["plain pilot"] if case.pilot == "plain" else []
    return f" ({', '.join(words)})" if words else ""


def _centimetres(values: NDArray) -> str:
    return f"{100 * np.median(values):.1f} cm, at most {100 * values.max():.1f}"
