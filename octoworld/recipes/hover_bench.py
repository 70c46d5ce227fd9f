"""Bench `hover`: how soon hovering is learnt, seed by seed, and what doing nothing earns."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.intervals import wilson
from octoworld.core.io import read_json, write_text
from octoworld.core.log import read_metrics
from octoworld.core.registry import register_bench
from vla.checkpoint import load_policy

from .fly import default_config, train
from .fly.config import TEST_SEED
from .fly.training import MAX_EVAL_ENVS, score, task_maker
from .stages import Run

LIMITS = {"Hover1D": 120.0, "Hover": 600.0}
"""Wall seconds that a seed may take, evaluations included, on two cores."""
ENOUGH = 0.9
"""Success rate on the test starts at which a seed counts as solved."""
TARGET = 0.98
"""Success rate on the selection starts at which training stops."""
EPISODES = 100
NOTHING = "-nothing"
"""Ends the names of arms that hold the action 0."""


@register_bench("hover")
class HoverBench:
    """PPO from nothing on Hover1D and Hover, one thread, stopped at the target."""

    name = "hover"
    description = "hover learnt from nothing: success of every seed, within 2 and 10 minutes"

    def run(self, quick: bool, folder: Path) -> None:
        """Ten seeds of both; `quick`: one seed of the one-dimensional one."""
        seeds = (0,) if quick else tuple(range(10))
        tasks = ("Hover1D",) if quick else tuple(LIMITS)
        claims = [
            Claim(
                f"{task}: seeds solved",
                arms=(task,),
                seeds=seeds,
                metric="solved",
                margin=0.5,
                minimum=1.0 if task == "Hover1D" else 0.9,
                budget={"seconds": LIMITS[task]},
                statement=f"{'10' if task == 'Hover1D' else '9'} of 10 seeds succeed in at least "
                f"90 % of {EPISODES} unseen starts, after at most {LIMITS[task]:g} s of training",
            )
            for task in tasks
        ]
        claims += [
            Claim(
                f"{task}: doing nothing",
                arms=(task + NOTHING,),
                seeds=(0,),
                metric="return_share",
                direction="less",
                margin=0.2,
                statement="the action 0 earns less than 20 % of the greatest return",
            )
            for task in tasks
        ]
        run(claims, learn_to_hover, folder, scratch=Path("runs") / folder.name)
        write_curves(folder)

    def report(self, folder: Path) -> str:
        """Verdicts, and a row for each seed."""
        lines = [
            report(folder),
            "",
            "| task | seed | steps | wall [s] | CPU [s] | test success [95 % CI] |",
            "|---|---|---|---|---|---|",
        ]
        for row in rows(folder):
            success = row["outcomes"]["success"]
            rate = wilson(int(sum(success)), len(success))
            spent = row["spent"]
            lines.append(
                f"| {row['arm']} | {row['seed']} | {spent['steps']:.0f} | {spent['seconds']:.0f} | "
                f"{spent['cpu_seconds']:.0f} | {100 * rate.estimate:.0f} % "
                f"[{100 * rate.low:.0f}, {100 * rate.high:.0f}] |"
            )
        return "\n".join(lines)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Stored rows of arms that learn, in the order of arms and seeds."""
    found = [read_json(path) for path in folder.glob("rows/*/*.json")]
    learnt = [row for row in found if not row["arm"].endswith(NOTHING)]
    return sorted(learnt, key=lambda row: (list(LIMITS).index(row["arm"]), row["seed"]))


