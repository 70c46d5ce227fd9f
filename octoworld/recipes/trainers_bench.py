"""Bench `trainers`: Hover and Reach learnt by each library's own algorithm."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from gymnasium.vector import AutoresetMode

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.intervals import wilson
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from vla.checkpoint import load_policy

from .fly import TrainConfig, default_config, train
from .fly.config import TEST_SEED
from .fly.training import MAX_EVAL_ENVS, score, task_maker
from .stages import Run

TASKS = ("Hover", "Reach")
LEARNERS = {
    "sb3-ppo": ("sb3", "ppo"), "sb3-sac": ("sb3", "sac"), "skrl": ("skrl", "ppo"),
    "rsl_rl": ("rsl_rl", "ppo"), "rl_games": ("rl_games", "ppo"),
}  # fmt: skip
STEPS = {
    "Hover ppo": 4_000_000, "Hover sac": 300_000, "Reach ppo": 1_500_000, "Reach sac": 150_000,
}  # fmt: skip
"""Most steps of training; it stops at `TARGET`."""
TARGET, ENOUGH, EPISODES = 0.98, 0.9, 100


@register_bench("trainers")
class TrainersBench:
    """Five learners, two tasks; stock algorithms, and our defaults of a task."""

    name = "trainers"
    description = "Hover and Reach by SB3 (PPO, SAC), skrl, rsl_rl and rl_games"

    def run(self, quick: bool, folder: Path) -> None:
        """Three seeds of all; `quick`: one seed, few steps, which claims nothing."""
        seeds = (0,) if quick else (0, 1, 2)
        installed = [k for k, (lib, _) in LEARNERS.items() if lib == "sb3" or _has(lib)]
        arms = [f"{task} {learner}" for task in TASKS for learner in installed]
        claims = [
            Claim(
                f"{arm}: success",
                arms=(arm,),
                seeds=seeds,
                metric="success",
                margin=0.2,
                minimum=ENOUGH,
                statement=f"at least {100 * ENOUGH:g} % of {EPISODES} unseen starts",
            )
            for arm in arms
        ]

        def learn(arm: str, seed: int, scratch: Path) -> ArmResult:
            task, learner = arm.split(" ")
            trainer, algo = LEARNERS[learner]
            steps = 20_000 if quick else STEPS[f"{task} {algo}"]
            config = default_config(
                task, algo, trainer=trainer, seed=seed, total_steps=steps,
                target_success=TARGET, test_episodes=0,
            )  # fmt: skip
            resumed = (scratch / "config.yaml").exists()
            job = Run.resume(scratch, TrainConfig) if resumed else Run.create(scratch, config)
            outcome = train(job)
            worlds = task_maker(config)(min(MAX_EVAL_ENVS, EPISODES), AutoresetMode.DISABLED)
            try:
                best = load_policy(job.path("checkpoints", "best"))
                tested = score(worlds, best, TEST_SEED, EPISODES)  # type: ignore[arg-type]
            finally:
                worlds.close()
            return ArmResult(
                range(TEST_SEED, TEST_SEED + EPISODES),
                {"success": tested.success, "return": tested.returns},
                spent={k: outcome[k] for k in ("steps", "seconds", "cpu_seconds")},
                facts={"selection_success": outcome["selection_success"]},
            )

        run(
            claims, learn, folder, scratch=Path("runs") / folder.name,
            config={"steps": STEPS, "target": TARGET, "episodes": EPISODES},
        )  # fmt: skip

    def report(self, folder: Path) -> str:
        """Verdicts, and a row for each task, learner and seed."""
        lines = [
            report(folder), "",
            "| task and learner | seed | steps | CPU [s] | success [95 % CI] |",
            "|---|---|---|---|---|",
        ]  # fmt: skip
        for path in sorted(folder.glob("rows/*/*.json")):
            row = read_json(path)
            success = row["outcomes"]["success"]
            rate = wilson(int(sum(success)), len(success))
            lines.append(
                f"| {row['arm']} | {row['seed']} | {row['spent']['steps']:,.0f} | "
                f"{row['spent']['cpu_seconds']:.0f} | {100 * rate.estimate:.0f} % "
                f"[{100 * rate.low:.0f}, {100 * rate.high:.0f}] |"
            )
        return "\n".join(lines)


def _has(library: str) -> bool:
    return importlib.util.find_spec(library) is not None
