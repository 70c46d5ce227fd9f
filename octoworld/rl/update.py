"""Update: a few epochs of minibatches of decisions under the clipped objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from octoworld.core.errors import ConfigError

from .objectives import kl_to_reference, length_weights, ppo_loss
from .rollout import Rollouts

if TYPE_CHECKING:
    from .trainer import TrainerConfig


@dataclass
class Batch:
    """B decisions that teach: taken before the stop, in a group with variance."""

    rollouts: Rollouts
    """Where the decisions lie."""
    index: torch.Tensor
    """(B, 2) int64, (decision, world) of each."""
    advantage: torch.Tensor
    """(B,) of the decision's episode, or of the decision itself; (B, L) of its tokens."""
    weight: torch.Tensor
    """(B,), mean 1; every episode weighs the same."""

    @classmethod
    def of(cls, rollouts: Rollouts, advantages: torch.Tensor, live: torch.Tensor) -> Batch:
        """From advantages (N,), (D, N) or (D, N, L), and the groups that teach, live (M,) bool."""
        mask = rollouts.mask & live.repeat_interleave(rollouts.group_size)
        index = mask.nonzero()
        weight = length_weights(mask)[mask]
        if advantages.ndim < 3:
            advantages = advantages.expand(mask.shape)
        return cls(rollouts, index, advantages[mask].float(), weight)

    def __len__(self) -> int:
        return len(self.index)

    def log_prob(self, policy: Any, rows: torch.Tensor) -> torch.Tensor:
        """(b,) log-density of the kept actions of `rows` under `policy`, differentiable.

        Of tokens (b, L).
        """
        decision, world = self.index[rows].unbind(1)
        data = self.rollouts
        return policy.log_prob(
            {k: v[decision, world] for k, v in data.obs.items()},
            [data.instructions[n] for n in world.tolist()],
            data.raw_actions[decision, world],
            temperature=data.temperature,
        ).float()

    def old_log_prob(self, rows: torch.Tensor) -> torch.Tensor:
        """(b,) log-density under the policy that acted."""
        decision, world = self.index[rows].unbind(1)
        return self.rollouts.log_prob[decision, world]

    def taught(self, rows: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """Tokens that teach (b, L) or None, and advantage and weight of each, flat; weight mean 1.

        All tokens of a minibatch weigh the same but for their episode's weight: dividing by a
        program's own length would favour short right ones and long wrong ones (arXiv 2503.20783).
        """
        advantage, weight = self.advantage[rows], self.weight[rows]
        if self.rollouts.chosen is None:
            return None, advantage, weight
        decision, world = self.index[rows].unbind(1)
        chosen = self.rollouts.chosen[decision, world]
        if advantage.ndim == 1:
            advantage = advantage[:, None].expand(chosen.shape)
        weight = weight[:, None].expand(chosen.shape)[chosen]
        return chosen, advantage[chosen], weight / weight.mean()


ACCELERATED_TOLERANCE = 1e-2
"""Most that the first ratio may be off 1 on an accelerator; dropout is off by more."""


def update(
    policy: Any,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: TrainerConfig,
    generator: torch.Generator,
    anchor: Callable[[torch.Generator], torch.Tensor] | None = None,
    reference: Any = None,
) -> dict[str, float]:
    """Improve `policy` in place; returns means over the steps. No live group: nothing is done.

    Raises:
        ConfigError: before the first step the ratio is not 1.
    """
    rows_of_metrics: list[dict[str, torch.Tensor]] = []
    done = len(batch) == 0
    for _epoch in range(config.epochs):
        order = torch.randperm(len(batch), generator=generator).to(batch.index.device)
        for rows in order.split(config.minibatch_size):
            if done:
                break
            log_prob, old = batch.log_prob(policy, rows), batch.old_log_prob(rows)
            chosen, advantage, weight = batch.taught(rows)
            if chosen is not None:
                log_prob, old = log_prob[chosen], old[chosen]
            if not rows_of_metrics:
                check_ratio(log_prob, old, tolerance_on(log_prob.device, config.ratio_tolerance))
            loss, metrics = ppo_loss(
                log_prob,
                old,
                advantage,
                weight,
                clip_low=config.clip_low,
                clip_high=config.clip_high,
                ratio_power=config.ratio_power,
            )
            metrics["policy_loss"] = loss.detach()
            if reference is not None and config.kl_weight > 0:
                with torch.no_grad():
                    reference_log_prob = batch.log_prob(reference, rows)
                if chosen is not None:
                    reference_log_prob = reference_log_prob[chosen]
                metrics["reference_kl"] = kl_to_reference(log_prob, reference_log_prob)
                loss = loss + config.kl_weight * metrics["reference_kl"]
            if anchor is not None and config.anchor_weight > 0:
                metrics["anchor_loss"] = anchor(generator)
                loss = loss + config.anchor_weight * metrics["anchor_loss"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            parameters = [p for g in optimizer.param_groups for p in g["params"]]
            metrics["grad_norm"] = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
            optimizer.step()
            rows_of_metrics.append({k: v.detach() for k, v in metrics.items()})
            done = bool(config.max_kl > 0 and metrics["approx_kl"] > config.max_kl)
    names = rows_of_metrics[0] if rows_of_metrics else {}
    means = {k: float(torch.stack([r[k] for r in rows_of_metrics]).mean()) for k in names}
    return means | {"num_updates": len(rows_of_metrics), "num_decisions": len(batch)}


def tolerance_on(device: torch.device, tolerance: float) -> float:
    """Accelerators round by the size of the batch, in TF32 too: 1e-4 was passed by chance only."""
    return tolerance if device.type == "cpu" else max(tolerance, ACCELERATED_TOLERANCE)


def check_ratio(log_prob: torch.Tensor, old_log_prob: torch.Tensor, tolerance: float) -> None:
    """Before any step the policy that learns is the one that acted: every ratio is 1."""
    worst = float((log_prob.detach() - old_log_prob).exp().sub(1).abs().max())
    if not worst <= tolerance:
        raise ConfigError(
            f"before the first step the likelihood ratio is off 1 by {worst:.3g} "
            f"(expected at most {tolerance:g}): log_prob sees something else than act did. "
            "Look for dropout (policy.eval()), observations that were changed in place, "
            "clipped instead of raw actions, or a history that act keeps between decisions"
        )
