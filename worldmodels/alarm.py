"""Alarm: stops post-training in imagination where the policy begins to live off the model's errors.

No signal needs the simulator. A success that is due to physics survives when the picture is drawn
and looked at anew, when another model (or another draw of the same) imagines the same actions, and
shows the actions that were asked for; an invented one need not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator
from octoworld.rl import Evaluate, Hook, evaluate
from octoworld.rl.hooks import TrainerState

from .env import WorldModelEnv, check_same_latents
from .latent_model import LatentWorldModel
from .record import Track
from .reflector import first_stop
from .replay import start_rows

NAME = "alarm"
SIGNALS = ("redrawn", "denied", "misread")
TOGETHER = 64
"""Episodes that are looked at in one go; memory grows with it."""


class ActionReader(Protocol):
    """Reads actions off frames; `worldmodels.inverse_dynamics.InverseReward` is one."""

    def __call__(self, frames: Mapping[str, torch.Tensor], actions: torch.Tensor) -> Any:
        """Camera -> (B, 1 + K, H, W, 3) uint8 under (B, K, A): an object with `match` (B, K)."""
        ...


@dataclass(frozen=True)
class AlarmConfig:
    """How often to look, at how much, and what is too much against the untrained policy."""

    every: int = 5
    """Iterations between two looks; a multiple of a watched evaluation's."""
    starts: int = 64
    """Held-out episodes imagined at each; of a watched evaluation, so many at most."""
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
    """Looks every few iterations; the first signal beyond its limit is the reason to stop.

    A policy beyond a limit is not trusted (`TrainerState.sound`), so a run that is stopped ends
    with the last policy that was within all of them.
    """

    def __init__(
        self,
        env: WorldModelEnv,
        *,
        horizon: int,
        others: Sequence[LatentWorldModel] = (),
        reader: ActionReader | None = None,
        watched: Evaluate | None = None,
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
            watched: a hook before this one that evaluates the policy in the same env: its episodes
                are looked at, and none are imagined for the alarm alone.
            config: limits.
            seed: of the starts and of the others' noise.

        Raises:
            ConfigError: the env records nothing, the evaluation is of another env or at other
                iterations, or another model speaks other latents.
        """
        if not env.config.record:
            raise ConfigError("an alarm needs an env that records: ImaginationConfig(record=True)")
        self.config = config or AlarmConfig()
        if watched is not None and watched.env is not env:
            raise ConfigError("watched: expected an evaluation in the alarm's own env")
        if watched is not None and self.config.every % watched.every:
            raise ConfigError(
                f"every = {self.config.every}: expected a multiple of {watched.every}, for the "
                "watched evaluation measures so often"
            )
        for model in others:
            check_same_latents(model, env.reflector)
        self.env, self.horizon, self.reader, self.seed = env, horizon, reader, seed
        self.others: tuple[Any, ...] = tuple(others) or (env.world_model,)
        self.watched = watched

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of what it looks at."""
        return SIGNALS if self.reader is not None else SIGNALS[:2]

    def on_start(self, state: TrainerState) -> None:
        """Look at the untrained policy."""
        self._look(state)
        state.sound = True

    def on_iteration(self, state: TrainerState) -> str | None:
        """Look when it is due, and at the end; the reason to stop, if there is one."""
        config = self.config
        if state.iteration % config.every and state.iteration != state.config.iterations:
            if self.watched is not None:
                self.env.take_tracks()  # not kept until the next look
            return None
        self._look(state)
        wrong = complaints([*state.history, state.metrics], config)
        state.sound = not wrong[-1]
        late = wrong[-config.patience :]
        return wrong[-1] if len(late) == config.patience and all(late) else None

    def _look(self, state: TrainerState) -> None:
        found = self.measure(state.policy)
        state.metrics |= {f"{NAME}/{k}": v for k, v in found.items()}

    def measure(self, policy: Any) -> dict[str, float]:
        """The signals of a policy; with a watched evaluation, of the one that it has just seen."""
        return self.signals_of(self.tracks(policy))

    def tracks(self, policy: Any) -> list[Track]:
        """Imagined episodes of a policy, or those of a watched evaluation; each is given once."""
        if self.watched is not None:
            return self._last_tracks(len(self.watched.starts))[: self.config.starts]
        self.env.take_tracks()  # of whoever used the env before
        starts = range(self.config.starts)
        evaluate(self.env, policy, starts, horizon=self.horizon)
        return self._last_tracks(len(starts))

    def signals_of(self, tracks: Sequence[Track]) -> dict[str, float]:
        """The signals of imagined episodes: shares of all of them, and of their steps."""
        done = [t for t in tracks if t.success[-1]]
        share = len(done) / max(len(tracks), 1)
        found = {"success": share}
        found["redrawn"] = share * (1 - self._kept(self._redrawn(done), done))
        denied = [1 - self._kept(self._imagined(model, done), done) for model in self.others]
        found["denied"] = share * float(np.mean(denied))
        if self.reader is not None:
            found["misread"] = self._misread(tracks)
        return found

    def _last_tracks(self, starts: int) -> list[Track]:
        """Episodes of the last evaluation from so many starts, in their order."""
        worlds = self.env.num_envs
        begun = -(-starts // worlds) * worlds  # a wave that is not full repeats its first start
        return sorted(self.env.take_tracks(), key=lambda t: t.number)[-begun:][:starts]

    def _kept(self, frames: Sequence[torch.Tensor], tracks: Sequence[Track]) -> float:
        """Share of tracks in whose other frames (T + 1, S, C) the reflector sees success as well.

        1 where there are none.
        """
        judge, kept = self.env.reflector, []
        for part in _parts(range(len(tracks))):
            chosen = [tracks[i] for i in part]
            latents = _padded([frames[i] for i in part]).to(judge.device)
            proprio = _padded([torch.stack(t.proprio) for t in chosen]).to(judge.device)
            told = [t.instruction for t in chosen]
            first = self._first(chosen).to(judge.device)
            success = judge.score_latents(latents, proprio, told, first).success.cpu()
            lengths = torch.tensor([len(frames[i]) for i in part])
            success[torch.arange(success.shape[1]) >= lengths[:, None]] = 0.0
            stop = first_stop(success, float(judge.threshold), judge.settings.patience)
            kept += (stop >= 0).tolist()
        return float(np.mean(kept)) if kept else 1.0

    def _redrawn(self, tracks: Sequence[Track]) -> list[torch.Tensor]:
        """The frames of each track, decoded and encoded again, (T + 1, S, C)."""
        model, judge = self.env.world_model, self.env.reflector
        return [
            judge.autoencoder.encode(model.decode(torch.stack(t.latents).to(judge.device)))
            for t in tracks
        ]

    def _imagined(self, model: LatentWorldModel, tracks: Sequence[Track]) -> list[torch.Tensor]:
        """What a model makes of the actions of each track, frames (T + 1, S, C)."""
        data, found = self.env.dataset, []
        generator = torch_generator(self.seed, NAME, "others")
        for part in _parts(tracks):
            episode, time = (
                np.array([t.facts[f"start_{k}"] for t in part]) for k in ("episode", "time")
            )
            rows = start_rows(data, episode, time, model.context_length)
            history = model.start_latents(
                data.need_latents()[rows].to(model.device), data.proprio[rows].to(model.device)
            )
            actions = _padded([torch.from_numpy(np.stack(t.actions)) for t in part])
            drawn = [torch.stack([t.latents[0] for t in part])[:, None].to(model.device)]
            for chunk in actions.to(model.device).split(model.max_chunk, 1):
                history, imagined = model.imagine(history, chunk, generator, "none")
                assert imagined.latents is not None
                drawn.append(imagined.latents)
            together = torch.cat(drawn, 1)
            found += [x[: len(t.latents)] for x, t in zip(together, part, strict=True)]
        return found

    def _misread(self, tracks: Sequence[Track]) -> float:
        """Mean over episodes of the share of steps that are read otherwise than asked."""
        assert self.reader is not None
        stride, device = self.config.stride, self.env.reflector.device
        wrong: list[float] = []
        steps = [len(t.actions) // stride * stride for t in tracks]
        for count in sorted(set(steps) - {0}):
            alike = [t for t, n in zip(tracks, steps, strict=True) if n == count]
            for part in _parts(alike):
                latents = torch.stack([torch.stack(t.latents[: count + 1]) for t in part])
                frames = self.env.world_model.decode(latents.to(device))
                actions = np.stack([np.stack(t.actions[:count]) for t in part])
                read = self.reader(frames, torch.from_numpy(actions).to(device))
                wrong += (1 - read.match.float().mean(1)).tolist()
        return float(np.mean(wrong)) if wrong else 0.0

    def _first(self, tracks: Sequence[Track]) -> torch.Tensor:
        return self.env.dataset.first_latents([t.facts["start_episode"] for t in tracks])


def complaints(
    rows: Sequence[Mapping[str, float]], config: AlarmConfig, signals: Sequence[str] = SIGNALS
) -> list[str]:
    """What is wrong at each look among metric rows: signals that grew beyond their limit; or "".

    They are compared with the untrained policy's (`initial_...`); in a run that began without an
    alarm, with those of the first look.
    """
    looks = [row for row in rows if f"{NAME}/success" in row]
    if not looks:
        return []
    first = {k.removeprefix("initial_"): v for k, v in rows[0].items() if k.startswith("initial_")}
    if f"{NAME}/success" not in first:
        first = dict(looks[0])
    return [_complaint(look, first, config, signals) for look in looks]


def _complaint(
    look: Mapping[str, float],
    first: Mapping[str, float],
    config: AlarmConfig,
    signals: Sequence[str],
) -> str:
    told = []
    for name in signals:
        key, limit = f"{NAME}/{name}", getattr(config, name)
        # `not within`: a NaN must stop the run
        if key in look and not look[key] - first[key] <= limit:
            told.append(f"{name} {first[key]:.2f} -> {look[key]:.2f}")
    return f"the policy lives off the world model's errors: {', '.join(told)}" if told else ""


def _parts(of: Sequence[Any]) -> Iterator[Any]:
    return (of[low : low + TOGETHER] for low in range(0, len(of), TOGETHER))


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, longest, ...) of tensors (T, ...): the last row of shorter ones repeats."""
    longest = max(len(x) for x in rows)
    return torch.stack([x[torch.arange(longest).clamp(max=len(x) - 1)] for x in rows])
