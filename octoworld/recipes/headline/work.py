"""Work of the headline bench in rounds of jobs; each is done once and leaves files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from octoworld.core.io import read_json, write_json
from worldmodels.checkpoint import load_part
from worldmodels.reflector import Reflector

from ..evaluate import evaluate, to_rows
from ..rollouts import RolloutConfig
from ..suite.work import Job, made_on
from ..worldenv.outcome import reflector_stop
from .arms import SFT, arms_of, imagined
from .config import CAMERAS, HeadlineConfig
from .learning import learn, learned, world_folder
from .recorded import place_of, record_demonstrations, record_exploration, record_starts


def explore(config: HeadlineConfig, seed: int, folder: Path) -> None:
    """Episodes of `sft`, as many as the largest budget."""
    record_exploration(config, seed, folder, learned(folder, seed, SFT))


def tested(folder: Path, seed: int, name: str) -> Path:
    """Where outcomes are."""
    return place_of(folder, seed, "tested", f"{name}.json")


def is_main(config: HeadlineConfig, name: str) -> bool:
    """Whether an arm is tested from all starts, and under the reflector's stop, too."""
    return name in (SFT, imagined(config.headline))


def test(config: HeadlineConfig, name: str, seed: int, folder: Path) -> None:
    """Outcomes of an arm in true physics."""
    path = tested(folder, seed, name)
    if path.exists():
        return
    policy, main = learned(folder, seed, name), is_main(config, name)
    rollouts = RolloutConfig(config.num_envs, cameras=CAMERAS)
    stop = None
    if main:
        stop = reflector_stop(load_part(Reflector, world_folder(config) / "reflector"))
    rows: list[dict[str, Any]] = []
    for task in config.tasks:
        seeds = config.start_seeds(
            "test", task, seed, config.starts if main else config.side_starts
        )
        rows += to_rows(evaluate(policy, [task], seeds, rollouts, stop=stop))
    write_json(path, {"made_on": made_on(), "outcomes": rows})


def read_tested(folder: Path, seed: int, name: str) -> dict[str, Any]:
    """What `test` found."""
    return read_json(tested(folder, seed, name))


def rounds_of(config: HeadlineConfig, folder: Path) -> list[list[Job]]:
    """Rounds of jobs, each of which needs those before: the headline first, then the others."""
    first = (imagined(config.headline),)
    others = tuple(name for name in arms_of(config) if name not in (SFT, *first))

    def each(function: Callable[..., None], *names: str) -> list[Job]:
        return [(function, (config, n, seed, folder)) for n in names for seed in config.seeds]

    recording: list[Job] = [
        (function, (config, seed, folder))
        for seed in config.seeds
        for function in (record_demonstrations, record_starts)
    ]
    exploring: list[Job] = [(explore, (config, seed, folder)) for seed in config.seeds]
    return [
        recording,
        each(learn, SFT),
        exploring,
        each(learn, *first),
        each(test, SFT, *first),
        each(learn, *others),
        each(test, *others),
    ]
