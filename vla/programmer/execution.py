"""One program on one scene, and the moments at which both can be taken up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .runner import Runner
from .scene import Scene
from .steps import Call, Failed, Finished, Step


@dataclass(frozen=True)
class DoneCall:
    """A skill call and what came of it."""

    call: Call
    ok: bool
    message: str
    value: Any
    seconds: float
    code: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "skill": self.call.name,
            "args": list(self.call.args),
            "line": self.call.line,
            "ok": self.ok,
            "code": self.code,
            "message": self.message,
            "value": self.value,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Execution:
    """What one program did."""

    source: str
    calls: tuple[DoneCall, ...]
    end: Finished | Failed

    @property
    def ok(self) -> bool:
        """Whether the program came to its end."""
        return isinstance(self.end, Finished)

    @property
    def seconds(self) -> float:
        """Simulated time of its skills [s]."""
        return sum(done.seconds for done in self.calls)


@dataclass(frozen=True)
class Moment:
    """World and program just before a call: a node of the tree of what could have been."""

    scene: Any
    """Of `Scene.snapshot`."""
    program: dict[str, Any]
    """Of `Runner.snapshot`."""
    call: Call
    done: tuple[DoneCall, ...] = field(default=(), repr=False)
    """The calls before."""


OnCall = Callable[[Moment], None]


def run_program(
    scene: Scene, runner: Runner, source: str, *, on_call: OnCall | None = None
) -> Execution:
    """Run a program to its end. A skill that fails ends it, as `Runner.fail` says.

    `on_call` is given the moment before every call; without it nothing is copied.
    """
    return _drive(scene, runner, source, runner.start(source, scene.skills), [], on_call)


def branch_program(
    scene: Scene, runner: Runner, moment: Moment, *, on_call: OnCall | None = None
) -> Execution:
    """Take world and program back to a moment, and run on from there."""
    scene.restore(moment.scene)
    step = runner.restore(moment.program)
    source = moment.program["source"]
    return _drive(scene, runner, source, step, list(moment.done), on_call)


def _drive(
    scene: Scene,
    runner: Runner,
    source: str,
    step: Step,
    done: list[DoneCall],
    on_call: OnCall | None,
) -> Execution:
    while isinstance(step, Call):
        if on_call is not None:
            on_call(Moment(scene.snapshot(), runner.snapshot(), step, tuple(done)))
        done.append(carry_out(scene, step))
        step = answer_call(scene, runner, done[-1])
    return Execution(source, tuple(done), step)


def carry_out(scene: Scene, call: Call) -> DoneCall:
    """Carry out one call, and note what came of it."""
    result = scene.execute(call)
    return DoneCall(call, result.ok, result.message, result.value, result.seconds, result.code)


def answer_call(scene: Scene, runner: Runner, done: DoneCall) -> Step:
    """Tell the program what its call did, and run it to its next one."""
    if not done.ok:
        return runner.fail(done.message, done.seconds)
    if scene.finished:
        return runner.stop()
    # `if pick('mug'):` is what models write, also for skills that have nothing to tell
    return runner.resume(True if done.value is None else done.value, done.seconds)


def describe_execution(execution: Execution) -> str:
    """What a program did, line by line, for the model to read."""
    lines = []
    for done in execution.calls:
        told = done.message or ("done" if done.ok else "failed")
        outcome = f"ok, {told}" if done.ok else f"FAILED: {told}"
        value = "" if done.value is None else f" -> {done.value!r}"
        lines.append(f"line {done.call.line}: {done.call}{value}: {outcome} ({done.seconds:.1f} s)")
    if execution.end.output:
        lines.append(f"printed: {execution.end.output.rstrip()}")
    if isinstance(execution.end, Failed):
        lines.append(f"The program stopped at {execution.end}")
    else:
        lines.append("The program came to its end.")
    return "\n".join(lines)
