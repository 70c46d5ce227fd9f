"""TrainState: all that a killed training needs to go on, in one file that is never half written."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd

from octoworld.core.errors import CheckpointError
from octoworld.core.io import load_tensors, save_tensors

from .learner import Learner

FILE = "state.safetensors"
NUMBERS = (
    "seconds", "cpu_seconds", "best_merit", "best_success", "best_return", "best_step"
)  # fmt: skip
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
Tensors = dict[str, torch.Tensor]


@dataclass
class TrainState:
    """Where a training stands between two segments."""

    segment: int = 0
    """Segments done."""
    seconds: float = 0.0
    """Wall time used, with evaluations, of all processes that worked on the run [s]."""
    cpu_seconds: float = 0.0
    """CPU time of the same [s]: what a busy machine does not stretch."""
    best_merit: float = float("-inf")
    """Of the best evaluation: success rate + share of the greatest return."""
    best_success: float = -1.0
    """Its success rate; -1 before the first evaluation."""
    best_return: float = float("-inf")
    """Its mean return."""
    best_step: int = 0
    """Steps it had."""
    best: Tensors = field(default_factory=dict)
    """Weights of the best controller."""


def save_state(path: Path, learner: Learner, state: TrainState) -> None:
    """Write learner and state to `path`, atomically.

    Kept are weights, optimisers, running statistics, counters, the replay buffer and the best
    controller. Random streams are functions of (seed, segment) and need no room.
    """
    model: Any = learner.model
    modules, variables = model._get_torch_save_params()
    tensors: Tensors = {}
    for name in modules:
        tensors |= _flatten(f"model/{name}", attrgetter(name)(model).state_dict())
    for name in variables:
        tensors[f"model/{name}"] = attrgetter(name)(model).detach()
    for name, statistics in _statistics(learner).items():
        for key in ("mean", "var", "count"):
            value = torch.as_tensor(getattr(statistics, key), dtype=torch.float64)
            tensors[f"normaliser/{name}/{key}"] = value
    for name in COUNTERS:
        tensors[f"counter/{name}"] = torch.tensor(int(getattr(model, name)))
    if isinstance(model, OffPolicyAlgorithm):
        buffer: Any = model.replay_buffer
        filled = buffer.buffer_size if buffer.full else buffer.pos
        for name in REPLAY:
            tensors[f"replay/{name}"] = torch.from_numpy(getattr(buffer, name)[:filled])
        tensors["counter/replay_position"] = torch.tensor(int(buffer.pos))
    tensors |= {f"best/{k}": v for k, v in state.best.items()}
    tensors["state/segment"] = torch.tensor(state.segment)
    for name in NUMBERS:
        tensors[f"state/{name}"] = torch.tensor(getattr(state, name), dtype=torch.float64)
    save_tensors(path, tensors)


def load_state(path: Path, learner: Learner) -> TrainState:
    """Put `learner` where `save_state` found it; a fresh state when there is no file.

    Raises:
        CheckpointError: the file is damaged, or of another config.
    """
    if not path.exists():
        return TrainState()
    tensors = load_tensors(path)
    try:
        return _restore(tensors, learner)
    except (KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:150]
        raise CheckpointError(
            f"{path} does not fit this run's config ({reason}); "
            "use the config it was started with, or another run folder"
        ) from None


def _restore(tensors: Tensors, learner: Learner) -> TrainState:
    model: Any = learner.model
    modules, variables = model._get_torch_save_params()
    for name in modules:
        part = attrgetter(name)(model)
        part.load_state_dict(_unflatten(f"model/{name}", tensors, part.state_dict()))
    for name in variables:
        with torch.no_grad():
            attrgetter(name)(model).copy_(tensors[f"model/{name}"])
    for name, statistics in _statistics(learner).items():
        mean, var = (tensors[f"normaliser/{name}/{k}"].numpy().copy() for k in ("mean", "var"))
        if mean.shape != statistics.mean.shape:
            raise ValueError(f"observations of {statistics.mean.shape}, saved {mean.shape}")
        statistics.mean, statistics.var = mean, var
        statistics.count = float(tensors[f"normaliser/{name}/count"])
    for name in COUNTERS:
        setattr(model, name, int(tensors[f"counter/{name}"]))
    if isinstance(model, OffPolicyAlgorithm):
        buffer: Any = model.replay_buffer
        for name in REPLAY:
            saved = tensors[f"replay/{name}"].numpy()
            getattr(buffer, name)[: len(saved)] = saved
        buffer.full = len(tensors["replay/rewards"]) == buffer.buffer_size
        buffer.pos = int(tensors["counter/replay_position"])
    learner.schedule.done = model.num_timesteps
    return TrainState(
        segment=int(tensors["state/segment"]),
        **{name: tensors[f"state/{name}"].item() for name in NUMBERS if name != "best_step"},
        best_step=int(tensors["state/best_step"]),
        best={k.removeprefix("best/"): v for k, v in tensors.items() if k.startswith("best/")},
    )


def _statistics(learner: Learner) -> dict[str, RunningMeanStd]:
    found: dict[str, Any] = {"return": learner.env.ret_rms}
    if learner.config.normalize_obs:
        found["obs"] = learner.env.obs_rms
    return found


def _flatten(room: str, state: dict[str, Any]) -> Tensors:
    """A state dict as tensors by path; of an optimiser, what it has for each parameter."""
    if "param_groups" not in state:
        return {f"{room}/{k}": v for k, v in state.items()}
    return {
        f"{room}/{index}/{k}": torch.as_tensor(v)
        for index, values in state["state"].items()
        for k, v in values.items()
    }


def _unflatten(room: str, tensors: Tensors, like: dict[str, Any]) -> dict[str, Any]:
    """The state dict that `_flatten` took apart; an optimiser's groups are those of `like`."""
    prefix = f"{room}/"
    found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    if "param_groups" not in like:
        return found
    states: dict[int, Tensors] = {}
    for key, value in found.items():
        index, _, name = key.partition("/")
        states.setdefault(int(index), {})[name] = value
    return like | {"state": states}
