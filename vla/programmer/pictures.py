"""Pictures as data URLs, the way that chat completions take them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError


def data_url(image: NDArray[Any], name: str = "image") -> str:
    """(H, W, 3) uint8 -> `data:image/png;base64,...`. ConfigError for any other array."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ConfigError(f"{name} is {image.shape} {image.dtype}; expected (H, W, 3) uint8")
    from PIL import Image  # 30 ms, and only seeing agents need it

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
