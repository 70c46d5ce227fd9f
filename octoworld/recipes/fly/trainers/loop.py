"""The training loop around another library's PPO: segments, an evaluation after each, resuming.

The files of the run folder are those of `../training.py`, but `checkpoints/trainer.pt` in place of
`state.safetensors`. A resumed run goes on from the last segment's weights and statistics; it does
not repeat an unbroken run to the bit, as ours does.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import CheckpointError, DependencyError
from octoworld.core.io import atomic_file, write_json
from octoworld.core.log import MetricsLog, Progress
from octoworld.core.rng import derive_seed

from ...stages import Run
from ..config import SELECTION_SEED, TEST_SEED, TrainConfig
from ..learner import MakeEnv, check_spaces
from ..state import TrainState
from ..training import MAX_EVAL_ENVS, flat, score, summary
from .base import StockTrainer

CLASSES = {"rsl_rl": "RslRlTrainer", "skrl": "SkrlTrainer", "rl_games": "RlGamesTrainer"}
FILE = "trainer.pt"


def trainer_class(name: str) -> type[StockTrainer]:
    """The StockTrainer of a library; DependencyError where it is not installed."""
    try:
        module = importlib.import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("octoworld", "sim", "vla"):
            raise
        raise DependencyError(
            f"--trainer {name} needs the module {error.name!r}: pip install 'octoworld[rl]'"
        ) from None
    return getattr(module, CLASSES[name])


def train_stock(run: Run, make_env: MakeEnv) -> dict[str, Any]:
    """Train as `config.trainer` does; returns what `outcome.json` holds.

    Raises:
        DependencyError: the library is not installed.
        ConfigError: the config does not fit the task or the library.
        CheckpointError: the saved state is damaged or of another config.
    """
    config: TrainConfig = run.config
    torch.set_num_threads(config.num_threads)
    make = trainer_class(config.trainer)
    worlds = make_env(config.num_envs, AutoresetMode.SAME_STEP)
    judges = make_env(min(MAX_EVAL_ENVS, config.eval_episodes), AutoresetMode.DISABLED)
    try:
        check_spaces(worlds)
        trainer = make(config, worlds, derive_seed(config.seed, "weights") % 2**31)
        path = run.path("checkpoints", FILE)
        state, steps = _load(path, trainer) if path.exists() else (TrainState(), 0)
        log = MetricsLog(run.folder, resume_step=steps + 1 if state.segment else None)
        least = 2 * config.num_envs * worlds.max_episode_length
        wanted = max(config.eval_every, least)
        try:
            with Progress(f"{config.task} {config.trainer}", config.total_steps, steps) as line:
                while not (stopped := _limit(config, state, steps)):
                    began, cpu = time.monotonic(), time.process_time()
                    left = min(wanted, config.total_steps - steps)
                    iterations = -(-left // trainer.iteration_steps)
                    told = trainer.learn(
                        iterations, derive_seed(config.seed, "worlds", state.segment) % 2**31
                    )
                    steps += iterations * trainer.iteration_steps
                    controller = trainer.controller()
                    judged = score(judges, controller, SELECTION_SEED, config.eval_episodes)
                    rate, mean = judged.success_rate, float(judged.returns.mean())
                    merit = rate + mean / judges.max_episode_length
                    if merit > state.best_merit:
                        state.best_merit, state.best_success = merit, rate
                        state.best_return, state.best_step = mean, steps
                        state.best = {k: v.clone() for k, v in controller.state_dict().items()}
                        controller.save_pretrained(run.path("checkpoints", "best"))
                    controller.save_pretrained(run.path("checkpoints", "last"))
                    state.segment += 1
                    state.seconds += time.monotonic() - began
                    state.cpu_seconds += time.process_time() - cpu
                    evaluated = {f"eval/{k}": v for k, v in flat(summary(judged)).items()}
                    clock = {
                        "time/seconds": state.seconds, "time/cpu_seconds": state.cpu_seconds
                    }  # fmt: skip
                    log.write(steps, told | evaluated | clock)
                    line.update(min(steps, config.total_steps), f"success {rate:.2f}")
                    _save(path, trainer, state, steps)
        finally:
            log.close()
        outcome: dict[str, Any] = {
            "trainer": config.trainer, "stopped": stopped, "steps": steps,
            "seconds": round(state.seconds, 1), "cpu_seconds": round(state.cpu_seconds, 1),
            "best_step": state.best_step, "selection_success": state.best_success,
            "selection_return": state.best_return,
        }  # fmt: skip
        best = trainer.controller()
        if state.best:
            best.load_state_dict(state.best)
        if config.test_episodes:
            outcome["test"] = summary(score(judges, best, TEST_SEED, config.test_episodes))
        best.save_pretrained(run.path("checkpoints", "best"))
        write_json(run.path("outcome.json"), outcome)
        return outcome
    finally:
        worlds.close()
        judges.close()


def _limit(config: TrainConfig, state: TrainState, steps: int) -> str:
    """Which limit of the config is met; "" for none."""
    if config.target_success is not None and state.best_success >= config.target_success:
        return f"success {state.best_success:.2f} reached target_success"
    if steps >= config.total_steps:
        return "total_steps"
    if config.time_budget is not None and state.seconds >= config.time_budget:
        return "time_budget"
    return ""


def _save(path: Path, trainer: StockTrainer, state: TrainState, steps: int) -> None:
    with atomic_file(path) as temporary:
        torch.save({"trainer": trainer.state(), "state": asdict(state), "steps": steps}, temporary)


def _load(path: Path, trainer: StockTrainer) -> tuple[TrainState, int]:
    try:
        # these files are the run's own; optimisers' states are plain objects
        saved = torch.load(path, map_location="cpu", weights_only=False)
        trainer.restore(saved["trainer"])
        known = {f.name for f in fields(TrainState)}
        return TrainState(**{k: v for k, v in saved["state"].items() if k in known}), saved["steps"]
    except (KeyError, RuntimeError, ValueError, TypeError, EOFError) as error:
        reason = " ".join(str(error).split())[:150]
        raise CheckpointError(
            f"{path} does not fit this run's config ({reason}); "
            "use the config it was started with, or another run folder"
        ) from None
