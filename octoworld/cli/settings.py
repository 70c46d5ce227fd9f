"""`name=value` arguments of the command line."""

from __future__ import annotations

from typing import Any

import yaml


def settings(assignments: tuple[str, ...]) -> dict[str, Any]:
    """`("head=flow", "bins=64")` as a dict of YAML values; raises ConfigError for another form."""
    from octoworld.core.errors import ConfigError

    values = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not equals:
            raise ConfigError(f"--set {assignment!r}: expected field=value, e.g. head=flow")
    return values
