"""The built-in runner: our own language on our own machine, without any dependency."""

from __future__ import annotations

from typing import Any

from octoworld.core.errors import ConfigError

from .language.compiler import compile_program
from .language.lexer import check_source
from .language.machine import Machine
from .language.snapshot import load, save
from .limits import Limits
from .runner import RUNNERS
from .skills import Skills, read_skills
from .steps import Call, Failed, Finished, ProgramError, Step


class GrammarRunner:
    """Deterministic to the instruction: the same program and answers use the same steps."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._machine: Machine | None = None

    def start(self, source: str, skills: Skills) -> Step:
        """See `Runner.start`."""
        known = read_skills(skills)
        self._machine = None
        try:
            source = check_source(source, self.limits.source)
            program = compile_program(source, frozenset(known))
        except ProgramError as error:
            return Failed(error.kind, error.message, error.line)
        self._machine = Machine(program, known, self.limits)
        return self._machine.advance()

    def resume(self, value: Any = None, seconds: float = 0.0) -> Step:
        """See `Runner.resume`."""
        return self._held().resume(value, seconds)

    def fail(self, message: str, seconds: float = 0.0) -> Step:
        """See `Runner.fail`."""
        return self._held().fail(message, seconds)

    def stop(self) -> Finished:
        """See `Runner.stop`."""
        return self._held().stop()

    def snapshot(self) -> dict[str, Any]:
        """See `Runner.snapshot`."""
        return {"runner": "grammar", **save(self._held())}

    def restore(self, snapshot: dict[str, Any]) -> Call:
        """See `Runner.restore`."""
        if snapshot.get("runner") != "grammar":
            raise ConfigError(f"a snapshot of runner {snapshot.get('runner')!r}, not 'grammar'")
        self._machine = load(snapshot)
        assert self._machine.waiting is not None
        return self._machine.waiting

    def close(self) -> None:
        """See `Runner.close`."""
        self._machine = None

    def _held(self) -> Machine:
        if self._machine is None:
            raise ConfigError("no program was started")
        return self._machine


RUNNERS.register("grammar")(GrammarRunner)
