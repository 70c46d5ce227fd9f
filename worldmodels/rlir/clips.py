"""ClipEnv and Dreamer: prompts, videos and rewards as the one trainer knows episodes.

A prompt is a recorded moment and actions to come. A decision is the video of the next chunk of
them; its reward says, frame by frame, how well the actions can be read off it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator
from sim.vec_env import ChunkResult

from ..dataset import EpisodeDataset
from ..replay import start_rows
from .sampler import Sampler

Reward = Callable[["Video"], torch.Tensor]
"""(B, K) reward of each imagined frame."""


@dataclass
class Video:
    """What a reward looks at: K imagined frames and the one before them."""

    frames: dict[str, torch.Tensor]
    """camera -> (B, 1 + K, H, W, 3) uint8."""
    actions: torch.Tensor
    """(B, K, A) that the frames should show."""
    prompt: torch.Tensor
    """(B, 1 + K) rows of the data set that were recorded at that time."""
    is_recorded: torch.Tensor
    """(B,) bool: the actions are those that were recorded, so the rows show what is true."""
    start: dict[str, torch.Tensor]
    """camera -> (B, H, W, 3) uint8, the recorded frame at which imagination began."""


@dataclass(frozen=True)
class PromptConfig:
    """Where videos begin, and which actions they are asked to show."""

    chunks: int = 2
    """Decisions of an episode, each a chunk of the world model."""
    foreign_share: float = 0.5
    """Prompts whose actions come from another moment of the data set: off the expert's path, where
    world models tend to do as they have seen instead of as they are told (arXiv 2608.24885)."""

    def __post_init__(self) -> None:
        if self.chunks < 1:
            raise ConfigError(f"chunks must be at least 1, got {self.chunks}")
        if not 0 <= self.foreign_share <= 1:
            raise ConfigError(f"foreign_share must be in [0, 1], got {self.foreign_share}")


class ClipEnv:
    """What `octoworld.rl.collect` asks of an environment, over prompts from recordings.

    A prompt is a function of the world's seed alone, so equal seeds give a group. Observations are
    what the model remembers, and the actions to show next.
    """

    true_steps = true_episodes = 0

    def __init__(
        self,
        sampler: Sampler,
        dataset: EpisodeDataset,
        reward: Reward,
        num_envs: int,
        config: PromptConfig | None = None,
    ) -> None:
        """N = `num_envs` clips at a time.

        Raises:
            DatasetError: no episode is long enough, or the data set has no latents or images.
        """
        self.sampler, self.dataset, self.reward = sampler, dataset, reward
        self.num_envs, self.config = num_envs, config or PromptConfig()
        self.instructions = [""] * num_envs
        dataset.need_latents()
        self._steps = self.config.chunks * sampler.model.max_chunk
        dataset.sample_times(1, self._steps, torch.Generator())
        self._history: Any = None

    def reset(
        self, *, seed: Sequence[int], options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Begin the prompts of `seed` (N numbers)."""
        if len(seed) != self.num_envs:
            raise ConfigError(f"expected {self.num_envs} seeds, got {len(seed)}")
        drawn = {s: self._prompt(s) for s in dict.fromkeys(seed)}
        rows, acted, own = (np.array(x) for x in zip(*(drawn[s] for s in seed), strict=True))
        model, data = self.sampler.model, self.dataset
        owner = np.searchsorted(data.starts, rows, side="right") - 1
        context = start_rows(data, owner, rows - data.starts[owner], model.context_length)
        device = next(model.parameters()).device
        self._history = model.start_latents(
            data.need_latents()[context].to(device), data.proprio[context].to(device)
        )
        after = np.arange(self._steps)
        self._rows = torch.from_numpy(rows[:, None] + np.arange(self._steps + 1))
        self._actions = data.actions[torch.from_numpy(acted[:, None] + after)].to(device)
        self._own, self._done = torch.from_numpy(own), 0
        self._start = {c: data.frames[c][self._rows[:, 0]] for c in model.cameras}
        self._frame = self._start
        return self._observe(), {}

    def step_chunk(self, actions: Any) -> ChunkResult:
        """Show the choices (N, L, R) of the policy, and judge them."""
        now = self._next_actions()
        self._history, seen = self.sampler.show(self._history, now, torch.as_tensor(actions), "all")
        steps = slice(self._done, self._done + now.shape[1] + 1)
        video = Video(
            {c: torch.cat([self._frame[c][:, None], x.cpu()], 1) for c, x in seen.frames.items()},
            now,
            self._rows[:, steps],
            self._own,
            self._start,
        )
        rewards = self.reward(video).float()
        self._frame = {c: x[:, -1] for c, x in video.frames.items()}
        self._done += now.shape[1]
        shape, over = rewards.shape, self._done >= self._steps
        flags = torch.zeros(shape, dtype=torch.bool)
        truncated = flags.clone()
        truncated[:, -1] = over
        return ChunkResult(
            obs=self._observe(), observations=[], rewards=rewards, terminated=flags,
            truncated=truncated, alive=~flags, infos=[{"success": flags[:, 0]}] * shape[1],
        )  # fmt: skip

    def _prompt(self, seed: int) -> tuple[int, int, bool]:
        """Row where a clip begins, row from which its actions come, and whether these are one."""
        generator = torch_generator(seed, "prompt")
        episode, time = self.dataset.sample_times(2, self._steps, generator)
        rows = self.dataset.starts[episode] + time
        foreign = float(torch.rand((), generator=generator)) < self.config.foreign_share
        return int(rows[0]), int(rows[int(foreign)]), not foreign

    def _next_actions(self) -> torch.Tensor:
        chunk = self.sampler.model.max_chunk
        first = min(self._done, self._steps - chunk)
        return self._actions[:, first : first + chunk]

    def _observe(self) -> dict[str, torch.Tensor]:
        return pack(self._history) | {"actions": self._next_actions()}


class Dreamer(torch.nn.Module):
    """The world model as the trainer's policy: it acts by imagining."""

    chunk_size = 1

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        self.sampler, self.model = sampler, sampler.model

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing to forget: all that is remembered is observed."""

    @torch.no_grad()
    def act(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Dream:
        """The next chunk of video; `temperature` scales the noise, or the tokens' distribution."""
        assert generator is not None  # imagination always draws
        history = unpack(self.sampler, obs)
        choice, log_prob = self.sampler.sample(history, obs["actions"], generator, temperature)
        return Dream(choice, choice, log_prob)

    def log_prob(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) mean log-density of choices (N, L, R), differentiable."""
        history = unpack(self.sampler, obs)
        return self.sampler.log_prob(history, obs["actions"], raw_actions, temperature)


@dataclass
class Dream:
    """A choice, as the trainer asks for actions."""

    actions: torch.Tensor
    """(N, L, R)."""
    raw_actions: torch.Tensor
    """The same."""
    log_prob: torch.Tensor
    """(N,)."""


def pack(history: Any) -> dict[str, torch.Tensor]:
    """The tensors of a history by number, as an observation."""
    return {f"history.{i}": x for i, x in enumerate(history.tensors())}


def unpack(sampler: Sampler, obs: Mapping[str, torch.Tensor]) -> Any:
    """The history that `pack` made."""
    count = sum(name.startswith("history.") for name in obs)
    return sampler.model.history_class(*(obs[f"history.{i}"] for i in range(count)))
