"""How much a program may use, and the meter that runs while it does."""

from __future__ import annotations

from dataclasses import dataclass

from octoworld.core.errors import ConfigError

from .steps import ProgramError, Usage


@dataclass(frozen=True)
class Limits:
    """Budgets of one program. The defaults leave a thousandfold of what an honest program needs."""

    calls: int = 100
    """Skill calls."""
    seconds: float = 3600.0
    """Simulated seconds of all its skills."""
    steps: int = 100_000
    """Interpreted instructions (0.1 s to 0.3 s of one core)."""
    memory: int = 4_000_000
    """Bytes of all values ever made (`grammar`), or of the heap at any time (`monty`)."""
    output: int = 4_000
    """Characters printed."""
    source: int = 20_000
    """Characters of the program."""
    recursion: int = 50
    """Functions that are open at once."""
    run_time: float = 1.0
    """Seconds of the wall clock, without the skills. Only `monty`, which counts no instructions."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"Limits.{name} must be above 0, not {value!r}")


class Meter:
    """Counts what one program uses and raises ProgramError where a limit is passed."""

    __slots__ = ("calls", "limits", "memory", "printed", "seconds", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = 0
        self.memory = 0
        self.calls = 0
        self.seconds = 0.0
        self.printed = 0

    def spend(self, steps: int) -> None:
        """Charge work that one instruction does on many values."""
        self.steps += steps
        if self.steps > self.limits.steps:
            raise ProgramError(
                "steps", f"more than {self.limits.steps} steps: is there a loop without an end?"
            )

    def allocate(self, size: int) -> None:
        """Charge `size` bytes, before they are made. Nothing is given back when a value dies."""
        if self.memory + size > self.limits.memory:
            raise ProgramError("memory", f"values of more than {self.limits.memory} bytes")
        self.memory += size

    def call(self) -> None:
        """Charge a skill call."""
        if self.calls >= self.limits.calls:
            raise ProgramError("calls", f"more than {self.limits.calls} skill calls")
        self.calls += 1

    def wait(self, seconds: float) -> None:
        """Charge the simulated seconds that a skill took."""
        if not seconds >= 0:
            raise ConfigError(f"a skill takes 0 seconds or more, not {seconds!r}")
        self.seconds += seconds
        if self.seconds > self.limits.seconds:
            raise ProgramError(
                "seconds", f"more than {self.limits.seconds:g} simulated seconds in one program"
            )

    def print(self, size: int) -> None:
        """Charge `size` printed characters."""
        self.printed += size
        if self.printed > self.limits.output:
            raise ProgramError("output", f"more than {self.limits.output} characters printed")

    def usage(self) -> Usage:
        """What has been used so far."""
        return Usage(self.steps, self.memory, self.calls, self.seconds)

    def state(self) -> list[float]:
        """The counters, for a snapshot."""
        return [self.steps, self.memory, self.calls, self.seconds, self.printed]

    def load(self, state: list[float]) -> None:
        """Put the counters of a snapshot back."""
        steps, memory, calls, self.seconds, printed = state
        self.steps, self.memory = int(steps), int(memory)
        self.calls, self.printed = int(calls), int(printed)