def learn_to_hover(arm: str, seed: int, scratch: Path) -> ArmResult:
    """Train with `seed` until the selection starts succeed, then test."""
    starts = list(range(TEST_SEED, TEST_SEED + EPISODES))
    if arm.endswith(NOTHING):
        return ArmResult(starts, {"return_share": do_nothing(arm.removesuffix(NOTHING), starts)})
    config = default_config(
        arm, seed=seed, time_budget=0.9 * LIMITS[arm], target_success=TARGET,
        eval_episodes=EPISODES, test_episodes=0,
    )  # fmt: skip
    if (scratch / "config.yaml").exists():
        job = Run.resume(scratch, type(config))
    else:
        job = Run.create(scratch, config)
    outcome = train(job)
    worlds = task_maker(config)(MAX_EVAL_ENVS, AutoresetMode.DISABLED)
    try:
        policy: Any = load_policy(job.path("checkpoints", "best"))
        tested = score(worlds, policy, TEST_SEED, EPISODES)
    finally:
        worlds.close()
    solved = float(tested.success.mean() >= ENOUGH)
    return ArmResult(
        starts,
        {
            "success": tested.success,
            "return_share": tested.returns / worlds.max_episode_length,
            "solved": [solved] * EPISODES,
        },
        spent={k: outcome[k] for k in ("steps", "seconds", "cpu_seconds")},
        facts={"stopped": outcome["stopped"], "load": os.getloadavg()[0], "curve": curve(job)},
    )


def do_nothing(task: str, seeds: Sequence[int]) -> NDArray[np.float64]:
    """(E,) share of the greatest return that the action 0 earns from each start."""
    worlds = task_maker(default_config(task))(len(seeds), AutoresetMode.DISABLED)
    try:
        worlds.reset(seed=list(seeds))
        total, live = np.zeros(len(seeds)), np.ones(len(seeds), bool)
        still = np.zeros((len(seeds), worlds.num_acts), np.float32)
        for _ in range(worlds.max_episode_length):
            _, reward, terminated, truncated, _ = worlds.step(still)
            total += np.where(live, reward, 0.0)
            live &= ~(terminated | truncated)
            if not live.any():
                break
        return total / worlds.max_episode_length
    finally:
        worlds.close()


def curve(job: Run) -> list[dict[str, float]]:
    """What every evaluation of a training said."""
    keys = {
        "step": "step", "seconds": "time/seconds", "cpu_seconds": "time/cpu_seconds",
        "success": "eval/success", "return": "eval/return",
    }  # fmt: skip
    found = [r for r in read_metrics(job.path("metrics.jsonl")) if "eval/success" in r]
    return [{name: round(float(r[key]), 4) for name, key in keys.items()} for r in found]


def write_curves(folder: Path) -> None:
    """FOLDER/curves.csv and curves.png: success and return on the selection starts by time."""
    table = [
        {"task": row["arm"], "seed": row["seed"]} | point
        for row in rows(folder)
        for point in row["facts"]["curve"]
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_text(folder / "curves.csv", text.getvalue())
    draw(rows(folder), folder / "curves.png")


def draw(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Learning curves as a picture: a column a task, success above and return below."""
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(row["arm"] for row in found))
    figure = Figure(figsize=(4.2 * len(tasks), 4.4), dpi=80, layout="constrained")
    axes = figure.subplots(2, len(tasks), squeeze=False, sharex="col")
    for column, task in enumerate(tasks):
        for row in (r for r in found if r["arm"] == task):
            seconds = [0.0] + [p["cpu_seconds"] for p in row["facts"]["curve"]]
            success = [0.0] + [100 * p["success"] for p in row["facts"]["curve"]]
            returns = [p["return"] for p in row["facts"]["curve"]]
            axes[0, column].plot(seconds, success, ".-", lw=1, label=f"seed {row['seed']}")
            axes[1, column].plot(seconds[1:], returns, ".-", lw=1)
        axes[0, column].axhline(100 * ENOUGH, color="grey", lw=0.8, ls="--")
        axes[0, column].set(title=task, ylabel="success [%]", ylim=(-4, 104))
        axes[1, column].set(xlabel="CPU time [s]", ylabel="return")
        for axis in axes[:, column]:
            axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=6, ncols=2)
    figure.savefig(path)
