"""Bench `worldenv`: claims, rows, table and plot of what `work` has learned and tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, bootstrap_mean, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench

from ..suite.work import do
from .arms import SFT, arms_of, imagined
from .config import HeadlineConfig, quick_headline
from .learning import SPENT
from .picture import draw_budgets
from .recorded import place_of
from .work import is_main, read_tested, rounds_of

PLOT = "budgets.png"


def claims(config: HeadlineConfig) -> list[Claim]:
    """What is promised of the headline arm, before anything is tested."""
    ours, seeds = imagined(config.headline), config.seeds
    share = 1 / len(config.tasks)
    others = tuple(arm for arm in arms_of(config) if arm not in (SFT, ours))
    return [
        Claim(
            "better in imagination", (ours,), seeds, "success", minimum=0.05, baseline=SFT,
            budget={SPENT[0]: float(config.headline), SPENT[1]: 0.0},
            statement="post-training in imagination, with no episode of true physics, gains at "
            "least 5 points there, and its interval excludes 0",
        ),
        *(
            Claim(
                f"nothing lost, {task}", (ours,), seeds, f"success of {task}", baseline=SFT,
                margin=-0.02 * share,
                statement="no task loses more than 2 points; of all episodes, its share of them",
            )
            for task in config.tasks
        ),
        Claim(
            "it stops by itself", (ours,), seeds, "lost by stopping", direction="less",
            margin=0.03,
            statement="ended by the reflector, success is within 3 points of ended by the truth",
        ),
        Claim(
            "false terminations", (ours,), seeds, "stopped falsely", direction="less", margin=0.05,
            statement="the reflector ends at most 5 % of episodes without success",
        ),
        Claim("for comparison", others, seeds, "success", statement="see the table"),
    ]  # fmt: skip


@register_bench("worldenv")
class HeadlineBench:
    """Post-training in imagination against everything else that the same episodes could buy."""

    name = "worldenv"
    description = "post-training in imagination beats SFT in true physics, without further episodes"

    def run(self, quick: bool, folder: Path) -> None:
        """Record, learn and test in as many processes as there are processors.

        What is found is stored arm by arm, and a killed run goes on.
        """
        config = quick_headline() if quick else HeadlineConfig()
        scratch = Path("runs") / folder.name
        do(rounds_of(config, scratch), config.jobs)
        store(config, scratch, folder)

    def report(self, folder: Path) -> str:
        """Verdicts, success by arm and task with what it cost, what imagination promised."""
        parts = [report(folder), table(folder), promises(folder)]
        return "\n\n".join(part for part in parts if part)


def store(
    config: HeadlineConfig, scratch: Path, folder: Path, only: Sequence[str] | None = None
) -> None:
    """Rows of all arms, or of those that have been run (`only`), and the plot."""

    def measure(arm: str, seed: int, place: Path) -> ArmResult:
        return row_of(config, arm, seed, scratch)

    kept = to_dict(config)
    del kept["jobs"]  # it changes when it is done, not what is found
    run(claims(config), measure, folder, config=kept, only=only)
    draw_budgets(rows_by_arm(folder), folder / PLOT)


def row_of(config: HeadlineConfig, arm: str, seed: int, scratch: Path) -> ArmResult:
    """Outcomes of an arm; a start is a task and a seed."""
    found = read_tested(scratch, seed, arm)
    rows = found["outcomes"]
    success = np.array([float(r["oracle"]) for r in rows])
    tasks = [r["task"] for r in rows]
    told: dict[str, Any] = {"success": success}
    told |= {f"success of {t}": success * (np.array(tasks) == t) for t in config.tasks}
    if is_main(config, arm):
        held = np.array([float(r["self_stopped"]) for r in rows])
        stopped = np.array([r["stop_step"] >= 0 for r in rows])
        told |= {
            "success, stopped by the reflector": held,
            "lost by stopping": success - held,
            "stopped falsely": (stopped & (held == 0)).astype(float),
        }
    spent = read_json(place_of(scratch, seed, "learned", arm, "spent.json"))
    numbers = {k: v for k, v in spent.items() if isinstance(v, int | float)}
    return ArmResult(
        [r["seed"] for r in rows], told, spent=numbers,
        facts={"tasks": tasks, "halted": spent.get("halted", ""), "made_on": found["made_on"]},
    )  # fmt: skip


# -- what is stored, as tables ---------------------------------------------------------------------

Rows = Mapping[str, list[dict[str, Any]]]


def rows_by_arm(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Stored rows, arm -> by seed, in the order of the arms."""
    found = {p.name: [read_json(x) for x in sorted(p.glob("*.json"))]
             for p in (folder / "rows").glob("*")}  # fmt: skip
    order = list(arms_of(HeadlineConfig()))
    known = sorted(found, key=lambda name: order.index(name) if name in order else len(order))
    return {name: found[name] for name in known}


def paired(rows: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]) -> NDArray:
    """(S, E) success of an arm's rows less that of another's, on starts that both have."""
    theirs = {r["seed"]: _by_start(r) for r in base}
    found = []
    for row in rows:
        if (other := theirs.get(row["seed"])) is not None:
            found.append([x - other[s] for s, x in _by_start(row).items() if s in other])
    return np.array(found, np.float64)


def _by_start(row: Mapping[str, Any]) -> dict[int, float]:
    return dict(zip(row["starts"], row["outcomes"]["success"], strict=True))


def table(folder: Path) -> str:
    """Success by arm and task, mean over seeds with its 95 % interval, and what it cost."""
    found = rows_by_arm(folder)
    if not found:
        return ""
    tasks = list(dict.fromkeys(t for rows in found.values() for t in rows[0]["facts"]["tasks"]))
    lines = [
        f"| arm | true episodes | seeds | starts | success | against sft | {' | '.join(tasks)} |",
        "|---|---|---|---|---|---|" + "---|" * len(tasks),
    ]  # fmt: skip
    for arm, rows in found.items():
        values = np.array([r["outcomes"]["success"] for r in rows], np.float64)
        cells = [arm, f"{rows[0]['spent'].get(SPENT[0], 0):g}", str(len(rows)), str(values.size)]
        mean = bootstrap_mean(values)
        cells.append(percents(mean.estimate, mean.low, mean.high))
        gain = paired(rows, found.get(SFT, [])) if arm != SFT else np.zeros((0, 0))
        change = bootstrap_mean(gain) if gain.size else None
        cells.append(percents(change.estimate, change.low, change.high, "+") if change else "")
        names = np.array(rows[0]["facts"]["tasks"])
        cells += [f"{100 * values[:, names == t].mean():.1f} %" for t in tasks]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def promises(folder: Path) -> str:
    """What imagination promised of its iterates, and whether the alarm halted it."""
    lines = [
        "| arm, seed | imagined success before | of the kept iterate | kept of updates | halted |",
        "|---|---|---|---|---|",
    ]
    for arm, rows in rows_by_arm(folder).items():
        for row in rows:
            spent = row["spent"]
            if "imagined_before" not in spent:
                continue
            kept = f"{spent['kept_iteration']:g} of {spent['iterations']:g}"
            cells = [f"{arm}, {row['seed']}", f"{100 * spent['imagined_before']:.1f} %",
                     f"{100 * spent['imagined_kept']:.1f} %", kept,
                     row["facts"]["halted"] or "no"]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def percents(middle: float, low: float, high: float, sign: str = "") -> str:
    """An estimate and its interval [%]."""
    return f"{100 * middle:{sign}.1f} % [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
