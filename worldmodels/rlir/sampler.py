"""Sampler: imagination as a policy, whose choice is the video and whose probability is known."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from octoworld.rl import Anchor

from ..clips import ClipSampler
from ..dataset import EpisodeDataset
from ..flow import FlowWorldModel
from ..flow.chain import ChainConfig, chain_log_prob, sample_chain
from ..latent_model import LatentHistory
from ..model import Decode, Imagined


class Sampler(Protocol):
    """What RLIR asks of a paradigm. `choice` (B, L, R) is all that was drawn, as float32."""

    model: Any
    """The world model whose weights learn."""
    frozen: tuple[str, ...]
    """Beginnings of the names of weights that stay: codecs, and what draws no picture."""

    def sample(
        self, history: Any, actions: torch.Tensor, generator: torch.Generator, temperature: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw the video of `actions` (B, K, A): choice (B, L, R), mean log-density (B,)."""
        ...

    def log_prob(
        self, history: Any, actions: torch.Tensor, choice: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """(B,) mean log-density of a choice, differentiable."""
        ...

    def show(
        self, history: Any, actions: torch.Tensor, choice: torch.Tensor, decode: Decode
    ) -> tuple[Any, Imagined]:
        """The longer history, and the video that was chosen."""
        ...

    def data_term(self, dataset: EpisodeDataset, batch_size: int) -> Anchor:
        """The model's own training loss on random clips of recordings."""
        ...


class FlowSampler:
    """A flow world model, sampled by a chain; the choice is the chain (B, steps + 1, K*S*C)."""

    frozen: tuple[str, ...] = ("autoencoder", "dynamics", "eyes")

    def __init__(self, model: FlowWorldModel, config: ChainConfig | None = None) -> None:
        self.model, self.config = model, config or ChainConfig()

    def sample(
        self,
        history: LatentHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        temperature: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Sampler`."""
        _, _, chain, log_prob = sample_chain(
            self.model, history, actions, generator, self.config, temperature, "none"
        )
        return chain.flatten(2), log_prob

    def log_prob(
        self,
        history: LatentHistory,
        actions: torch.Tensor,
        choice: torch.Tensor,
        temperature: float,
    ) -> torch.Tensor:
        """See `Sampler`."""
        chain = self._chain(history, actions, choice)
        return chain_log_prob(self.model, history, actions, chain, self.config, temperature)

    @torch.no_grad()
    def show(
        self, history: LatentHistory, actions: torch.Tensor, choice: torch.Tensor, decode: Decode
    ) -> tuple[LatentHistory, Imagined]:
        """See `Sampler`."""
        chain = self._chain(history, actions, choice)
        return self.model.go_on(history, self.model.foresee(history, actions), chain[:, -1], decode)

    def data_term(self, dataset: EpisodeDataset, batch_size: int) -> Anchor:
        """See `Sampler`."""
        clips = ClipSampler(dataset, self.model, contact_share=0.5)

        def loss(generator: torch.Generator) -> torch.Tensor:
            return self.model.latent_loss(clips.draw(batch_size, 1, generator), generator)["loss"]

        return loss

    def _chain(
        self, history: LatentHistory, actions: torch.Tensor, choice: torch.Tensor
    ) -> torch.Tensor:
        return choice.unflatten(2, (actions.shape[1], *history.latents.shape[2:]))
