"""Failures: where an agent's own programs got stuck, as further starts for training by feedback.

A teacher's mistakes are not those of the one that it taught: who only ever continues after the
teacher's never reads feedback about having taken a glass for a mug.
"""

from __future__ import annotations

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
from .scenes import Scenes, concatenated, load_scenes, read_scenes, see, stack, vars_of

AT_ONCE = 64


def failures_path(folder: Path, seed: int) -> Path:
    """Where they are kept."""
    return folder / "scenes" / "failures" / f"{seed}.safetensors"


def collect_failures(config: OctopusConfig, seed: int, folder: Path) -> None:
    """Programs of `sft`, drawn at temperature 1, that stopped with an error; what is seen then."""
    path = failures_path(folder, seed)
    if path.exists():
        return
    model = TinyProgrammer.from_pretrained(folder / "learned" / "sft" / str(seed) / "policy")
    scenes = load_scenes(config, "rewards", folder)
    rows: list[dict[str, torch.Tensor]] = []
    told: list[dict[str, Any]] = []
    for low in range(0, len(scenes), AT_ONCE):
        if len(rows) >= config.failures:
            break
        some = torch.arange(low, min(low + AT_ONCE, len(scenes)))
        written = model.write(
            Seen.of(scenes.obs(some)), temperature=1.0,
            generator=torch_generator(seed, "failures", low),
        )  # fmt: skip
        for row, tokens in zip(some.tolist(), written.tokens.tolist(), strict=True):
            lines = GRAMMAR_TABLES.lines(tokens, scenes.places(row))
            found = _stuck(model, scenes, row, lines)
            if found is not None and len(rows) < config.failures:
                rows.append(found[0])
                told.append(
                    {"instance": vars_of(scenes.instances[row]), "turn": as_rows([found[1]])[0]}
                )
    write_json(path.with_suffix(".json"), told)
    save_tensors(path, stack(rows) if rows else {"none": torch.zeros(1)})


def _stuck(
    model: TinyProgrammer, scenes: Scenes, row: int, lines: list[Line]
) -> tuple[dict[str, torch.Tensor], Turn] | None:
    house = household(scenes.instances[row], model.config.eye.image_size)
    execution = run_program(house, make_runner("grammar"), program_text(lines))
    if execution.ok or house.success or house.finished:
        return None
    state, feedback = inventory(house.state), describe_execution(execution)
    turn = Turn((tuple(lines),), state, feedback, (), False)
    return see(model, house, state, feedback), turn


def pool_of(config: OctopusConfig, demonstrations: Scenes, seed: int, folder: Path) -> Scenes:
    """All starts of training by feedback: of demonstrations (the first rows), rewards, failures."""
    return concatenated(
        demonstrations, load_scenes(config, "rewards", folder), load_failures(folder, seed)
    )


def load_failures(folder: Path, seed: int) -> Scenes:
    """What `collect_failures` left."""
    return read_scenes([failures_path(folder, seed)])
