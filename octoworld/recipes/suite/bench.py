"""Bench `suite`: claims, rows and tables of what `work` has done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.intervals import wilson
from octoworld.core.config import to_dict
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench
from tasks.suites import SCENES

from .config import SuiteConfig, quick_suite
from .picture import draw_curves, percent
from .work import do, learning, outcomes_of, preparing, splitting

CURVES = "curves.png"


def arm_of(kind: str, demonstrations: int) -> str:
    """Name of an arm."""
    return f"{kind}, {demonstrations} demonstrations"


def claims(config: SuiteConfig) -> list[Claim]:
    """What is promised of the suite."""
    told = [
        Claim(
            "experts", tuple(f"expert {task}" for task in config.tasks), (0,), "success",
            margin=0.92, minimum=0.95, statement="the expert succeeds in 95 % of 500 starts",
        )
    ]  # fmt: skip
    fewest, *more = sorted(config.demonstrations)
    told += [
        Claim(
            f"{kind} learns from more", tuple(arm_of(kind, n) for n in more), config.seeds,
            "success", baseline=arm_of(kind, fewest),
            statement=f"more than {fewest} demonstrations a task raise its success",
        )
        for kind in config.kinds if more
    ]  # fmt: skip
    few = (arm_of("tiny", fewest),)
    room = f"the tiny policy with {fewest} demonstrations a task"
    told += [
        Claim(
            "it can do something", few, config.seeds, "success", margin=0.25,
            statement=f"{room} succeeds in more than 25 %, mean over tasks",
        ),
        Claim(
            "it has head-room", few, config.seeds, "success", direction="less", margin=0.70,
            statement=f"{room} succeeds in less than 70 %",
        ),
        Claim(
            "it handles the right thing", few, config.seeds, "wrong object", direction="less",
            margin=0.05, statement=f"{room} fails by the wrong object in at most 5 % of episodes",
        ),
    ]  # fmt: skip
    return told


@register_bench("suite")
class SuiteBench:
    """Sixteen tasks, their experts, three policies at four numbers of demonstrations, splits."""

    name = "suite"
    description = "experts, learning curves of tiny, ACT and diffusion policies, and splits"

    def run(self, quick: bool, folder: Path) -> None:
        """Record, learn and test in as many processes as there are processors.

        What is found is stored arm by arm, and a killed run goes on.
        """
        config = quick_suite() if quick else SuiteConfig()
        scratch = Path("runs") / folder.name
        do(preparing(config, scratch), config.jobs)
        store(config, [f"expert {task}" for task in config.tasks], scratch, folder)
        for kind in config.kinds:
            for count in config.demonstrations:
                do([learning(config, kind, count, scratch)], config.jobs)
                store(config, [arm_of(kind, count)], scratch, folder)
                draw_curves(curves(folder), folder / CURVES)
            if kind == "tiny":
                do([splitting(config, scratch)], config.jobs)
                _keep_splits(config, scratch, folder)

    def report(self, folder: Path) -> str:
        """Verdicts, success by task and number of demonstrations, stages, splits."""
        return "\n\n".join([report(folder), table(folder), split_table(folder)])


def store(config: SuiteConfig, arms: Sequence[str], scratch: Path, folder: Path) -> None:
    """Rows of arms whose work has been done."""

    def measure(arm: str, seed: int, place: Path) -> ArmResult:
        if arm.startswith("expert "):
            found = read_json(scratch / "experts" / f"{arm.removeprefix('expert ')}.json")
            facts = {k: found[k] for k in ("mean_steps", "made_on")}
            return ArmResult(found["starts"], {"success": found["success"]}, facts=facts)
        kind, count = arm.removesuffix(" demonstrations").split(", ")
        return _learned(*outcomes_of(config, kind, int(count), seed, scratch))

    kept = to_dict(config)
    # they change when it is done, not what is found
    del kept["device"], kept["jobs"], kept["eyes"]
    run(claims(config), measure, folder, config=kept, only=arms)


def _learned(rows: Sequence[Mapping[str, Any]], made_on: Mapping[str, Any]) -> ArmResult:
    """Rows of all tasks side by side; a start is a task and a seed."""
    failed_wrong = [float(r["wrong_object"] and not r["oracle"]) for r in rows]
    stages: dict[str, dict[str, float]] = {}
    for task in dict.fromkeys(r["task"] for r in rows):
        mine = [r for r in rows if r["task"] == task]
        names = [name for row in mine for name in row["stages"]]
        stages[task] = {n: names.count(n) / len(mine) for n in dict.fromkeys(names)}
    return ArmResult(
        [r["seed"] for r in rows],
        {"success": [float(r["oracle"]) for r in rows], "wrong object": failed_wrong},
        facts={"tasks": [r["task"] for r in rows], "stages": stages, "made_on": made_on},
    )


def _keep_splits(config: SuiteConfig, scratch: Path, folder: Path) -> None:
    """Success by split and task, small enough to be stored."""
    kept: dict[str, Any] = {}
    for split in config.splits:
        for scene in config.scenes:
            rows = read_json(scratch / "splits" / scene / f"{split}.json")["outcomes"]
            for task in config.scenes[scene]:
                mine = [r for r in rows if r["task"] == task]
                if mine:
                    kept.setdefault(split, {})[task] = {
                        "success": [int(r["oracle"]) for r in mine],
                        "seed": [r["seed"] for r in mine],
                    }
    write_json(folder / "splits.json", kept)


# -- what is stored, as tables -------------------------------------------------------------------

Curves = dict[str, dict[str, dict[int, list[list[float]]]]]
"""Task ("all" too) -> kind -> demonstrations -> outcomes by training seed."""


def curves(folder: Path) -> Curves:
    """Stored outcomes of learned policies."""
    found: Curves = {}
    for path in sorted(folder.glob("rows/*demonstrations/*.json")):
        row = read_json(path)
        kind, count = row["arm"].removesuffix(" demonstrations").split(", ")
        outcomes = row["outcomes"]["success"]
        by_task: dict[str, list[float]] = {"all": outcomes}
        for task, outcome in zip(row["facts"]["tasks"], outcomes, strict=True):
            by_task.setdefault(task, []).append(outcome)
        for task, values in by_task.items():
            kinds = found.setdefault(task, {})
            kinds.setdefault(kind, {}).setdefault(int(count), []).append(values)
    return found


def table(folder: Path) -> str:
    """Success by task, policy and demonstrations, with the mean's 95 % interval."""
    found = curves(folder)
    if not found:
        return ""
    counts = sorted({n for kinds in found.values() for by in kinds.values() for n in by})
    lines = [
        "| task | policy | " + " | ".join(f"{n} demonstrations" for n in counts) + " |",
        "|---|---|" + "---|" * len(counts),
    ]
    for task in ["all", *(t for tasks in SCENES.values() for t in tasks if t in found)]:
        for kind, by in found[task].items():
            cells = []
            for n in counts:
                if n not in by:
                    cells.append("")
                    continue
                low, middle, high = percent(by[n])
                cells.append(f"{middle:.0f} % [{low:.0f}, {high:.0f}]")
            lines.append(f"| {task} | {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def split_table(folder: Path) -> str:
    """Success of the tiny policy by split, over all tasks that offer it."""
    path = folder / "splits.json"
    if not path.exists():
        return ""
    lines = ["| split | success | episodes | tasks |", "|---|---|---|---|"]
    for split, tasks in read_json(path).items():
        hits = [s for task in tasks.values() for s in task["success"]]
        rate = wilson(sum(hits), len(hits))
        lines.append(
            f"| {split} | {100 * rate.estimate:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
            f" | {len(hits)} | {len(tasks)} |"
        )
    return "\n".join(lines)
