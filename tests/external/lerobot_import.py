"""Import LeRobot where PyPI's torchvision stands beside a CPU build of torch."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

_libraries: list[Any] = []


def load(module: str) -> ModuleType:
    """A module of LeRobot; beside a CPU torch, torchvision gets a stand-in for one operator."""
    import torch

    if not _libraries and importlib.util.find_spec("torchvision") and not torch.cuda.is_available():
        # PyPI's torchvision is built for CUDA; beside a CPU torch its binary part does not load,
        # and then the import fails only because this operator, which is not used, is unknown
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
    return importlib.import_module(module)
