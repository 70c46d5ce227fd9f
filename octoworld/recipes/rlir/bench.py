"""Bench `rlir`: claims, rows and tables of what `arms` trained and `witness` found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench

from ..suite.work import Job, do, made_on
from .arms import improve, measure_compute
from .config import ARMS, PARADIGMS, SOURCES, TRAINED, RlirBenchConfig, quick_rlir
from .parts import learn_base, learn_probe, learn_reader, learn_tokenizer, record
from .picture import draw_arms
from .witness import CEILINGS, KINDS, read_found, test_arm

PICTURE = "arms.png"
DRAWS = 1000
"""Resamples of an interval."""
Measure = Callable[[Mapping[str, Any]], Callable[[NDArray], float]]
"""Findings about an arm -> a number of any choice of its clips."""
FAR = 10_000_000
"""Added to the ids of the second kind of test clips: a claim pairs clips by id."""


def arm_name(paradigm: str, arm: str) -> str:
    """Name of an arm in the results."""
    return f"{paradigm}, {arm}"


def claims(config: RlirBenchConfig) -> list[Claim]:
    """What RLIR promises: more is obeyed than after plain training, and nothing looks worse."""
    told = []
    for paradigm in PARADIGMS:
        ours, plain = (arm_name(paradigm, a) for a in ("rlir", "continued"))
        for name, metric, direction, margin, words in (
            ("obeys", "match", "greater", 0.0, "the judge reads more actions as they were asked"),
            ("hand", "tool error", "less", 0.0, "the hand is nearer to where physics puts it"),
            ("block", "block error", "less", 0.0, "so is the block"),
            ("looks", "ssim", "greater", -0.01, "SSIM is not worse by more than 0.01"),
            ("nothing lost", "gone", "less", -0.01, "colours vanish in at most 1 % more frames"),
        ):
            told.append(
                Claim(
                    f"{paradigm}: {name}", (ours,), config.seeds, metric, direction=direction,  # type: ignore[arg-type]
                    margin=margin, baseline=plain,
                    statement=f"RLIR against plain training of equal compute: {words}",
                )
            )  # fmt: skip
        others = tuple(arm_name(paradigm, arm) for arm in ARMS if arm != "base")
        told.append(
            Claim(
                f"{paradigm}: more than the base", others, config.seeds, "match",
                baseline=arm_name(paradigm, "base"),
                statement="for comparison: who is obeyed more than the base it began with",
            )
        )  # fmt: skip
        told.append(
            Claim(
                f"{paradigm}: the ceiling", tuple(arm_name(paradigm, c) for c in CEILINGS),
                config.seeds, "match", baseline=ours,
                statement="for comparison: what the judge reads off true frames",
            )
        )  # fmt: skip
    return told


@register_bench("rlir")
class RlirBench:
    """Both paradigms, six arms and two ceilings, judged by others than gave the reward."""

    name = "rlir"
    description = "RLIR against plain training, a data term, pixel rewards and best-of-N"

    def run(self, quick: bool, folder: Path) -> None:
        """Make what is missing in `runs/`, and store what is found; a killed run goes on.

        Raises:
            GateError: a reader is not fit to give the reward, or to judge.
        """
        config = quick_rlir() if quick else RlirBenchConfig()
        scratch = Path("runs") / folder.name
        do(preparing(config, scratch), config.jobs)
        for paradigm in PARADIGMS:
            do(training(config, paradigm, scratch), config.jobs)
            store(config, paradigm, scratch, folder)
        draw_arms(config, scratch, folder / PICTURE)

    def report(self, folder: Path) -> str:
        """Verdicts, then every arm at its best temperature, and the gates."""
        parts = [
            report(folder),
            *(table(folder, p) for p in PARADIGMS),
            gains(folder),
            gates(folder),
        ]
        return "\n\n".join(part for part in parts if part)


def preparing(config: RlirBenchConfig, scratch: Path) -> list[list[Job]]:
    """Rounds of jobs that come before any arm."""
    return [
        [(record, (config, source, scratch)) for source in SOURCES],
        [
            (learn_tokenizer, (config, scratch)),
            *((learn_reader, (config, role, scratch)) for role in ("reward", "judge")),
            *((learn_probe, (config, role, scratch)) for role in ("veto", "witness")),
        ],
        [(learn_base, (config, paradigm, scratch)) for paradigm in PARADIGMS],
        [(measure_compute, (config, paradigm, scratch)) for paradigm in PARADIGMS],
    ]


def training(config: RlirBenchConfig, paradigm: str, scratch: Path) -> list[list[Job]]:
    """Rounds of jobs of a paradigm: all arms are trained, then tested."""
    return [
        [(improve, (config, paradigm, arm, s, scratch)) for arm in TRAINED for s in config.seeds],
        [
            (test_arm, (config, paradigm, arm, s, scratch))
            for arm in (*ARMS, *CEILINGS)
            for s in config.seeds
        ],
    ]


def store(config: RlirBenchConfig, paradigm: str, scratch: Path, folder: Path) -> None:
    """Rows of a paradigm's arms, and what the gates found."""

    def measure(arm: str, seed: int, place: Path) -> ArmResult:
        found = read_found(scratch, paradigm, arm.split(", ")[1], seed)
        starts, outcomes = [], {}
        for number, kind in enumerate(KINDS):
            one = found["kinds"][kind]
            starts += [FAR * number + clip for clip in range(len(one["rows"]))]
            told = {k: one[k] for k in ("match", "psnr", "ssim", "gone")}
            told |= {f"{k} error": v for k, v in one["error"].items()}
            for name, values in told.items():
                outcomes.setdefault(name, []).extend(values)
        facts = {k: found[k] for k in ("temperature", "swept", "kinds")}
        return ArmResult(starts, outcomes, facts=facts | {"made_on": made_on()})

    kept = to_dict(config)
    for name in ("device", "jobs", "readers"):  # they change when it is done, not what is found
        del kept[name]
    arms = [arm_name(paradigm, arm) for arm in (*ARMS, *CEILINGS)]
    run(claims(config), measure, folder, config=kept, only=arms)
    told = {
        role: {
            "recorded": read_json(scratch / role / "gate.json"),
            "redrawn": read_json(scratch / role / "reconstructions.json"),
        }
        for role in ("reward", "judge")
    }
    write_json(folder / "gates.json", told)


