"""The runner on `pydantic-monty`: most of Python, in a process of its own, with no host object.

Monty is an interpreter written in Rust that has no file, network or clock unless the host gives it
one, and we give none. See https://github.com/pydantic/monty.
"""

from __future__ import annotations

import atexit
import base64
import dataclasses
import os
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

from octoworld.core.errors import ConfigError, DependencyError

from .language.lexer import check_source
from .language.values import admitted, copied
from .limits import Limits, Meter
from .runner import RUNNERS
from .skills import Skill, Skills, read_skills
from .steps import LIMIT_KINDS, Call, ErrorKind, Failed, Finished, ProgramError, Step

try:
    import pydantic_monty as monty
except ImportError:
    monty = None

GRACE = 1.0
"""Seconds past `Limits.run_time` after which the worker process is killed."""
_POLICY: Any = {
    "sleep": "zero",
    "random_start": {"seed": 0},
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),  # a clock that stands: replays are equal
}
_KINDS: dict[str, ErrorKind] = {
    "NameError": "name",
    "UnboundLocalError": "name",
    "TypeError": "type",
    "AttributeError": "type",
    "AssertionError": "assertion",
    "RecursionError": "recursion",
    "MemoryError": "memory",
    "TimeoutError": "steps",
    "SyntaxError": "syntax",
    "NotImplementedError": "unsupported",
    "ModuleNotFoundError": "unsupported",
    "ImportError": "unsupported",
    "PermissionError": "forbidden",
    "OSError": "forbidden",
}


MAX_WORKERS = 64
"""Programs that are held at once; each has a process of its own, of about 10 MB."""


@cache
def _pool(process: int) -> Any:
    """Worker processes, shared by all runners of one process of ours (a fork has its own)."""
    if monty is None:
        raise DependencyError("the runner 'monty' needs pydantic-monty: pip install pydantic-monty")
    pool = monty.Monty(
        feed_duration_limit_grace=GRACE, max_processes=MAX_WORKERS, checkout_timeout=30.0
    )
    pool.__enter__()
    atexit.register(pool.__exit__, None, None, None)
    return pool


