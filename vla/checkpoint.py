"""A policy's folder: `config.json` with the policy's type, weights and processor beside it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import CheckpointError, ConfigError, UnknownNameError
from octoworld.core.io import load_tensors, read_json, save_tensors, write_json
from octoworld.core.registry import POLICIES

if TYPE_CHECKING:
    from torch import nn

    from .policy import Policy

CONFIG, WEIGHTS, PROCESSOR = "config.json", "model.safetensors", "processor.json"

C = TypeVar("C")


def describe(folder: Path | str) -> tuple[str, dict[str, Any]]:
    """Type and config, as plain values, of the policy saved in `folder`; no weights are read.

    Raises:
        CheckpointError: missing, damaged, or no policy's.
    """
    path = policy_folder(folder) / CONFIG
    values = read_json(path)
    kind, config = (_field(values, name, path) for name in ("type", "config"))
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is no policy's config: 'config' is no mapping")
    return str(kind), config


def load_policy(
    folder: Path | str,
    *,
    robot: str | None = None,
    control_mode: str | None = None,
    **options: Any,
) -> Policy:
    """The policy saved in `folder`, of the class that its config's `type` names.

    Args:
        folder: where `save_pretrained` wrote, or the folder of a run that trained a policy.
        robot: the robot it shall drive; None does not ask.
        control_mode: what the environment takes its actions for; None does not ask.
        options: further arguments of the class's `from_pretrained`.

    Raises:
        CheckpointError: missing, damaged, of an unknown type, or for another robot or control mode.
    """
    folder = policy_folder(folder)
    kind = _field(read_json(folder / CONFIG), "type", folder)
    try:
        cls = POLICIES.get(kind)
    except UnknownNameError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None
    policy = cls.from_pretrained(folder, **options)
    for name, wanted in (("robot", robot), ("control_mode", control_mode)):
        made_for = getattr(policy.config, name, wanted)
        if wanted is not None and made_for != wanted:
            raise CheckpointError(
                f"the policy in {folder} was made for {name} {made_for!r}, not {wanted!r}"
            )
    return policy


def write_config(folder: Path | str, kind: str, config: Any) -> None:
    """Write the config dataclass of a policy of type `kind`, with the library's version."""
    try:
        library_version = version("octoworld")
    except PackageNotFoundError:
        library_version = "uninstalled"
    values = {
        "type": kind,
        "library": "octoworld",
        "version": library_version,
        "config": to_dict(config),
    }
    write_json(Path(folder) / CONFIG, values)


def read_config(folder: Path | str, kind: str, cls: type[C]) -> C:
    """The config dataclass; raises CheckpointError when missing, damaged or of another type."""
    path = Path(folder) / CONFIG
    values = read_json(path)
    found = _field(values, "type", path)
    if found != kind:
        raise CheckpointError(f"{path} is of a policy of type {found!r}, expected {kind!r}")
    try:
        return from_dict(cls, _field(values, "config", path))
    except (ConfigError, TypeError) as error:
        raise CheckpointError(
            f"{path}: {error} (written by octoworld {values.get('version', '?')})"
        ) from None


def write_weights(folder: Path | str, model: nn.Module) -> None:
    """Write the state dict of `model`."""
    save_tensors(Path(folder) / WEIGHTS, model.state_dict())


def read_weights(folder: Path | str, model: nn.Module) -> None:
    """Load what `write_weights` wrote; raises CheckpointError when it does not fit `model`."""
    path = Path(folder) / WEIGHTS
    try:
        model.load_state_dict(load_tensors(path))
    except RuntimeError as error:
        if isinstance(error, CheckpointError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} does not fit its {CONFIG} ({reason})") from None


def policy_folder(folder: Path | str) -> Path:
    """The folder itself, or of a run: its best policy, else its last or only one."""
    folder = Path(folder)
    rooms = ("checkpoints/best", "checkpoints/last", "policy")
    if not (folder / CONFIG).exists():
        found = [folder / room for room in rooms if (folder / room / CONFIG).exists()]
        return found[0] if found else folder
    return folder


def _field(values: Any, name: str, path: Path) -> Any:
    if not isinstance(values, dict) or name not in values:
        raise CheckpointError(f"{path} is no policy's config: it has no field {name!r}")
    return values[name]
