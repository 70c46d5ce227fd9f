"""Sampler: imagination as a policy, whose choice is the video and whose probability is known."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from octoworld.core.errors import ConfigError
from octoworld.rl import Anchor

from ..autoregressive.model import AutoregressiveWorldModel, TokenHistory
from ..clips import ClipSampler
from ..dataset import EpisodeDataset
from ..flow import FlowWorldModel
from ..flow.chain import ChainConfig, chain_log_prob, sample_chain
from ..latent_model import LatentHistory, LatentWorldModel
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
        return training_loss(self.model, dataset, batch_size)

    def _chain(
        self, history: LatentHistory, actions: torch.Tensor, choice: torch.Tensor
    ) -> torch.Tensor:
        return choice.unflatten(2, (actions.shape[1], *history.latents.shape[2:]))


class TokenSampler:
    """An autoregressive world model as a policy over codes; the choice is the codes (B, K, S*G).

    Codes are drawn from the whole distribution: what `top_k` leaves out would have no gradient.
    """

    frozen: tuple[str, ...] = ("autoencoder", "quantiser", "dynamics", "eyes")

    def __init__(self, model: AutoregressiveWorldModel) -> None:
        self.model = model

    def sample(
        self,
        history: TokenHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        temperature: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Sampler`; the density is of a code."""
        _, drawn = self.model.sample(history, actions, generator, temperature, top_k=0)
        return drawn.tokens.flatten(2).float(), drawn.log_probs.flatten(1).mean(1)

    def log_prob(
        self, history: TokenHistory, actions: torch.Tensor, choice: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """See `Sampler`."""
        tokens = self._tokens(history, choice)
        return self.model.log_probs(history, actions, tokens, temperature, 0).flatten(1).mean(1)

    def show(
        self, history: TokenHistory, actions: torch.Tensor, choice: torch.Tensor, decode: Decode
    ) -> tuple[TokenHistory, Imagined]:
        """See `Sampler`."""
        return self.model.show(history, actions, self._tokens(history, choice), decode)

    def data_term(self, dataset: EpisodeDataset, batch_size: int) -> Anchor:
        """See `Sampler`."""
        return training_loss(self.model, dataset, batch_size)

    def _tokens(self, history: TokenHistory, choice: torch.Tensor) -> torch.Tensor:
        # whole numbers below 2^16 are exact in float32
        return choice.long().unflatten(2, history.tokens.shape[2:])


def sampler_of(model: LatentWorldModel, chain: ChainConfig | None = None) -> Sampler:
    """The sampler of a model's paradigm; ConfigError for one that has none."""
    if isinstance(model, FlowWorldModel):
        return FlowSampler(model, chain)
    if isinstance(model, AutoregressiveWorldModel):
        return TokenSampler(model)
    raise ConfigError(f"no sampler for a {type(model).__name__}; known: flow, autoregressive")


def training_loss(model: LatentWorldModel, dataset: EpisodeDataset, batch_size: int) -> Anchor:
    """The model's own loss on random clips; half of them of what is unusual."""
    clips = ClipSampler(dataset, model, contact_share=0.5)

    def loss(generator: torch.Generator) -> torch.Tensor:
        return model.latent_loss(clips.draw(batch_size, 1, generator), generator)["loss"]

    return loss
