"""`octoworld programmer VERB`: agents that see homes and write programs for them."""

from __future__ import annotations

from .subverbs import dispatch

SUBVERBS: dict[str, tuple[str, str]] = {
    "sft": ("programmer_sft", "a pretrained vision-language model learns a teacher's answers"),
    "rlef": ("programmer_rlef", "it learns from what its own programs do"),
    "eval": (
        "programmer_eval",
        "success of a programmer of ours, a pretrained model, or one behind an endpoint",
    ),
}
"""Sub-verb -> (module in `octoworld.cli` with `main(argv)`, help). Imported when they run."""


def main(argv: list[str]) -> int:
    """Run the sub-verb; returns the exit status."""
    return dispatch("programmer", SUBVERBS, argv)
