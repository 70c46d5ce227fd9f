"""Train a controller: segments of learning, an evaluation and a checkpoint after each.

RUN/
  config.yaml, metrics.jsonl, tensorboard/
  checkpoints/state.safetensors   what `--resume` goes on from
  checkpoints/best, last          Controllers: `octoworld.load_policy`, `octoworld eval`
  outcome.json                    why it stopped, and the success of `best` on the test starts
"""

from __future__ import annotations

import time
from typing import Any

from gymnasium.vector import AutoresetMode

from octoworld.bench.intervals import wilson
from octoworld.core.errors import DivergenceError
from octoworld.core.io import read_json, write_json
from octoworld.core.log import MetricsLog, Progress
from octoworld.rl.evaluate import Evaluation, evaluate
from sim.vec_env import VecEnv
from tasks.env import task_env
from vla.controller import Controller

from ..stages import Run
from .config import SELECTION_SEED, TEST_SEED, TrainConfig
from .learner import Learner, MakeEnv
from .state import FILE, TrainState, load_state, save_state
from .watch import Watch

MAX_EVAL_ENVS = 100
"""Most worlds of an evaluation at once."""


def task_maker(config: TrainConfig) -> MakeEnv:
    """Worlds of the config's task, in `state` mode."""
    options = dict(config.env)
    if config.backend is not None:
        options["backend"] = config.backend

    def make(num_envs: int, autoreset_mode: AutoresetMode) -> VecEnv:
        return task_env(
            config.task, num_envs, obs_mode="state", control_mode=config.control_mode,
            autoreset_mode=autoreset_mode, **options,
        )  # fmt: skip

    return make


def train(run: Run, make_env: MakeEnv | None = None) -> dict[str, Any]:
    """Train in the folder of `run`, from where it stands; returns what `outcome.json` holds.

    Args:
        run: its config is a TrainConfig; a finished one is only read.
        make_env: makes the worlds; None makes those of the config's task.

    Raises:
        ConfigError: the config does not fit the task or the algorithm.
        CheckpointError: the saved state is damaged or of another config.
        DivergenceError: a loss or a weight is not finite; the last checkpoint is from before.
    """
    config: TrainConfig = run.config
    if run.path("outcome.json").exists():
        return read_json(run.path("outcome.json"))
    make_env = make_env or task_maker(config)
    if config.trainer != "sb3":
        from .trainers import train_stock  # its libraries are extras

        return train_stock(run, make_env)
    learner = Learner(config, make_env)
    judges = make_env(min(MAX_EVAL_ENVS, config.eval_episodes), AutoresetMode.DISABLED)
    try:
        state = load_state(run.path("checkpoints", FILE), learner)
        model = learner.model
        begun = model.num_timesteps
        log = MetricsLog(run.folder, resume_step=begun + 1 if state.segment else None)
        try:
            with Progress(f"{config.task} {config.algo}", config.total_steps, begun) as progress:
                stopped = _learn(run, learner, judges, state, Watch(learner, log, progress))
        finally:
            log.close()
        controller = _best(learner, state)
        outcome = {"stopped": stopped, "steps": model.num_timesteps} | {
            "seconds": round(state.seconds, 1), "cpu_seconds": round(state.cpu_seconds, 1),
            "best_step": state.best_step,
            "selection_success": state.best_success, "selection_return": state.best_return,
        }  # fmt: skip
        if config.test_episodes:
            tested = score(judges, controller, TEST_SEED, config.test_episodes)
            outcome["test"] = summary(tested)
        controller.save_pretrained(run.path("checkpoints", "best"))
        write_json(run.path("outcome.json"), outcome)
        return outcome
    finally:
        learner.env.close()
        judges.close()


def _learn(run: Run, learner: Learner, judges: VecEnv, state: TrainState, watch: Watch) -> str:
    """Segments until one of the config's limits is met; returns which."""
    config, model = learner.config, learner.model
    while True:
        if config.target_success is not None and state.best_success >= config.target_success:
            return f"success {state.best_success:.2f} reached target_success"
        if model.num_timesteps >= config.total_steps:
            return "total_steps"
        if config.time_budget is not None and state.seconds >= config.time_budget:
            return "time_budget"
        began, cpu = time.monotonic(), time.process_time()
        learner.begin_segment(state.segment)
        steps = min(learner.segment_steps, config.total_steps - model.num_timesteps)
        watch.begin(state.seconds)
        try:
            model.learn(steps, callback=watch, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
        except ValueError as error:
            # torch.distributions, of an action whose mean or scale is no number
            if "invalid values" not in str(error):
                raise
            raise DivergenceError(
                f"actions are not finite after {model.num_timesteps} steps: lower learning_rate, "
                "or look for bad values in rewards or observations"
            ) from None
        controller = learner.controller()
        judged = score(judges, controller, SELECTION_SEED, config.eval_episodes)
        rate, mean_return = judged.success_rate, float(judged.returns.mean())
        # rewards lie in [0, 1]: the share of the greatest return steadies the choice while success
        # is rare, and never outweighs it
        merit = rate + mean_return / judges.max_episode_length
        if merit > state.best_merit:
            state.best_merit, state.best_success, state.best_return = merit, rate, mean_return
            state.best_step = model.num_timesteps
            state.best = {k: v.clone() for k, v in controller.state_dict().items()}
            controller.save_pretrained(run.path("checkpoints", "best"))
        controller.save_pretrained(run.path("checkpoints", "last"))
        state.seconds += time.monotonic() - began
        state.cpu_seconds += time.process_time() - cpu
        watch.end_segment({f"eval/{k}": v for k, v in flat(summary(judged)).items()}, state)
        state.segment += 1
        # last: what was logged and saved after the state of a killed run is done again
        save_state(run.path("checkpoints", FILE), learner, state)


def score(worlds: VecEnv, controller: Controller, first_seed: int, episodes: int) -> Evaluation:
    """One greedy episode from each of the start seeds first_seed, first_seed + 1, ..."""
    seeds = range(first_seed, first_seed + episodes)
    return evaluate(worlds, controller, list(seeds), horizon=worlds.max_episode_length)


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """Success with its 95 % interval (Wilson), return, length."""
    hits = int(evaluation.success.sum())
    rate = wilson(hits, len(evaluation.success))
    return {
        "success": rate.estimate, "ci": [rate.low, rate.high], "episodes": len(evaluation.success),
        "return": float(evaluation.returns.mean()), "length": float(evaluation.lengths.mean()),
    }  # fmt: skip


def flat(row: dict[str, Any]) -> dict[str, float]:
    """`ci` as two numbers, for the metrics."""
    low, high = row["ci"]
    kept = {k: float(v) for k, v in row.items() if k != "ci"}
    return kept | {"success_low": low, "success_high": high}


def _best(learner: Learner, state: TrainState) -> Controller:
    controller = learner.controller()
    if state.best:
        controller.load_state_dict(state.best)
    return controller
