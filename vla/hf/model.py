"""HfPolicy: a pretrained vision-language model that says or denoises the next chunk of actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from octoworld.core.errors import ActionError, CheckpointError, ConfigError
from octoworld.core.registry import register_policy
from octoworld.core.rng import derive_seed

from ..checkpoint import read_config
from ..policy import ActionChunk, Observation
from . import files, tokens
from .card import RunFacts
from .config import HfConfig
from .flow import FlowExpert, denoise, flow_loss
from .pretrained import load_model, load_processor
from .prompt import encode
from .statistics import HfStatistics
from .tuning import prepare, set_mode

_MAX_DEVIATIONS = 5.0
"""Proprioception is cut this many standard deviations from the mean of the training data."""


@register_policy("hf")
class HfPolicy(nn.Module):
    """Any model of `transformers.AutoModelForImageTextToText` with one of two action heads.

    It has no memory: `reset` has nothing to forget. Images of any size are taken, those of all
    cameras and worlds at once.
    """

    state_mean: torch.Tensor
    state_std: torch.Tensor
    action_mean: torch.Tensor
    action_std: torch.Tensor
    words: torch.Tensor

    def __init__(
        self, config: HfConfig, statistics: HfStatistics, model: Any, processor: Any
    ) -> None:
        """Around a loaded model; new weights come from torch's global generator. See `build`.

        Raises:
            ConfigError: sizes do not fit the statistics, or settings do not fit the model.
            CheckpointError: the model's language model cannot be told from its eyes.
        """
        super().__init__()
        for name, size in (
            ("state_dim", len(statistics.state.mean)),
            ("action_dim", len(statistics.action.mean)),
        ):
            if getattr(config, name) != size:
                raise ConfigError(
                    f"{name} = {getattr(config, name)}, but the statistics are of {size}"
                )
        self.config, self.statistics, self.processor = config, statistics, processor
        self.chunk_size = config.chunk_size
        self.facts = RunFacts()
        self.source = config.model
        """Where the pretrained weights were read."""
        for name in ("state", "action"):
            parts = getattr(statistics, name).tensors()
            for part, value in zip(("mean", "std"), parts, strict=True):
                self.register_buffer(f"{name}_{part}", value, persistent=False)
        self.model = prepare(model, config)
        self.expert: FlowExpert | None = None
        if config.head == "flow":
            self.expert = FlowExpert(config, model.config.get_text_config().hidden_size)
        else:
            rows = model.get_input_embeddings().num_embeddings
            words = tokens.action_tokens(processor, config.bins, rows)
            self.register_buffer("words", words, persistent=False)
        self.to(model.device)
        self.trained = tuple(name for name, p in self.named_parameters() if p.requires_grad)
        """Names of the weights that training changes."""

    @classmethod
    def build(
        cls,
        config: HfConfig,
        statistics: HfStatistics,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> HfPolicy:
        """Load the pretrained model; what is new is a function of `seed`.

        Raises:
            CheckpointError: the model cannot be had, has no eyes, or has no image processor.
            ConfigError: the config does not fit the model, the statistics or the device.
            DependencyError: the model's processor needs a package that is not installed.
        """
        processor = load_processor(config)
        model = load_model(config, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "hf", "weights"))
            return cls(config, statistics, model, processor)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.state_mean.device

    def train(self, mode: bool = True) -> HfPolicy:
        """Training mode, or not; what is frozen stays as in use."""
        super().train(mode)
        set_mode(self.model, self.config, mode)
        return self

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing: every chunk is chosen from the present observation alone."""

    def check_density(self) -> None:
        """Raise ConfigError, with what to use instead, if its actions have no known density."""
        if self.expert is not None:
            raise ConfigError(
                "head 'flow' draws actions whose density is not known; train a policy with "
                "head = 'tokens' where log_prob is needed, as in post-training"
            )

    @torch.no_grad()
    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The next chunk; see `Policy.act`.

        Head `tokens` says the likeliest words at temperature 0 and draws them above it. Head
        `flow` starts from noise of that standard deviation, at 0 from its mean, and gives no
        `log_prob`.

        Raises:
            CheckpointError: the observation is not of the policy's cameras or proprioception.
            ConfigError: a negative temperature; the processor refuses the images.
        """
        if temperature < 0:
            raise ConfigError(f"temperature = {temperature}: expected 0 or above")
        was = self.training
        self.eval()
        inputs = self._inputs(*self._read(obs, instructions), instructions)
        if self.expert is not None:
            raw = self._flow(inputs, self._deviations(obs), temperature, generator)
            chunk = ActionChunk(raw.clamp(-1, 1), raw_actions=raw)
        else:
            count = self.chunk_size * self.config.action_dim
            index, log_probs = tokens.speak(
                self.model, inputs, self.words, count, temperature, generator
            )
            raw = self.statistics.action_range.to_actions(self._chunk(index), self.config.bins)
            log_prob = log_probs.mean(dim=1) if temperature else None
            chunk = ActionChunk(raw.clamp(-1, 1), log_prob, raw)
        self.train(was)
        return chunk

    def log_prob(
        self,
        obs: Observation,
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) log-probability of the bins of `raw_actions` (N, K, A), mean over the K * A words.

        A probability, not a density: they differ by the constant log of the bins' widths, which no
        ratio of two policies sees. Differentiable.

        Raises:
            ActionError: `raw_actions` is of another shape.
            ConfigError: the head is `flow`, or the temperature is not positive.
        """
        self.check_density()
        if temperature <= 0:
            raise ConfigError(f"temperature = {temperature}: log_prob needs one above 0")
        expected = (len(instructions), self.chunk_size, self.config.action_dim)
        if tuple(raw_actions.shape) != expected:
            raise ActionError(f"raw_actions: expected {expected}, got {tuple(raw_actions.shape)}")
        inputs = self._inputs(*self._read(obs, instructions), instructions)
        index = self._bins(raw_actions)
        logits = tokens.logits(self.model, inputs, self.words, index) / temperature
        return logits.log_softmax(-1).gather(2, index.unsqueeze(-1)).mean(dim=(1, 2))

    def loss(
        self,
        images: Mapping[str, torch.Tensor],
        state: torch.Tensor,
        instructions: Sequence[str],
        actions: torch.Tensor,
        mask: torch.Tensor,
        generator: torch.Generator,
    ) -> dict[str, torch.Tensor]:
        """What imitation minimises, as `loss`; with `tokens`, also the share of words said right.

        Args:
            images: camera -> (B, H, W, 3) uint8.
            state: (B, P) in the environment's units.
            instructions: B sentences.
            actions: (B, K, A) demonstrated.
            mask: (B, K) bool, False past the episode's end.
            generator: of the flow's noise, on the CPU.
        """
        inputs = self._inputs(images, state, instructions)
        actions, mask = actions.to(self.device), mask.to(self.device)
        if self.expert is not None:
            hidden, known = self._hidden(inputs)
            target = (actions - self.action_mean) / self.action_std
            deviations = self._normalise(state)
            return {
                "loss": flow_loss(self.expert, hidden, known, deviations, target, mask, generator)
            }
        index = self._bins(actions)
        logits = tokens.logits(self.model, inputs, self.words, index)
        told = mask.unsqueeze(-1).expand_as(actions).flatten(1)
        # words past the episode's end come last: what is learnt never follows them
        entropy = nn.functional.cross_entropy(logits[told], index[told])
        right = (logits.argmax(-1) == index)[told].float().mean()
        return {"loss": entropy, "token_accuracy": right}

    def check_order(
        self, images: Mapping[str, torch.Tensor], state: torch.Tensor, instruction: str
    ) -> None:
        """Raise CheckpointError if head `tokens` would see words before it has said them."""
        if self.expert is None:
            was = self.training
            self.eval()
            one = {camera: image[:1] for camera, image in images.items()}
            tokens.check_order(self.model, self._inputs(one, state[:1], [instruction]), self.words)
            self.train(was)

    def save_pretrained(self, folder: Path | str, *, save_base: bool = False) -> None:
        """Write a folder in the layout of the Hugging Face hub.

        `config.json`, `statistics.json`, the processor's files, `model.safetensors` (what is
        trained besides adapters), `adapter_config.json` and `adapter_model.safetensors` (as `peft`
        writes them), and the model card `README.md` with its facts in `card.json`.

        Args:
            folder: where to.
            save_base: write the pretrained model too, to `base/`, so that the folder needs nothing
                else; otherwise it is loaded from where it was.
        """
        files.save(self, Path(folder), save_base)

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        *,
        device: torch.device | str | None = None,
        dtype: str | None = None,
    ) -> HfPolicy:
        """Read what `save_pretrained` wrote, ready to act.

        Args:
            folder: where `save_pretrained` wrote.
            device: None is the GPU where there is one, else the CPU.
            dtype: another one for the pretrained weights than they were trained beside, e.g.
                `float32` for use on a CPU.

        Raises:
            CheckpointError: a file is missing, damaged, or does not fit the others; the pretrained
                model cannot be had.
            ConfigError: bfloat16 without CUDA.
        """
        folder = Path(folder)
        config = read_config(folder, "hf", HfConfig)
        if dtype is not None:
            if dtype not in ("float32", "bfloat16"):
                raise ConfigError(f"dtype = {dtype!r}: expected 'float32' or 'bfloat16'")
            config = replace(config, dtype=dtype)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return files.load(cls, folder, config, device)

    def _read(
        self, obs: Observation, instructions: Sequence[str]
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Images and proprioception of an observation, checked."""
        config, count = self.config, len(instructions)
        columns: dict[str, torch.Tensor] = {}
        for name in (*(f"observation.images.{c}" for c in config.cameras), "observation.state"):
            if name not in obs:
                raise CheckpointError(
                    f"the policy was made for cameras {', '.join(config.cameras)} and "
                    f"observation.state; the observation has no {name!r}, only "
                    f"{', '.join(sorted(obs)) or 'nothing'}"
                )
            columns[name] = torch.as_tensor(obs[name])
        state = columns.pop("observation.state")
        if tuple(state.shape) != (count, config.state_dim):
            raise CheckpointError(
                f"observation.state: the policy was made for shape {(count, config.state_dim)}, "
                f"got {tuple(state.shape)}"
            )
        for name, image in columns.items():
            shape = tuple(image.shape)
            if len(shape) != 4 or shape[0] != count or shape[3] != 3 or image.dtype != torch.uint8:
                raise CheckpointError(
                    f"{name}: expected uint8 images of shape ({count}, H, W, 3), got "
                    f"{str(image.dtype).removeprefix('torch.')} of {shape}"
                )
        images = {name.removeprefix("observation.images."): v for name, v in columns.items()}
        return images, state

    def _inputs(
        self, images: Mapping[str, torch.Tensor], state: torch.Tensor, instructions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """The model's inputs on its device; pixels in its dtype."""
        deviations = self._normalise(state)
        inputs = encode(self.processor, self.config, images, instructions, deviations)
        dtype = getattr(torch, self.config.dtype)
        return {
            name: value.to(self.device, dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }

    def _normalise(self, state: torch.Tensor) -> torch.Tensor:
        deviations = (state.to(self.device, torch.float32) - self.state_mean) / self.state_std
        return deviations.clamp(-_MAX_DEVIATIONS, _MAX_DEVIATIONS)

    def _deviations(self, obs: Observation) -> torch.Tensor:
        return self._normalise(torch.as_tensor(obs["observation.state"]))

    def _bins(self, actions: torch.Tensor) -> torch.Tensor:
        """(N, K, A) -> (N, K * A) int64, the first action's dimensions first."""
        actions = actions.to(self.device)
        return self.statistics.action_range.to_bins(actions, self.config.bins).flatten(1)

    def _chunk(self, index: torch.Tensor) -> torch.Tensor:
        return index.unflatten(1, (self.chunk_size, self.config.action_dim))

    def _hidden(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, L, H) last hidden states in float32 and (N, L) bool, False for padding."""
        learns = any(p.requires_grad for p in self.model.parameters())
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            output = self.model(
                **inputs,
                output_hidden_states=True,
                use_cache=False,
                **tokens.keep_logits(self.model, 1),
            )
        return output.hidden_states[-1].float(), inputs["attention_mask"].bool()

    def _flow(
        self,
        inputs: dict[str, torch.Tensor],
        deviations: torch.Tensor,
        temperature: float,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """(N, K, A) actions in the environment's units."""
        assert self.expert is not None
        shape = (len(deviations), self.chunk_size, self.config.action_dim)
        noise = torch.zeros(shape)
        if temperature:
            device = torch.device("cpu") if generator is None else generator.device
            noise = temperature * torch.randn(shape, generator=generator, device=device)
        hidden, known = self._hidden(inputs)
        steps = self.config.flow_steps
        x = denoise(self.expert, hidden, known, deviations, noise.to(self.device), steps)
        return x * self.action_std + self.action_mean