# -- what is stored, as tables -------------------------------------------------------------------


def table(folder: Path, paradigm: str) -> str:
    """Arms of a paradigm: the judge's macro-F1, errors, looks; by kind of actions."""
    lines = [
        f"**{paradigm}** (expert / off-expert actions; 95 % intervals over clips and seeds)", "",
        "| arm | temperature | judge macro-F1 | joint | hand [mm] | block [mm] | PSNR | SSIM "
        "| colours gone |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for arm in (*ARMS, *CEILINGS):
        rows = [
            read_json(path)
            for path in sorted((folder / "rows" / arm_name(paradigm, arm)).glob("*.json"))
        ]
        if not rows:
            continue
        cells = [arm, " ".join(f"{r['facts']['temperature']:g}" for r in rows)]
        by_kind = [[r["facts"]["kinds"][kind] for r in rows] for kind in KINDS]
        cells.append(" / ".join(f1_cell(found) for found in by_kind))
        for pick, scale, digits in (
            (lambda k: k["match"], 100, 0),
            (lambda k: k["error"]["tool"], 1000, 1),
            (lambda k: k["error"]["block"], 1000, 1),
            (lambda k: k["psnr"], 1, 1),
            (lambda k: k["ssim"], 1, 3),
            (lambda k: k["gone"], 100, 1),
        ):
            means = [scale * float(np.mean([pick(k) for k in found])) for found in by_kind]
            cells.append(" / ".join(f"{m:.{digits}f}" for m in means))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) if len(lines) > 4 else ""


