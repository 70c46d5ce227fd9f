"""`octoworld worldmodel VERB`: video world models of any robot's recordings."""

from __future__ import annotations

import difflib
import importlib

from octoworld.core.errors import ConfigError

SUBVERBS: dict[str, tuple[str, str]] = {
    "train": ("worldmodel_train", "train a world model on data sets, flow or autoregressive"),
    "reflector": ("worldmodel_reflector", "train who judges success, in truth and imagination"),
    "readers": ("worldmodel_readers", "train networks that read actions: RLIR's reward and judge"),
    "rlir": ("worldmodel_rlir", "post-train a world model so that it shows what it is told"),
    "perceptual": ("worldmodel_perceptual", "train an own network that measures pictures"),
    "eval": (
        "worldmodel_eval",
        "how well a world model foresees held-out recordings; with --card, how well success in it "
        "tells success in true physics",
    ),
}
"""Sub-verb -> (module in `octoworld.cli` with `main(argv)`, help). Imported when they run."""


def main(argv: list[str]) -> int:
    """Run the sub-verb; returns the exit status."""
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    name, *rest = argv
    if name not in SUBVERBS:
        near = difflib.get_close_matches(name, SUBVERBS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"unknown worldmodel verb {name!r}.{hint} Known: {', '.join(SUBVERBS)}.")
    module = SUBVERBS[name][0]
    if name == "eval" and "--card" in rest:  # other arguments: policies instead of recordings
        module = "worldmodel_card"
    return importlib.import_module(f"octoworld.cli.{module}").main(rest)


def overview() -> str:
    """What `--help` prints."""
    lines = ["usage: octoworld worldmodel VERB ...", ""]
    lines += [f"  {name:12} {text}" for name, (_, text) in SUBVERBS.items()]
    return "\n".join([*lines, "", "`octoworld worldmodel VERB --help` explains one verb."])
