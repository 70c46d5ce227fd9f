"""Bench `robust`: what hovering with randomised physics in training is worth in other physics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.intervals import wilson
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from octoworld.rl.evaluate import Evaluation
from vla.controller import Controller

from .fly import TrainConfig, default_config, train
from .fly.training import MAX_EVAL_ENVS, score, task_maker
from .hover_bench import curve
from .stages import Run

SEEN = {"num_last_actions": 4}
"""Of both arms: with motors that lag, the next motion follows from several actions."""
HARD = {"randomize": "flight", "aero": {"latency": 0.02}}
"""Mass, inertia and thrust +-20 %, 72 ms motors; commands arrive 20 ms late."""
ARMS = {"nominal": SEEN, "randomised": SEEN | HARD}
"""Task options in training."""
SEEDS = (10, 11, 12)
FIRST_START = 6_000_000
"""Training seeds, and the first test start. An earlier recipe had been tested with seed 0 on other
starts and was changed after that, so that those could not judge its successor."""
EPISODES = 200
STEPS = 1_800_000
"""Most steps of training, in both arms."""
TARGET = 0.97
"""Success on the selection starts, in the arm's own physics, at which its training stops."""


@register_bench("robust")
class RobustBench:
    """Hover trained with and without randomised physics, both tested in the same hard physics."""

    name = "robust"
    description = "randomised mass, inertia, thrust, slow motors, latency: worth it or not"

    def run(self, quick: bool, folder: Path) -> None:
        """Three seeds of both arms; `quick`: one seed for few steps, which claims nothing."""
        seeds = SEEDS[:1] if quick else SEEDS
        steps = 60_000 if quick else STEPS
        claims = [
            Claim(
                "the randomised one succeeds",
                arms=("randomised",),
                seeds=seeds,
                metric="success",
                margin=0.8,
                minimum=0.9,
                statement="trained with randomisation: at least 90 % success in the hard physics",
            ),
            Claim(
                "the nominal one drops",
                arms=("nominal",),
                seeds=seeds,
                metric="drop",
                margin=0.2,
                statement="trained without: at least 20 points less success in the hard physics "
                "than in its own, from the same starts",
            ),
            Claim(
                "randomisation is worth it",
                arms=("randomised",),
                baseline="nominal",
                seeds=seeds,
                metric="success",
                margin=0.2,
                statement="at least 20 points more success in the hard physics, each "
                "trained until it masters its own physics, or for as many steps",
            ),
        ]

        def arm(name: str, seed: int, scratch: Path) -> ArmResult:
            return harden(name, seed, scratch, steps)

        settings = {
            "arms": ARMS,
            "test": HARD,
            "steps": steps,
            "target": TARGET,
            "episodes": EPISODES,
        }
        run(claims, arm, folder, scratch=Path("runs") / folder.name, config=settings)

    def report(self, folder: Path) -> str:
        """Verdicts, and a row for each arm and seed."""
        lines = [
            report(folder),
            "",
            "| trained | seed | steps | CPU [s] | hard physics [95 % CI] | nominal physics |",
            "|---|---|---|---|---|---|",
        ]
        for path in sorted(folder.glob("rows/*/*.json")):
            row = read_json(path)
            hard, calm = row["outcomes"]["success"], row["outcomes"]["calm_success"]
            rate = wilson(int(sum(hard)), len(hard))
            lines.append(
                f"| {row['arm']} | {row['seed']} | {row['spent']['steps']:.0f} | "
                f"{row['spent']['cpu_seconds']:.0f} | {100 * rate.estimate:.1f} % "
                f"[{100 * rate.low:.1f}, {100 * rate.high:.1f}] | "
                f"{100 * sum(calm) / len(calm):.1f} % |"
            )
        return "\n".join(lines)


def robust_config(options: dict[str, Any], seed: int, steps: int) -> TrainConfig:
    """Training of an arm; the same for both but for the physics.

    Chosen with seeds 100 and 101. Where drones are weak, actions saturate and one in ten crashed
    until means were bounded; the value of a crash then outweighed all else in the clipped gradient
    until rewards were scaled.
    """
    return default_config(
        "Hover", seed=seed, total_steps=steps, target_success=TARGET, num_envs=256,
        learning_rate=1.5e-3, bounded_mean=True, normalize_reward=True,
        eval_episodes=100, test_episodes=0,
        options={"n_steps": 32, "n_epochs": 4, "target_kl": 0.02}, env={"task_options": options},
    )  # fmt: skip


def harden(arm: str, seed: int, scratch: Path, steps: int) -> ArmResult:
    """Train one arm, then test it in the hard physics and in the nominal one."""
    config = robust_config(ARMS[arm], seed, steps)
    if (scratch / "config.yaml").exists():
        job = Run.resume(scratch, TrainConfig)
    else:
        job = Run.create(scratch, config)
    outcome = train(job)
    policy = Controller.from_pretrained(job.path("checkpoints", "best"))
    hard, calm = (tested(config, policy, SEEN | more) for more in (HARD, {}))
    return ArmResult(
        range(FIRST_START, FIRST_START + EPISODES),
        {
            "success": hard.success,
            "calm_success": calm.success,
            "drop": calm.success.astype(float) - hard.success,
        },
        spent={k: outcome[k] for k in ("steps", "seconds", "cpu_seconds")},
        facts={"selection_success": outcome["selection_success"], "curve": curve(job)},
    )


def tested(config: TrainConfig, policy: Controller, options: dict[str, Any]) -> Evaluation:
    """Success from the test starts, in the physics that task options say."""
    make = task_maker(replace(config, env={"task_options": options}))
    worlds = make(min(MAX_EVAL_ENVS, EPISODES), AutoresetMode.DISABLED)
    try:
        return score(worlds, policy, FIRST_START, EPISODES)
    finally:
        worlds.close()
