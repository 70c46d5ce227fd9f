"""Bench `experts`: how good the scripted teachers are."""

from __future__ import annotations

from pathlib import Path

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.registry import register_bench
from tasks.manipulation.validate import validate
from tasks.suites import SCENES


@register_bench("experts")
class ExpertBench:
    """Success of the scripted teachers over random starts."""

    name = "experts"
    description = "scripted experts succeed in at least 95 % of 500 random starts"

    def run(self, quick: bool, folder: Path) -> None:
        """Every task's expert once from each start."""
        starts = range(50) if quick else range(500)
        claim = Claim(
            "experts",
            arms=SCENES["table"],
            seeds=(0,),
            metric="success",
            margin=0.9 if quick else 0.93,
            minimum=0.95,
            statement="success >= 95 %, and the interval above the margin",
        )

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            failed = set(validate(arm, len(starts), starts.start).failed_seeds)
            return ArmResult(list(starts), {"success": [float(s not in failed) for s in starts]})

        run([claim], measure, folder)

    def report(self, folder: Path) -> str:
        """Success by task."""
        return report(folder)
