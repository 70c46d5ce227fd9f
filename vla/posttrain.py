"""Post-training: LOOP (leave-one-out baseline, clipped ratio) anchored to the demonstrations.

The environment is physics or imagination: nothing here can tell. Defaults follow World-Env
(arXiv 2509.24948): eight episodes a start, the reflector's score at its stop as the return, no
KL; with a small imitation anchor, a wider upper clip and groups without variance left out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from octoworld.core.config import save_config
from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed
from octoworld.data.episode import Episode
from octoworld.rl import GAE, Anchor, Critic, CriticConfig, Hook, TrainerConfig, train

from .dataset import build_dataset
from .freeze import frozen
from .noisy_policy import NoisyPolicy
from .sft import SftConfig, sft_loss
from .vision_policy import VisionPolicy


@dataclass(frozen=True)
class PosttrainConfig:
    """What is trained, for how long, and how near it stays to the demonstrations."""

    rl: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            iterations=60,
            num_groups=16,
            max_groups=32,
            learning_rate=3e-4,
            discount=0.99,
            # at the policy's own scale groups hardly differ, and little is learnt
            temperature=2.0,
            final_temperature=1.5,
        )
    )
    """The trainer's settings; `anchor_weight` there weighs the imitation loss."""
    frozen: tuple[str, ...] = ("text", "stem")
    """Parts that stay as they are, by the beginning of their weights' names; () trains all.
    Eyes and ears see few new sights in post-training, and imagined images would mislead them."""
    fixed_scale: float = 0.0
    """Noise of every action [action units] from the start on, its head held still; 0 lets the
    scale learn. A scale that learns widens while most episodes fail, and then the mean, which is
    what acts in the end, learns little."""
    anchor_batch_size: int = 64
    """Frames of demonstrations in each optimiser step."""
    critic: CriticConfig = field(default_factory=CriticConfig)
    """Of the estimator `gae`, which `tiny` has features for: what it sees, hears and feels."""
    sft: SftConfig = field(default_factory=lambda: SftConfig(scale_weight=0.0))
    """The imitation loss. Its scale term is off: it would narrow the noise that explores."""


def posttrain(
    policy: VisionPolicy,
    env: Any,
    demonstrations: Sequence[Episode],
    config: PosttrainConfig,
    folder: Path | str,
    seed: int,
    *,
    hooks: Sequence[Hook] = (),
) -> list[dict[str, float]]:
    """Improve `policy` in place on rollouts in `env`; a killed run in `folder` goes on.

    Args:
        policy: after supervised fine-tuning, with a density of its actions (`tiny`, or `act`
            without ensembling); the same one again when a killed run goes on.
        env: a VecEnv with autoreset off whose `num_envs` is a multiple of the group size.
        demonstrations: what the policy was fine-tuned on; empty for no anchor.
        config: settings.
        folder: run folder; gets `config.yaml`, `metrics.jsonl`, `state.safetensors`,
            `outcome.json` and, at the end, the best policy in `policy/`.
        seed: starts, noise and batches are a function of it.
        hooks: e.g. `octoworld.rl.Evaluate(..., select=True)`, `Tripwire`.

    Returns:
        The metric rows, one an iteration.

    Raises:
        ConfigError: the policy has no density of its actions, sizes do not fit, or the likelihood
            ratio does not start at 1.
    """
    policy.check_density()
    folder = Path(folder)
    save_config(config, folder / "config.yaml")
    anchor = demonstration_anchor(policy, demonstrations, config) if demonstrations else None
    held = config.frozen
    if config.fixed_scale:
        if not isinstance(policy, NoisyPolicy):
            raise ConfigError(f"fixed_scale: a {type(policy).__name__} has no noise scale")
        policy.fix_scale(config.fixed_scale)
        held = (*held, "scale_head")
    critic = None
    if config.rl.estimator == GAE:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "critic", "weights"))
            critic = Critic(policy.value_features, policy.num_value_features, config.critic)
        critic.to(next(policy.parameters()).device)
    reference = copy.deepcopy(policy).eval() if config.rl.kl_weight > 0 else None
    with frozen(policy, held):
        history = train(
            env,
            policy,
            config.rl,
            folder,
            seed=seed,
            hooks=hooks,
            anchor=anchor,
            reference=reference,
            critic=critic,
        )
    policy.save_pretrained(folder / "policy")
    return history


def demonstration_anchor(
    policy: VisionPolicy, demonstrations: Sequence[Episode], config: PosttrainConfig
) -> Anchor:
    """The imitation loss on random frames of the demonstrations."""
    device = next(policy.parameters()).device
    dataset = build_dataset(
        demonstrations, policy.config.horizon, policy.config.cameras, config.sft.stop_at_success
    ).to(device)

    def anchor(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(len(dataset), (config.anchor_batch_size,), generator=generator)
        return sft_loss(policy, dataset, rows.to(device), generator, config.sft)["loss"]

    return anchor
