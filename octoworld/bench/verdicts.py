"""Verdicts: stored rows -> paired differences -> interval -> pass, fail or inconclusive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import CheckpointError
from octoworld.core.io import read_json

from .claim import Claim, load_claims, row_path
from .intervals import Interval, bootstrap_mean

Verdict = Literal["pass", "fail", "inconclusive"]


def outcomes_of(folder: Path | str, claim: Claim, arm: str) -> dict[int, dict[int, float]]:
    """Table seed -> start -> outcome of the claim's metric, for the seeds that are stored."""
    table = {}
    for seed in claim.seeds:
        path = row_path(folder, arm, seed)
        if not path.exists():
            continue
        row = read_json(path)
        if claim.metric not in row["outcomes"]:
            known = ", ".join(row["outcomes"])
            raise CheckpointError(f"{path} has no outcome {claim.metric!r}; it has {known}")
        table[seed] = dict(zip(row["starts"], row["outcomes"][claim.metric], strict=True))
    return table


def differences(folder: Path | str, claim: Claim, arm: str) -> tuple[NDArray, bool]:
    """(S, E) paired differences to the baseline, and whether all seeds share their starts.

    Raises:
        CheckpointError: arm and baseline were tested from different starts.
    """
    ours = outcomes_of(folder, claim, arm)
    theirs = outcomes_of(folder, claim, claim.baseline) if claim.baseline else None
    rows, starts = [], []
    for seed, outcomes in ours.items():
        if theirs is None:
            base = dict.fromkeys(outcomes, 0.0)
        elif seed in theirs:
            base = theirs[seed]
        else:
            continue
        if base.keys() != outcomes.keys():
            raise CheckpointError(
                f"seed {seed}: {arm!r} and {claim.baseline!r} were tested from different starts"
            )
        order = sorted(outcomes)
        starts.append(order)
        rows.append([outcomes[s] - base[s] for s in order])
    if len({len(row) for row in rows}) > 1:
        raise CheckpointError(f"{arm!r}: seeds were tested from different numbers of starts")
    return np.array(rows, np.float64), all(order == starts[0] for order in starts)


def judge(interval: Interval, claim: Claim) -> Verdict:
    """`pass` when the whole interval keeps the claim, `fail` when none of it does."""
    estimate, low, high = interval.estimate, interval.low, interval.high
    if claim.direction == "less":
        estimate, low, high = -estimate, -high, -low
        # an absolute claim has no baseline to be less than: its margin is the bound itself
        margin = claim.margin if claim.baseline else -claim.margin
    else:
        margin = claim.margin
    if claim.direction == "within":
        if -margin <= low and high <= margin:
            return "pass"
        return "fail" if low > margin or high < -margin else "inconclusive"
    reach = claim.minimum if claim.minimum is not None else float("-inf")
    if low > margin and estimate >= reach:
        return "pass"
    return "fail" if high <= margin or high < reach else "inconclusive"


def verdicts(folder: Path | str) -> list[dict[str, Any]]:
    """One entry a claim and arm: name, estimate, ci, margin, verdict, seeds, episodes, commit.

    A claim with seeds still missing cannot pass: its verdict is `inconclusive`.
    """
    folder = Path(folder)
    entries = []
    for claim in load_claims(folder):
        for arm in claim.arms:
            values, shared = differences(folder, claim, arm)
            entry: dict[str, Any] = {
                "name": claim.name if len(claim.arms) == 1 else f"{claim.name}/{arm}",
                "statement": claim.statement,
                "arm": arm,
                "baseline": claim.baseline,
                "metric": claim.metric,
                "direction": claim.direction,
                "margin": claim.margin,
                "minimum": claim.minimum,
                "estimate": None,
                "ci": None,
                "verdict": "inconclusive",
                "seeds": len(values),
                "episodes": int(values.size),
                "commit": commits(folder, claim, arm),
            }
            if values.size:
                interval = bootstrap_mean(values, shared_starts=shared, level=claim.level)
                entry["estimate"] = interval.estimate
                entry["ci"] = [interval.low, interval.high]
                if len(values) == len(claim.seeds):
                    entry["verdict"] = judge(interval, claim)
            entries.append(entry)
    return entries


def commits(folder: Path | str, claim: Claim, arm: str) -> str:
    """Code versions of the rows that a verdict rests on, joined by `+` when they differ."""
    arms = [arm, *([claim.baseline] if claim.baseline else [])]
    paths = [row_path(folder, a, s) for a in arms for s in claim.seeds]
    return "+".join(sorted({read_json(p)["commit"] for p in paths if p.exists()}))


def report(folder: Path | str) -> str:
    """The verdicts as a Markdown table."""
    lines = [
        "| claim | arm | against | metric | estimate [CI] | bound | verdict | seeds | episodes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    signs = {"greater": ">", "less": "<", "within": "±"}
    for entry in verdicts(folder):
        ci = entry["ci"]
        text = f"{entry['estimate']:+.3f} [{ci[0]:+.3f}, {ci[1]:+.3f}]" if ci else "no rows"
        bound = f"{signs[entry['direction']]} {entry['margin']:g}"
        cells = [
            entry["name"], entry["arm"], entry["baseline"] or "-", entry["metric"], text, bound,
            f"**{entry['verdict']}**", str(entry["seeds"]), str(entry["episodes"]),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
