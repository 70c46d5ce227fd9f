"""Registered benches: scripted experts, World-Env."""

from __future__ import annotations

from pathlib import Path

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from tasks.manipulation.validate import validate
from tasks.suites import SCENES

from .evaluate import from_rows
from .stages import Run
from .worldenv import WorldEnvConfig, profile, run_worldenv
from .worldenv.recordings import true_episodes


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


@register_bench("worldenv")
class WorldEnvBench:
    """The gain of post-training in imagination, measured in true physics."""

    name = "worldenv"
    description = "post-training in imagination beats SFT in true physics, without further episodes"
    seeds = (0, 1, 2)

    def run(self, quick: bool, folder: Path) -> None:
        """The whole job for each seed; `quick` runs the smallest profile, which claims nothing."""
        name = "tiny" if quick else "small"
        config = profile(name)
        claims = [
            Claim(
                f"{protocol} success rises",
                arms=("posttrained",),
                baseline="sft",
                seeds=(0,) if quick else self.seeds,
                metric=protocol,
                budget={"true_steps_in_posttraining": 0},
                statement=f"{protocol} success after post-training is above that after SFT",
            )
            for protocol in ("oracle", "self_stopped")
        ]

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            # both arms are of one run: they share everything up to post-training
            place = scratch.parent.parent / f"run-{seed}"
            resumed = (place / "config.yaml").exists()
            job = (
                Run.resume(place, WorldEnvConfig)
                if resumed
                else Run.create(place, profile(name, seed))
            )
            run_worldenv(job)
            outcomes = from_rows(read_json(job.path("evaluation", f"{arm}.json")))
            return ArmResult(
                starts=[o.seed for o in outcomes],
                outcomes={
                    k: [float(getattr(o, k)) for o in outcomes]
                    for k in ("oracle", "self_stopped", "at_end")
                },
                spent={
                    "true_steps_in_posttraining": job.record("posttrain")["true_steps"],
                    "true_episodes": true_episodes(job),
                },
                facts={"reflector": job.record("reflector"), "posttrain": job.record("posttrain")},
            )

        run(claims, measure, folder, scratch=Path("runs") / folder.name, config=to_dict(config))

    def report(self, folder: Path) -> str:
        """Paired differences with intervals."""
        return report(folder)
