"""HomeTurns: calls in a live household, one after another, and the turns that they fall into."""

from __future__ import annotations

from typing import Any

from tasks.household import Household, SkillCall
from tasks.household.programs import straight
from vla.programmer import Call, DoneCall, Execution, Failed, Finished, Runner, Step
from vla.programmer.execution import answer_call, carry_out, describe_execution

from ..program_tape import written
from .cast import RANDOM, YOU
from .home_cast import PLANNERS, PLANS, PROGRAMMER, TYPED, write_program
from .home_recorder import HomeRecorder


class HomeTurns:
    """Turns as agents have them: a program, the calls of a driver, or calls by hand.

    A call that fails ends its turn, as it would end a program.
    """

    def __init__(self, house: Household, runner: Runner, recorder: HomeRecorder) -> None:
        """Of a household at its start; `recorder` is told all that happens."""
        self._runner, self._recorder = runner, recorder
        self._step: Step | None = None
        """What the program that runs waits for."""
        self.begin(house)

    def begin(self, house: Household) -> None:
        """An episode begins."""
        self.house = house
        self._queue: list[SkillCall] = []
        """What a driver will call."""
        self._turn: dict[str, Any] | None = None
        """The last one, as `octoworld.data.programs` has it, less a program of calls by hand."""
        self._done: list[DoneCall] = []
        self._is_open = False
        self._plans = 0
        self._told: list[str] = []
        """Feedback of all turns."""
        self._recorder.begin(house)

    @property
    def is_running(self) -> bool:
        """Whether a program waits to go on."""
        return isinstance(self._step, Call)

    @property
    def shown(self) -> tuple[dict[str, Any] | None, int]:
        """The last turn, with the call that comes if one is known, and how many are done."""
        if self._turn is None:
            return None, 0
        turn = self._turn | {"calls": list(self._turn["calls"])}
        turn["program"] = turn["program"] or "".join(f"{written(c)}\n" for c in turn["calls"])
        count = len(turn["calls"])
        if self._is_open and isinstance(self._step, Call):
            step = self._step
            turn["calls"].append({"skill": step.name, "args": step.args, "line": step.line})
        elif self._is_open and self._queue:
            comes = self._queue[0]
            turn["calls"].append({"skill": comes.name, "args": comes.args, "line": count + 1})
        return turn, count

    # -- what can be done --------------------------------------------------------------------------

    def by_hand(self, name: str, args: tuple[Any, ...]) -> None:
        """A person calls a skill; what else was under way is given up."""
        if self.is_running or self._queue:
            self.give_up()
        if not self._is_open:
            self._open(PLANS[YOU], "")
        self._call(Call(name, args, len(self._done) + 1), goes_on=True)

    def run(self, source: str, plan: str = TYPED) -> None:
        """Begin a program; `advance` goes on with it, call by call."""
        self.give_up()
        self._open(plan, source)
        self._step = self._runner.start(source, self.house.skills)
        if not isinstance(self._step, Call):
            self._close(self._step)

    def advance(self, driver: str) -> None:
        """The next call: of the program that runs, or else of a driver.

        Raises:
            OracleError: the driver knows no way.
        """
        if driver == PROGRAMMER and not self.is_running:
            answer = write_program(self.house, "\n".join(self._told))
            self.run(answer.program, answer.plan or PLANS[driver])
        if isinstance(self._step, Call):
            self._call(self._step, goes_on=False)
            return
        if driver == PROGRAMMER:  # it wrote no call
            return
        if not self._queue:
            self._plans += 1
            self._queue = list(PLANNERS[driver](self.house, self._plans))
        if not self._is_open:
            self._open(PLANS[driver], straight(self._queue))
        comes = self._queue.pop(0)
        self._call(Call(comes.name, comes.args, len(self._done) + 1), goes_on=bool(self._queue))
        if not self._is_open and driver != RANDOM:  # after a mishap another way is looked for
            self._queue = []

    def give_up(self) -> None:
        """The turn ends here, whatever was to come."""
        self._close(None)
        self._queue = []

    # -- recording ---------------------------------------------------------------------------------

    def record(self) -> None:
        """Record from here on, or stop to."""
        recorder = self._recorder
        if recorder.is_on:
            self.end("stopped")
            recorder.is_on = False
            return
        if not self.is_running:
            self._close(None)
        recorder.is_on = True
        recorder.begin(self.house)
        if self._turn is not None and self.is_running:  # its lines are those of its whole text
            recorder.turn(self._turn["plan"], self._turn["program"])

    def end(self, ended: str) -> None:
        """The recording of the episode ends here; what was to be called may still come."""
        if not self.is_running:
            self._close(None)
        self._recorder.end("finished" if self.house.finished else ended)

    # -- turns -------------------------------------------------------------------------------------

    def _open(self, plan: str, program: str) -> None:
        self._close(None)
        blank = {"problem": "", "error": "", "output": "", "feedback": "", "calls": []}
        self._turn = {"plan": plan, "program": program, **blank}
        self._done, self._is_open = [], True
        self.house.begin_program(program)
        self._recorder.turn(plan, program)

    def _call(self, call: Call, *, goes_on: bool) -> None:
        """Carry out a call; without a program, the turn `goes_on` after it or ends."""
        assert self._turn is not None  # it is open
        house: Any = self.house  # structurally a Scene of programs
        done = carry_out(house, call)
        changed = {thing: dict(what) for thing, what in self.house.feedback[-1].changed.items()}
        self._done.append(done)
        self._turn["calls"].append(done.as_dict() | {"changed": changed})
        self._recorder.call(self.house, self._turn["calls"][-1])
        if self._step is not None:
            self._step = answer_call(house, self._runner, done)
            if not isinstance(self._step, Call):
                self._close(self._step)
        elif not done.ok:
            self._close(Failed("skill", done.message, call.line))
        elif not goes_on or house.finished:
            self._close(Finished())
        if house.finished:
            self._queue = []
            self._recorder.end("finished")

    def _close(self, end: Step | None) -> None:
        """The turn is over; a program that waits is given up."""
        if isinstance(self._step, Call):
            end = self._runner.stop()
        self._step = None
        if not self._is_open or self._turn is None:
            return
        end = end if isinstance(end, Finished | Failed) else Finished()
        execution = Execution(self._turn["program"], tuple(self._done), end)
        told = {
            "error": str(end) if isinstance(end, Failed) else "",
            "output": end.output,
            "feedback": describe_execution(execution),
        }
        self._turn |= told
        self._told.append(told["feedback"])
        self._is_open = False
        self._recorder.turn_ended(**told)
