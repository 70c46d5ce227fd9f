"""AutoregressiveWorldModel: imagines the next frames code by code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.configuration_utils import register_to_config
from torch.nn import functional as F

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_world_model

from .. import carry
from ..carry import Sight
from ..conditioning import gaussian
from ..history import TensorRecord
from ..latent_model import LatentClip, LatentHistory, LatentWorldModel, push
from ..model import Decode, Imagined
from .config import AutoregressiveConfig, TokenizerConfig, check_sampling
from .quantiser import LatentQuantiser
from .sampling import draw, log_softmax
from .tokenizer import FrameTokenizer
from .transformer import Cache, Conditions, Context, TokenTransformer


@dataclass
class TokenHistory(LatentHistory):
    """A history whose latents are those of its codes."""

    tokens: torch.Tensor
    """(B, 1 + context_length, S, G) codes."""


@dataclass
class TokenRollout(TensorRecord):
    """K drawn frames as the actions of a policy over codes."""

    tokens: torch.Tensor
    """(B, K, S, G) codes."""
    log_probs: torch.Tensor
    """(B, K, S, G) log-probability of each under the temperature and top-k it was drawn with."""


@dataclass
class _Given:
    """What is known before new frames are drawn."""

    context: Context
    conditions: Conditions
    state: torch.Tensor
    """(B, K, P + O) standardised, after each action."""


@register_world_model("autoregressive")
class AutoregressiveWorldModel(LatentWorldModel):
    """Transformer over codes with a cache of keys and values; autoencoder and quantiser are frozen.

    What is drawn are codes, what is handed out are their latents, which mean what the
    autoencoder's do. `sample` and `log_probs` show the model as a policy over codes.
    """

    history_class = TokenHistory

    @register_to_config
    def __init__(
        self,
        autoencoder_config: dict,
        tokenizer_config: dict,
        autoregressive_config: dict,
        proprio_dim: int,
        action_dim: int,
        object_dim: int = 0,
        num_points: int = 0,
    ) -> None:
        """Build from `to_dict` of the three configs, P, A, O, and the number of points in sight."""
        super().__init__(autoencoder_config)
        self.settings: AutoregressiveConfig = from_dict(
            AutoregressiveConfig, dict(autoregressive_config)
        )
        codes = from_dict(TokenizerConfig, dict(tokenizer_config))
        image = self.autoencoder.settings
        self.quantiser = LatentQuantiser(image, codes).requires_grad_(False)
        self.transformer = TokenTransformer(
            self.settings, codes, self.quantiser.fsq,
            num_tokens=image.num_tokens, channels=image.latent_channels,
            state_dim=proprio_dim + object_dim, action_dim=action_dim,
            cameras=len(image.cameras), cells=image.cells,
            carried=carry.channels(num_points, image.latent_channels // image.cells**2, frames=2),
        )  # fmt: skip
        self.add_state()

    @classmethod
    def build(
        cls,
        tokenizer: FrameTokenizer,
        config: AutoregressiveConfig,
        proprio_dim: int,
        action_dim: int,
        object_dim: int = 0,
        sight: Sight | None = None,
    ) -> AutoregressiveWorldModel:
        """A new model around a copy of a trained tokenizer."""
        sizes = proprio_dim, action_dim, object_dim, sight.num_points if sight else 0
        image, codes = to_dict(tokenizer.autoencoder.settings), to_dict(tokenizer.settings)
        model = cls(image, codes, to_dict(config), *sizes)
        model.adopt(tokenizer.autoencoder, sight)
        model.quantiser.load_state_dict(tokenizer.quantiser.state_dict())
        return model

    def train(self, mode: bool = True) -> AutoregressiveWorldModel:
        """As of any module; the quantiser's scales stay as they were learned."""
        super().train(mode)
        self.quantiser.eval()
        return self

    # -- losses ----------------------------------------------------------------------------------

    def latent_loss(
        self, clip: LatentClip, generator: torch.Generator, rollout_chunks: int = 0
    ) -> dict[str, torch.Tensor]:
        """Cross-entropy of the last chunk's codes, those of moving tokens weighted.

        Args:
            clip: `rollout_chunks` + 1 chunks of future rows behind the context.
            generator: source of every draw.
            rollout_chunks: chunks first imagined by the model itself and used as context.
        """
        settings = self.settings
        history, chunk = self._unrolled(clip, generator, rollout_chunks)
        with torch.no_grad():
            target = self.quantiser.tokens(chunk.latents)
            # what the model looks back on, in the context and in the chunk, holds mistakes
            past = self._disturbed(torch.cat([history.tokens, target], 1), generator)
            latents, values = self.quantiser.latents(past), self.quantiser.values(past)
        slots = history.tokens.shape[1]
        after = self._standard(chunk.state)
        after = after + settings.state_noise * gaussian(after.shape, generator, after)
        given = self._given(latents[:, :slots], self._state(history), chunk.actions, after)
        logits = self.transformer(
            values[:, slots:], latents[:, slots - 1 : -1], past[:, slots - 1 : -1],
            values[:, slots - 1], given.context, given.conditions, self.quantiser.values(target),
        )  # fmt: skip
        entropy = F.cross_entropy(
            logits.float().flatten(0, -2), target.flatten(), reduction="none"
        ).view(target.shape)
        last = clip.latents[:, slots - 1 + rollout_chunks * settings.max_chunk, None]
        moved = (chunk.latents - last).pow(2).mean(-1)
        weight = 1 + settings.moving_weight * (moved / self.residual_scale.pow(2)).clamp(max=1)
        loss = (weight[..., None] * entropy).sum() / (weight.sum() * target.shape[-1])
        return {
            "loss": loss,
            "tokens": entropy.mean(),
            "accuracy": (logits.argmax(-1) == target).float().mean(),
        }

    # -- a policy over codes ---------------------------------------------------------------------

    @torch.no_grad()
    def sample(
        self,
        history: TokenHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        temperature: float | None = None,
        top_k: int | None = None,
    ) -> tuple[TokenHistory, TokenRollout]:
        """Draw the codes of K frames under actions (B, K, A), 1 <= K <= max_chunk.

        Args:
            history: of B worlds; for a longer roll-out, the one returned here.
            actions: what is done.
            generator: a world's draws do not depend on those of the worlds behind it.
            temperature: divides logits; None: the config's.
            top_k: only so many can be drawn, 0 for all; None: the config's.

        Returns:
            The longer history, whose newest frames are the drawn ones, and the codes with their
            log-probabilities.

        Raises:
            ActionError: the actions have another shape or are not finite.
            ConfigError: temperature, top-k or history are not possible.
        """
        history, rollout, _ = self._draw(history, actions, generator, temperature, top_k)
        return history, rollout

    def log_probs(
        self,
        history: TokenHistory,
        actions: torch.Tensor,
        tokens: torch.Tensor,
        temperature: float | None = None,
        top_k: int | None = None,
    ) -> torch.Tensor:
        """Log-probabilities (B, K, S, G) of given codes, in one differentiable pass.

        They are those that `sample` reports for the same history, actions, temperature and top-k.
        Gradients reach the transformer alone: where the state goes is no choice.

        Raises:
            ActionError: the actions have another shape or are not finite.
            ConfigError: the codes are not of this tokenizer, temperature or top-k not possible.
        """
        temperature, top_k = self._how(temperature, top_k)
        logs = log_softmax(self.logits(history, actions, tokens), temperature, top_k)
        return logs.gather(-1, tokens[..., None])[..., 0]

    def logits(
        self, history: TokenHistory, actions: torch.Tensor, tokens: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, K, S, G, V) behind `log_probs`, before temperature and top-k."""
        self._check_actions(history, actions)
        self._check_tokens(tokens, actions.shape[:2])
        with torch.no_grad():
            past = torch.cat([history.tokens[:, -1:], tokens], 1)
            values = self.quantiser.values(past)
            drawn = self.quantiser.latents(tokens[:, :-1])
            latents = torch.cat([history.latents[:, -1:], drawn], 1)
        given = self._foreseen(history, actions)
        return self.transformer(
            values[:, 1:], latents, past[:, :-1], values[:, 0], given.context, given.conditions
        )

    @torch.no_grad()
    def imagine(
        self,
        history: TokenHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Decode = "all",
        temperature: float | None = None,
        top_k: int | None = None,
    ) -> tuple[TokenHistory, Imagined]:
        """Apply `actions` (B, K, A), 1 <= K <= max_chunk; the rest is as in `sample`."""
        history, rollout, state = self._draw(history, actions, generator, temperature, top_k)
        return history, self._imagined(rollout.tokens, state, decode)

    @torch.no_grad()
    def show(
        self,
        history: TokenHistory,
        actions: torch.Tensor,
        tokens: torch.Tensor,
        decode: Decode = "all",
    ) -> tuple[TokenHistory, Imagined]:
        """What codes (B, K, S, G) under actions (B, K, A) show, as if they had been drawn.

        Raises:
            ActionError: the actions have another shape or are not finite.
            ConfigError: the codes are not of this tokenizer.
        """  # fmt: skip
        self._check_actions(history, actions)
        self._check_tokens(tokens, actions.shape[:2])
        state = self._after(history, actions) * self.state_std + self.state_mean
        longer = self._longer(history, tokens, self.quantiser.latents(tokens), state)
        return longer, self._imagined(tokens, state, decode)

    # -- parts -----------------------------------------------------------------------------------

    def _draw(
        self,
        history: TokenHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        temperature: float | None,
        top_k: int | None,
    ) -> tuple[TokenHistory, TokenRollout, torch.Tensor]:
        """As `sample`, and the states (B, K, P + O) in their own units."""
        self._check_actions(history, actions)
        how = self._how(temperature, top_k)
        given = self._foreseen(history, actions)
        previous, latents = history.tokens[:, -1], history.latents[:, -1]
        batch, frames = actions.shape[:2]
        shape = (batch, frames, *previous.shape[1:])
        uniform = torch.rand(shape, generator=generator, device=generator.device).to(latents)
        cache = Cache(given.context, frames * previous.shape[1])
        rows, drawn, logs, seen = self.transformer.head.rows(), [], [], []
        for k in range(frames):
            now = given.conditions.frame(k)
            previous, log = self._draw_frame(
                previous, latents, uniform[:, k], given.context, now, cache, rows, how
            )
            latents = self.quantiser.latents(previous)
            drawn.append(previous)
            logs.append(log)
            seen.append(latents)
        tokens, state = torch.stack(drawn, 1), given.state * self.state_std + self.state_mean
        longer = self._longer(history, tokens, torch.stack(seen, 1), state)
        return longer, TokenRollout(tokens, torch.stack(logs, 1)), state

    def _longer(
        self,
        history: TokenHistory,
        tokens: torch.Tensor,
        latents: torch.Tensor,
        state: torch.Tensor,
    ) -> TokenHistory:
        """The history with K frames more, of states in their own units."""
        proprio, objects = self._parted(state)
        return TokenHistory(
            push(history.latents, latents),
            push(history.proprio, proprio),
            push(history.objects, objects),
            push(history.tokens, tokens),
        )

    def _imagined(self, tokens: torch.Tensor, state: torch.Tensor, decode: Decode) -> Imagined:
        latents = self.quantiser.latents(tokens)
        proprio, objects = self._parted(state)
        return Imagined(proprio, self._drawn(latents, decode), latents, objects)

    def _draw_frame(
        self,
        beneath: torch.Tensor,
        latents: torch.Tensor,
        uniform: torch.Tensor,
        context: Context,
        now: Conditions,
        cache: Cache,
        rows: torch.Tensor,
        how: tuple[float, int],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes (B, S, G) of the frame after `beneath` (B, S, G), and their log-probabilities."""
        net, fsq = self.transformer, self.quantiser.fsq
        ground = net.ground(
            latents[:, None], fsq.values(beneath).flatten(-2)[:, None], context, now
        )
        tokens, logs = torch.empty_like(beneath), torch.empty_like(uniform)
        told = net.begin.expand(len(beneath), 1, net.together, -1)
        steps = zip(ground.split(net.together, 2), net.order.split(net.together), strict=True)
        for start, places in steps:
            x = net.step(start + told, now.modulation, cache)
            x = net.known(x, now.summary).flatten(0, 2)
            chance = uniform[:, places].flatten(0, 1)
            codes, log, levels = net.head.choose(
                x,
                beneath[:, places].flatten(0, 1),
                rows,
                fsq.table,
                lambda logits, g, u=chance: draw(logits, u[:, g], *how),
            )
            each = (len(beneath), net.together, -1)
            tokens[:, places], logs[:, places] = codes.view(each), log.view(each)
            told = net.token_in(levels).view(len(beneath), 1, net.together, -1)
        return tokens, logs

    def _foreseen(self, history: TokenHistory, actions: torch.Tensor) -> _Given:
        """What is known of the frames after `history` under `actions`."""
        after = self._after(history, actions)
        return self._given(history.latents, self._state(history), actions, after)

    @torch.no_grad()
    def _after(self, history: TokenHistory, actions: torch.Tensor) -> torch.Tensor:
        """Standardised states (B, K, P + O) that follow the actions."""
        now = self._state(history)[:, -1]
        return self.dynamics(now, actions, history.latents[:, -1], self.state_change)

    def _given(
        self,
        latents: torch.Tensor,
        state: torch.Tensor,
        actions: torch.Tensor,
        after: torch.Tensor,
    ) -> _Given:
        state, told = self._told(state, after)
        before = torch.cat([state[:, -1:], told[:, :-1]], 1)
        carried = self._carried(latents, state, told)
        return _Given(
            self.transformer.read_context(latents, state),
            self.transformer.conditions(actions, before, told, carried),
            after,
        )

    def _disturbed(self, tokens: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Tokens (B, T, S, G), some replaced by tokens that stand elsewhere in the batch."""
        flat = tokens.flatten(0, 2)
        count, device = len(flat), generator.device
        hit = torch.rand(count, generator=generator, device=device) < self.settings.token_noise
        other = torch.randint(count, (count,), generator=generator, device=device)
        hit, other = hit.to(tokens.device), other.to(tokens.device)
        return torch.where(hit[:, None], flat[other], flat).view(tokens.shape)

    def _remember(
        self, latents: torch.Tensor, proprio: torch.Tensor, objects: torch.Tensor | None = None
    ) -> TokenHistory:
        tokens = self.quantiser.tokens(latents)
        kept = super()._remember(self.quantiser.latents(tokens), proprio, objects)
        return TokenHistory(kept.latents, kept.proprio, kept.objects, tokens)

    def _how(self, temperature: float | None, top_k: int | None) -> tuple[float, int]:
        temperature = self.settings.temperature if temperature is None else temperature
        top_k = self.settings.top_k if top_k is None else top_k
        check_sampling(temperature, top_k)
        return temperature, top_k

    def _check_tokens(self, tokens: torch.Tensor, lead: torch.Size) -> None:
        fsq, count = self.quantiser.fsq, self.autoencoder.settings.num_tokens
        wanted = (*lead, count, fsq.groups)
        if tokens.shape != wanted:
            raise ConfigError(f"tokens must be {wanted}, got {tuple(tokens.shape)}")
        if tokens.min() < 0 or tokens.max() >= fsq.num_codes:
            raise ConfigError(
                f"codes must be in [0, {fsq.num_codes}), got {int(tokens.min())} to "
                f"{int(tokens.max())}: were they made by another tokenizer?"
            )
