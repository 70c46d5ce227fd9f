r"""Runner: the one face of all that run model-written programs.

A runner holds one program at a time. `start` runs it to its first skill call; `resume` and `fail`
answer that call and run it to the next. `snapshot` is JSON, so that a program can be branched at
every call together with the physics:

    step = runner.start("open('drawer')\npick('mug')", skills)
    while isinstance(step, Call):
        before = runner.snapshot(), scene.snapshot()
        result = scene.execute(step)
        step = runner.resume(result.value) if result.ok else runner.fail(result.message)
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from octoworld.core.registry import Registry

from .limits import Limits
from .skills import Skills
from .steps import Call, Finished, Step


@runtime_checkable
class Runner(Protocol):
    """Runs programs that must not be trusted. Nothing that a program does raises to the caller."""

    limits: Limits

    def start(self, source: str, skills: Skills) -> Step:
        """Begin a program; what was held before is dropped."""
        ...

    def resume(self, value: Any = None, seconds: float = 0.0) -> Step:
        """Answer the call with what the skill returned (plain data), and how long it took [s].

        Raises ConfigError when no program waits, or `value` is a host object.
        """
        ...

    def fail(self, message: str, seconds: float = 0.0) -> Step:
        """Answer the call with an error: `grammar` programs end, `monty` ones may catch it."""
        ...

    def stop(self) -> Finished:
        """End the program that waits, as if it ended there by itself."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """The program that waits at a call, in JSON's types."""
        ...

    def restore(self, snapshot: dict[str, Any]) -> Call:
        """Take up a snapshot, of this runner or another of its kind; the call that it waits at."""
        ...

    def close(self) -> None:
        """Let go of processes."""
        ...


RUNNERS: Registry[type[Runner]] = Registry(
    "program runner", ("vla.programmer.grammar_runner", "vla.programmer.monty_runner")
)


def make_runner(name: str = "grammar", limits: Limits | None = None) -> Runner:
    """A runner by name, `grammar` or `monty`. DependencyError when its package is missing."""
    return RUNNERS.get(name)(limits or Limits())  # type: ignore[call-arg]
