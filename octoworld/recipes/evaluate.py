"""Success in true physics on paired starts, stopped by the simulator or by the reflector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.bench.intervals import bootstrap_mean, wilson
from octoworld.data.episode import Episode
from tasks.env import TaskEnv, task_env
from vla.policy import Policy

from .rollouts import PolicyActor, RolloutConfig, collect, made_for

PROTOCOLS = {
    "oracle": "ended by the simulator",
    "self_stopped": "ended by the reflector",
    "at_end": "at the end of the clock",
}
"""Field of `Outcome` -> how the table calls it."""
Stop = Callable[[Episode], int | None]
"""First step of an episode at which the reflector says 'done', or None."""


@dataclass(frozen=True)
class Outcome:
    """One evaluated episode under three protocols."""

    task: str
    """Registered name."""
    seed: int
    """Of the start state."""
    oracle: bool
    """The simulator ends the episode at the first success."""
    self_stopped: bool
    """The policy runs on until the reflector stops it, and must be in success then."""
    at_end: bool
    """In success when the clock runs out, without any stop."""
    success_step: int
    """First step after which the simulator sees success; -1 never."""
    stop_step: int
    """Step before which the reflector stopped; -1 never."""
    split: str = ""
    """What the start was drawn from, see `tasks.splits`."""
    stages: tuple[str, ...] = ()
    """Stages of the task that were reached up to the first success; none if they were not asked."""
    wrong_object: bool = False
    """Handled, up to the first success, something that the instruction does not speak of."""


def evaluate(
    policy: Policy,
    tasks: Sequence[str],
    seeds: Sequence[int],
    config: RolloutConfig,
    *,
    stop: Stop | None = None,
    split: str = "",
    task_options: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Roll `policy` from the start seeds of every task, once each.

    All protocols are read from one roll-out that nothing ends, because up to the first success
    (or stop) an ended and an unended episode are the same. With `stop` every frame is rendered for
    the reflector; without, only those that the policy sees, and stages are noted. `task_options`
    are further ones of the tasks, such as `robot`.
    """
    if stop is None:
        return [
            o for task in tasks for o in watch(policy, task, seeds, config, split, task_options)
        ]
    outcomes = []
    whole = RolloutConfig(config.num_envs, 10**6, config.temperature, config.cameras)
    for task in tasks:
        for episode in collect(
            task, seeds, whole, policy=policy, source="evaluation", split=split,
            task_options=task_options,
        ):  # fmt: skip
            outcomes.append(replace(judge(episode, stop), split=split))
    return outcomes


