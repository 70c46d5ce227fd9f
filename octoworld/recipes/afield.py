"""Recording and evaluation on a cluster: batches of start seeds are the pieces.

A batch is what is rolled out together on one machine, too, so episodes are the same to the bit,
given the same kind of processor and one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from octoworld.core.cluster import Cluster
from octoworld.data.episode import Episode
from vla.policy import Policy

from .evaluate import Outcome, Stop, evaluate
from .rollouts import RolloutConfig, collect


def collect_afield(
    cluster: Cluster,
    task: str,
    seeds: Sequence[int],
    config: RolloutConfig,
    *,
    policy: Policy | None,
    **how: Any,
) -> Iterator[Episode]:
    """As `rollouts.collect`, which says what `how` is; episodes come in the order of the seeds."""
    shared = cluster.share(policy)
    pieces = (
        (task, filled, count, config, shared, how) for filled, count in batches(seeds, config)
    )
    for episodes in cluster.map(collect_batch, pieces):
        yield from episodes


def collect_batch(
    task: str,
    filled: Sequence[int],
    count: int,
    config: RolloutConfig,
    policy: Policy | None,
    how: Mapping[str, Any],
) -> list[Episode]:
    """The first `count` episodes of a batch."""
    return list(collect(task, filled, config, policy=policy, **how))[:count]


def evaluate_afield(
    cluster: Cluster,
    policy: Policy,
    cells: Sequence[tuple[str, str]],
    seeds: Sequence[int],
    config: RolloutConfig,
    *,
    stop: Stop | None = None,
    task_options: Mapping[str, Any] | None = None,
) -> Iterator[list[Outcome]]:
    """As `evaluate.evaluate` in each of the cells (task, split), one after another."""
    shared, judge = cluster.share(policy), cluster.share(stop)
    parts = list(batches(seeds, config))
    pieces = (
        (shared, task, split, filled, count, config, judge, task_options)
        for task, split in cells
        for filled, count in parts
    )
    found = cluster.map(evaluate_batch, pieces)
    for _ in cells:
        yield [outcome for _ in parts for outcome in next(found)]


def evaluate_batch(
    policy: Policy,
    task: str,
    split: str,
    filled: Sequence[int],
    count: int,
    config: RolloutConfig,
    stop: Stop | None,
    task_options: Mapping[str, Any] | None,
) -> list[Outcome]:
    """The first `count` outcomes of a batch."""
    return evaluate(
        policy, [task], filled, config, stop=stop, split=split, task_options=task_options
    )[:count]


def batches(seeds: Sequence[int], config: RolloutConfig) -> Iterator[tuple[list[int], int]]:
    """Seeds rolled out together, the last batch filled up, and how many of each count."""
    size = min(config.num_envs, len(seeds))
    for first in range(0, len(seeds), size):
        batch = list(seeds[first : first + size])
        yield batch + batch[-1:] * (size - len(batch)), len(batch)
