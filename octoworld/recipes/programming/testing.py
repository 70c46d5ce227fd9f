"""Testing: an agent plays the instances of splits; every episode is kept, with what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from octoworld.bench.intervals import wilson
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import write_json
from octoworld.core.log import Progress
from tasks.household import Household, household_split
from vla.checkpoint import describe, policy_folder
from vla.programmer import (
    Agent,
    ChatAgent,
    Endpoint,
    EndpointConfig,
    EpisodeLog,
    EpisodeRecord,
    Runner,
    run_episode,
)
from vla.programmer.hf import HfProgrammer, HfProgrammerConfig
from vla.programmer.hf.model import KIND as HF
from vla.programmer.record import finished_episodes
from vla.programmer.tiny import TinyAgent, TinyProgrammer
from vla.programmer.tiny.model import KIND as TINY

EPISODES = "episodes.jsonl"
CHAT: dict[str, Any] = {"packing": "album", "image_size": (128, 128)}
"""How a household shows itself to a model behind an endpoint."""


def agent_of(
    name: str, *, strategy: str = "", endpoint: str = "", device: torch.device | str | None = None
) -> tuple[Agent, dict[str, Any]]:
    """An agent, and how a household shows itself to it: `packing`, `image_size`.

    Args:
        name: folder of a programmer or of the run that trained it; else a model as the server at
            `endpoint` calls it, or, without one, a pretrained model on the hub or in a folder.
        strategy: how often it is asked; "": its own.
        endpoint: address of an OpenAI-compatible server.
        device: where a model of ours computes.

    Raises:
        CheckpointError: no programmer, and no pretrained model either.
    """
    if endpoint:
        model = Endpoint(EndpointConfig(name, endpoint))
        return _named(name, ChatAgent(model, strategy or "retry")), dict(CHAT)
    place = policy_folder(name)
    kind = ""
    if (place / "config.json").exists():
        with suppress(CheckpointError):  # of a pretrained model, which is none of ours
            kind = describe(place)[0]
    if kind == TINY:
        tiny = TinyProgrammer.from_pretrained(place)
        shown = {"packing": "album", "image_size": tiny.config.eye.image_size}
        return _named(name, TinyAgent(tiny, strategy or "retry")), shown
    if kind == HF:
        programmer = HfProgrammer.from_pretrained(place, device=device)
    elif kind:
        raise CheckpointError(f"{name} is a policy of type {kind!r}: expected {TINY} or {HF}")
    else:
        config = HfProgrammerConfig(model=name, max_tokens=1024)
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        programmer = HfProgrammer.build(config, 0, where)
    config = programmer.config
    agent = ChatAgent(programmer, strategy or config.strategy)
    return _named(name, agent), {"packing": config.packing}


def _named(name: str, agent: Any) -> Agent:
    """The agent under the name that it was asked for by: two runs of one model are two agents."""
    agent.name = f"{name} {agent.strategy.name}"
    return agent


def play(
    agent: Agent,
    split: str,
    count: int,
    folder: Path,
    runner: Runner,
    *,
    first: int = 0,
    **scene: Any,
) -> list[EpisodeRecord]:
    """Episodes of `count` instances of a split, in `folder`/SPLIT/episodes.jsonl.

    `scene`: further arguments of `Household`.

    A killed run goes on with the instances that are not there yet.

    Raises:
        ConfigError: the folder holds episodes of another agent, other instances or another way of
            playing them.
        UnknownNameError: no such split.
    """
    path = folder / split / EPISODES
    instances = list(household_split(split).instances(count, first))
    how = {name: str(value) for name, value in scene.items()} | {"runner": type(runner).__name__}
    tags = [
        {"instance": one.key, "family": one.task.family_name, **how} for one in instances
    ]  # fmt: skip
    done = finished_episodes(path)
    for record, wanted in zip(done, tags, strict=False):
        if (record.agent, record.tags) != (agent.name, wanted):
            raise ConfigError(
                f"{path} has episodes of {record.agent!r} in {record.tags}, not of "
                f"{agent.name!r} in {wanted}; choose another folder"
            )
    log = EpisodeLog(path)
    with Progress(f"{split}", count, len(done)) as progress:
        for number in range(len(done), count):
            instance = instances[number]
            house = Household(instance, **scene)
            done.append(run_episode(house, agent, runner, log=log, tags=tags[number]))
            progress.update(number + 1, f"success {_share(done[: number + 1]):.2f}")
    return done[:count]


def summary(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """What came of episodes: success with its 95 % interval, by family, and why they ended."""
    found = wilson(sum(r.success for r in records), len(records))
    families: dict[str, list[int]] = {}
    ends: dict[str, int] = {}
    problems: dict[str, int] = {}
    for record in records:
        count = families.setdefault(record.tags["family"], [0, 0])
        count[0] += record.success
        count[1] += 1
        ends[record.ended] = ends.get(record.ended, 0) + 1
        for turn in record.turns:
            if turn.answer.problem is not None:
                kind = turn.answer.problem.kind
                problems[kind] = problems.get(kind, 0) + 1
    return {
        "episodes": len(records),
        "success": found.estimate, "low": found.low, "high": found.high,
        "progress": sum(r.progress for r in records) / len(records),
        "turns": sum(len(r.turns) for r in records) / len(records),
        "calls": sum(len(r.calls) for r in records) / len(records),
        "ended": ends, "problems": problems, "families": dict(sorted(families.items())),
    }  # fmt: skip


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Splits as Markdown."""
    lines = [
        "| split | episodes | success [95 %] | goal parts | programs | calls | no program |",
        "|---|---|---|---|---|---|---|",
    ]
    for split, row in found.items():
        shares = " ".join(f"{100 * row[n]:.0f}" for n in ("low", "high")).replace(" ", ", ")
        lines.append(
            f"| {split} | {row['episodes']} | {100 * row['success']:.1f} % [{shares}] | "
            f"{100 * row['progress']:.0f} % | {row['turns']:.1f} | {row['calls']:.1f} | "
            f"{sum(row['problems'].values())} |"
        )
    return "\n".join(lines)


def store(found: Mapping[str, Mapping[str, Any]], agent: Agent, folder: Path) -> None:
    """Write `eval.json` beside the episodes."""
    write_json(folder / "eval.json", {"agent": agent.name, "splits": dict(found)})


def _share(records: Sequence[EpisodeRecord]) -> float:
    return sum(r.success for r in records) / len(records)
