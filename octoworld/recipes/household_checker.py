"""The household evaluator held against the independent checker, over thousands of episodes.

`python -m octoworld.recipes.household_checker [--episodes N] [--seconds S]` plays kinematic
episodes of three kinds in turn (the oracle's programs, those of the forgetful teacher, random
calls) over all splits, and after each lets `tasks.household.checker` judge the final MuJoCo state
on its own. It goes on where it was stopped; `results/household-checker/counts.json` holds counts by
kind and every disagreement. `octoworld bench household-checker` does the same and claims none.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.provenance import code_version, hardware
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench
from octoworld.core.rng import derive_seed
from tasks.household import IMPERFECT, SPLITS, Household, Instance, SkillCall, explore, solve
from tasks.household.checker import check_success
from tasks.household.goals import text
from tasks.household.programs import run as run_calls

KINDS = ("oracle", "teacher", "random")
BLOCK = 600
"""Episodes that are played home after home, as each home's world is made once."""
MOST_CALLS = 14
"""Of a random program."""
EPISODES, QUICK_EPISODES = 10_000, 60
FOLDER = Path("results/household-checker")


def instance_of(number: int) -> Instance:
    """The instance of an episode: splits take turns."""
    names = tuple(SPLITS)
    return SPLITS[names[number // len(KINDS) % len(names)]].instance(
        number // (len(KINDS) * len(names))
    )


def random_calls(house: Household, rng: np.random.Generator) -> list[SkillCall]:
    """Calls of skills at random, on names that the home has."""
    pieces, things = list(house.home.by_name), list(house.state.place)
    states = ("dirty", "hot", "open", "on", "red")

    def some(values: Any) -> str:
        return str(values[int(rng.integers(len(values)))])

    makers = {
        "go_to": lambda: (some(pieces),), "look": lambda: (), "pick": lambda: (some(things),),
        "place_on": lambda: (some(pieces),), "place_in": lambda: (some(pieces + things),),
        "open": lambda: (some(pieces),), "close": lambda: (some(pieces),),
        "turn_on": lambda: (some(pieces),), "turn_off": lambda: (some(pieces),),
        "check": lambda: (some(things), some(states)), "wash": lambda: (some(things),),
        "slice": lambda: (some(things),), "pour": lambda: (some(pieces + things),),
        "fill": lambda: (), "wait": lambda: (float(rng.integers(1, 60)),),
    }  # fmt: skip
    calls = []
    for _ in range(int(rng.integers(1, MOST_CALLS + 1))):
        name = some(list(makers))
        if name != "go_to" and rng.random() < 0.6:  # most skills need to be somewhere
            piece = some(pieces)
            calls.append(SkillCall("go_to", (piece,)))
            here = [t for t in things if house.state.root(t) == piece]
            if name == "pick" and here:
                calls.append(SkillCall("pick", (some(here),)))
                continue
            if name in ("open", "close", "turn_on", "turn_off", "place_on"):
                calls.append(SkillCall(name, (piece,)))
                continue
        calls.append(SkillCall(name, makers[name]()))
    if rng.random() < 0.5:
        answer = (some(("yes", "no", "2", "kitchen")),) if rng.random() < 0.5 else ()
        calls.append(SkillCall("done", answer))
    return calls


def play(number: int) -> tuple[Household, str]:
    """The household after the episode, and its kind."""
    kind = KINDS[number % len(KINDS)]
    instance = instance_of(number)
    house = Household(instance)
    if kind == "oracle":
        run_calls(house, solve(house).calls)
    elif kind == "teacher":
        for turn in explore(instance, IMPERFECT).turns:
            run_calls(house, turn.calls)
    else:
        rng = np.random.default_rng(derive_seed(7, "household checker", number))
        for call in random_calls(house, rng):
            house.execute(call)  # whatever fails, the next one is tried
    return house, kind


def check(episodes: int, folder: Path = FOLDER, seconds: float = float("inf")) -> dict[str, Any]:
    """Go on with the count until `episodes` are done or the time is up; what is stored."""
    path = folder / "counts.json"
    fresh = {kind: {"episodes": 0, "successes": 0, "calls": 0} for kind in KINDS}
    stored = read_json(path) if path.exists() else {"next": 0, "pending": [], "kinds": fresh,
                                                    "disagreements": []}  # fmt: skip
    began, spent = time.monotonic(), stored.get("cpu_seconds", 0.0)
    clock = time.process_time()
    while time.monotonic() - began < seconds:
        if not stored["pending"]:
            start, stop = stored["next"], min(stored["next"] + BLOCK, episodes)
            if start >= stop:
                break
            numbers = sorted(range(start, stop), key=lambda n: (instance_of(n).layout, n))
            stored["pending"], stored["next"] = numbers, stop
        while stored["pending"] and time.monotonic() - began < seconds:
            number = stored["pending"].pop(0)
            house, kind = play(number)
            mine, other = house.success, check_success(house)
            row = stored["kinds"][kind]
            row["episodes"] += 1
            row["successes"] += int(mine)
            row["calls"] += house.num_calls
            if mine != other:
                stored["disagreements"].append(
                    {"episode": number, "instance": house.instance.key, "goal": text(house.goal),
                     "evaluator": mine, "checker": other}
                )  # fmt: skip
        stored |= {
            "code": code_version(), "hardware": hardware(),
            "cpu_seconds": round(spent + time.process_time() - clock, 1),
        }  # fmt: skip
        write_json(path, stored)
    return stored


@register_bench("household-checker")
class HouseholdCheckerBench:
    """No disagreement between the evaluator and the checker."""

    name = "household-checker"
    description = (
        "success recomputed from the final physics state by independent code: same verdict"
    )

    def run(self, quick: bool, folder: Path) -> None:
        """Ten thousand episodes (a tenth of an hour of one core), or sixty."""
        count = QUICK_EPISODES if quick else EPISODES
        claim = Claim(
            "checker agrees", ("all programs",), (0,), "disagreements", direction="less",
            margin=0.5, statement="no disagreement",
        )  # fmt: skip

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            stored = check(count, folder)
            return ArmResult(
                [0], {"disagreements": [float(len(stored["disagreements"]))]},
                facts={"kinds": stored["kinds"]},
            )  # fmt: skip

        run([claim], measure, folder, config={"episodes": count})

    def report(self, folder: Path) -> str:
        """The verdict, and the counts by kind."""
        stored = read_json(folder / "counts.json")
        lines = [report(folder), ""]
        for kind, row in stored["kinds"].items():
            lines.append(
                f"- {kind}: {row['episodes']} episodes, {row['successes']} successes, "
                f"{row['calls']} calls"
            )
        return "\n".join(lines)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    stored = check(options.episodes, options.folder, options.seconds)
    done = sum(row["episodes"] for row in stored["kinds"].values())
    print(
        f"{done} of {options.episodes} episodes, {len(stored['disagreements'])} disagreements, "
        f"{stored.get('cpu_seconds', 0)} s of one core"
    )
    for row in stored["disagreements"]:
        print(row)


__all__ = ["KINDS", "check", "instance_of", "play", "random_calls"]

if __name__ == "__main__":
    main()
