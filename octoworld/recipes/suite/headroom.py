"""Bench `headroom`: what the trainer makes of five demonstrations when physics itself judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from octoworld.bench import ArmResult, Claim, report, run, verdicts
from octoworld.core.config import to_dict
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench
from octoworld.rl import Evaluate, TrainerConfig
from tasks.env import TaskEnv, task_env
from vla.freeze import PERCEPTION
from vla.posttrain import PosttrainConfig, posttrain

from ..evaluate import evaluate, to_rows
from ..rollouts import RolloutConfig, made_for
from .config import SEEDS_A_TASK, SuiteConfig, quick_suite
from .work import (
    AT_ONCE,
    TRAIN,
    Job,
    chosen_demonstrations,
    do,
    is_done,
    learning,
    load_vision_policy,
    preparing,
    record_demonstrations,
    run_folder,
)

EPISODES = 10_000
"""Most episodes of true physics that a task may spend, those of the choice included."""
GAIN, ENOUGH = 0.20, 6
"""Points of success that are to be gained, and tasks on which they are to be."""
SEED = 0


@dataclass(frozen=True)
class HeadroomConfig:
    """How the policies of the suite bench go on."""

    suite: SuiteConfig = field(default_factory=SuiteConfig)
    """Where they come from."""
    validation_starts: int = 50
    """Episodes by which an iterate is judged."""
    validate_every: int = 10
    """Iterations between two such choices."""
    starts: int = 100
    """Test starts."""
    posttrain: PosttrainConfig = field(
        default_factory=lambda: PosttrainConfig(
            frozen=PERCEPTION,
            fixed_scale=0.15,
            rl=replace(
                PosttrainConfig().rl,
                iterations=74,
                num_groups=16,
                max_groups=16,
                returns="last",
                # a critic, and many small steps: by returns alone success wandered
                estimator="gae",
                learning_rate=5e-5,
                epochs=3,
                max_kl=0.02,
                temperature=1.0,
                final_temperature=1.0,
            ),
        )
    )
    """The trainer: 74 iterations of 16 groups of 8, and 9 choices of 50, are 9,922 episodes."""


def quick_headroom() -> HeadroomConfig:
    """Shows that the bench runs."""
    rl = TrainerConfig(iterations=2, num_groups=2, max_groups=2, group_size=2, returns="last")
    return HeadroomConfig(
        quick_suite(), 4, 1, 4, PosttrainConfig(frozen=PERCEPTION, anchor_batch_size=4, rl=rl)
    )


@register_bench("headroom")
class HeadroomBench:
    """The tiny policy of five demonstrations, trained on in true physics, task by task."""

    name = "headroom"
    description = "the trainer in true physics lifts the policy of five demonstrations"

    def run(self, quick: bool, folder: Path) -> None:
        """Needs the suite bench's tiny policies of fewest demonstrations, and makes those missing.

        Tasks run in processes of their own; a killed run goes on.
        """
        config = quick_headroom() if quick else HeadroomConfig()
        suite = config.suite
        source = Path("runs") / ("suite-quick" if quick else "suite")
        scratch = Path("runs") / folder.name
        few = min(suite.demonstrations)
        start = replace(suite, kinds=("tiny",), seeds=(SEED,))
        if not is_done(start, "tiny", few, SEED, source):
            do([*preparing(start, source), learning(start, "tiny", few, source)], suite.jobs)
        recording: list[Job] = [
            (record_demonstrations, (start, task, SEED, source)) for task in suite.tasks
        ]
        do([recording], suite.jobs)
        work = [(scene, task) for scene in suite.scenes for task in suite.scenes[scene]]
        for first in range(0, len(work), suite.jobs):
            now = work[first : first + suite.jobs]
            do([[(improve, (config, *what, source, scratch)) for what in now]], suite.jobs)
            store(config, [task for _, task in now], scratch, folder)

    def report(self, folder: Path) -> str:
        """Verdicts, and on how many tasks the gain was reached."""
        entries = [e for e in verdicts(folder) if e["estimate"] is not None]
        good = [e["arm"] for e in entries if e["estimate"] >= GAIN and e["ci"][0] > 0]
        lines = [report(folder), "", "| task | before | after | gain [95 % CI] | episodes |"]
        lines.append("|---|---|---|---|---|")
        for entry in entries:
            row = read_json(folder / "rows" / entry["arm"] / f"{SEED}.json")
            before, after = (_percent(row["outcomes"][k]) for k in ("before", "after"))
            low, high = entry["ci"]
            lines.append(
                f"| {entry['arm']} | {before} | {after} | {100 * entry['estimate']:+.0f} "
                f"[{100 * low:+.0f}, {100 * high:+.0f}] | {row['spent']['true_episodes']:,.0f} |"
            )
        lines += ["", f"{len(good)} of {len(entries)} tasks gain {100 * GAIN:g} points or more "
                  f"(wanted: {ENOUGH}): {', '.join(good) or 'none'}"]  # fmt: skip
        return "\n".join(lines)


def store(config: HeadroomConfig, tasks: Sequence[str], scratch: Path, folder: Path) -> None:
    """Rows of tasks that have been improved."""
    claim = Claim(
        "head-room", config.suite.tasks, (SEED,), "gain", margin=0.0, minimum=GAIN,
        budget={"true_episodes": EPISODES},
        statement=f"success rises by {100 * GAIN:g} points within {EPISODES:,} episodes",
    )  # fmt: skip

    def measure(arm: str, seed: int, place: Path) -> ArmResult:
        found = read_json(scratch / arm / "found.json")
        before, after = ([float(r["oracle"]) for r in found[k]] for k in ("before", "after"))
        gain = [a - b for a, b in zip(after, before, strict=True)]
        return ArmResult(
            [r["seed"] for r in found["before"]],
            {"before": before, "after": after, "gain": gain},
            spent=found["spent"],
            facts={"best iteration": found["best_iteration"]},
        )

    kept = to_dict(config)
    for name in ("device", "jobs", "eyes"):  # they change when, not what is found
        del kept["suite"][name]
    run([claim], measure, folder, config=kept, only=tasks)


def _percent(values: list[float]) -> str:
    return f"{100 * sum(values) / len(values):.0f} %"


def improve(config: HeadroomConfig, scene: str, task: str, source: Path, folder: Path) -> None:
    """Post-train the scene's policy on one task in true physics; outcomes before and after."""
    suite, place = config.suite, folder / task
    found = place / "found.json"
    if found.exists():
        return
    few = min(suite.demonstrations)
    start = run_folder(source, scene, "tiny", few, SEED) / "policy"
    policy = load_vision_policy(start, suite.device)
    rl = config.posttrain.rl
    training = suite.start_seeds("training", task, SEEDS_A_TASK)
    env = _physics(config, policy, task, rl.group_size * rl.num_groups)
    choice = _physics(config, policy, task, config.validation_starts)
    decisions = -(-env.max_episode_length // policy.chunk_size)
    settings = replace(
        config.posttrain,
        rl=replace(
            rl,
            horizon=decisions,
            start_range=(training[0], training[-1] + 1),
        ),
    )
    validation = suite.start_seeds("validation", task, config.validation_starts)
    check = Evaluate(
        choice, validation, horizon=decisions, every=config.validate_every, select=True
    )
    try:
        posttrain(
            policy, env, chosen_demonstrations(task, few, SEED, source), settings,
            place / "training", SEED, hooks=[check],
        )  # fmt: skip
    finally:
        env.close()
        choice.close()
    outcome = read_json(place / "training" / "outcome.json")
    asked = 1 + -(-outcome["iterations"] // config.validate_every)
    rollouts = RolloutConfig(AT_ONCE, cameras=suite.cameras(task))
    seeds = suite.start_seeds("test", task, config.starts)
    before = evaluate(load_vision_policy(start, suite.device), [task], seeds, rollouts, split=TRAIN)
    after = evaluate(policy, [task], seeds, rollouts, split=TRAIN)
    write_json(
        found,
        {
            "before": to_rows(before),
            "after": to_rows(after),
            "best_iteration": outcome.get("best_iteration", outcome["iterations"]),
            "spent": {"true_episodes": outcome["true_episodes"] + asked * config.validation_starts},
        },
    )


def _physics(config: HeadroomConfig, policy: Any, task: str, count: int) -> TaskEnv:
    return task_env(
        task, count, obs_mode="vision", cameras=config.suite.cameras(task),
        autoreset_mode=AutoresetMode.DISABLED, **made_for(policy, TRAIN),
    )  # fmt: skip
