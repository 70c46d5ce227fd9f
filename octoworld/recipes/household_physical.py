"""The oracle's programs in the physical fidelity: over every family of tasks and all splits.

`python -m octoworld.recipes.household_physical [--episodes N] [--seconds S]` goes on where it was
stopped; `results/household-physical/rows.json` holds a row an episode: what failed and why, what
the independent checker says of the final physics, simulated and processor time. The program is
written for the kinematic home and run once as it stands; nothing is tried again.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.provenance import code_version, hardware
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench
from tasks.household import SPLITS, Household, Instance, solve
from tasks.household.checker import Checker
from tasks.household.goals import text

EPISODES, QUICK_EPISODES = 130, 3
FOLDER = Path("results/household-physical")
ORDER = ("train", "layouts", "objects", "combinations", "furniture", "paraphrases")


def instances(count: int) -> list[Instance]:
    """Families in turn; in each round every family has an instance of another split."""
    found: list[Instance] = []
    families = tuple(dict.fromkeys(f for s in SPLITS.values() for f in s.families))
    seen: Counter[tuple[str, str]] = Counter()
    turn = 0
    while len(found) < count:
        for place, family in enumerate(families):
            has = [s for s in ORDER if family in SPLITS[s].families]
            split = has[(turn + place) % len(has)]
            found.append(_nth(split, family, seen[split, family]))
            seen[split, family] += 1
        turn += 1
    return found[:count]


def _nth(split: str, family: str, number: int) -> Instance:
    left, index = number, 0
    while True:
        instance = SPLITS[split].instance(index)
        if instance.task.family_name == family:
            if not left:
                return instance
            left -= 1
        index += 1


def play(instance: Instance) -> dict[str, Any]:
    """One episode; its row."""
    calls = solve(Household(instance)).calls
    clock = time.process_time()
    house = Household(instance, fidelity="physical")
    failed = ""
    for call in calls:
        result = house.execute(call)
        if not result.ok:
            failed = f"{call}: {result.code}: {result.message}"
            break
    world = house.motion.machine.world  # type: ignore[attr-defined] - of the physical fidelity
    checker = Checker(house.home, world, house.state, loose=True)
    return {
        "instance": instance.key, "family": instance.task.family_name, "success": house.success,
        "checker": checker.success(text(house.goal)), "failed": failed,
        "seconds": round(house.state.time, 1), "calls": house.num_calls,
        "cpu_seconds": round(time.process_time() - clock, 2),
    }  # fmt: skip


def measure(episodes: int, folder: Path = FOLDER, seconds: float = float("inf")) -> dict[str, Any]:
    """Go on until `episodes` are played or the time is up; what is stored."""
    path = folder / "rows.json"
    stored: dict[str, Any] = read_json(path) if path.exists() else {"rows": []}
    known = {row["instance"] for row in stored["rows"]}
    began = time.monotonic()
    for instance in instances(episodes):
        if time.monotonic() - began > seconds:
            break
        if instance.key in known:
            continue
        stored["rows"].append(play(instance) | {"code": code_version()})
        stored |= {"hardware": hardware(), "summary": summary(stored["rows"])}
        write_json(path, stored)
    return stored


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Successes, what failed by family and by reason, and where the checker says otherwise."""
    failed = [row for row in rows if not row["success"]]
    reasons = [_reason(row) for row in failed]
    return {
        "episodes": len(rows),
        "successes": len(rows) - len(failed),
        "failures_by_family": dict(sorted(Counter(row["family"] for row in failed).items())),
        "failures_by_reason": dict(sorted(Counter(reasons).items())),
        "checker_disagrees": [r["instance"] for r in rows if r["success"] != r["checker"]],
        "cpu_seconds_per_episode": round(sum(r["cpu_seconds"] for r in rows) / len(rows), 2),
    }


def _reason(row: dict[str, Any]) -> str:
    """Skill and code of the call that failed: "pick OUT_OF_REACH"."""
    if not row["failed"]:
        return "every call succeeded, the goal is not met"
    call, code = row["failed"].split(": ")[:2]
    return f"{call.split('(')[0]} {code}"


def table(rows: list[dict[str, Any]]) -> str:
    """Success by family, and what failed."""
    lines = []
    for family in dict.fromkeys(row["family"] for row in rows):
        own = [row["success"] for row in rows if row["family"] == family]
        lines.append(f"- {family}: {sum(own)} of {len(own)}")
    lines += [f"- failed: {r['instance']}: {r['failed']}" for r in rows if not r["success"]]
    return "\n".join(lines)


@register_bench("household-physical")
class HouseholdPhysicalBench:
    """The oracle by servos and contacts."""

    name = "household-physical"
    description = "the oracle's programs succeed in at least 90 % of physical household episodes"

    def run(self, quick: bool, folder: Path) -> None:
        """Every family several times (20 minutes of one core), or three episodes."""
        count = QUICK_EPISODES if quick else EPISODES
        claim = Claim(
            "oracle in physics", ("oracle",), (0,), "success", margin=0.8, minimum=0.9,
            statement="success >= 90 %, and the interval above 80 %",
        )  # fmt: skip

        def arm(name: str, seed: int, scratch: Path) -> ArmResult:
            rows = measure(count, folder)["rows"][:count]
            values = [float(row["success"]) for row in rows]
            return ArmResult(list(range(len(rows))), {"success": values})

        run([claim], arm, folder, config={"episodes": count})

    def report(self, folder: Path) -> str:
        """The verdict, and success by family."""
        return f"{report(folder)}\n\n{table(read_json(folder / 'rows.json')['rows'])}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    rows = measure(options.episodes, options.folder, options.seconds)["rows"]
    won = sum(row["success"] for row in rows)
    agree = sum(row["success"] == row["checker"] for row in rows)
    print(f"{won} of {len(rows)} episodes succeed; the checker agrees in {agree}")
    print(table(rows))


if __name__ == "__main__":
    main()
