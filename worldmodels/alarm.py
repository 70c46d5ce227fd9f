"""Alarm: stops post-training in imagination where the policy begins to live off the model's errors.

No signal needs the simulator. A success that is due to physics survives when the picture is drawn
and looked at anew, when another model (or another draw of the same) imagines the same actions, and
shows the actions that were asked for; an invented one need not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator
from octoworld.rl import Hook, evaluate
from octoworld.rl.hooks import TrainerState

from .env import WorldModelEnv
from .latent_model import LatentWorldModel
from .record import Track
from .reflector import first_stop
from .replay import start_rows

NAME = "alarm"


class ActionReader(Protocol):
    """Reads actions off frames; `worldmodels.inverse_dynamics.InverseReward` is one."""

    def __call__(self, frames: Mapping[str, torch.Tensor], actions: torch.Tensor) -> Any:
        """Camera -> (B, 1 + K, H, W, 3) uint8 under (B, K, A): an object with `match` (B, K)."""
        ...


@dataclass(frozen=True)
class AlarmConfig:
    """How often to look, at how much, and what is too much against the untrained policy."""

    every: int = 5
    """Iterations between two looks."""
    starts: int = 64
    """Held-out episodes imagined at each."""
    redrawn: float = 0.1
    """Most growth of the share of episodes whose success is gone when its frames are drawn and
    looked at anew."""
    denied: float = 0.1
    """Most growth of the share of episodes whose success another model denies."""
    misread: float = 0.1
    """Most growth of the share of steps whose frames do not show the actions asked for."""
    patience: int = 2
    """Looks in a row that must go wrong before the run is stopped."""
    stride: int = 4
    """Clips that are read for actions have a multiple of this many [steps]."""

    def __post_init__(self) -> None:
        for name in ("every", "starts", "patience", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")


class Alarm(Hook):
    """Looks every few iterations; the first signal beyond its limit is the reason to stop."""

    def __init__(
        self,
        env: WorldModelEnv,
        *,
        horizon: int,
        others: Sequence[LatentWorldModel] = (),
        reader: ActionReader | None = None,
        config: AlarmConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Look at the policy in `env`.

        Args:
            env: records its episodes (`ImaginationConfig.record`); held-out starts.
            horizon: decisions of an episode.
            others: world models of the same latents that imagine the same actions; with none the
                env's own does, with noise of its own.
            reader: of actions; None reads none.
            config: limits.
            seed: of the starts and of the others' noise.

        Raises:
            ConfigError: the env records nothing.
        """
        if not env.config.record:
            raise ConfigError("an alarm needs an env that records: ImaginationConfig(record=True)")
        self.env, self.horizon, self.reader, self.seed = env, horizon, reader, seed
        self.others: tuple[Any, ...] = tuple(others) or (env.world_model,)
        self.config = config or AlarmConfig()

    def on_start(self, state: TrainerState) -> None:
        """Look at the untrained policy."""
        self._look(state)

    def on_iteration(self, state: TrainerState) -> str | None:
        """Look when it is due, and at the end; the reason to stop, if there is one."""
        config = self.config
        if state.iteration % config.every and state.iteration != state.config.iterations:
            return None
        self._look(state)
        rows = [r for r in [*state.history, state.metrics] if f"{NAME}/success" in r]
        first = state.history[0] if state.history else state.metrics
        wrong = [self._beyond(row, first) for row in rows[-config.patience :]]
        return wrong[-1] if len(wrong) == config.patience and all(wrong) else None

    def _look(self, state: TrainerState) -> None:
        found = self.measure(state.policy)
        state.metrics |= {f"{NAME}/{k}": v for k, v in found.items()}

    def measure(self, policy: Any) -> dict[str, float]:
        """The signals of a policy: shares of all episodes, and of steps."""
        self.env.take_tracks()  # of whoever used the env before
        starts = range(self.config.starts)
        evaluate(self.env, policy, starts, horizon=self.horizon)
        tracks = self.env.take_tracks()[: self.config.starts]
        done = [t for t in tracks if t.success[-1]]
        share = len(done) / max(len(tracks), 1)
        found = {"success": share}
        found["redrawn"] = share * (1 - self._kept([self._redrawn(t) for t in done], done))
        denied = [1 - self._kept(self._imagined(model, done), done) for model in self.others]
        found["denied"] = share * float(np.mean(denied))
        if self.reader is not None:
            found["misread"] = self._misread(tracks)
        return found

    def _kept(self, frames: Sequence[torch.Tensor], tracks: Sequence[Track]) -> float:
        """Share of tracks in whose other frames (T + 1, S, C) the reflector sees success as well.

        1 where there are none.
        """
        judge, kept = self.env.reflector, []
        for latents, track in zip(frames, tracks, strict=True):
            verdict = judge.score_latents(
                latents[None].to(judge.device),
                torch.stack(track.proprio)[None].to(judge.device),
                [track.instruction],
                self._first(track)[None].to(judge.device),
            )
            success = verdict.success.cpu()
            stop = first_stop(success, float(judge.threshold), judge.settings.patience)
            kept.append(int(stop[0]) >= 0)
        return float(np.mean(kept)) if kept else 1.0

    def _redrawn(self, track: Track) -> torch.Tensor:
        model = self.env.world_model
        latents = torch.stack(track.latents).to(self.env.reflector.device)
        return self.env.reflector.autoencoder.encode(model.decode(latents))

    def _imagined(self, model: LatentWorldModel, tracks: Sequence[Track]) -> list[torch.Tensor]:
        """What a model makes of the actions of each track, frames (T + 1, S, C)."""
        data, found = self.env.dataset, []
        generator = torch_generator(self.seed, NAME, "others")
        for track in tracks:
            episode, time = (np.array([track.facts[f"start_{k}"]]) for k in ("episode", "time"))
            rows = start_rows(data, episode, time, model.context_length)
            history = model.start_latents(
                data.need_latents()[rows].to(model.device), data.proprio[rows].to(model.device)
            )
            actions = torch.from_numpy(np.stack(track.actions))[None].to(model.device)
            drawn = [track.latents[0][None].to(model.device)]
            for part in actions.split(model.max_chunk, 1):
                history, imagined = model.imagine(history, part, generator, "none")
                assert imagined.latents is not None
                drawn.append(imagined.latents[0])
            found.append(torch.cat(drawn))
        return found

    def _misread(self, tracks: Sequence[Track]) -> float:
        assert self.reader is not None
        wrong = []
        for track in tracks:
            steps = len(track.actions) // self.config.stride * self.config.stride
            if not steps:
                continue
            latents = torch.stack(track.latents[: steps + 1]).to(self.env.reflector.device)
            frames = {c: x[None] for c, x in self.env.world_model.decode(latents).items()}
            actions = torch.from_numpy(np.stack(track.actions[:steps]))[None].to(latents.device)
            wrong.append(1 - float(self.reader(frames, actions).match.mean()))
        return float(np.mean(wrong)) if wrong else 0.0

    def _first(self, track: Track) -> torch.Tensor:
        return self.env.dataset.first_latents([track.facts["start_episode"]])[0]

    def _beyond(self, row: Mapping[str, float], first: Mapping[str, float]) -> str:
        """Which signals grew beyond their limit; "" if none did."""
        told = []
        for name in ("redrawn", "denied", "misread"):
            key, limit = f"{NAME}/{name}", getattr(self.config, name)
            begin = first.get(f"initial_{key}", 0.0)
            # `not within`: a NaN must stop the run
            if key in row and not row[key] - begin <= limit:
                told.append(f"{name} {begin:.2f} -> {row[key]:.2f}")
        return f"the policy lives off the world model's errors: {', '.join(told)}" if told else ""
