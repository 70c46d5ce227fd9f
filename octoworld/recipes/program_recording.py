"""Recording of agents that write programs: household episodes as the viewer opens them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from sim.backends.mjcf import scene_xml
from tasks.household import Household, Instance
from tasks.household.oracle import solve
from tasks.household.scene import ABOVE, SURROUND
from vla.programmer import Agent, Answer, Call, EpisodeRecord, Runner, Turn, View, run_episode
from vla.programmer.skills import Skills
from vla.programmer.steps import Failed
from vla.programmer.strategies import Strategy, get_strategy

from .program_tape import program_episode

ROBOT = "mobile_panda"
PICTURE = (128, 128)
"""Of what is recorded, (H, W)."""
CAMERAS = {"ego": SURROUND[0], "above": ABOVE}
"""Recorded camera -> camera of the home."""


class RecordedHousehold:
    """A household with the face of a programmer's `Scene`, which notes the world at every call."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self._rows: list[dict[str, NDArray]] = []
        self._changed: list[dict[str, Any]] = []
        self._progress: list[float] = []

    # -- the scene ---------------------------------------------------------------------------------

    @property
    def instruction(self) -> str:
        """See `vla.programmer.Scene`, as of all below."""
        return self.household.instruction

    @property
    def skills(self) -> Mapping[str, str]:
        """Name -> signature and meaning."""
        return self.household.skills

    @property
    def finished(self) -> bool:
        """Whether nothing more can be done."""
        return self.household.finished

    @property
    def success(self) -> bool:
        """Whether the goal holds now."""
        return self.household.success

    @property
    def progress(self) -> float:
        """The part of the goal that holds now."""
        return self.household.progress

    def observe(self) -> Any:
        """What the agent sees now."""
        return self.household.observe()

    def execute(self, call: Call) -> Any:
        """Carry out a skill, and note what it changed."""
        self._rows.append(look(self.household))
        result = self.household.execute(call)
        self._changed.append({thing: dict(states) for thing, states in result.changed.items()})
        self._progress.append(self.progress)
        return result

    def snapshot(self) -> Any:
        """The state of the world."""
        return self.household.snapshot()

    def restore(self, snapshot: Any) -> None:
        """Undo everything since `snapshot`; what was noted stays noted."""
        self.household.restore(snapshot)

    # -- what was noted ----------------------------------------------------------------------------

    def episode(self, record: EpisodeRecord, info: Mapping[str, Any]) -> Episode:
        """All that happened, as an Episode with `info`: see `octoworld.data.programs`."""
        turns, done = [], 0
        for turn in record.turns:
            turns.append(_turn_facts(turn, self._changed[done:]))
            done += len(turns[-1]["calls"])
        facts = {k: getattr(record, k) for k in ("agent", "strategy", "ended", "progress")}
        return program_episode(
            record.instruction, info, facts | {"turns": turns},
            [*self._rows, look(self.household)], self._progress, record.success,
        )  # fmt: skip


def look(household: Household) -> dict[str, NDArray]:
    """How a household looks now: the columns of a row of its recordings."""
    state, views = household.state, household.views
    shown = household.motion.shown()
    with views.lock:
        pictures = views.render(state, tuple(CAMERAS.values()), PICTURE, shown)
        whole = np.array(views.world.get_state()[0])
    felt = [*state.base, float(bool(state.held)), state.time]
    images = {f"observation.images.{c}": p for c, p in zip(CAMERAS, pictures, strict=True)}
    return images | {"observation.state": np.array(felt, np.float32), "sim_state": whole}


def record_programs(
    instance: Instance, agent: Agent, runner: Runner, **options: Any
) -> tuple[Episode, EpisodeRecord]:
    """Let an agent work on a household instance; the episode, and the programmer's own record.

    `options` are further ones of the household.
    """
    scene = RecordedHousehold(Household(instance, **options))
    record = run_episode(scene, agent, runner)
    return scene.episode(record, instance_facts(instance, agent.name)), record


def instance_facts(instance: Instance, agent: str) -> dict[str, Any]:
    """Facts of an episode: what it depends on, and who acted."""
    return {
        "task": instance.task_name, "robot": ROBOT, "control_mode": "programs", "source": agent,
        "seed": instance.start, "layout": instance.layout, "wording": instance.wording,
    }  # fmt: skip


def home_scene(instance: Instance) -> str:
    """The home as MJCF, for the viewer's 3D replay; one home a data set."""
    return scene_xml(Household(instance).views.scene)


class OracleAgent:
    """Writes the program of the household's oracle, whole, in the first turn."""

    name = "oracle"

    def __init__(self, instance: Instance) -> None:
        self.strategy: Strategy = get_strategy("single_turn")
        self._instance = instance

    def reset(self, skills: Skills) -> None:
        """See `vla.programmer.Agent`."""

    def act(self, view: View) -> Answer:
        """See `vla.programmer.Agent`."""
        household = Household(self._instance)
        solution = solve(household)
        plan = "\n".join(f"{k}. {call}" for k, call in enumerate(solution.calls, 1))
        return Answer(plan, solution.program)


def _turn_facts(turn: Turn, changed: list[dict[str, Any]]) -> dict[str, Any]:
    line = turn.as_dict()
    calls = [call | {"changed": what} for call, what in zip(line["calls"], changed, strict=False)]
    end = None if turn.execution is None else turn.execution.end
    return {
        "plan": line["plan"],
        "program": line["program"],
        "problem": "" if turn.answer.problem is None else str(turn.answer.problem),
        "error": str(end) if isinstance(end, Failed) else "",
        "output": "" if end is None else end.output,
        "feedback": line["feedback"],
        "calls": calls,
    }
