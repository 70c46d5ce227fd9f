"""`octoworld eval`: policies over the tasks of a suite and their splits, from paired starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from octoworld.core.cluster import Cluster
from octoworld.core.errors import ConfigError
from octoworld.core.log import Progress
from octoworld.core.registry import TASKS
from tasks.env import make_task, task_env
from tasks.splits import split_named
from vla.policy import Policy

from .afield import evaluate_afield
from .evaluate import Outcome, Stop, evaluate
from .rollouts import RolloutConfig, made_for


@dataclass(frozen=True)
class EvalConfig:
    """What is tried, and from which starts."""

    tasks: tuple[str, ...]
    """Registered tasks."""
    splits: tuple[str, ...] = ("",)
    """What starts are drawn from, see `tasks.splits`; "" is everything."""
    episodes: int = 125
    """Start states of each task and split."""
    first_seed: int = 5_000_000
    """Start seeds are first_seed, first_seed + 1, ...; the same for every policy."""
    num_envs: int = 25
    """Worlds rolled out together."""
    robot: str | None = None
    """Arm that does the tasks; None is each task's own."""
    instruction: str = ""
    """Said instead of the task's own sentences, with the same slots."""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.num_envs < 1:
            raise ConfigError(f"episodes {self.episodes} and num_envs {self.num_envs} must be >= 1")
        for task in self.tasks:
            TASKS.get(task)
        for split in self.splits:
            if split:
                split_named(split)

    @property
    def seeds(self) -> range:
        """Of the starts."""
        return range(self.first_seed, self.first_seed + self.episodes)

    @property
    def task_options(self) -> dict[str, Any]:
        """Options of every task, besides the split."""
        given = {"robot": self.robot, "instruction": self.instruction}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Refusal:
    """A task that cannot be tried on a split."""

    task: str
    split: str
    reason: str


@dataclass
class Report:
    """What was seen."""

    config: EvalConfig
    protocols: tuple[str, ...]
    """Fields of `Outcome` that say success."""
    cells: list[tuple[str, str]]
    """(task, split) that were tried."""
    refused: list[Refusal]
    stages: dict[str, tuple[str, ...]]
    """Task -> names of its stages; none where stages were not looked at."""
    outcomes: dict[str, list[Outcome]]
    """Policy -> every episode."""
    films: list[dict[str, Any]] = field(default_factory=list)
    """Films of failures."""

    def of(self, arm: str, task: str, split: str) -> list[Outcome]:
        """Episodes of one policy in one task ("all": in every one) on one split."""
        return [o for o in self.outcomes[arm] if o.split == split and task in ("all", o.task)]

    def to_json(self) -> dict[str, Any]:
        """As plain values, without the episodes."""
        return {
            "config": asdict(self.config),
            "not_offered": [asdict(r) for r in self.refused],
            "films": self.films,
        }


def refusal(task: str, options: Mapping[str, Any]) -> str:
    """Why `task` cannot be made with these options, in its own words; "" where it can."""
    try:
        make_task(task, 1, options)
    except ConfigError as error:
        return str(error)
    return ""


def offered(config: EvalConfig) -> tuple[list[tuple[str, str]], list[Refusal]]:
    """(task, split) that can be tried, and those that cannot, with the task's own reason.

    Raises:
        ConfigError: none can: the first reason.
    """
    cells, refused = [], []
    for split in config.splits:
        for task in config.tasks:
            options = config.task_options | ({"split": split} if split else {})
            if reason := refusal(task, options):
                refused.append(Refusal(task, split, reason))
            else:
                cells.append((task, split))
    if not cells:
        raise ConfigError(refused[0].reason if refused else "no task to evaluate in")
    return cells, refused


def run(
    arms: Mapping[str, Policy],
    config: EvalConfig,
    *,
    stop: Stop | None = None,
    protocols: Sequence[str] = ("oracle", "at_end"),
    cluster: Cluster | None = None,
) -> Report:
    """Try every policy in every task and split that is offered.

    Args:
        arms: name -> policy; each acts in the control mode that it was made for, and sees through
            its own cameras.
        config: what is tried.
        stop: the reflector's rule, which `self_stopped` needs; stages are not looked at then.
        protocols: what counts as success, fields of `Outcome`.
        cluster: workers that share the episodes; None does all here.

    Raises:
        ConfigError: no task can be tried.
        UnknownNameError: a task lacks a policy's control mode or camera.
    """
    cells, refused = offered(config)
    tasks = dict.fromkeys(task for task, _ in cells)
    stages: dict[str, tuple[str, ...]] = {}
    for policy in arms.values():  # before hours of roll-outs: what a task cannot give to a policy
        stages = {task: stages_of(policy, task, config) for task in tasks}
    if stop is not None:
        stages = dict.fromkeys(tasks, ())
    outcomes: dict[str, list[Outcome]] = {arm: [] for arm in arms}
    done = 0
    with Progress("eval", len(arms) * len(cells)) as progress:
        afield = {
            arm: evaluate_afield(
                cluster, policy, cells, config.seeds, rollout_config(policy, config), stop=stop,
                task_options=config.task_options,
            )
            for arm, policy in arms.items() if cluster is not None
        }  # fmt: skip
        for task, split in cells:
            for arm, policy in arms.items():
                progress.update(done, f"{arm}: {task} {split}")
                outcomes[arm] += next(afield[arm]) if afield else evaluate(
                    policy, [task], config.seeds, rollout_config(policy, config), stop=stop,
                    split=split, task_options=config.task_options,
                )  # fmt: skip
                done += 1
    return Report(config, tuple(protocols), cells, refused, stages, outcomes)


def rollout_config(policy: Policy, config: EvalConfig) -> RolloutConfig:
    """How a policy is rolled out: what it sees through."""
    cameras = tuple(getattr(policy, "config").cameras)  # noqa: B009 - not in the protocol
    return RolloutConfig(config.num_envs, cameras=cameras)


def stages_of(policy: Policy, task: str, config: EvalConfig) -> tuple[str, ...]:
    """Names of a task's stages, in the world that the policy is tried in."""
    seen = {"obs_mode": "vision", "cameras": rollout_config(policy, config).cameras}
    env = task_env(task, 1, **made_for(policy, task_options=config.task_options) | seen)
    try:
        env.reset(seed=config.first_seed)
        env.task.evaluate(env.world)
        return tuple(env.task.stage_names)
    finally:
        env.close()


def main_protocol(task: str) -> str:
    """What success means where one number is wanted: as the task itself ends its episodes."""
    return "oracle" if TASKS.get(task).ends_on_success else "at_end"
