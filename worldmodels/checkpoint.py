"""Saved networks, read back whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from octoworld.core.errors import CheckpointError
from octoworld.core.io import read_json
from octoworld.core.registry import WORLD_MODELS

from .latent_model import LatentWorldModel


def load_part(cls: Any, folder: Path) -> Any:
    """A model of class `cls` saved in `folder`; CheckpointError when it is missing or not whole."""
    if not (folder / "config.json").exists():
        raise CheckpointError(f"{folder} holds no checkpoint (no config.json)")
    try:
        model, found = cls.from_pretrained(str(folder), output_loading_info=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{folder} is damaged or of another model ({str(error).splitlines()[0]})"
        ) from None
    # diffusers would leave weights that the file lacks as they were drawn
    strange = {k: found[k] for k in ("missing_keys", "unexpected_keys") if found[k]}
    if strange:
        told = "; ".join(f"{k}: {len(v)}, such as {sorted(v)[0]}" for k, v in strange.items())
        raise CheckpointError(
            f"{folder} is of another version of {cls.__name__} ({told}); train it anew, or take "
            "the checkpoints of this version"
        )
    # published checkpoints are stored in half precision
    return model.float().eval()


def load_latent_model(folder: Path) -> LatentWorldModel:
    """A saved world model over an autoencoder's latents, of any paradigm.

    Raises:
        CheckpointError: it is missing, damaged, or of a class that is not such a model.
    """
    wanted = class_name(folder)
    classes = [WORLD_MODELS.get(name) for name in WORLD_MODELS.names()]
    known = {c.__name__: c for c in classes if issubclass(c, LatentWorldModel)}
    if wanted not in known:
        raise CheckpointError(
            f"{folder} holds a {wanted}, expected one of {', '.join(sorted(known))}"
        )
    return load_part(known[wanted], folder)


def class_name(folder: Path) -> str:
    """Class of the network saved in `folder`; CheckpointError when there is none."""
    if not (folder / "config.json").exists():
        raise CheckpointError(f"{folder} holds no checkpoint (no config.json)")
    return str(read_json(folder / "config.json").get("_class_name"))


def world_model_class(folder: Path | str) -> Any:
    """The registered class of the world model that `save_pretrained` wrote into `folder`.

    Raises:
        CheckpointError: missing, damaged, or of a class that no registered world model has.
    """
    wanted = class_name(Path(folder))
    known = [WORLD_MODELS.get(name) for name in WORLD_MODELS.names()]
    classes = {cls.__name__: cls for cls in known}
    if wanted not in classes:
        raise CheckpointError(
            f"{folder}/config.json is of class {wanted!r}; "
            f"known world models: {', '.join(sorted(classes)) or 'none'}"
        )
    return classes[wanted]