class MontyRunner:
    """Programs may use functions, classes, comprehensions, try and more; see Monty's own list.

    Budgets are those of `Limits`, with `run_time` in the place of `steps`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._session: Any = None
        self._begin("", {}, self.limits)
        _pool(os.getpid())

    def _begin(self, source: str, skills: dict[str, Skill], limits: Limits) -> None:
        self._source = source
        self._skills = skills
        self._meter = Meter(limits)
        self._output: list[str] = []
        self._suspended: Any = None
        self._call: Call | None = None
        self._told: ProgramError | None = None  # the last error that the host put into the program

    def start(self, source: str, skills: Skills) -> Step:
        """See `Runner.start`."""
        self.close()
        self._begin(source, read_skills(skills), self.limits)
        try:
            self._source = check_source(source, self.limits.source)
        except ProgramError as error:
            return self._failed(error.kind, error.message, error.line)
        self._open()
        functions = {name: _stand_in(name) for name in self._skills}
        return self._drive(
            lambda: self._session.feed_start(
                self._source, inputs=functions, print_callback=self._print
            )
        )

    def _open(self) -> None:
        budget = self._meter.limits
        limits: Any = {
            "max_feed_duration_secs": budget.run_time,
            "max_memory": budget.memory,
            "max_recursion_depth": budget.recursion,
            "max_suspensions": budget.calls + 100,
        }
        session = _pool(os.getpid()).checkout(limits=limits, os_policy=_POLICY)
        try:
            session.__enter__()
        except TimeoutError:
            raise ConfigError(
                f"{MAX_WORKERS} programs are held by runners 'monty'; close() those that are done"
            ) from None
        self._session = session

    def resume(self, value: Any = None, seconds: float = 0.0) -> Step:
        """See `Runner.resume`."""
        call = self._answered()
        try:
            self._meter.wait(seconds)
            answer = {"return_value": admitted(value, Meter(self._meter.limits))}
        except ProgramError as error:
            return self._failed(error.kind, error.message, call.line)
        return self._drive(lambda: self._suspended.resume(answer))

    def fail(self, message: str, seconds: float = 0.0) -> Step:
        """See `Runner.fail`: a RuntimeError inside the program, at the call."""
        call = self._answered()
        try:
            self._meter.wait(seconds)
        except ProgramError as error:
            return self._failed(error.kind, error.message, call.line)
        self._told = ProgramError("skill", message)
        answer = {"exc_type": "RuntimeError", "message": message}
        return self._drive(lambda: self._suspended.resume(answer))

    def stop(self) -> Finished:
        """See `Runner.stop`."""
        self._answered()
        self.close()
        return Finished("".join(self._output), self._meter.usage())

    def _answered(self) -> Call:
        if self._call is None:
            raise ConfigError("no program waits at a skill call")
        call, self._call = self._call, None
        return call

    def _drive(self, go: Any) -> Step:
        """Run on to the next skill call, the end, or an error."""
        assert monty is not None
        line = 0
        try:
            self._suspended = go()
            while not isinstance(self._suspended, monty.MontyComplete):
                line = self._line()
                if not isinstance(self._suspended, monty.FunctionSnapshot):
                    self._suspended = self._suspended.resume()  # an unknown name
                elif self._suspended.is_os_function:
                    asked = self._suspended.function_name
                    return self._failed("forbidden", f"a program may not use {asked}", line)
                else:
                    try:
                        return self._suspend(line)
                    except ProgramError as error:
                        if error.kind != "arguments":
                            return self._failed(error.kind, error.message, line)
                        self._told = error
                        answer: Any = {"exc_type": "TypeError", "message": error.message}
                        self._meter.call()  # a loop that catches such errors has an end
                        self._suspended = self._suspended.resume(answer)
        except ProgramError as error:
            return self._failed(error.kind, error.message, error.line or line)
        except monty.MontyCrashedError as error:
            kind: ErrorKind = "steps" if error.timed_out else "crash"
            return self._failed(kind, f"the program was stopped: {error}", line)
        except monty.MontyError as error:
            return self._error(error)
        output = "".join(self._output)
        self.close()
        return Finished(output, self._meter.usage())

    def _suspend(self, line: int) -> Call:
        name = self._suspended.function_name
        if name not in self._skills:
            raise ProgramError("forbidden", f"a program may not use {name}")
        skill = self._skills[name]
        bound = skill.bind(self._suspended.args, self._suspended.kwargs)
        size = Meter(self._meter.limits)
        try:
            args = copied(tuple(admitted(value, size) for value in bound), size)
        except ConfigError:
            raise ProgramError("arguments", f"{name} takes plain values only") from None
        self._meter.call()
        self._call = Call(name, args, line, self._meter.usage())
        return self._call

    def _line(self) -> int:
        start = self._suspended.position.start
        return self._source.encode().count(b"\n", 0, start) + 1

    def _print(self, stream: str, piece: str) -> None:
        self._meter.print(len(piece))
        self._output.append(piece)

    def _error(self, error: Any) -> Failed:
        """Monty's exception as one of our kinds, with the line of the program."""
        inner = error.exception()
        name, message = type(inner).__name__, str(inner)
        kind: ErrorKind = _KINDS.get(name, "value")
        frames = error.traceback() if hasattr(error, "traceback") else []
        line = frames[-1].line if frames else 0
        told = self._told
        budget = self._meter.limits
        if self._meter.printed > budget.output:
            return self._failed("output", f"more than {budget.output} characters printed", line)
        if name == "RuntimeError" and "suspension" in message:
            return self._failed("calls", f"more than {budget.calls} skill calls", line)
        if told is not None and message == told.message:
            return self._failed(told.kind, message, line)
        if kind not in LIMIT_KINDS and kind != "assertion":
            message = f"{name}: {message}"
        return self._failed(kind, message[:500], line)

    def _failed(self, kind: ErrorKind, message: str, line: int) -> Failed:
        output = "".join(self._output)[: self._meter.limits.output]
        self.close()
        return Failed(kind, message, line, output, self._meter.usage())

    def snapshot(self) -> dict[str, Any]:
        """See `Runner.snapshot`. Monty's own state is in it as base64."""
        if self._call is None:
            raise ConfigError("only a program that waits at a skill call can be saved")
        call = self._call
        return {
            "runner": "monty",
            "source": self._source,
            "skills": [skill.text for skill in self._skills.values()],
            "limits": dataclasses.asdict(self._meter.limits),
            "used": self._meter.state(),
            "output": list(self._output),
            "call": [call.name, list(call.args), call.line],
            "state": base64.b64encode(self._suspended.dump()).decode(),
        }

    def restore(self, snapshot: dict[str, Any]) -> Call:
        """See `Runner.restore`."""
        if snapshot.get("runner") != "monty":
            raise ConfigError(f"a snapshot of runner {snapshot.get('runner')!r}, not 'monty'")
        self.close()
        limits = Limits(**snapshot["limits"])
        self._begin(snapshot["source"], read_skills(snapshot["skills"]), limits)
        self._meter.load(snapshot["used"])
        self._output = list(snapshot["output"])
        self._open()
        state = base64.b64decode(snapshot["state"])
        self._suspended = self._session.load_snapshot(state, print_callback=self._print)
        name, args, line = snapshot["call"]
        self._call = Call(name, tuple(args), line, self._meter.usage())
        return self._call

    def close(self) -> None:
        """See `Runner.close`: the worker goes back to the pool."""
        session, self._session = self._session, None
        self._call = None
        if session is not None:
            with suppress(monty.MontyError):  # type: ignore[union-attr]
                session.__exit__(None, None, None)  # a dead worker has nothing to give back


RUNNERS.register("monty")(MontyRunner)


@cache
def _stand_in(name: str) -> Any:
    """A function that only lends its name: Monty suspends where it is called."""

    def skill(*args: Any, **keywords: Any) -> None:
        raise AssertionError(f"{name} must never be called in the host")

    skill.__name__ = skill.__qualname__ = name
    return skill
