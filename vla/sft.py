"""Supervised fine-tuning: imitate demonstrations, and learn how unsure the imitation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from octoworld.core.config import save_config
from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed
from octoworld.data.episode import Episode

from .augment import AugmentConfig, augment_images, augment_state
from .freeze import frozen
from .processors import STATE_FLOOR, Processor, images_to_float
from .tiny import TinyConfig, TinyPolicy

PRIVILEGED_COLUMNS = ("privileged", "observation.environment_state")
"""Names under which an episode may hold the true state; the first one found is used."""


@dataclass(frozen=True)
class SftConfig:
    """What is trained, how long, on how disturbed a picture."""

    model: TinyConfig = field(default_factory=TinyConfig)
    """Shape of the policy; sizes left at 0 come from the episodes."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=2500, batch_size=64, ema_decay=0.99)
    )
    """The training loop."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Disturbances of what is seen."""
    scale_weight: float = 0.1
    """Weight of the noise scale's likelihood; it never moves the mean."""
    privileged_weight: float = 0.1
    """Weight of predicting the recorded true state from the keypoints, where there is one."""
    frozen: tuple[str, ...] = ()
    """Parts that stay as they are, by the beginning of their weights' names: a grounded policy's
    eyes and ears, which a few demonstrations would only spoil."""
    stop_at_success: bool = True
    """Leave out what a demonstration does after its first success."""


@dataclass(frozen=True)
class SftDataset:
    """All frames of some episodes, in memory: F rows, each with the chunk that followed it."""

    images: dict[str, torch.Tensor]
    """camera -> (F, H, W, 3) uint8."""
    state: torch.Tensor
    """(F, P) float32."""
    actions: torch.Tensor
    """(F, K, A) float32; rows past the episode's end are zero."""
    mask: torch.Tensor
    """(F, K) bool, False past the episode's end."""
    instruction: torch.Tensor
    """(F,) int64, which of `instructions`."""
    instructions: tuple[str, ...]
    """The distinct instructions."""
    privileged: torch.Tensor | None = None
    """(F, D) float32 true state, if every episode recorded it."""

    def __len__(self) -> int:
        return len(self.state)

    def to(self, device: torch.device | str) -> SftDataset:
        """The same on another device."""
        return replace(
            self,
            images={k: v.to(device) for k, v in self.images.items()},
            state=self.state.to(device),
            actions=self.actions.to(device),
            mask=self.mask.to(device),
            instruction=self.instruction.to(device),
            privileged=None if self.privileged is None else self.privileged.to(device),
        )


def build_dataset(
    episodes: Sequence[Episode],
    chunk_size: int,
    cameras: Sequence[str] = ("front",),
    stop_at_success: bool = True,
) -> SftDataset:
    """Frames of all episodes and the `chunk_size` actions from each on.

    Raises:
        DatasetError: no episodes; a column is missing, not finite or of another shape than in the
            first episode; the episodes are of several robots or control modes.
    """
    if not episodes:
        raise DatasetError("no episodes to learn from")
    for name in ("robot", "control_mode"):
        found = {str(e.info.get(name, "")) for e in episodes}
        if len(found) > 1:
            raise DatasetError(f"episodes of several {name}s: {', '.join(sorted(found))}")
    names = [f"observation.images.{camera}" for camera in cameras]
    names += ["observation.state", "action"]
    column = next((c for c in PRIVILEGED_COLUMNS if all(c in e.columns for e in episodes)), None)
    if column:
        names.append(column)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*names, "mask", "instruction")}
    instructions: dict[str, int] = {}
    for number, episode in enumerate(episodes):
        length = _demonstrated(episode) if stop_at_success else len(episode)
        for name in names:
            values = _checked(episode, name, episodes[0], number)[:length]
            parts[name].append(_chunks(values, chunk_size) if name == "action" else values)
        rows = np.arange(length)[:, None] + np.arange(chunk_size)
        parts["mask"].append(rows < length)
        index = instructions.setdefault(episode.instruction, len(instructions))
        parts["instruction"].append(np.full(length, index))
    joined = {name: torch.from_numpy(np.concatenate(part)) for name, part in parts.items()}
    return SftDataset(
        images={camera: joined[f"observation.images.{camera}"] for camera in cameras},
        state=joined["observation.state"].float(),
        actions=joined["action"].float(),
        mask=joined["mask"],
        instruction=joined["instruction"],
        instructions=tuple(instructions),
        privileged=joined[column].float() if column else None,
    )


