"""Bench: a named set of claims that one command runs and reports; FileBench: one over files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Bench(Protocol):
    """What `octoworld bench NAME` asks of a member of the registry `BENCHES`.

    Register an instance, or a class that takes no arguments:

        @register_bench("worldenv")
        class WorldEnvBench:
            name = "worldenv"
            description = "post-training in imagination beats supervised fine-tuning"

            def run(self, quick: bool, folder: Path) -> None:
                octoworld.bench.run(claims(quick), run_arm, folder)

            def report(self, folder: Path) -> str:
                return octoworld.bench.report(folder)
    """

    name: str
    description: str
    """One line."""

    def run(self, quick: bool, folder: Path) -> None:
        """Run what is not stored in `folder` yet; `quick`: small, in under a minute.

        A bench with an attribute `measures_beside`, the name of a program that it can measure in
        the same run, also takes `beside`: a path of the interpreter that has it, or None.
        """

    def report(self, folder: Path) -> str:
        """The stored results as a table."""
        ...


@runtime_checkable
class FileBench(Protocol):
    """A bench over files of the user's, `octoworld bench NAME FILE...`; `--store` keeps rows."""

    name: str
    description: str
    """One line."""

    def compare(self, files: Sequence[Path]) -> list[dict[str, Any]]:
        """One row, JSON-able, for each thing compared."""
        ...

    def table(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """The rows as text."""
        ...
