"""Stages: the steps of a long job, each done once, so that a killed run goes on where it was."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from octoworld.core.config import load_config, save_config, to_dict
from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json, write_json

C = TypeVar("C")


@dataclass(frozen=True)
class Stage:
    """One step: `work(run)` leaves files in the run folder and returns facts for the record."""

    name: str
    title: str
    work: Callable[[Run], dict[str, Any]]


class Run:
    """A run folder: config, stage records, checkpoints, episodes, results."""

    def __init__(self, folder: Path, config: Any) -> None:
        self.folder, self.config = folder, config

    @classmethod
    def create(cls, folder: Path | str, config: Any) -> Run:
        """Start a run in an empty or new folder; raises ConfigError when one is there already."""
        folder = Path(folder)
        if (folder / "config.yaml").exists():
            raise ConfigError(
                f"{folder} already holds a run; use `--resume {folder}`, or another --out"
            )
        folder.mkdir(parents=True, exist_ok=True)
        save_config(config, folder / "config.yaml")
        return cls(folder, config)

    @classmethod
    def resume(cls, folder: Path | str, config_class: type[C]) -> Run:
        """Open a run that was started before; its own config is used."""
        folder = Path(folder)
        if not (folder / "config.yaml").exists():
            raise ConfigError(f"{folder} holds no run to resume (no config.yaml there)")
        return cls(folder, load_config(config_class, folder / "config.yaml"))

    def path(self, *parts: str) -> Path:
        """A path inside the run folder."""
        return self.folder.joinpath(*parts)

    def record(self, stage: str) -> dict[str, Any]:
        """What a finished stage returned."""
        return read_json(self.path("stages", f"{stage}.json"))["facts"]

    def is_done(self, stage: str) -> bool:
        """Whether the stage has left its record."""
        return self.path("stages", f"{stage}.json").exists()


def run_stages(run: Run, stages: list[Stage], *, until: str | None = None) -> None:
    """Do every stage that is not done yet, in order; prints one line a stage.

    Stages are killed and repeated without harm: trainings resume from their own checkpoints and
    data sets are written whole or not at all. Wall times go to `stages/times.json`, not into the
    stage records, so that an interrupted run ends in the same files as an uninterrupted one.
    """
    names = [s.name for s in stages]
    if until is not None and until not in names:
        raise ConfigError(f"unknown stage {until!r}; known: {', '.join(names)}")
    times_path = run.path("stages", "times.json")
    for stage in stages:
        if run.is_done(stage.name):
            _say(f"  {stage.name:<12} done before")
        else:
            _say(f"  {stage.name:<12} {stage.title} ...")
            began = time.monotonic()
            facts = stage.work(run)
            seconds = time.monotonic() - began
            write_json(run.path("stages", f"{stage.name}.json"), {"facts": to_dict(facts)})
            times = read_json(times_path) if times_path.exists() else {}
            write_json(times_path, times | {stage.name: round(seconds, 1)})
            shown = ", ".join(f"{k} {_short(v)}" for k, v in facts.items() if _is_scalar(v))
            _say(f"  {'':<12} {seconds:.0f} s; {shown}")
        if stage.name == until:
            return


def forget(run: Run, stage: str, stages: list[Stage]) -> None:
    """Mark `stage` and all after it as not done and drop their training states."""
    names = [s.name for s in stages]
    for name in names[names.index(stage) :]:
        run.path("stages", f"{name}.json").unlink(missing_ok=True)
        shutil.rmtree(run.path("training", name), ignore_errors=True)


def _say(text: str) -> None:
    print(text, flush=True, file=sys.stdout)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
