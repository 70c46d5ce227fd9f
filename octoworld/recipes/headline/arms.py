"""Arms: what becomes of the policy of five demonstrations, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .config import FEW, HeadlineConfig

SFT, LONGER, UNJUDGED = "sft", "sft, longer", "imagined, no reflector"


@dataclass(frozen=True)
class Arm:
    """One way of making a policy."""

    how: Literal["imitate", "filter", "physics", "imagine"]
    """Imitate demonstrations; these and the successes of exploration (filtered behaviour cloning);
    go on from `sft` by reward in true physics; or in imagination."""
    demonstrations: int = FEW
    """Of each task."""
    budget: int = 0
    """Episodes of true physics, all tasks together, besides demonstrations."""
    is_longer: bool = False
    """Whether it goes on from `sft` by imitation, for as many steps as post-training takes."""
    is_judged: bool = True
    """Whether a reflector gives the reward; else how like a demonstration's last frame it looks."""


def imagined(budget: int) -> str:
    """Name of the arm that post-trains in imagination."""
    return f"imagined, {budget}"


def arms_of(config: HeadlineConfig) -> dict[str, Arm]:
    """All arms by name; `sft` first, from which others go on."""
    spent = [budget for budget in config.budgets if budget]
    return {
        SFT: Arm("imitate"),
        LONGER: Arm("imitate", is_longer=True),
        **{f"{n} demonstrations": Arm("imitate", demonstrations=n) for n in config.demonstrations},
        **{f"filtered, {n}": Arm("filter", budget=n) for n in spent},
        **{f"physics, {n}": Arm("physics", budget=n) for n in spent},
        **{imagined(n): Arm("imagine", budget=n) for n in config.budgets},
        UNJUDGED: Arm("imagine", budget=config.headline, is_judged=False),
    }
