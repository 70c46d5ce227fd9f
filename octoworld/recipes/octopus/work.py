"""Work of the octopus bench in rounds of jobs; each is done once and leaves files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..suite.work import Job, do
from .arms import ARMS, ORACLE, RANDOM, RETRIES, SHUFFLED, SIDE_SPLITS
from .config import OctopusConfig
from .failures import collect_failures
from .judging import learn_judge, test_judge
from .labelled import collect_labelled
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
    if arm in RETRIES:
        return ("seen",)
    is_main = arm == ORACLE or (arm in ARMS and ARMS[arm].is_main)
    return tuple(s for s in config.tests if is_main or s in SIDE_SPLITS)


def prepared(config: OctopusConfig, folder: Path) -> None:
    """Pictures, the eye, scenes."""
    if not config.taught:
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


def rounds_of(config: OctopusConfig, folder: Path) -> list[list[Job]]:
    """Rounds of training and tests: of the main arms, then of the others."""
    rounds: list[list[Job]] = []
    sighted = (SHUFFLED, RANDOM, ORACLE)
    for is_main in (True, False):
        names = tuple(n for n, arm in ARMS.items() if arm.is_main == is_main)
        if not is_main:
            own = [(collect_failures, (config, s, folder, "rlef")) for s in config.side_seeds]
            rounds += [own, *judging(config, folder)]
        rounds += learning(config, folder, names)
        tests = testing(config, folder, names if is_main else (*names, *sighted))
        if not is_main:
            tests = [*retrying(config, folder), *tests]
            tests += [(test_judge, (config, seed, folder)) for seed in config.side_seeds]
        rounds.append(tests)
    return rounds


def learning(config: OctopusConfig, folder: Path, names: Sequence[str]) -> list[list[Job]]:
    """Rounds of training of some arms: what has no parent among them first; the longest first."""
    rounds: list[list[Job]] = []
    depth: dict[str, int] = {}
    for name in names:  # parents come before their children
        depth[name] = depth.get(ARMS[name].parent, -1) + 1
    for level in sorted(set(depth.values())):
        some = [n for n in names if depth[n] == level]
        some.sort(key=lambda n: (ARMS[n].how == "imitate", -sum(ARMS[n].steps)))
        rounds.append(
            [(learn, (config, n, seed, folder)) for n in some for seed in seeds_of(config, n)]
        )
        if level == 0 and "sft" in some:
            rounds.append([(collect_failures, (config, seed, folder)) for seed in config.seeds])
    return rounds


def judging(config: OctopusConfig, folder: Path) -> list[list[Job]]:
    """Rounds of learned rewards, after `sft`."""
    judges = [(config, seed, folder) for seed in config.side_seeds]
    return [
        [(collect_labelled, one) for one in judges],
        [(learn_judge, (*one, is_blind)) for one in judges for is_blind in (False, True)],
    ]


def retrying(config: OctopusConfig, folder: Path) -> list[Job]:
    """Jobs of whole episodes with and without feedback."""
    return [
        (test_retries, (config, arm, seed, folder)) for arm in RETRIES for seed in config.side_seeds
    ]


def testing(config: OctopusConfig, folder: Path, arms: Sequence[str]) -> list[Job]:
    """Jobs of the tests of some arms."""
    return [
        (test, (config, arm, seed, split, folder))
        for arm in arms
        for seed in seeds_of(config, arm)
        for split in splits_of(config, arm)
    ]
