"""The one policy-gradient trainer: rollouts, hooks, returns, advantages, objective.

It works on any VecEnv, so no line here knows whether it runs in physics or in imagination. All
randomness of iteration i comes from (seed, label, i): a killed run resumes to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from octoworld.core.errors import ConfigError, DivergenceError
from octoworld.core.io import write_json
from octoworld.core.log import MetricsLog, Progress, read_metrics
from octoworld.core.registry import ESTIMATORS
from octoworld.core.rng import derive_seed, torch_generator

from .checkpoint import Best, restore, save
from .critic import Critic, by_decision
from .filters import live_groups
from .hooks import Hook, TrainerState
from .objectives import laplace_log_scale
from .rewards import RETURNS, discounted, rewards_to_go
from .rollout import Rollouts, collect, merge
from .tree import tree_advantages
from .update import Batch, update

GAE = "gae"
"""The estimator that a critic serves; the others need none."""
Anchor = Callable[[torch.Generator], torch.Tensor]
"""An extra loss, e.g. behaviour cloning on a batch of demonstrations; draws from the generator."""


@dataclass(frozen=True)
class TrainerConfig:
    """How a policy is trained on grouped rollouts."""

    iterations: int = 100
    """Rounds of collect and update."""
    group_size: int = 8
    """G, episodes from one start state."""
    num_groups: int = 16
    """Groups that teach wanted in an iteration; waves are collected until so many are found."""
    max_groups: int = 16
    """Most groups collected in an iteration while looking for those that teach."""
    horizon: int = 12
    """Decisions (chunks) of an episode at most."""
    start_range: tuple[int, int] = (0, 100_000)
    """World seeds [low, high) that training may start from; keep test seeds outside."""
    returns: str = "last"
    """Return of an episode: `last` (reflector's score at the stop), `sum` or `success`."""
    discount: float = 1.0
    """Factor a step until the stop; below 1, faster successes are worth more."""
    credit: Literal["episode", "decision", "tree"] = "episode"
    """`episode`: a decision's advantage is that of its episode's return; `decision`: that of the
    rewards from it on, against the same decision of the group's other members. For dense rewards
    of episodes of one length; `returns` then only says which groups teach. `tree`: a token's
    advantage is against the other members that began with the same tokens (see tree.py); for
    policies that write tokens, whatever the `estimator`."""
    estimator: str = "loo"
    """Advantage estimator, by registered name: loo, grpo, dr_grpo; or `gae` with a critic (PPO):
    then every decision of every group teaches, and `credit` and `min_group_std` do not count."""
    min_group_std: float = 0.05
    """A group whose returns deviate less is left out (dynamic sampling)."""
    temperature: float = 1.0
    """Sampling temperature at the start; above 1 widens the policy's scale."""
    final_temperature: float = 1.0
    """Sampling temperature at the end, reached linearly."""
    learning_rate: float = 3e-4
    """Peak rate of Adam."""
    final_learning_rate: float = 0.3
    """Share of the peak rate left at the end, reached linearly."""
    warmup_iterations: int = 3
    """Iterations of linear warm-up, while Adam's second moments are young."""
    epochs: int = 2
    """Passes over an iteration's rollouts."""
    minibatch_size: int = 256
    """Decisions in one optimiser step."""
    clip_low: float = 0.2
    """The ratio gains nothing below 1 - clip_low."""
    clip_high: float = 0.28
    """The ratio gains nothing above 1 + clip_high."""
    ratio_power: float = 1.0
    """Factor of the mean log-ratio per dimension; K * A gives the ratio of the whole chunk."""
    max_kl: float = 0.0
    """Epochs end when the estimated KL of the ratio passes this; 0 never ends them."""
    anchor_weight: float = 0.1
    """Weight of the anchor loss, when an anchor is given."""
    kl_weight: float = 0.0
    """Weight of the KL to the reference policy, when one is given."""
    max_grad_norm: float = 1.0
    """Gradient clipping, global norm."""
    ratio_tolerance: float = 1e-4
    """Largest |ratio - 1| allowed before the first step; more means acting and learning differ."""
    checkpoint_every: int = 1
    """Iterations between checkpoints; a killed run loses at most this many."""

    def __post_init__(self) -> None:
        if self.group_size < 2:
            raise ConfigError(f"group_size: expected at least 2, got {self.group_size}")
        if not 0 < self.num_groups <= self.max_groups:
            raise ConfigError(
                f"num_groups: expected 1..max_groups ({self.max_groups}), got {self.num_groups}"
            )
        if self.start_range[0] >= self.start_range[1]:
            raise ConfigError(f"start_range: expected low < high, got {self.start_range}")


def train(
    env: Any,
    policy: Any,
    config: TrainerConfig,
    folder: Path | str,
    *,
    seed: int,
    hooks: Sequence[Hook] = (),
    anchor: Anchor | None = None,
    reference: Any = None,
    critic: Critic | None = None,
    label: str = "rl",
) -> list[dict[str, float]]:
    """Train `policy` in place; returns the metric rows, one an iteration.

    Args:
        env: a VecEnv; `num_envs` must be a multiple of `config.group_size`.
        policy: a `torch.nn.Module` with `act` and `log_prob` (see vla/policy.py); only parameters
            that require gradients are trained. At the end it holds the best-scored weights if a
            hook reported scores, else the last; see `TrainerState.sound` for a run that is halted.
        config: settings.
        folder: where `state.safetensors`, `metrics.jsonl` and `outcome.json` go; an unfinished run
            there is resumed.
        seed: root of the run's random streams.
        hooks: called around each iteration.
        anchor: extra loss that keeps the policy near its demonstrations.
        reference: a frozen policy for the KL penalty.
        critic: for the estimator `gae`; trained beside the policy.
        label: name of the random stream, the metrics' group, and the progress line.

    Raises:
        ConfigError: sizes do not fit, or acting and learning see different things.
        CheckpointError: the folder's state is damaged or of another policy.
        DivergenceError: a loss or the gradient is not finite; the last checkpoint is from before.
    """
    folder = Path(folder)
    if env.num_envs % config.group_size:
        raise ConfigError(
            f"num_envs {env.num_envs} is not a multiple of group_size {config.group_size}"
        )
    if (config.estimator == GAE) != (critic is not None):
        raise ConfigError(
            f"estimator {config.estimator!r} {'needs a' if critic is None else 'takes no'} critic"
        )
    policy.eval()  # no dropout: what acts must be what learns, or ratios do not start at 1
    trained = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=config.learning_rate, eps=1e-8)
    best, sound = Best(), Best()
    start, spent, stopped = restore(folder, policy, optimizer, best, critic, sound)
    log = MetricsLog(folder, resume_step=start if start else None)
    state = TrainerState(policy, config, folder, seed, start, history=read_metrics(log.path))
    before = {k: int(getattr(env, k, 0)) - spent.get(k, 0) for k in ("true_steps", "true_episodes")}
    if start == 0:
        for hook in hooks:
            hook.on_start(state)
        best.offer(state.score, 0, policy)
        if state.sound:
            sound.take(state.score, 0, policy)
        initial = state.metrics
    else:
        initial = {}
    with Progress(label, config.iterations, start) as progress:
        while state.iteration < config.iterations and not stopped:
            i = state.iteration
            # the untrained policy's evaluation stands in row 0, under names of its own
            state.metrics = {f"initial_{k}": v for k, v in initial.items()} if i == 0 else {}
            state.score = state.sound = None
            generator = torch_generator(seed, label, i)
            rollouts, returns = gather(env, state, generator, hooks, label)
            live = live_groups(rollouts.grouped(returns), config.min_group_std)
            if critic is None:
                advantages = advantages_of(rollouts, returns, config)
            else:
                advantages, judged = critic.judge(
                    rollouts, by_decision(rollouts, config.returns), config.horizon,
                    config.discount**policy.chunk_size, generator,
                )  # fmt: skip
                state.metrics |= {f"{label}/{k}": v for k, v in judged.items()}
                live = torch.ones_like(live)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(i, config)
            batch = Batch.of(rollouts, advantages, live)
            losses = update(policy, optimizer, batch, config, generator, anchor, reference)
            check_finite(losses, i)
            state.metrics |= {f"{label}/{k}": v for k, v in losses.items()}
            state.metrics |= describe(rollouts, returns, live, label)
            spent = {k: int(getattr(env, k, 0)) - v for k, v in before.items()}
            state.metrics |= {f"{label}/{k}": v for k, v in spent.items()}
            state.iteration = i + 1
            reasons = [reason for hook in hooks if (reason := hook.on_iteration(state))]
            stopped = "; ".join(reasons)
            if state.sound is not False:
                best.offer(state.score, i + 1, policy)
            elif stopped and sound.weights:
                best = sound
            if state.sound:
                sound.take(state.score, i + 1, policy)
            log.write(i, state.metrics)
            state.history.append({"step": i, **state.metrics})
            progress.update(
                i + 1,
                f"return {state.metrics[f'{label}/return']:.3f} "
                f"success {state.metrics[f'{label}/success']:.2f}",
            )
            last = stopped or state.iteration == config.iterations
            if last:
                outcome = {"iterations": i + 1, "stopped": stopped, **best.summary(), **spent}
                write_json(folder / "outcome.json", outcome)
            if last or state.iteration % config.checkpoint_every == 0:
                save(folder, policy, optimizer, best, state.iteration, spent, critic, sound)
    log.close()
    best.load_into(policy)
    return state.history


