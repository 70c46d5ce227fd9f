"""Claims: declared before the run, measured on paired episodes, stored row by row.

A folder of results holds `claims.json`, `stamp.json` (code version, hardware, config) and one
`rows/ARM/SEED.json` for each arm and seed. Rows that are stored are not run again.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json, write_json, write_text

from .provenance import code_version, hardware


@dataclass(frozen=True)
class Claim:
    """One sentence that can be wrong: an arm's metric against a baseline's, by a margin."""

    name: str
    """Short name, unique in its bench."""
    arms: tuple[str, ...]
    """Arms that are claimed to be better; each gets a verdict."""
    seeds: tuple[int, ...]
    """Training seeds; every arm runs them all."""
    metric: str
    """Outcome of an episode, e.g. `success`."""
    direction: Literal["greater", "less", "within"] = "greater"
    """`greater`: more than baseline + margin; `less`: less than baseline - margin; `within`: no
    further than margin from the baseline."""
    margin: float = 0.0
    """In the metric's unit, >= 0 for `within`. Negative with `greater`: not worse by more."""
    minimum: float | None = None
    """Besides the interval, the estimate itself must reach this (in the claimed direction)."""
    budget: dict[str, float] = field(default_factory=dict)
    """Most that an arm may spend, e.g. `true_episodes`; counted by the worlds themselves."""
    baseline: str | None = None
    """Arm compared with, on the same seeds and starts; None: with 0, so margin is absolute."""
    level: float = 0.95
    """Of the confidence interval."""
    statement: str = ""
    """The claim in words."""

    def __post_init__(self) -> None:
        if not self.arms or not self.seeds:
            raise ConfigError(f"claim {self.name!r} needs at least one arm and one seed")
        if self.baseline in self.arms:
            raise ConfigError(f"claim {self.name!r}: {self.baseline!r} cannot be its own baseline")
        if self.direction == "within" and self.margin < 0:
            raise ConfigError(f"claim {self.name!r}: margin {self.margin} of 'within' is below 0")

    @property
    def all_arms(self) -> tuple[str, ...]:
        """Arms to run, the baseline first."""
        return ((self.baseline,) if self.baseline else ()) + self.arms


@dataclass
class ArmResult:
    """What one arm did with one seed."""

    starts: Sequence[int]
    """(E,) ids of the start states tested (world seeds)."""
    outcomes: Mapping[str, Sequence[float] | NDArray]
    """metric -> (E,) outcome of the episode from each start."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """What it cost: `true_episodes`, `seconds`, ..."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Anything else worth keeping, JSON-able."""


RunArm = Callable[[str, int, Path], ArmResult]
"""(arm, seed, scratch folder) -> result; the folder is the arm's own and lets it resume."""


def run(
    claims: Sequence[Claim],
    run_arm: RunArm,
    folder: Path | str,
    *,
    scratch: Path | str | None = None,
    config: Any = None,
    only: Sequence[str] | None = None,
) -> None:
    """Run every arm and seed that some claim names and no stored row has; arms of a seed together.

    Args:
        claims: declared and stored before anything runs.
        run_arm: trains and tests one arm with one seed.
        folder: of the results.
        scratch: where arms keep checkpoints (default `folder/scratch`).
        config: the resolved settings, stored beside the rows.
        only: arms that are run now; None is all.

    Raises:
        ConfigError: the folder holds other claims, or an arm spent more than its budget.
    """
    folder = Path(folder)
    scratch = Path(scratch) if scratch is not None else folder / "scratch"
    declare(claims, folder, config)
    pairs = {(seed, arm) for claim in claims for seed in claim.seeds for arm in claim.all_arms}
    for seed, arm in sorted(pairs):
        path = row_path(folder, arm, seed)
        if path.exists() or (only is not None and arm not in only):
            continue
        began = time.monotonic()
        result = run_arm(arm, seed, scratch / arm / str(seed))
        spent = {k: float(v) for k, v in result.spent.items()}
        for claim in claims:
            if arm in claim.all_arms:
                check_budget(claim, arm, seed, spent)
        outcomes = {k: [float(x) for x in v] for k, v in result.outcomes.items()}
        for name, values in outcomes.items():
            if len(values) != len(result.starts):
                raise ConfigError(
                    f"arm {arm!r} seed {seed}: {len(values)} outcomes of {name!r} "
                    f"from {len(result.starts)} starts"
                )
        row = {
            "arm": arm,
            "seed": seed,
            "commit": code_version(),
            "hardware": hardware(),
            "seconds": round(time.monotonic() - began, 2),
            "spent": spent,
            "facts": dict(result.facts),
            "starts": [int(s) for s in result.starts],
            "outcomes": outcomes,
        }
        write_text(path, json.dumps(row) + "\n")  # one line: thousands of numbers


def declare(claims: Sequence[Claim], folder: Path, config: Any = None) -> None:
    """Store the claims before the first run; a folder with other claims is refused."""
    names = [claim.name for claim in claims]
    if len(set(names)) != len(names):
        raise ConfigError(f"claims of one bench need different names, got {', '.join(names)}")
    path = folder / "claims.json"
    stored = [to_dict(claim) for claim in claims]
    if path.exists() and read_json(path) != stored:
        raise ConfigError(
            f"{path} declares other claims than this run; they are fixed before the first row: "
            "use another folder, or delete it to start over"
        )
    if not path.exists():
        write_json(path, stored)
        stamp = {"commit": code_version(), "hardware": hardware(), "config": to_dict(config)}
        write_json(folder / "stamp.json", stamp)


def check_budget(claim: Claim, arm: str, seed: int, spent: Mapping[str, float]) -> None:
    """Raise ConfigError when an arm spent more than the claim allows, or did not say."""
    for name, allowed in claim.budget.items():
        if name not in spent:
            raise ConfigError(f"arm {arm!r} seed {seed} did not report its {name!r}")
        if spent[name] > allowed:
            raise ConfigError(
                f"arm {arm!r} seed {seed} spent {spent[name]:g} {name}, "
                f"claim {claim.name!r} allows {allowed:g}"
            )


def load_claims(folder: Path | str) -> list[Claim]:
    """The declared claims of a results folder."""
    return [from_dict(Claim, values) for values in read_json(Path(folder) / "claims.json")]


def row_path(folder: Path | str, arm: str, seed: int) -> Path:
    """Where the row of an arm and seed is stored."""
    return Path(folder) / "rows" / arm / f"{seed}.json"


def scaled(claim: Claim, seeds: Sequence[int]) -> Claim:
    """The same claim over other seeds: for a quick version."""
    return dataclasses.replace(claim, seeds=tuple(seeds))
