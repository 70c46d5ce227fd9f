"""The array library of a function's arguments, found faster than by array_api_compat alone."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np


def array_namespace(*arrays: Any) -> Any:
    """The Python array API standard's functions for `arrays`; arguments other than arrays are None.

    numpy follows the standard itself since 2.1; array_api_compat's wrappers of it cost a single
    world a fifth of its step.

    Raises:
        TypeError: arrays of two libraries, or of none.
    """
    for array in arrays:
        if type(array) is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    return np
