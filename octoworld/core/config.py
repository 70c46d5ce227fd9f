"""Frozen dataclasses to YAML and back, with errors that name the field and the choices."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .errors import ConfigError
from .io import write_text

C = TypeVar("C")


def to_dict(config: Any) -> Any:
    """A config as plain dicts, lists and scalars."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, dict):
        return {str(k): to_dict(v) for k, v in config.items()}
    if isinstance(config, list | tuple):
        return [to_dict(v) for v in config]
    if isinstance(config, Path):
        return str(config)
    return config


def from_dict(cls: type[C], values: dict[str, Any], where: str = "") -> C:
    """Build the dataclass `cls`; unknown fields and wrong types raise ConfigError."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where or cls.__name__}: expected a mapping, got {values!r}")
    hints = typing.get_type_hints(cls)
    names = {f.name for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise ConfigError(
                f"{where}{name}: unknown field of {cls.__name__}; known: {', '.join(sorted(names))}"
            )
    return cls(**{k: _convert(hints[k], v, f"{where}{k}") for k, v in values.items()})


def changed(config: C, changes: dict[str, Any]) -> C:
    """A copy of a config with `changes`, dotted names of fields -> values.

    Raises:
        ConfigError: a field is unknown or has a wrong value.
    """
    values = to_dict(config)
    for name, value in changes.items():
        *path, last = name.split(".")
        place = values
        for part in path:
            if not isinstance(place.get(part), dict):
                known = ", ".join(k for k, v in place.items() if isinstance(v, dict)) or "none"
                raise ConfigError(f"{name}: {part!r} has no fields here; those that have: {known}")
            place = place[part]
        place[last] = value
    return from_dict(type(config), values)


def save_config(config: Any, path: Path | str) -> None:
    """Write a config as YAML, atomically."""
    write_text(path, yaml.safe_dump(to_dict(config), sort_keys=False))


def load_config(cls: type[C], path: Path | str) -> C:
    """Read a config written by `save_config` (missing fields take their defaults)."""
    try:
        values = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ConfigError(f"config file {path} does not exist") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    return from_dict(cls, values or {})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        errors = []
        for option in args:
            if option is type(None):
                continue
            try:
                return _convert(option, value, where)
            except ConfigError as error:
                errors.append(str(error))
        raise ConfigError(errors[0])
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(map(repr, args))}")
        return value
    if dataclasses.is_dataclass(hint):
        if dataclasses.is_dataclass(value):
            return value
        return from_dict(hint, value, f"{where}.")  # type: ignore[arg-type]
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        if origin is tuple and args[-1:] != (Ellipsis,):
            if len(value) != len(args):
                raise ConfigError(f"{where}: expected {len(args)} values, got {value!r}")
            pairs = zip(args, value, strict=True)
        else:
            pairs = ((args[0], v) for v in value)
        return origin(_convert(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(pairs))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected a mapping, got {value!r}")
        return {k: _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is Path:
        if not isinstance(value, str | Path):
            raise ConfigError(f"{where}: expected a path, got {value!r}")
        return Path(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (
        not isinstance(value, hint) or (hint is int and isinstance(value, bool))
    ):
        raise ConfigError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
