"""Testing: programs of an arm on every split, through the runner, judged twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from octoworld.core.io import read_json, write_json
from octoworld.core.rng import derive_seed, torch_generator
from tasks.household import Household, solve
from tasks.household.checker import check_success
from vla.programmer import STRATEGIES, Runner, make_runner, run_episode, run_program
from vla.programmer.tiny import Seen, TinyAgent, TinyProgrammer, program_text

from ..suite.work import made_on
from .arms import ARMS, ORACLE, RANDOM, RETRIES, SHUFFLED
from .config import OctopusConfig
from .episodes import GRAMMAR_TABLES, household
from .scenes import Scenes, load_scenes
from .seeing import fresh

AT_ONCE = 64


def test(config: OctopusConfig, arm: str, seed: int, split: str, folder: Path) -> None:
    """Outcomes of an arm's greedy programs on a test split, one an instance."""
    path = tested(folder, arm, seed, split)
    if path.exists():
        return
    scenes = load_scenes(config, split, folder)
    # the checker looks at the world itself, which takes as long as all else together
    check = seed == config.seeds[0]
    if arm == ORACLE:
        programs = [program_text_of_oracle(scenes, row) for row in range(len(scenes))]
    else:
        programs = programs_of(config, arm, seed, scenes, folder)
    write_json(path, {"made_on": made_on(), **judged(scenes, programs, check)})


def tested(folder: Path, arm: str, seed: int, split: str) -> Path:
    """Where outcomes are."""
    return folder / "tested" / arm / str(seed) / f"{split}.json"


def programs_of(
    config: OctopusConfig, arm: str, seed: int, scenes: Scenes, folder: Path
) -> list[str]:
    """What a policy writes for each scene; `random-programs` are drawn from untrained weights."""
    temperature = 0.0
    if arm == RANDOM:
        model, temperature = fresh(config, derive_seed(seed, "untrained")), 1.0
    else:
        learned = "rlef" if arm == SHUFFLED else arm
        place = folder / "learned" / learned / str(seed) / "policy"
        model = TinyProgrammer.from_pretrained(place)
        if arm == SHUFFLED:
            scenes = scenes.shuffled(seed)
        elif ARMS[arm].is_blind:
            scenes = scenes.blind()
    found = []
    for low in range(0, len(scenes), AT_ONCE):
        rows = torch.arange(low, min(low + AT_ONCE, len(scenes)))
        generator = torch_generator(seed, "test", low)
        written = model.write(
            Seen.of(scenes.obs(rows)), temperature=temperature, generator=generator
        )
        for row, tokens in zip(rows.tolist(), written.tokens.tolist(), strict=True):
            found.append(program_text(GRAMMAR_TABLES.lines(tokens, scenes.places(row))))
    return found


def program_text_of_oracle(scenes: Scenes, row: int) -> str:
    """A program that solves a scene."""
    return "".join(f"{call}\n" for call in solve(household(scenes.instances[row])).calls)


def judged(scenes: Scenes, programs: Sequence[str], check: bool) -> dict[str, Any]:
    """Run programs from the scenes' starts; success by evaluator and, with `check`, by checker."""
    runner = make_runner("grammar")
    rows: dict[str, list[Any]] = {"success": [], "ok": [], "calls": [], "replayed": []}
    if check:
        rows["checked"] = []
    for instance, program in zip(scenes.instances, programs, strict=True):
        house = household(instance)
        execution = run_program(house, runner, program)
        rows["success"].append(int(house.success))
        rows["ok"].append(int(execution.ok))
        rows["calls"].append(len(execution.calls))
        if check:
            rows["checked"].append(int(check_success(house)))
            rows["replayed"].append(int(_same_again(house, runner, program)))
    families = [i.task.family_name for i in scenes.instances]
    return rows | {"family": families, "start": [i.start for i in scenes.instances]}


def _same_again(house: Household, runner: Runner, program: str) -> bool:
    """Whether a second run from the start ends in the same state, to the last bit."""
    state = house.state
    house.reset()
    run_program(house, runner, program)
    return house.state == state


def test_retries(config: OctopusConfig, arm: str, seed: int, folder: Path) -> None:
    """Whole episodes in the agent loop, on `seen`, with pictures before every program.

    `done` is verified there: who says it too early is asked again, told why or not.
    """
    path = tested(folder, arm, seed, "seen")
    if path.exists():
        return
    learned, strategy, again = RETRIES[arm]
    model = TinyProgrammer.from_pretrained(folder / "learned" / learned / str(seed) / "policy")
    runner = make_runner("grammar")
    rows: dict[str, list[Any]] = {"success": [], "turns": [], "first": []}
    scenes = load_scenes(config, "seen", folder)
    for instance in scenes.instances[: config.retries]:
        house = household(instance, config.eye.image_size, verifies=True)
        how = replace(STRATEGIES[strategy], turns=config.attempts)
        agent = TinyAgent(model, how, again=again)
        record = run_episode(house, agent, runner)
        rows["success"].append(int(record.success))
        rows["turns"].append(len(record.turns))
        rows["first"].append(record.programs[0] if record.programs else "")
    write_json(path, {"made_on": made_on(), **rows})


def read_tested(folder: Path, arm: str, seed: int, split: str) -> dict[str, Any]:
    """What `test` found."""
    return read_json(tested(folder, arm, seed, split))