def gather(
    env: Any, state: TrainerState, generator: torch.Generator, hooks: Sequence[Hook], label: str
) -> tuple[Rollouts, torch.Tensor]:
    """Waves of rollouts until enough groups teach, or the most allowed were tried; and returns."""
    config = state.config
    per_wave = env.num_envs // config.group_size
    random = np.random.default_rng(derive_seed(state.seed, label, "starts", state.iteration))
    waves: list[Rollouts] = []
    collected = num_live = 0
    while not waves or (num_live < config.num_groups and collected + per_wave <= config.max_groups):
        rollouts = collect(
            env,
            state.policy,
            random.integers(*config.start_range, size=per_wave).tolist(),
            group_size=config.group_size,
            horizon=config.horizon,
            temperature=temperature_at(state.iteration, config),
            generator=generator,
        )
        for hook in hooks:
            rollouts = hook.on_rollouts(state, rollouts)
        waves.append(rollouts)
        collected += per_wave
        grouped = rollouts.grouped(returns_of(rollouts, config))
        num_live += int(live_groups(grouped, config.min_group_std).sum())
    merged = merge(waves)
    return merged, returns_of(merged, config)


def returns_of(rollouts: Rollouts, config: TrainerConfig) -> torch.Tensor:
    """(N,) return of each episode, as the config names it."""
    returns = RETURNS.get(config.returns)(rollouts)
    return discounted(returns, rollouts.lengths, config.discount)


