"""Arms: what is taught how, from which parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Arm:
    """One way of making a policy."""

    how: Literal["imitate", "loop", "grpo", "tree", "reject"]
    """`imitate` programs; feedback by `loop`, `grpo` or `tree`; `reject`ion sampling."""
    parent: str = ""
    """Arm whose policy it begins with; empty: new weights behind the same eye."""
    teacher: str = "forgetful"
    """Whose programs it imitates."""
    only_successes: bool = False
    """Whether programs after which the goal did not hold are left out."""
    steps: tuple[int, int] = (1, 0)
    """How often it takes `OctopusConfig.sft.steps`, and how often `OctopusConfig.longer`, the steps
    that stand against the compute of feedback."""
    is_judged: bool = False
    """Whether its reward is a learned judge's word, and not the environment's."""
    is_retrying: bool = False
    """Starts are those where its parent's own programs got stuck, besides fresh ones, and success
    counts only where no call failed: after an error an agent is asked again, and would go on.
    `done` is verified: said too early it fails, and tells what of the goal does not hold."""
    is_untold: bool = False
    """Feedback is taken away, in training and in tests."""
    is_blind: bool = False
    """Pictures are taken away, in training and in tests."""
    is_main: bool = False
    """Whether it runs with all seeds and is tested on all splits."""


ARMS: dict[str, Arm] = {
    "sft": Arm("imitate", is_main=True),
    "sft-longer": Arm("imitate", "sft", steps=(0, 1), is_main=True),
    "sft-successes": Arm("imitate", only_successes=True, steps=(1, 1), is_main=True),
    "rlef": Arm("loop", "sft", is_main=True),
    "rlef-judged": Arm("loop", "sft", is_judged=True),
    "rlef-retries": Arm("loop", "rlef", is_retrying=True),
    "rlef-untold": Arm("loop", "rlef", is_retrying=True, is_untold=True),
    "rlef-grpo": Arm("grpo", "sft"),
    "rlef-tree": Arm("tree", "sft"),
    "rejection": Arm("reject", "sft"),
    "successes-rlef": Arm("loop", "sft-successes"),
    "perfect": Arm("imitate", teacher="perfect"),
    "perfect-longer": Arm("imitate", "perfect", teacher="perfect", steps=(0, 1)),
    "perfect-rlef": Arm("loop", "perfect", teacher="perfect"),
    "blind": Arm("imitate", only_successes=True, is_blind=True),
}
"""Arms that are trained; parents before their children."""
SHUFFLED, RANDOM = "shuffled-views", "random-programs"
"""`rlef` that is shown the pictures of another home; untrained weights that draw programs."""
TOLD, UNTOLD, DRAWN = "rlef-retries-told", "rlef-untold-not-told", "rlef-untold-drawn"
RETRIES = {
    TOLD: ("rlef-retries", "retry", 0.0),
    UNTOLD: ("rlef-untold", "retry_untold", 0.0),
    DRAWN: ("rlef-untold", "retry_untold", 1.0),
    "rlef-retries-not-told": ("rlef-retries", "retry_untold", 0.0),
    "rlef-told": ("rlef", "retry", 0.0),
    "rlef-not-told": ("rlef", "retry_untold", 0.0),
    "sft-told": ("sft", "retry", 0.0),
    "sft-not-told": ("sft", "retry_untold", 0.0),
}
"""Episodes of several programs -> whose, the strategy (told what its programs did, or not), and the
temperature at which those after the first are drawn."""
ORACLE = "oracle"
"""The program that solves a test instance, carried out."""
SIDE_SPLITS = ("seen", "layouts")
"""Test splits of the other arms."""
