"""The agent loop: look, think, write a program, run it, read what happened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from .agent import Agent, View
from .answer import ENDPOINT_PROBLEMS
from .execution import Execution, run_program
from .limits import Limits
from .record import EpisodeLog, EpisodeRecord, Turn
from .runner import Runner
from .scene import Scene
from .strategies import Strategy

MAX_SILENCE = 2
"""Turns in a row without an answer of the endpoint; then the episode ends."""


def run_episode(
    scene: Scene,
    agent: Agent,
    runner: Runner,
    *,
    log: EpisodeLog | None = None,
    tags: Mapping[str, Any] | None = None,
) -> EpisodeRecord:
    """Let an agent work on the scene's task until it is done, or its turns or budget are used up.

    `runner.limits` are those of the whole episode for `calls` and `seconds`, of each program for
    the rest. Neither a model's nor a program's mistakes raise; they stand in the record.
    """
    strategy = agent.strategy
    record = EpisodeRecord(
        scene.instruction,
        agent.name,
        strategy.name,
        tuple(scene.skills.values()),
        dict(tags or {}),
    )
    if log is not None:
        log.begin(record)
    whole = runner.limits
    agent.reset(scene.skills)
    try:
        while not record.ended:
            turn = _turn(scene, agent, runner, strategy, record, whole)
            record.turns.append(turn)
            record.ended = _ended(scene, strategy, record, whole)
            if log is not None:
                log.turn(turn)
    finally:
        runner.limits = whole
    record.success, record.progress = bool(scene.success), float(scene.progress)
    if log is not None:
        log.end(record)
    return record


def _turn(
    scene: Scene,
    agent: Agent,
    runner: Runner,
    strategy: Strategy,
    record: EpisodeRecord,
    whole: Limits,
) -> Turn:
    seen = scene.observe()
    told = record.turns[-1].feedback if record.turns and strategy.is_told else ""
    number = len(record.turns)
    answer = agent.act(View(scene.instruction, seen.text, seen.images, told, number))
    if answer.problem is not None:
        return Turn(number, answer)
    runner.limits = _left(whole, record, strategy)
    return Turn(number, answer, run_program(scene, runner, answer.program))


def _left(whole: Limits, record: EpisodeRecord, strategy: Strategy) -> Limits:
    """Limits of the next program."""
    calls = whole.calls - len(record.calls)
    seconds = whole.seconds - sum(done.seconds for done in record.calls)
    return dataclasses.replace(
        whole, calls=min(calls, strategy.calls_per_turn or calls), seconds=seconds
    )


def _ended(scene: Scene, strategy: Strategy, record: EpisodeRecord, whole: Limits) -> str:
    """Why the episode is over; empty while it is not."""
    turns = record.turns
    if scene.finished:
        return "finished"
    if turns[-1].ok and strategy.goes_on == "after_error":
        return "program"
    problems = [t.answer.problem.kind if t.answer.problem else "" for t in turns[-MAX_SILENCE:]]
    if len(problems) == MAX_SILENCE and ENDPOINT_PROBLEMS.issuperset(problems):
        return "model"
    calls = record.calls
    if len(calls) >= whole.calls or sum(done.seconds for done in calls) >= whole.seconds:
        return "budget"
    return "turns" if len(turns) >= strategy.turns else ""


def replay_programs(scene: Scene, runner: Runner, programs: Iterable[str]) -> list[Execution]:
    """Run recorded programs again, from a scene at its start.

    The calls and their results are those of the record wherever scene and runner are deterministic.
    """
    return [run_program(scene, runner, program) for program in programs]
