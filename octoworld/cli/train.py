"""`octoworld train TASK`: train a controller of a task by reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from .parse import parse
from .settings import pairs

OWN = ("task", "algo", "set", "env", "options", "out", "config", "resume", "play")
"""Arguments that are no fields of TrainConfig, or are read apart."""


@dataclass(frozen=True)
class TrainArgs:
    """Reinforcement learning on a batch of worlds; what is not said has the task's own default."""

    task: Annotated[str, tyro.conf.Positional] = ""
    """Registered task."""
    algo: str = "ppo"
    """ppo, a2c, sac or td3."""
    trainer: str | None = None
    """sb3 (Stable-Baselines3, the default), skrl, rsl_rl or rl_games: the last three train by
    their own PPO and need octoworld[rl]."""
    total_steps: int | None = None
    """Environment steps, all worlds together."""
    time_budget: float | None = None
    """Seconds of training after which it stops."""
    target_success: float | None = None
    """Success rate of an evaluation at which it stops."""
    num_envs: int | None = None
    """Worlds stepped together."""
    seed: int | None = None
    """Root of every random stream."""
    hidden: tuple[int, ...] | None = None
    """Widths of the hidden layers."""
    learning_rate: float | None = None
    """Rate of Adam at the start."""
    normalize_obs: bool | None = None
    """Observations to mean 0 and variance 1."""
    normalize_reward: bool | None = None
    """Rewards over the running deviation of the return."""
    eval_every: int | None = None
    """Steps between evaluations and checkpoints."""
    eval_episodes: int | None = None
    """Held-out starts of an evaluation."""
    test_episodes: int | None = None
    """Held-out starts of the last test."""
    control_mode: Annotated[str | None, tyro.conf.arg(aliases=["--control"])] = None
    """Registered control mode."""
    backend: str | None = None
    """Registered physics backend."""
    set: tuple[str, ...] = ()
    """Any other field of the config: name=value, e.g. discount=0.98."""
    options: tuple[str, ...] = ()
    """Arguments of the algorithm's class: name=value, e.g. ent_coef=0.01."""
    env: tuple[str, ...] = ()
    """Options of the environment: name=value."""
    config: Path | None = None
    """YAML as saved in a run folder, instead of all of these."""
    out: Path | None = None
    """New run folder; default runs/train-TASK-ALGO-SEED."""
    resume: Path | None = None
    """Run folder of a training that was stopped; it goes on with its own config."""
    play: bool = False
    """Afterwards record episodes of the best checkpoint; at a terminal, open the viewer."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(TrainArgs, "train", argv)
    from octoworld.core.errors import OctoworldError
    from octoworld.recipes.fly import train

    run = open_run(args)
    print(f"octoworld train {run.config.task} {_learner(run.config)} in {run.folder}", flush=True)
    try:
        outcome = train(run)
    except OctoworldError:
        if not run.path("metrics.jsonl").exists():  # it never began: the folder stays free
            run.path("config.yaml").unlink()
        raise
    print(report(outcome))
    best = run.path("checkpoints", "best")
    print(f"controller: {best}")
    if args.play:
        from octoworld.cli.play import show
        from vla.checkpoint import load_policy

        show(load_policy(best), run.folder)
    else:
        print(f"see it: octoworld play {run.folder}")
    return 0


def open_run(args: TrainArgs) -> Any:
    """The run that the arguments mean: resumed, from a file, or new."""
    from octoworld.core.config import load_config
    from octoworld.core.errors import ConfigError
    from octoworld.recipes.fly import TrainConfig, default_config
    from octoworld.recipes.stages import Run

    if args.resume is not None:
        return Run.resume(args.resume, TrainConfig)
    if args.config is not None:
        config = load_config(TrainConfig, args.config)
    elif args.task:
        said = {k: v for k, v in vars(args).items() if k not in OWN and v is not None}
        said |= pairs("set", args.set)
        said |= {"options": pairs("options", args.options), "env": pairs("env", args.env)}
        config = default_config(args.task, args.algo, **said)
    else:
        raise ConfigError("octoworld train: which task? `octoworld list tasks` names them")
    folder = args.out or Path("runs") / f"train-{config.task}-{_learner(config)}-{config.seed}"
    return Run.create(folder, config)


def _learner(config: Any) -> str:
    """What trains, in a word: the algorithm, or another library's ppo."""
    return config.algo if config.trainer == "sb3" else f"{config.trainer}-{config.algo}"


def report(outcome: dict[str, Any]) -> str:
    """What came of a training, in two lines."""
    lines = [
        f"{outcome['steps']} steps in {outcome['seconds']:.0f} s, stopped by {outcome['stopped']}; "
        f"best at step {outcome['best_step']}"
    ]
    if "test" in outcome:
        test = outcome["test"]
        low, high = test["ci"]
        lines.append(
            f"test success {100 * test['success']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of "
            f"{test['episodes']} starts, return {test['return']:.2f}"
        )
    return "\n".join(lines)
