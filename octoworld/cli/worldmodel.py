"""`octoworld worldmodel VERB`: video world models of any robot's recordings."""

from __future__ import annotations

from .subverbs import dispatch

SUBVERBS: dict[str, tuple[str, str]] = {
    "train": ("worldmodel_train", "train a world model on data sets, flow or autoregressive"),
    "reflector": ("worldmodel_reflector", "train who judges success, in truth and imagination"),
    "readers": ("worldmodel_readers", "train networks that read actions: RLIR's reward and judge"),
    "rlir": ("worldmodel_rlir", "post-train a world model so that it shows what it is told"),
    "distill": ("worldmodel_distill", "a student that imagines in fewer steps, of a flow model"),
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
    card = argv[:1] == ["eval"] and "--card" in argv  # other arguments: policies, not recordings
    known = SUBVERBS | {"eval": ("worldmodel_card", SUBVERBS["eval"][1])} if card else SUBVERBS
    return dispatch("worldmodel", known, argv)
