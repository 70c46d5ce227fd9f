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
TOLD, UNTOLD = "retries-told", "retries-untold"
"""`rlef` with up to three programs an episode, with and without the feedback."""
ORACLE = "oracle"
"""The program that solves a test instance, carried out."""
SIDE_SPLITS = ("seen", "layouts")
"""Test splits of the other arms."""