def gains(folder: Path) -> str:
    """What RLIR adds to plain training, relative to it: paired over clips and seeds."""
    lines = [
        "| RLIR against plain training, relative | judge macro-F1 | hand error | block error |",
        "|---|---|---|---|",
    ]
    for paradigm in PARADIGMS:
        ours, plain = (
            [read_json(p) for p in sorted((folder / "rows" / arm_name(paradigm, a)).glob("*.json"))]
            for a in ("rlir", "continued")
        )
        if not ours or len(ours) != len(plain):
            continue
        for kind in KINDS:
            pair = [[r["facts"]["kinds"][kind] for r in rows] for rows in (ours, plain)]
            cells = [f"{paradigm}, {kind} actions"]
            for measure in (_f1_of, _error_of("tool"), _error_of("block")):
                low, middle, high = relative(pair[0], pair[1], measure)
                cells.append(f"{100 * middle:+.1f} % [{100 * low:+.1f}, {100 * high:+.1f}]")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def relative(
    ours: list[Mapping[str, Any]], plain: list[Mapping[str, Any]], measure: Measure
) -> tuple[float, float, float]:
    """Lower end, estimate and upper end of ours / plain - 1, resampling clips and seeds alike."""
    prepared = [[measure(one) for one in rows] for rows in (ours, plain)]
    random = np.random.default_rng(0)

    def once(clips: NDArray, seeds: NDArray) -> float:
        a, b = (np.mean([rows[s](clips) for s in seeds]) for rows in prepared)
        return float(a / b - 1) if b else 0.0

    count, seeds = len(ours[0]["rows"]), len(ours)
    draws = [
        once(random.integers(count, size=count), random.integers(seeds, size=seeds))
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), once(np.arange(count), np.arange(seeds)), float(high)


def _f1_of(found: Mapping[str, Any]) -> Callable[[NDArray], float]:
    counts = confusions(found)
    return lambda clips: macro_f1(counts[clips].sum(0))


def _error_of(name: str) -> Measure:
    def measure(found: Mapping[str, Any]) -> Callable[[NDArray], float]:
        values = np.asarray(found["error"][name])
        return lambda clips: float(values[clips].mean())

    return measure


def f1_cell(found: list[Mapping[str, Any]]) -> str:
    """Mean macro-F1 over seeds, with its interval."""
    tables = [confusions(one) for one in found]
    middle = float(np.mean([macro_f1(t.sum(0)) for t in tables]))
    random = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        # the same clips in all seeds, as they were tested on the same ones
        clips = random.integers(len(tables[0]), size=len(tables[0]))
        seeds = random.integers(len(tables), size=len(tables))
        draws.append(np.mean([macro_f1(tables[s][clips].sum(0)) for s in seeds]))
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{100 * middle:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def confusions(found: Mapping[str, Any]) -> NDArray[np.int64]:
    """(B, D, bins, 1 + bins) how often an action asked for was read as another; 0: refused."""
    clips, steps, dims = found["shape"]
    size = found["num_bins"]
    bins = np.reshape(found["bins"], (clips, steps, dims)) + 1
    wanted = np.reshape(found["wanted"], (clips, steps, dims))
    counts = np.zeros((clips, dims, size, size + 1), np.int64)
    clip, _, dim = np.indices(bins.shape)
    np.add.at(counts, (clip, dim, wanted, bins), 1)
    return counts


def macro_f1(counts: NDArray[np.int64]) -> float:
    """Mean over dimensions and bins of F1, from (D, bins, 1 + bins)."""
    hits = np.diagonal(counts[:, :, 1:], axis1=1, axis2=2)
    total = counts.sum(2) + counts[:, :, 1:].sum(1)
    scores = np.where(total > 0, 2 * hits / np.maximum(total, 1), np.nan)
    return float(np.nanmean(scores, axis=1).mean())


def gates(folder: Path) -> str:
    """What reward and judge read rightly, of true clips and of broken ones."""
    path = folder / "gates.json"
    if not path.exists():
        return ""
    lines = ["| reader | real | redrawn | most of any broken kind |", "|---|---|---|---|"]
    for role, told in read_json(path).items():
        joint = told["recorded"]["joint"]
        worst = max((k for k in joint if k != "real"), key=lambda k: joint[k])
        lines.append(
            f"| {role} | {joint['real']:.2f} | {told['redrawn']['joint']['real']:.2f} "
            f"| {joint[worst]:.2f} ({worst}) |"
        )
    return "\n".join(lines)
