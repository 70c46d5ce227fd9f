"""RLIR: post-train a world model by GRPO, so that actions can be read off what it imagines.

Defaults follow the published neighbours (arXiv 2509.23958 gives no settings): groups of 8, no KL
but a data term that holds the looks (cosmos-rl's DDRL), credit frame chunk by frame chunk.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from octoworld.core.config import save_config
from octoworld.core.errors import ConfigError
from octoworld.rl import Hook, TrainerConfig, train

from ..dataset import EpisodeDataset
from .clips import ClipEnv, Dreamer, PromptConfig, Reward
from .sampler import Sampler


@dataclass(frozen=True)
class RlirConfig:
    """What is asked of the model, for how long, and how near it stays to recordings."""

    rl: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            iterations=200,
            group_size=8,
            num_groups=16,
            max_groups=16,
            returns="sum",
            credit="decision",
            estimator="grpo",
            min_group_std=0.01,
            learning_rate=1e-4,
            epochs=1,
            minibatch_size=64,
            anchor_weight=0.3,
        )
    )
    """The trainer; `anchor_weight` there weighs the data term, and its `horizon` is ignored:
    `prompts.chunks` says how long clips are."""
    prompts: PromptConfig = field(default_factory=PromptConfig)
    """Where clips begin, and which actions they are to show."""
    data_batch_size: int = 16
    """Recorded clips in each optimiser step."""


def rlir(
    sampler: Sampler,
    reward: Reward,
    dataset: EpisodeDataset,
    config: RlirConfig,
    folder: Path | str,
    seed: int,
    *,
    hooks: Sequence[Hook] = (),
) -> list[dict[str, float]]:
    """Improve the sampler's world model in place; a killed run in `folder` goes on.

    Args:
        sampler: a paradigm's way to draw videos and to tell their probability.
        reward: of imagined frames.
        dataset: recordings, encoded, from which prompts and the data term are drawn.
        config: settings.
        folder: run folder; gets `config.yaml`, `metrics.jsonl`, `state.safetensors`,
            `outcome.json`.
        seed: prompts, noise and batches are a function of it.
        hooks: e.g. validation with selection, ceilings, tripwires.

    Returns:
        The metric rows, one an iteration.

    Raises:
        ConfigError: sizes do not fit, or the likelihood ratio does not start at 1.
    """
    folder = Path(folder)
    save_config(config, folder / "config.yaml")
    rl = config.rl
    if rl.num_groups != rl.max_groups:
        raise ConfigError(
            f"num_groups {rl.num_groups} and max_groups {rl.max_groups}: expected the same; all "
            "groups of an iteration are imagined at once"
        )
    env = ClipEnv(sampler, dataset, reward, rl.num_groups * rl.group_size, config.prompts)
    dreamer = Dreamer(sampler)
    reference = None
    if rl.kl_weight > 0:
        reference = copy.deepcopy(dreamer).requires_grad_(False).eval()
    anchor = sampler.data_term(dataset, config.data_batch_size) if rl.anchor_weight > 0 else None
    held = [
        parameter.requires_grad_(False)
        for name, parameter in sampler.model.named_parameters()
        if parameter.requires_grad and name.split(".")[0] in sampler.frozen
    ]
    try:
        return train(
            env, dreamer, replace(rl, horizon=config.prompts.chunks), folder, seed=seed,
            hooks=hooks, anchor=anchor, reference=reference, label="rlir",
        )  # fmt: skip
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
