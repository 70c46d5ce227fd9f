"""`name=value` arguments of the command line."""

from __future__ import annotations

from typing import Any

import yaml


def pairs(name: str, items: tuple[str, ...]) -> dict[str, Any]:
    """name=value strings as a dict, values read as YAML; raises ConfigError for other strings."""
    from octoworld.core.errors import ConfigError

    values = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"--{name} {item!r}: expected name=value")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--{name} {item!r}: {value!r} is no YAML value") from None
    return values
