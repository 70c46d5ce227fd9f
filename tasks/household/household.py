"""Household: one home at work on one task; programs call its skills, their outcome is judged."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from octoworld.core.errors import ConfigError, UnknownNameError

from . import rules
from .executors import EXECUTED, SkillExecutor
from .facts import StateFacts
from .goals import fraction, is_met
from .home import Home, make_home
from .motion import KinematicMotion, Motion
from .result import AnyCall, SkillFailureError, SkillResult
from .skills import LONGEST_WAIT, SKILLS, Acting, signature
from .start import start_state
from .state import State, differences
from .unmet import unmet

_signature = cache(inspect.signature)

if TYPE_CHECKING:
    from .tasks import Instance
    from .views import Observation, Views

PACKINGS = ("separate", "sheet", "album", "text", "blind")
"""What `observe` gives: ten pictures, one sheet of them, one picture of each piece of furniture, a
scene graph in words, or neither."""
FIDELITIES = ("kinematic", "physical")
"""How motion comes out: `kinematic` as planned; `physical` as servos and contacts have it."""


@dataclass(frozen=True)
class HouseholdSnapshot:
    """One moment of a household; restoring it any number of times gives the same future."""

    state: State
    motion: Any
    """What `Motion.save` gave."""
    last_program: str
    feedback: tuple[SkillResult, ...]
    num_calls: int


class Household:
    """A home, its state, and the task.

    Everything that happens is a function of the instance and of the calls.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        fidelity: str = "kinematic",
        skills: Iterable[str] | None = None,
        packing: str = "separate",
        image_size: tuple[int, int] = (64, 64),
        max_seconds: float = 3600.0,
        executors: Mapping[str, SkillExecutor] | None = None,
        verifies: bool = False,
    ) -> None:
        """Set up an instance.

        Args:
            instance: task, home and start.
            fidelity: one of FIDELITIES.
            skills: names of those that may be called; None: all.
            packing: what `observe` gives, one of PACKINGS.
            image_size: of its pictures, (H, W).
            max_seconds: simulated time after which the episode is over [s].
            executors: skill -> who moves the robot while it lasts (physical fidelity only); see
                `executors`.
            verifies: whether `done` fails while the goal does not hold, and says what is not so;
                else whoever says it is taken at their word.

        Raises:
            ConfigError: unknown fidelity or packing; executors without physics.
            UnknownNameError: there is no such skill.
        """
        if packing not in PACKINGS:
            raise ConfigError(f"packing {packing!r}: expected one of {', '.join(PACKINGS)}")
        if fidelity not in FIDELITIES:
            raise ConfigError(f"fidelity {fidelity!r}: expected one of {', '.join(FIDELITIES)}")
        names = tuple(SKILLS) if skills is None else tuple(skills)
        for name in names:
            if name not in SKILLS:
                raise UnknownNameError("skill", name, SKILLS)
        self.packing, self.image_size, self.max_seconds = packing, image_size, max_seconds
        self.instance, self.verifies = instance, verifies
        self.home = make_home(instance.layout)
        self.fidelity = fidelity
        self.motion: Motion = _motion(fidelity, self.home, dict(executors or {}))
        self.skills: dict[str, str] = {name: signature(name) for name in names}
        """Name -> how it is called and what it does."""
        self.setup = start_state(instance, self.home)
        self.instruction = self.setup.instruction
        self.goal = self.setup.goal
        self.state: State
        self.reset()

    def reset(self) -> None:
        """Back to the start."""
        self.state = self.setup.state.copy()
        self.motion.begin(self.state)
        self.last_program = ""
        self.feedback: list[SkillResult] = []
        """Results since the last `begin_program`."""
        self.num_calls = 0

    # -- acting ------------------------------------------------------------------------------------

    def begin_program(self, source: str) -> None:
        """Note the program that the next calls come from; feedback starts anew."""
        self.last_program, self.feedback = source, []

    def execute(self, call: AnyCall) -> SkillResult:
        """Carry out one call. Never raises for what a program did wrong: the result says it."""
        self.num_calls += 1
        before, saved = self.state, self.motion.save()
        trial = before.copy()
        try:
            function = self._bound(call)
            acting = Acting(self.home, trial, self.motion, self.setup.answers)
            outcome = function(acting, *call.args)
            if self.verifies and trial.finished:
                self._verify(trial)
        except SkillFailureError as failure:
            after = before.copy()
            seconds = self.motion.failed(after, saved, failure.seconds)
            rules.advance(after, self.home, seconds)
            self.state = after
            result = SkillResult(
                False, failure.message, None, differences(before, after), seconds, failure.code
            )
        else:
            rules.advance(trial, self.home, outcome.seconds)
            self.state = trial
            result = SkillResult(
                True, outcome.message, outcome.value, differences(before, trial), outcome.seconds
            )
        self.feedback.append(result)
        return result

    def _verify(self, state: State) -> None:
        missing = unmet(self.goal, StateFacts(state, self.home), state)
        if missing:
            raise SkillFailureError("NOT_DONE", f"not done: {'; '.join(missing)}", 0.0)

    def _bound(self, call: AnyCall) -> Any:
        if self.finished:
            why = "the task has been declared done" if self.state.finished else "the time is over"
            raise SkillFailureError("FINISHED", why, 0.0)
        if not isinstance(call.name, str) or call.name not in self.skills:
            known = ", ".join(self.skills)
            raise SkillFailureError(
                "UNKNOWN_SKILL",
                f"there is no skill {str(call.name)[:40]!r}; there are {known}",
                0.0,
            )
        function = SKILLS[call.name]
        try:
            _signature(function).bind(None, *call.args)
        except TypeError as error:
            shown = self.skills[call.name].split(":")[0]
            raise SkillFailureError(
                "BAD_ARGUMENT", f"{shown} is called with {error}", 0.0
            ) from None
        return function

    # -- branching ---------------------------------------------------------------------------------

    def snapshot(self) -> HouseholdSnapshot:
        """This moment, to be restored exactly."""
        return HouseholdSnapshot(
            self.state.copy(),
            self.motion.save(),
            self.last_program,
            tuple(self.feedback),
            self.num_calls,
        )

    def restore(self, snapshot: HouseholdSnapshot) -> None:
        """Undo everything since `snapshot`."""
        self.state = snapshot.state.copy()
        self.motion.load(snapshot.motion)
        self.last_program, self.feedback = snapshot.last_program, list(snapshot.feedback)
        self.num_calls = snapshot.num_calls

    # -- judging -----------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing more can be done: the agent has said so, or the time is over."""
        return self.state.finished or self.state.time >= self.max_seconds

    @property
    def success(self) -> bool:
        """Whether the goal holds now."""
        return is_met(self.goal, StateFacts(self.state, self.home))

    @property
    def progress(self) -> float:
        """Share of the goal's conjuncts that hold now, in [0, 1]."""
        return fraction(self.goal, StateFacts(self.state, self.home))

    # -- seeing ------------------------------------------------------------------------------------

    @property
    def views(self) -> Views:
        """The MuJoCo world of this home, which draws and is checked; made on first use."""
        from .views import views_of

        return views_of(self.home)

    def observe(self, packing: str | None = None) -> Observation:
        """What an agent is given: images or a scene graph, the hand, the last program, feedback.

        Raises:
            ConfigError: unknown packing.
            RenderError: no off-screen OpenGL (packings with images).
        """
        from .views import observe

        return observe(self, self.packing if packing is None else packing)


def _motion(fidelity: str, home: Home, executors: dict[str, SkillExecutor]) -> Motion:
    for name in executors:
        if name not in EXECUTED:
            raise UnknownNameError("skill that can be executed by others", name, EXECUTED)
    if fidelity == "kinematic":
        if executors:
            raise ConfigError("executors move the robot in fidelity 'physical', not 'kinematic'")
        return KinematicMotion(home)
    from .physical import PhysicalMotion

    return PhysicalMotion(home, executors)


__all__ = ["FIDELITIES", "LONGEST_WAIT", "PACKINGS", "Household", "HouseholdSnapshot"]
