"""Bench `reflector`: claims of the gate before post-training, and what was found, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.bench import Claim, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench

from ..suite.work import Job, do
from .config import KINDS, ReflectorBenchConfig, quick_reflector
from .measure import ARMS, BOUNDS, GENERATED, measure, witness_agrees
from .work import imagine, imitate, learn, learn_witness, record

SPLITS = ("train", "validation", "witness", "test")
DRAWS = 1000
"""Resamples of an interval."""


def claims(config: ReflectorBenchConfig) -> list[Claim]:
    """The gate: every bound on recorded and on generated frames."""
    told = []
    for arm in ARMS:
        f1 = BOUNDS.f1(arm)
        told += [
            Claim(
                f"F1, {arm}", (arm,), config.seeds, "f1 above bound",
                statement=f"per-episode F1 >= {f1:.2f}",
            ),
            Claim(
                f"false success, {arm}", (arm,), config.seeds, "false success below bound",
                statement=f"at most {BOUNDS.false_success:.0%} of its stops are without success",
            ),
            Claim(
                f"false termination, {arm}", (arm,), config.seeds, "false", direction="less",
                margin=BOUNDS.false_termination,
                statement=f"it ends at most {BOUNDS.false_termination:.0%} of episodes wrongly",
            ),
            Claim(
                f"wrong instruction, {arm}", (arm,), config.seeds, "wrong below bound",
                statement="at most "
                f"{BOUNDS.wrong_instruction:.0%} of wrong requests are taken for done",
            ),
            Claim(
                f"calibration, {arm}", (arm,), config.seeds, "calibration error",
                direction="less", margin=BOUNDS.calibration,
                statement=f"expected calibration error <= {BOUNDS.calibration:.2f}",
            ),
        ]  # fmt: skip
    return told


@register_bench("reflector")
class ReflectorBench:
    """The reflector against its bounds, on episodes that nothing has seen."""

    name = "reflector"
    description = "the reflector's gate: F1, false success, wrong instructions, calibration"

    def run(self, quick: bool, folder: Path) -> None:
        """Make what is missing in `runs/`, and store what is found; a killed run goes on."""
        config = quick_reflector() if quick else ReflectorBenchConfig()
        scratch = Path("runs") / folder.name
        do(preparing(config, scratch), config.jobs)
        kept = to_dict(config)
        del kept["device"], kept["jobs"]  # they change when it is done, not what is found
        run(
            claims(config),
            lambda arm, seed, place: measure(config, arm, seed, scratch),
            folder,
            config=kept,
        )
        told = {name: read_json(scratch / "witness" / f"{name}.json") for name in WITNESS}
        write_json(folder / "witness.json", told)

    def report(self, folder: Path) -> str:
        """Verdicts, every number by task, and how far the witness can be trusted."""
        parts = [report(folder), table(folder), replay_table(folder), witness_table(folder)]
        return "\n\n".join(part for part in parts if part)


WITNESS = ("errors", "answers")
"""What is stored about the witness."""


def preparing(config: ReflectorBenchConfig, scratch: Path) -> list[list[Job]]:
    """Rounds of jobs before anything is judged."""
    return [
        [(imitate, (config, scratch))],
        [(record, (config, split, kind, scratch)) for split in SPLITS for kind in KINDS],
        [(imagine, (config, s, scratch)) for s in SPLITS if s != "witness"],
        [
            (learn_witness, (config, scratch)),
            *((learn, (config, seed, scratch)) for seed in config.seeds),
        ],
        [(witness_agrees, (config, scratch))],
    ]


# -- what is stored, as tables -------------------------------------------------------------------

Columns = Mapping[str, NDArray[np.float64]]
"""Metric -> numbers (seeds, episodes)."""
Ratio = Callable[[Columns], float]


def _f1(c: Columns) -> float:
    hits = 2 * c["right"].sum()
    return float(hits / max(hits + c["false"].sum() + c["missed"].sum(), 1))


RATIOS: dict[str, Ratio] = {
    "F1": _f1,
    "false success": lambda c: float(c["false"].sum() / max((c["right"] + c["false"]).sum(), 1)),
    "missed": lambda c: float(c["missed"].sum() / max(c["happened"].sum(), 1)),
    "false termination": lambda c: float(c["false"].mean()),
    "wrong instruction": lambda c: float(c["wrong taken"].sum() / max(c["wrong asked"].sum(), 1)),
}
"""Column of the table -> from sums over episodes and seeds."""


def rows_of(folder: Path, arm: str) -> list[dict[str, Any]]:
    """Stored rows of an arm, by seed."""
    return [read_json(p) for p in sorted((folder / "rows" / arm).glob("*.json"))]


def columns_of(rows: Sequence[Mapping[str, Any]], prefix: str = "") -> dict[str, NDArray]:
    """Outcomes (seeds, episodes) by name; those under `prefix` without it."""
    names = [n.removeprefix(prefix) for n in rows[0]["outcomes"] if n.startswith(prefix)]
    return {n: np.array([r["outcomes"][prefix + n] for r in rows], float) for n in names}


def interval(columns: Columns, ratio: Ratio) -> tuple[float, float, float]:
    """Lower end, estimate and upper end (95 %) of a ratio, resampling seeds and episodes."""
    random = np.random.default_rng(0)
    seeds, episodes = next(iter(columns.values())).shape
    draws = []
    for _ in range(DRAWS):
        picked = np.ix_(
            random.integers(seeds, size=seeds), random.integers(episodes, size=episodes)
        )
        draws.append(ratio({name: x[picked] for name, x in columns.items()}))
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), ratio(columns), float(high)


def table(folder: Path) -> str:
    """Every number by arm and task, with intervals over episodes and seeds."""
    lines = [
        "| frames | task | episodes, with success | " + " | ".join(f"{r} [%]" for r in RATIOS)
        + " | calibration error | stop error median, p90 [steps] |",
        "|---|---|---|" + "---|" * (len(RATIOS) + 2),
    ]  # fmt: skip
    for arm in ARMS:
        rows = rows_of(folder, arm)
        if not rows:
            continue
        every, tasks = columns_of(rows), np.array(rows[0]["facts"]["tasks"])
        for task in ("all", *dict.fromkeys(tasks)):
            mine = np.ones(len(tasks), bool) if task == "all" else tasks == task
            columns = {name: x[:, mine] for name, x in every.items()}
            cells = [arm, str(task), f"{mine.sum()}, {columns['happened'].mean() * mine.sum():.0f}"]
            cells += [percents(interval(columns, ratio)) for ratio in RATIOS.values()]
            # an episode's share is of the mean over all, so a task's own is not told
            whole = every["calibration error"].mean() if task == "all" else None
            cells.append(f"{whole:.3f}" if whole is not None else "")
            errors = columns["stop error"][columns["stop error"] >= 0]
            found = [np.percentile(errors, q) for q in (50, 90)] if len(errors) else []
            cells.append(", ".join(f"{x:.0f}" for x in found))
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def replay_table(folder: Path) -> str:
    """The same stops of imagined episodes against what the same actions truly lead to."""
    rows = rows_of(folder, GENERATED)
    if not rows:
        return ""
    columns = columns_of(rows, "replayed ")
    lines = [
        "Stops on generated frames, against true physics under the same actions (what the world "
        "model and the reflector make together):",
        "",
        "| F1 [%] | false success [%] | missed [%] | false termination [%] |",
        "|---|---|---|---|",
        "| "
        + " | ".join(
            percents(interval(columns, RATIOS[name]))
            for name in ("F1", "false success", "missed", "false termination")
        )
        + " |",
    ]
    return "\n".join(lines)


def witness_table(folder: Path) -> str:
    """What the witness errs by on recorded frames."""
    path = folder / "witness.json"
    if not path.exists():
        return ""
    told = read_json(path)
    lines = [
        "The witness on recorded test frames (median / 90 % / 99 % error [mm]; of `grasped` "
        "thousandths):", "",
        "| frames | " + " | ".join(told["errors"]["recorded"]) + " |",
        "|---|" + "---|" * len(told["errors"]["recorded"]),
    ]  # fmt: skip
    for name, by in told["errors"].items():
        cells = [" / ".join(f"{1000 * x:.0f}" for x in errors.values()) for errors in by.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| task | steps in success [%] | read as such [%] | agreement [%] |"]
    lines.append("|---|---|---|---|")
    for task, by in told["answers"].items():
        cells = [f"{100 * by[k]:.1f}" for k in ("success", "read as success", "agree")]
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percents(found: tuple[float, float, float]) -> str:
    """Estimate and interval in percent."""
    low, middle, high = (100 * x for x in found)
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]"