def sft_loss(
    policy: TinyPolicy,
    dataset: SftDataset,
    rows: torch.Tensor,
    generator: torch.Generator,
    config: SftConfig,
) -> dict[str, torch.Tensor]:
    """Losses on the frames `rows` (B,): L1 of the mean, likelihood of the scale, the true state.

    Returns:
        `loss` (what to minimise), `action_l1` in units of each action's standard deviation,
        `scale_nll`, and `privileged` where the data set and the policy have it.
    """
    images = {}
    for camera in policy.config.cameras:
        pixels = augment_images(dataset.images[camera][rows], config.augment, generator)
        images[camera] = images_to_float(pixels)
    state = augment_state(dataset.state[rows], policy.state_std, config.augment, generator)
    tokens = policy.processor.encode(dataset.instructions, policy.config.max_words)
    output = policy(images, state, tokens.to(rows.device), dataset.instruction[rows])
    mask = dataset.mask[rows].unsqueeze(-1).float()
    count = mask.sum() * policy.config.action_dim
    error = (dataset.actions[rows] - output.mean).abs()
    losses = {"action_l1": (error / policy.action_std * mask).sum() / count}
    # detached: the scale learns how far off the mean is; the mean never hides behind a wide scale
    relative = error.detach() / output.scale
    density = relative if policy.config.noise == "laplace" else 0.5 * relative.square()
    losses["scale_nll"] = ((density + output.scale.log()) * mask).sum() / count
    losses["loss"] = losses["action_l1"] + config.scale_weight * losses["scale_nll"]
    if output.privileged is not None and dataset.privileged is not None:
        assert policy.processor.privileged is not None  # a policy with that head has statistics
        mean, std = (t.to(rows.device) for t in policy.processor.privileged.tensors())
        target = (dataset.privileged[rows] - mean) / std
        losses["privileged"] = known_loss(output.privileged, target, std)
        losses["loss"] = losses["loss"] + config.privileged_weight * losses["privileged"]
    return losses


