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
from octoworld.rl import Hook, evaluate
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

    every: int = 1
    """Iterations between two looks. A policy that has found a fault falls within few updates."""
    starts: int = 32
    """Held-out episodes imagined at each."""
    redrawn: float = 0.1
    """Most growth of the share of successes that are gone when their frames are drawn and looked at
    anew."""
    denied: float = 0.1
    """Most growth of the share of successes that another model denies."""
    misread: float = 0.1
    """Most growth of the share of steps whose frames do not show the actions asked for."""
    chance: float = 2.0
    """How far beyond its limit a signal must grow before it counts [standard errors]: of few
    successes a large share may be denied by chance."""
    patience: int = 1
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
        config: AlarmConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Look at the policy in `env`.

        Args:
            env: records its episodes (`ImaginationConfig.record`); held-out starts. As many worlds
                as the alarm has starts waste none.
            horizon: decisions of an episode.
            others: world models of the same latents that imagine the same actions; with none the
                env's own does, with noise of its own.
            reader: of actions; None reads none.
            config: limits.
            seed: of the starts and of the others' noise.

        Raises:
            ConfigError: the env records nothing, or another model speaks other latents.
        """
        if not env.config.record:
            raise ConfigError("an alarm needs an env that records: ImaginationConfig(record=True)")
        self.config = config or AlarmConfig()
        for model in others:
            check_same_latents(model, env.reflector)
        self.env, self.horizon, self.reader, self.seed = env, horizon, reader, seed
        self.others: tuple[Any, ...] = tuple(others) or (env.world_model,)

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
        """The signals of a policy."""
        return self.signals_of(self.tracks(policy))

    def tracks(self, policy: Any) -> list[Track]:
        """Imagined episodes of a policy, one from each start."""
        starts, worlds = self.config.starts, self.env.num_envs
        self.env.take_tracks()  # of whoever used the env before
        evaluate(self.env, policy, range(starts), horizon=self.horizon)
        begun = -(-starts // worlds) * worlds  # a wave that is not full repeats its first start
        return sorted(self.env.take_tracks(), key=lambda t: t.number)[-begun:][:starts]

    def signals_of(self, tracks: Sequence[Track]) -> dict[str, float]:
        """The signals of imagined episodes, each with its standard error (`..._error`)."""
        done = [t for t in tracks if t.success[-1]]
        redrawn = [not kept for kept in self._kept(self._redrawn(done), done)]
        others = [self._imagined(model, done) for model in self.others]
        denied = [not kept for frames in others for kept in self._kept(frames, done)]
        found = {"success": len(done) / max(len(tracks), 1)}
        found |= _share("redrawn", redrawn, len(done)) | _share("denied", denied, len(done))
        if self.reader is not None:
            found |= _mean("misread", self._misread(tracks))
        return found

    def _kept(self, frames: Sequence[torch.Tensor], tracks: Sequence[Track]) -> list[bool]:
        """Of each track, whether the reflector sees success in its other frames (T + 1, S, C)."""
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
        return kept

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

    def _misread(self, tracks: Sequence[Track]) -> list[float]:
        """Of each episode, the share of steps that are read otherwise than asked."""
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
        return wrong

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
        noise = np.hypot(look.get(f"{key}_error", 0.0), first.get(f"{key}_error", 0.0))
        # `not within`: a NaN must stop the run
        if key in look and not look[key] - first[key] <= limit + config.chance * noise:
            told.append(f"{name} {first[key]:.2f} -> {look[key]:.2f}")
    return f"the policy lives off the world model's errors: {', '.join(told)}" if told else ""


def _share(name: str, hits: Sequence[bool], independent: int) -> dict[str, float]:
    """The share of hits and its standard error (binomial, half a hit and half a miss added)."""
    share = float(np.mean(hits)) if hits else 0.0
    likely = (independent * share + 0.5) / (independent + 1)
    return {name: share, f"{name}_error": float((likely * (1 - likely) / (independent + 1)) ** 0.5)}


def _mean(name: str, values: Sequence[float]) -> dict[str, float]:
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    return {name: float(np.mean(values)) if values else 0.0, f"{name}_error": error}


def _parts(of: Sequence[Any]) -> Iterator[Any]:
    return (of[low : low + TOGETHER] for low in range(0, len(of), TOGETHER))


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, longest, ...) of tensors (T, ...): the last row of shorter ones repeats."""
    longest = max(len(x) for x in rows)
    return torch.stack([x[torch.arange(longest).clamp(max=len(x) - 1)] for x in rows])
