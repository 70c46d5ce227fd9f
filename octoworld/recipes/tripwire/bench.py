"""Bench `tripwire`: claims, rows and tables of what `work` has done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench

from ..suite.work import do
from .config import TripwireConfig, quick_tripwire
from .work import fell_at, found_file, imitate, run_trial

ENOUGH = 0.9
"""Of the runs: halted in time in broken models, left alone in healthy ones."""


def claims(config: TripwireConfig) -> list[Claim]:
    """What is promised of the alarm."""
    fall = f"{100 * config.fall:g} points"
    return [
        Claim(
            "broken models", ("broken",), tuple(range(len(config.broken))), "halted in time",
            margin=0.5, minimum=ENOUGH,
            statement="halted, and the last update undone, before one was kept after which true "
            f"success had fallen by {fall}, in nine of ten runs",
        ),
        Claim(
            "healthy models", ("healthy",), tuple(range(len(config.healthy))), "left alone",
            margin=0.5, minimum=ENOUGH, statement="at most one false alarm in ten runs",
        ),
    ]  # fmt: skip


@register_bench("tripwire")
class TripwireBench:
    """Post-training in models that are broken on purpose and in the one that is not."""

    name = "tripwire"
    description = "the alarm halts post-training in broken world models in time, and only there"

    def run(self, quick: bool, folder: Path) -> None:
        """Imitate, post-train and look, run by run; a killed bench goes on."""
        config = quick_tripwire() if quick else TripwireConfig()
        scratch = Path("runs") / folder.name
        arms = {"broken": config.broken, "healthy": config.healthy}
        pairs = [(arm, seed) for arm, trials in arms.items() for seed in range(len(trials))]
        missing = [p for p in pairs if not found_file(scratch, *p).exists()]
        seeds = sorted({seed for _, seed in missing})
        do(
            [
                [(imitate, (config, seed, scratch)) for seed in seeds],
                [(run_trial, (config, arm, seed, scratch)) for arm, seed in missing],
            ],
            config.jobs,
        )
        kept = to_dict(config)
        del kept["jobs"]  # it changes when it is done, not what is found
        run(
            claims(config),
            lambda arm, seed, place: result(config, arm, seed, scratch),
            folder,
            scratch=scratch,
            config=kept,
        )

    def report(self, folder: Path) -> str:
        """Verdicts, the runs one by one, and what fewer signals would have done."""
        return "\n\n".join(part for part in (report(folder), table(folder), sets(folder)) if part)


def result(config: TripwireConfig, arm: str, seed: int, scratch: Path) -> ArmResult:
    """The row of a run."""
    found = read_json(found_file(scratch, arm, seed))
    halted, fell = found["halts"]["all"], fell_at(found, config.fall)
    if arm == "broken":
        outcomes = {"halted in time": [float(is_in_time(halted, fell))]}
    else:
        outcomes = {"left alone": [float(halted is None)]}
    facts = {"trial": to_dict(config.trial(arm, seed)), "fell": fell, **found}
    return ArmResult([seed], outcomes, facts=facts)


def is_in_time(halted: Mapping[str, Any] | None, fell: int | None) -> bool:
    """Whether the update that the halt undoes is the first with a fall, or comes before it."""
    return halted is not None and (fell is None or halted["after"] <= fell)


# -- what is stored, as tables -------------------------------------------------------------------


def rows_of(folder: Path, arm: str) -> list[dict[str, Any]]:
    """Stored rows of an arm, by seed."""
    paths = sorted((folder / "rows" / arm).glob("*.json"), key=lambda p: int(p.stem))
    return [read_json(path) for path in paths]


def table(folder: Path) -> str:
    """Runs one by one: when they were halted, and true success at first, then, kept and last."""
    lines = [
        "| run | task | break | halted after | true success at first | when halted | of the kept "
        "| at the end, not halted | fell after | reason |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm in ("broken", "healthy"):
        for row in rows_of(folder, arm):
            facts = row["facts"]
            true = {look["iteration"]: look["true"] for look in facts["looks"]}
            halted, trial = facts["halts"]["all"], facts["trial"]
            last = max(true)
            shown = [true[0], None, None, true[last]]
            if halted is not None:
                shown[1:3] = [true[halted["after"]], true[halted["kept"]]]
            cells = [
                f"{arm} {row['seed']}", trial["task"],
                f"{trial['kind']} at `{trial['command']}`, {trial['strength']:g}"
                if trial["kind"] else "",
                "" if halted is None else str(halted["after"]),
                *("" if x is None else f"{100 * x:.0f} %" for x in shown),
                "" if facts["fell"] is None else str(facts["fell"]),
                "" if halted is None else halted["reason"].split(": ", 1)[1],
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def sets(folder: Path) -> str:
    """How many runs each signal alone would have halted, in time and at all."""
    rows = {arm: rows_of(folder, arm) for arm in ("broken", "healthy")}
    if not any(rows.values()):
        return ""
    lines = ["| signals | broken, halted in time | broken, halted | healthy, halted |"]
    lines.append("|---|---|---|---|")
    names = next(r for found in rows.values() for r in found)["facts"]["halts"]
    for name in names:
        halts = {
            arm: [(r["facts"]["halts"][name], r["facts"]["fell"]) for r in found]
            for arm, found in rows.items()
        }
        in_time = sum(is_in_time(h, f) for h, f in halts["broken"])
        counts = {arm: sum(h is not None for h, _ in found) for arm, found in halts.items()}
        broken, healthy = len(rows["broken"]), len(rows["healthy"])
        lines.append(
            f"| {name} | {in_time} of {broken} | {counts['broken']} of {broken} "
            f"| {counts['healthy']} of {healthy} |"
        )
    return "\n".join(lines)
