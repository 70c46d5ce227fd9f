"""Failures: where an agent's own programs got stuck, as further starts for training by feedback.

A teacher's mistakes are not those of the one that it taught: who only ever continues after the
teacher's never reads feedback about having taken a glass for a mug.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from octoworld.core.io import save_tensors, write_json
from octoworld.core.rng import torch_generator
from tasks.household.text_view import inventory
from vla.programmer import describe_execution, make_runner, run_program
from vla.programmer.tiny import Line, Seen, TinyProgrammer, program_text

from .config import OctopusConfig
from .episodes import GRAMMAR_TABLES, Turn, as_rows, household
from .scenes import (
    Scenes,
    concatenated,
    load_scenes,
    perfect_turns,
    read_scenes,
    see,
    stack,
    vars_of,
)

AT_ONCE = 64
HELD_BACK = 8
"""One in so many of an arm's own failures validates."""


def failures_path(folder: Path, seed: int, arm: str = "sft") -> Path:
    """Where those of an arm's policy are kept."""
    name = "failures" if arm == "sft" else f"failures-{arm}"
    return folder / "scenes" / name / f"{seed}.safetensors"


def collect_failures(config: OctopusConfig, seed: int, folder: Path, arm: str = "sft") -> None:
    """Programs of an arm, drawn at temperature 1, that stopped with an error; what is seen then.

    Of `sft` one an episode; of others also where the next one got stuck, as in whole episodes.
    """
    path = failures_path(folder, seed, arm)
    if path.exists():
        return
    model = TinyProgrammer.from_pretrained(folder / "learned" / arm / str(seed) / "policy")
    scenes, most, turns = load_scenes(config, "rewards", folder), config.failures, 1
    if arm != "sft":
        starts = perfect_turns(load_scenes(config, "demonstrations-forgetful", folder))
        scenes, most, turns = concatenated(scenes, starts), config.own_failures, config.attempts - 1
    rows: list[dict[str, torch.Tensor]] = []
    told: list[dict[str, Any]] = []
    for low in range(0, len(scenes), AT_ONCE):
        if len(rows) >= most:
            break
        some = torch.arange(low, min(low + AT_ONCE, len(scenes)))
        generator = torch_generator(seed, "failures", low)
        written = model.write(Seen.of(scenes.obs(some)), temperature=1.0, generator=generator)
        for row, tokens in zip(some.tolist(), written.tokens.tolist(), strict=True):
            lines = GRAMMAR_TABLES.lines(tokens, scenes.places(row))
            for columns, turn in _stuck(model, scenes, row, lines, turns, generator):
                rows.append(columns)
                told.append(
                    {"instance": vars_of(scenes.instances[row]), "turn": as_rows([turn])[0]}
                )
    write_json(path.with_suffix(".json"), told[:most])
    save_tensors(path, stack(rows[:most]) if rows else {"none": torch.zeros(1)})


def _stuck(
    model: TinyProgrammer,
    scenes: Scenes,
    row: int,
    lines: list[Line],
    turns: int,
    generator: torch.Generator,
) -> Iterator[tuple[dict[str, torch.Tensor], Turn]]:
    """What is seen after each program of an episode that stopped with an error, `turns` at most.

    As in episodes of `TinyAgent`, what was told of earlier programs stays known.
    """
    size = model.config.eye.image_size
    house, before = household(scenes.instances[row], size, verifies=turns > 1), ()
    told: list[str] = []
    places = list(house.home.by_name)
    for left in reversed(range(turns)):
        execution = run_program(house, make_runner("grammar"), program_text(lines))
        if execution.ok or house.success or house.finished:
            return
        before = (*before, tuple(lines))
        told.append(describe_execution(execution))
        state, feedback = inventory(house.state), "\n".join(told)
        columns = see(model, house, state, feedback)
        yield columns, Turn(before, state, feedback, (), False)
        if not left:
            return
        shown = stack([columns])
        seen = Seen.of(shown | {"features": shown["features"].float()})
        tokens = model.write(seen, temperature=1.0, generator=generator).tokens[0].tolist()
        lines = GRAMMAR_TABLES.lines(tokens, places, house.state.at or "")


def pool_of(config: OctopusConfig, demonstrations: Scenes, seed: int, folder: Path) -> Scenes:
    """All starts of training by feedback: of demonstrations (the first rows), rewards, failures."""
    return concatenated(
        demonstrations, load_scenes(config, "rewards", folder), load_failures(folder, seed)
    )


def load_failures(folder: Path, seed: int, arm: str = "sft") -> Scenes:
    """What `collect_failures` left."""
    return read_scenes([failures_path(folder, seed, arm)])


def retry_pools(config: OctopusConfig, arm: str, seed: int, folder: Path) -> tuple[Scenes, Scenes]:
    """Starts of training and validation where `arm`'s own programs got stuck, and fresh ones."""
    failures = load_failures(folder, seed, arm)
    held = len(failures) // HELD_BACK
    cut = len(failures) - held
    fresh, validation = (load_scenes(config, name, folder) for name in ("rewards", "validation"))
    training = concatenated(fresh, failures.some(range(cut)))
    return training, concatenated(validation, failures.some(range(cut, len(failures))))
