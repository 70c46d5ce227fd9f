"""Which class a saved world model is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from octoworld.core.errors import CheckpointError
from octoworld.core.io import read_json
from octoworld.core.registry import WORLD_MODELS


def world_model_class(folder: Path | str) -> Any:
    """The registered class of the world model that `save_pretrained` wrote into `folder`.

    Raises:
        CheckpointError: missing, damaged, or of a class that no registered world model has.
    """
    folder = Path(folder)
    wanted = read_json(folder / "config.json").get("_class_name")
    classes = {WORLD_MODELS.get(name).__name__: WORLD_MODELS.get(name)
               for name in WORLD_MODELS.names()}  # fmt: skip
    if wanted not in classes:
        raise CheckpointError(
            f"{folder}/config.json is of class {wanted!r}; "
            f"known world models: {', '.join(sorted(classes)) or 'none'}"
        )
    return classes[wanted]
