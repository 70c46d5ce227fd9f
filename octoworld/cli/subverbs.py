"""Verbs with verbs of their own: finds the module, prints what there is."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

from octoworld.core.errors import ConfigError


def dispatch(verb: str, subverbs: Mapping[str, tuple[str, str]], argv: list[str]) -> int:
    """Run a sub-verb of a verb, or print what there is; returns the exit status."""
    if not argv or argv[0] in ("-h", "--help"):
        print(overview(verb, subverbs))
        return 0
    name, *rest = argv
    if name not in subverbs:
        near = difflib.get_close_matches(name, subverbs, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"unknown {verb} verb {name!r}.{hint} Known: {', '.join(subverbs)}.")
    return importlib.import_module(f"octoworld.cli.{subverbs[name][0]}").main(rest)


def overview(verb: str, subverbs: Mapping[str, tuple[str, str]]) -> str:
    """What `--help` prints."""
    lines = [f"usage: octoworld {verb} VERB ...", ""]
    lines += [f"  {name:12} {text}" for name, (_, text) in subverbs.items()]
    return "\n".join([*lines, "", f"`octoworld {verb} VERB --help` explains one verb."])