def advantages_of(rollouts: Rollouts, returns: torch.Tensor, config: TrainerConfig) -> torch.Tensor:
    """(N,) advantage of each episode, (D, N) of each decision or (D, N, L) of each token.

    `config.credit` says which.
    """
    if config.credit == "tree":
        return tree_advantages(rollouts, returns)
    estimate = ESTIMATORS.get(config.estimator)
    if config.credit == "episode":
        return estimate(rollouts.grouped(returns)).reshape(-1)
    to_go = rewards_to_go(rollouts)
    return estimate(to_go.unflatten(1, (-1, rollouts.group_size))).flatten(1)


def describe(
    rollouts: Rollouts, returns: torch.Tensor, live: torch.Tensor, label: str
) -> dict[str, float]:
    """Metrics of the rollouts, before the update."""
    log_prob = rollouts.log_prob[rollouts.mask]
    if rollouts.chosen is not None:
        log_prob = log_prob[rollouts.chosen[rollouts.mask]]
    values = {
        "return": returns.mean(),
        "return_std": rollouts.grouped(returns).std(-1, correction=0).mean(),
        "success": rollouts.success.float().mean(),
        "live_share": live.float().mean(),
        "num_groups": len(live),
        "episode_length": rollouts.lengths.float().mean(),
        "log_scale": laplace_log_scale(log_prob, rollouts.temperature),
        "temperature": rollouts.temperature,
    }
    return {f"{label}/{k}": float(v) for k, v in values.items()}


def check_finite(losses: dict[str, float], iteration: int) -> None:
    """Raise DivergenceError before weights that are no numbers are stored."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergenceError(
                f"{name} is {value} in iteration {iteration}: lower learning_rate, or look for bad "
                "values in rewards or observations"
            )


def learning_rate_at(iteration: int, config: TrainerConfig) -> float:
    """Linear warm-up, then linear to the final share of the peak."""
    warm = min(1.0, (iteration + 1) / max(config.warmup_iterations, 1))
    share = linear(1.0, config.final_learning_rate, iteration, config.iterations)
    return config.learning_rate * warm * share


def temperature_at(iteration: int, config: TrainerConfig) -> float:
    """Sampling temperature of an iteration."""
    return linear(config.temperature, config.final_temperature, iteration, config.iterations)


def linear(first: float, last: float, iteration: int, iterations: int) -> float:
    """From `first` in iteration 0 to `last` in the last one."""
    return first + (last - first) * iteration / max(iterations - 1, 1)