def watch(
    policy: Policy,
    task: str,
    seeds: Sequence[int],
    config: RolloutConfig,
    split: str = "",
    task_options: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Outcomes of one task with their stages; nothing is recorded."""
    n = min(config.num_envs, len(seeds))
    env = task_env(
        task, n, obs_mode="vision", cameras=config.cameras,
        autoreset_mode=AutoresetMode.DISABLED, terminate_on_success=False,
        **made_for(policy, split, task_options),
    )  # fmt: skip
    outcomes: list[Outcome] = []
    try:
        for first in range(0, len(seeds), n):
            batch = list(seeds[first : first + n])
            filled = batch + [batch[-1]] * (n - len(batch))
            actor = PolicyActor(policy, config.temperature, filled[0])
            judged = _play(env, actor, filled)
            outcomes += _outcomes(task, split, batch, env.task.stage_names, judged)
    finally:
        env.close()
    return outcomes


def _play(env: TaskEnv, actor: PolicyActor, seeds: Sequence[int]) -> dict[str, NDArray[np.bool_]]:
    """What was judged at every step, name -> (T, N) bool."""
    obs, _ = env.reset(seed=list(seeds))
    rows: list[dict[str, NDArray]] = []
    while env.live.any():
        left = env.max_episode_length - len(rows)
        chunk = actor.act(env, obs, len(rows))[:, :left]
        result = env.step_chunk(chunk)
        obs = result.obs
        rows += result.infos
    kept = ("success", "wrong_object", *env.task.stage_names)
    return {k: np.stack([np.asarray(row[k], bool) for row in rows]) for k in kept if k in rows[0]}


def _outcomes(
    task: str,
    split: str,
    seeds: Sequence[int],
    stages: Sequence[str],
    judged: dict[str, NDArray[np.bool_]],
) -> list[Outcome]:
    success = judged["success"]
    succeeded = np.logical_or.reduce(success)
    first = np.where(succeeded, success.argmax(axis=0), len(success) - 1)
    # what comes after success says nothing about the work
    during = np.arange(len(success))[:, None] <= first
    reached = {name: np.logical_or.reduce(judged[name] & during) for name in stages}
    nothing = np.zeros(success.shape, bool)
    wrong = np.logical_or.reduce(judged.get("wrong_object", nothing) & during)
    return [
        Outcome(
            task=task,
            seed=int(seed),
            oracle=bool(succeeded[i]),
            self_stopped=bool(success[-1, i]),
            at_end=bool(success[-1, i]),
            success_step=int(first[i]) if succeeded[i] else -1,
            stop_step=-1,
            split=split,
            stages=tuple(name for name in stages if reached[name][i]),
            wrong_object=bool(wrong[i]),
        )
        for i, seed in enumerate(seeds)
    ]


def judge(episode: Episode, stop: Stop | None) -> Outcome:
    """Read an uncut episode under the three protocols."""
    success = episode["next.success"]
    stopped = stop(episode) if stop is not None else None
    # the reflector speaks before action `stopped`, so it ends in the state after the one before
    held = bool(success[stopped - 1]) if stopped else (False if stopped == 0 else bool(success[-1]))
    return Outcome(
        task=episode.info["task"],
        seed=episode.info["seed"],
        oracle=bool(success.any()),
        self_stopped=held,
        at_end=bool(success[-1]),
        success_step=int(success.argmax()) if success.any() else -1,
        stop_step=-1 if stopped is None else int(stopped),
    )


def summarise(
    arms: dict[str, list[Outcome]],
    baseline: str,
    protocols: Sequence[str] = ("oracle", "self_stopped"),
) -> list[dict[str, Any]]:
    """Rows of the result table: success with its 95 % interval, by protocol, task and arm.

    Other arms than `baseline` also get the paired difference (bootstrap over start states).
    """
    rows = []
    tasks = list(dict.fromkeys(o.task for o in arms[baseline]))
    for protocol in protocols:
        for task in ["all", *tasks]:
            base = _hits(arms[baseline], task, protocol)
            for arm, outcomes in arms.items():
                hits = _hits(outcomes, task, protocol)
                rate = wilson(int(hits.sum()), len(hits))
                row = {"protocol": protocol, "task": task, "arm": arm, "episodes": len(hits)}
                row |= {"success": rate.estimate, "ci": [rate.low, rate.high]}
                if arm != baseline:
                    change = bootstrap_mean(hits - base)
                    row |= {
                        "difference": change.estimate,
                        "difference_ci": [change.low, change.high],
                    }
                rows.append(row)
    return rows


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| protocol | task | arm | success [95 % CI] | paired difference [95 % CI] | episodes |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["ci"]
        success = f"{100 * row['success']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        difference = ""
        if "difference" in row:
            low, high = row["difference_ci"]
            difference = f"{100 * row['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        protocol = PROTOCOLS[row["protocol"]]
        lines.append(
            f"| {protocol} | {row['task']} | {row['arm']} | {success} | {difference} "
            f"| {row['episodes']} |"
        )
    return "\n".join(lines)


def to_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Outcomes as JSON rows."""
    return [asdict(o) for o in outcomes]


def from_rows(rows: Sequence[dict[str, Any]]) -> list[Outcome]:
    """Outcomes from their JSON rows."""
    outcomes = [Outcome(**row) for row in rows]
    return [replace(o, stages=tuple(o.stages)) for o in outcomes]  # JSON has lists only


def _hits(outcomes: Sequence[Outcome], task: str, protocol: str) -> NDArray[np.float64]:
    chosen = [o for o in outcomes if task in ("all", o.task)]
    return np.array([getattr(o, protocol) for o in chosen], float)
