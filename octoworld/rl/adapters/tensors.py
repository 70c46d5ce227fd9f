"""Environment arrays as torch tensors on a trainer's device, or in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

STATE = "observation.state"


def as_numpy(value: Any) -> NDArray:
    """Numpy, sharing memory with a torch tensor on the CPU."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def to_tensor(value: Any, device: str) -> torch.Tensor:
    """A copy (the environment may write into its arrays again); float64 becomes float32."""
    value = as_numpy(value)
    return torch.tensor(value.astype(np.float32) if value.dtype == np.float64 else value).to(device)


def named_tensors(obs: Any, device: str, state: str) -> dict[str, torch.Tensor]:
    """An observation as tensors by name; the flat part is called `state`."""
    if not isinstance(obs, Mapping):
        return {state: to_tensor(obs, device)}
    return {state if k == STATE else k: to_tensor(v, device) for k, v in obs.items()}
