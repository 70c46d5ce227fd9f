"""Work of the octopus bench in rounds of jobs; each is done once and leaves files."""

from __future__ import annotations

from pathlib import Path

import torch

from ..suite.work import Job, do
from .arms import ARMS, ORACLE, RANDOM, SHUFFLED, SIDE_SPLITS, TOLD, UNTOLD
from .config import OctopusConfig
from .failures import collect_failures
from .learning import learn
from .scenes import TEST_SHARDS, prepare, record_stills
from .seeing import learn_to_see
from .testing import test, test_retries

TRAINING = ("demonstrations-forgetful", "rewards", "validation")
"""Scenes of training, by purpose (and teacher)."""


def seeds_of(config: OctopusConfig, arm: str) -> tuple[int, ...]:
    """Training seeds of an arm."""
    if arm == ORACLE:
        return config.seeds[:1]
    return config.seeds if arm in ARMS and ARMS[arm].is_main else config.side_seeds


def splits_of(config: OctopusConfig, arm: str) -> tuple[str, ...]:
    """Test splits of an arm."""
    if arm in (TOLD, UNTOLD):
        return ("seen",)
    is_main = arm == ORACLE or (arm in ARMS and ARMS[arm].is_main)
    return tuple(s for s in config.tests if is_main or s in SIDE_SPLITS)


def prepared(config: OctopusConfig, folder: Path) -> None:
    """Pictures, the eye, scenes."""
    do([[(record_stills, (config, i, folder)) for i in range(config.shards)]], config.jobs)
    threads = torch.get_num_threads()
    torch.set_num_threads(config.jobs)  # one job, and the machine is free for it
    try:
        learn_to_see(config, folder)
    finally:
        torch.set_num_threads(threads)
    scenes: list[Job] = [
        (prepare, (config, name, i, folder)) for name in TRAINING for i in range(config.shards)
    ]
    scenes += [
        (prepare, (config, split, i, folder)) for split in config.tests for i in range(TEST_SHARDS)
    ]
    do([scenes], config.jobs)


def learning(config: OctopusConfig, folder: Path) -> list[list[Job]]:
    """Rounds of training: what has no parent, then what has; the longest first."""
    rounds: list[list[Job]] = []
    depth = {name: 0 for name in ARMS}
    for name, arm in ARMS.items():
        depth[name] = depth[arm.parent] + 1 if arm.parent else 0
    for level in sorted(set(depth.values())):
        names = [n for n in ARMS if depth[n] == level]
        names.sort(key=lambda n: (ARMS[n].how == "imitate", -sum(ARMS[n].steps)))
        if level == 1:
            rounds.append([(collect_failures, (config, seed, folder)) for seed in config.seeds])
        rounds.append(
            [(learn, (config, n, seed, folder)) for n in names for seed in seeds_of(config, n)]
        )
    return rounds


def testing(config: OctopusConfig, folder: Path) -> list[Job]:
    """Jobs of all tests."""
    jobs: list[Job] = [
        (test_retries, (config, arm, seed, folder))
        for arm in (TOLD, UNTOLD)
        for seed in config.side_seeds
    ]
    jobs += [
        (test, (config, arm, seed, split, folder))
        for arm in (*ARMS, SHUFFLED, RANDOM, ORACLE)
        for seed in seeds_of(config, arm)
        for split in splits_of(config, arm)
    ]
    return jobs
