"""Errors that tell the user what was wrong, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OctoworldError(Exception):
    """A mistake the user can mend; the command line prints it as one line and exits with 2."""


class ConfigError(OctoworldError, ValueError):
    """A config field is unknown, of the wrong type, or out of range."""


class ActionError(OctoworldError, ValueError):
    """An action has the wrong shape, or is not finite."""


class CheckpointError(OctoworldError, RuntimeError):
    """A checkpoint is missing, damaged, or made for something else."""


class DivergenceError(OctoworldError, FloatingPointError):
    """Training produced a number that is not finite."""


class DatasetError(OctoworldError, ValueError):
    """A dataset is missing, damaged, or of another robot or task."""


class RenderError(OctoworldError, RuntimeError):
    """No off-screen renderer could be started."""


class DependencyError(OctoworldError, ImportError):
    """An optional package is not installed; the message carries the command that installs it."""


class UnknownNameError(OctoworldError, KeyError):
    """A name is not in a registry; the message lists the choices."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        known = sorted(choices)
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}.")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the repr