def known_loss(guess: torch.Tensor, target: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Mean error of the normalised true state (B, D), over what varied where it was scaled.

    A value that stood still there (a speed, in still pictures) has no scale, and is left out.
    """
    varied = (std > 1.01 * STATE_FLOOR).to(target)
    error = F.smooth_l1_loss(guess, target, reduction="none").mean(0)
    return (error * varied).sum() / varied.sum().clamp(min=1)


def make_policy(
    episodes: Sequence[Episode], dataset: SftDataset, config: TinyConfig, seed: int
) -> TinyPolicy:
    """An untrained policy that fits the episodes; its weights are a function of `seed`."""
    processor = Processor.fit(
        dataset.instructions,
        dataset.state.numpy(),
        dataset.actions[dataset.mask].numpy(),
        None if dataset.privileged is None else dataset.privileged.numpy(),
    )
    filled: dict[str, int | str] = {
        "state_dim": dataset.state.shape[-1],
        "action_dim": dataset.actions.shape[-1],
        "robot": str(episodes[0].info.get("robot", "")),
        "control_mode": str(episodes[0].info.get("control_mode", "")),
    }
    for name, value in filled.items():
        asked = getattr(config, name)
        if asked and asked != value:
            raise DatasetError(
                f"the config asks for {name} {asked!r}, the episodes are of {value!r}"
            )
    size = next(iter(dataset.images.values())).shape[1:]
    if tuple(size) != (config.image_size, config.image_size, 3):
        raise DatasetError(f"images of {tuple(size)}, the config asks for {config.image_size} px")
    filled["privileged_dim"] = 0 if dataset.privileged is None else dataset.privileged.shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "sft", "weights"))
        return TinyPolicy(replace(config, **filled), processor)  # type: ignore[arg-type]


def continue_policy(initial: TinyPolicy, dataset: SftDataset) -> TinyPolicy:
    """A copy of `initial` whose action statistics are those of the demonstrations.

    Its words and the statistics of what it perceives stay, since its weights were made for them.
    """
    actions = dataset.actions[dataset.mask].numpy()
    fitted = Processor.fit(dataset.instructions, dataset.state.numpy(), actions)
    policy = TinyPolicy(initial.config, replace(initial.processor, action=fitted.action))
    policy.load_state_dict(initial.state_dict())
    return policy


def train_sft(
    episodes: Sequence[Episode],
    config: SftConfig,
    folder: Path | str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    initial: TinyPolicy | None = None,
) -> TinyPolicy:
    """Train a policy on demonstrations, from nothing or on; a killed run in `folder` goes on.

    Args:
        episodes: the demonstrations, with the cameras that `config.model` names.
        config: what to train and how.
        folder: run folder; gets `config.yaml`, `metrics.jsonl`, `state.safetensors` and, at the
            end, the policy in `policy/`.
        seed: weights, batches and augmentation are a function of it.
        device: where to train; the policy returned is there.
        initial: a policy to start from, e.g. a grounded one; its config is used, not the config's.

    Raises:
        DatasetError: the episodes do not fit each other or the config.
        CheckpointError: `folder` holds the state of another model.
    """
    folder = Path(folder)
    model = config.model if initial is None else initial.config
    dataset = build_dataset(episodes, model.chunk_size, model.cameras, config.stop_at_success)
    if initial is None:
        policy = make_policy(episodes, dataset, model, seed).to(device)
    else:
        policy = continue_policy(initial, dataset).to(device)
    dataset = dataset.to(device)
    save_config(replace(config, model=policy.config), folder / "config.yaml")

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        rows = torch.randint(len(dataset), (config.fit.batch_size,), generator=generator)
        return sft_loss(policy, dataset, rows.to(device), generator, config)

    with frozen(policy, config.frozen):
        fit(policy, loss_fn, config.fit, folder, seed=seed, label="sft")
    policy.save_pretrained(folder / "policy")
    return policy


def _demonstrated(episode: Episode) -> int:
    """Rows up to and with the action that first succeeded."""
    success = np.asarray(episode.columns.get("next.success", np.zeros(len(episode), bool)))
    return int(success.argmax()) + 1 if success.any() else len(episode)


def _checked(episode: Episode, name: str, first: Episode, number: int) -> np.ndarray:
    if name not in episode.columns:
        raise DatasetError(
            f"episode {number} has no column {name!r}; it has: {', '.join(sorted(episode.columns))}"
        )
    values = np.asarray(episode[name])
    if values.shape[1:] != np.asarray(first[name]).shape[1:]:
        raise DatasetError(
            f"episode {number}: {name} has rows of shape {values.shape[1:]}, "
            f"episode 0 of {np.asarray(first[name]).shape[1:]}"
        )
    if name.startswith("observation.images."):
        if values.dtype != np.uint8:
            raise DatasetError(f"episode {number}: {name} is {values.dtype}, expected uint8")
    elif not np.isfinite(values).all():
        raise DatasetError(f"episode {number}: {name} is not finite everywhere")
    return values


def _chunks(actions: np.ndarray, size: int) -> np.ndarray:
    """(T, A) -> (T, size, A): the actions from each row on, zeros past the end."""
    padded = np.concatenate([actions, np.zeros((size - 1, *actions.shape[1:]), actions.dtype)])
    return np.stack([padded[k : k + len(actions)] for k in range(size)], axis=1)
