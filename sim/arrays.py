"""Arrays of either library: numpy and torch values, alone or in (nested) dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def as_numpy(value: Any) -> Any:
    """A torch tensor as numpy (sharing memory on the CPU); anything else as an array."""
    if type(value) is np.ndarray:
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def present(value: Any, output: Literal["numpy", "torch"]) -> Any:
    """Arrays, alone or in dicts, as numpy or torch; without a copy on the CPU."""
    if isinstance(value, Mapping):
        return {k: present(v, output) for k, v in value.items()}
    if output == "numpy":
        return as_numpy(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        import torch

        return torch.from_numpy(value if value.flags.writeable else value.copy())
    return value


def map_arrays(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to an array, or to every array of a dict."""
    if isinstance(value, Mapping):
        return {k: map_arrays(function, v) for k, v in value.items()}
    return function(value)


def merge_rows(old: Any, rows: Any, mask: NDArray[np.bool_]) -> Any:
    """A copy of `old` (N, ...) with `rows` (n, ...) where `mask` (N,) is true."""
    if isinstance(old, Mapping):
        return {k: merge_rows(v, rows[k], mask) for k, v in old.items()}
    if isinstance(old, np.ndarray):
        new = old.copy()
        new[mask] = rows
        return new
    import torch

    new = old.clone()
    new[torch.from_numpy(mask.copy())] = rows.to(new.device)
    return new


def stack_columns(values: Sequence[Any]) -> Any:
    """K arrays (N,) as one (N, K)."""
    if hasattr(values[0], "detach"):
        import torch

        return torch.stack(list(values), dim=1)
    return np.stack(values, axis=1)
