"""Benches: declared claims, arms over the same seeds and starts, verdicts with intervals."""

from .bench import Bench, FileBench
from .claim import ArmResult, Claim, RunArm, run, scaled
from .intervals import Interval, bootstrap_mean, interquartile_mean, wilson
from .verdicts import judge, report, verdicts

__all__ = [
    "ArmResult",
    "Bench",
    "Claim",
    "FileBench",
    "Interval",
    "RunArm",
    "bootstrap_mean",
    "interquartile_mean",
    "judge",
    "report",
    "run",
    "scaled",
    "verdicts",
    "wilson",
]
