"""Bench `octopus`: claims, rows and tables of what `work` has learned and tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octoworld.bench import ArmResult, Claim, bootstrap_mean, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import register_bench

from ..suite.work import do
from .arms import ARMS, DRAWN, ORACLE, RANDOM, RETRIES, SHUFFLED, TOLD, UNTOLD
from .config import OctopusConfig, quick_octopus
from .judging import HELD, HELD_BLIND, JUDGED
from .scenes import load_scenes
from .testing import read_tested
from .work import prepared, rounds_of, splits_of

SIGHTED_SHARE = 0.3
"""What a policy without its eyes may reach of what the sighted one does."""
TABLE_ARMS = (*ARMS, SHUFFLED, RANDOM, ORACLE)


def claims(config: OctopusConfig) -> list[Claim]:
    """What is promised; controls are named as baselines, and what is not kept is printed."""
    every, some = config.seeds, config.side_seeds
    told = [
        Claim(
            f"feedback repairs a wrong teacher, seed {seed}", ("rlef",), (seed,), "seen",
            margin=0.25, baseline="sft",
            statement="RLEF minus SFT is at least 25 points on seen homes, with this seed",
        )
        for seed in every
    ]  # fmt: skip
    told += [
        Claim(
            f"RLEF against {control}", ("rlef",), every, "layouts", baseline=control,
            statement="RLEF is above a control of equal compute in homes never seen",
        )
        for control in ("sft-longer", "sft-successes")
    ]  # fmt: skip
    told += [
        Claim(
            f"nothing lost, {split}", ("rlef",), every, split, margin=-0.02,
            baseline="sft-successes",
            statement="RLEF loses at most 2 points against imitating successes",
        )
        for split in config.tests
    ]  # fmt: skip
    told += [
        Claim(
            "vision is needed", ("blind", SHUFFLED), some, "seen beyond 30 % of sighted",
            direction="less",
            statement="without pictures, or with those of another home, less than 30 % is left",
        ),
        Claim(
            "chance", (RANDOM,), some, "seen", direction="less", margin=0.01,
            statement="drawn programs succeed in less than 1 %",
        ),
        Claim(
            "feedback helps retries", (TOLD,), some, "seen", margin=0.05, baseline=UNTOLD,
            statement="six programs with feedback beat six without by at least 5 points, after "
            "the same training with and without it",
        ),
        Claim(
            "feedback helps more than chance", (TOLD,), some, "seen", margin=0.05, baseline=DRAWN,
            statement="the same where those without feedback draw every program after the first",
        ),
        *(
            Claim(
                f"feedback kept back, {of}", (f"{of}-told",), some, "seen",
                baseline=f"{of}-not-told",
                statement="for comparison: the same policy with and without feedback",
            )
            for of in ("rlef-retries", "rlef", "sft")
        ),
        Claim(
            "the oracle", (ORACLE,), every[:1], "seen", margin=0.99, minimum=1.0,
            statement="every test instance is solved by the oracle's program",
        ),
        Claim(
            "two judges agree", ("sft", "sft-longer", "sft-successes", "rlef"), every[:1],
            "judges differ", direction="less", margin=0.001,
            statement="the checker finds the evaluator's success in the final physical state",
        ),
        Claim(
            "replay", ("rlef",), every[:1], "replay differs", direction="less", margin=0.001,
            statement="the same program from the same start ends in the same state, to the bit",
        ),
        Claim(
            "other ways", ("rlef-grpo", "rlef-tree", "rejection", "successes-rlef"), some,
            "layouts", baseline="rlef", statement="for comparison: against RLEF with LOOP",
        ),
        Claim(
            "a learned reward", ("rlef-judged",), some, "layouts", baseline="rlef",
            statement="for comparison: the word of a judge that sees pictures as the reward",
        ),
        Claim(
            "more of a perfect teacher", ("perfect-longer",), some, "layouts", baseline="perfect",
            statement="for comparison: whether the imitation of a perfect teacher had converged",
        ),
        Claim(
            "the hard control", ("perfect-rlef",), some, "layouts", baseline="perfect-longer",
            statement="for comparison: a perfect teacher, RLEF against longer imitation",
        ),
    ]  # fmt: skip
    return told


@register_bench("octopus")
class OctopusBench:
    """Agents that see homes and write programs: imitation, feedback, and their controls."""

    name = "octopus"
    description = "RLEF repairs what an imperfect teacher taught wrongly, in unseen homes too"

    def run(self, quick: bool, folder: Path) -> None:
        """Prepare, learn and test in as many processes as there are processors.

        What is found is stored job by job, and a killed run goes on.
        """
        config = quick_octopus() if quick else OctopusConfig()
        scratch = Path("runs") / folder.name
        prepared(config, scratch)
        do(rounds_of(config, scratch), config.jobs)
        store(config, scratch, folder)

    def report(self, folder: Path) -> str:
        """Verdicts, success by arm and split, by family; the teacher, the eye, the judge."""
        return "\n\n".join(
            part
            for part in (
                report(folder),
                table(folder),
                families(folder),
                facts(folder),
                judges(folder),
            )
            if part
        )


def store(
    config: OctopusConfig, scratch: Path, folder: Path, only: Sequence[str] | None = None
) -> None:
    """Rows of all arms, or of those that have been run (`only`), and what was found beside them."""

    def measure(arm: str, seed: int, place: Path) -> ArmResult:
        return rows_of(config, arm, seed, scratch)

    kept = to_dict(config)
    del kept["jobs"]  # it changes when it is done, not what is found
    run(claims(config), measure, folder, config=kept, only=only)
    scenes = load_scenes(config, "demonstrations-forgetful", scratch)
    first = [t.success for t in scenes.turns if t is not None and not t.before]
    turns = [t is not None for t in scenes.turns]
    judges = [scratch / "tested" / "judge" / f"{seed}.json" for seed in config.side_seeds]
    write_json(
        folder / "facts.json",
        {
            "teacher": {"success": float(np.mean(first)), "attempts": len(first),
                        "programs": sum(turns)},
            "sight": read_json(scratch / "eye" / "sight.json"),
            "judges": [read_json(path) for path in judges if path.exists()],
        },
    )  # fmt: skip


def rows_of(config: OctopusConfig, arm: str, seed: int, scratch: Path) -> ArmResult:
    """Outcomes of an arm on all of its splits, side by side: start i is instance i of each."""
    found = {s: read_tested(scratch, arm, seed, s) for s in splits_of(config, arm)}
    told: dict[str, Any] = {split: one["success"] for split, one in found.items()}
    count = len(next(iter(told.values())))
    if arm in ("blind", SHUFFLED):
        sighted = "sft-successes" if arm == "blind" else "rlef"
        theirs = read_tested(scratch, sighted, seed, "seen")["success"]
        told["seen beyond 30 % of sighted"] = [
            a - SIGHTED_SHARE * b for a, b in zip(told["seen"], theirs, strict=True)
        ]
    if "checked" in found["seen"]:
        differ = [
            [a != b for a, b in zip(one["success"], one["checked"], strict=True)]
            for one in found.values()
        ]
        told["judges differ"] = np.mean(differ, axis=0).tolist()
        again = [one["replayed"] for one in found.values()]
        told["replay differs"] = (1 - np.mean(again, axis=0)).tolist()
    spent = scratch / "learned" / arm / str(seed) / "spent.json"
    kept: dict[str, Any] = {"made_on": found["seen"]["made_on"]}
    if "family" in found["seen"]:
        kept["families"] = {s: by_family(one) for s, one in found.items()}
    if "turns" in found["seen"]:
        kept["turns"] = float(np.mean(found["seen"]["turns"]))
    return ArmResult(
        list(range(count)), told, spent=read_json(spent) if spent.exists() else {}, facts=kept
    )


def by_family(found: Mapping[str, Any]) -> dict[str, list[int]]:
    """Family -> [successes, episodes]."""
    counts: dict[str, list[int]] = {}
    for name, success in zip(found["family"], found["success"], strict=True):
        count = counts.setdefault(name, [0, 0])
        count[0] += success
        count[1] += 1
    return dict(sorted(counts.items()))


# -- what is stored, as tables ---------------------------------------------------------------------


def stored(folder: Path, arm: str) -> list[dict[str, Any]]:
    """Rows of an arm, by seed."""
    return [read_json(path) for path in sorted((folder / "rows" / arm).glob("*.json"))]


def table(folder: Path) -> str:
    """Success by arm and split, mean over seeds with its 95 % interval, and what it cost."""
    splits: list[str] = []
    lines: list[str] = []
    for arm in (*TABLE_ARMS, *RETRIES):
        rows = stored(folder, arm)
        if not rows:
            continue
        if not splits:
            splits = [s for s in rows[0]["outcomes"] if s in OctopusConfig().tests]
            lines = [
                f"| arm | seeds | gradient steps | {' | '.join(splits)} |",
                "|---|---|---|" + "---|" * len(splits),
            ]
        cells = [arm, str(len(rows)), f"{rows[0]['spent'].get('gradient_steps', 0):g}"]
        for split in splits:
            values = [row["outcomes"].get(split) for row in rows]
            if any(v is None for v in values):
                cells.append("")
                continue
            found = bootstrap_mean(np.array(values, np.float64), shared_starts=True)
            cells.append(
                f"{100 * found.estimate:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def families(folder: Path) -> str:
    """Success on seen homes by family, mean over seeds."""
    arms = ("sft", "sft-longer", "sft-successes", "rlef")
    rows = {arm: stored(folder, arm) for arm in arms}
    if not all(rows.values()):
        return ""
    names = rows["rlef"][0]["facts"]["families"]["seen"]
    lines = [f"| family (seen) | episodes | {' | '.join(arms)} |", "|---|---|" + "---|" * len(arms)]
    for name, (_, count) in names.items():
        cells = [name, str(count)]
        for arm in arms:
            hits = [r["facts"]["families"]["seen"][name][0] for r in rows[arm]]
            cells.append(f"{100 * float(np.mean(hits)) / count:.0f} %")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def facts(folder: Path) -> str:
    """What the teacher is worth and what the eye sees."""
    path = folder / "facts.json"
    if not path.exists():
        return ""
    found = read_json(path)
    teacher, sight = found["teacher"], found["sight"]
    lines = [
        f"The imperfect teacher succeeds with {100 * teacher['success']:.1f} % of its first "
        f"programs ({teacher['attempts']} attempts, {teacher['programs']} programs).",
        "",
        "| what the eye names, in homes' pictures held back | precision | recall |",
        "|---|---|---|",
    ]
    for group in dict.fromkeys(name.rpartition(" ")[0] for name in sight):
        cells = [f"{100 * sight[f'{group} {what}']:.1f} %" for what in ("precision", "recall")]
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


def judges(folder: Path) -> str:
    """What the learned reward is worth, mean over seeds, and the labels that it cost."""
    path = folder / "facts.json"
    found = read_json(path).get("judges", []) if path.exists() else []
    if not found:
        return ""

    def mean(part: str, name: str) -> float:
        return float(np.mean([one[part][name] for one in found]))

    lines = [
        f"The judge learned from {mean('labels', 'programs'):.0f} programs whose outcome the "
        f"environment told ({mean('labels', 'pictures'):.0f} pictures, mean of {len(found)} "
        f"seeds). Of calls, it tells right from wrong with AUC "
        f"{mean(HELD, 'steps_auc'):.3f}; its error in progress is "
        f"{mean(HELD, 'progress_error'):.3f}.",
        "",
        "| programs of | succeed | judge says so | of these wrongly | F1 | AUC | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    names = {part: f"`{part}`, homes never seen" for part in JUDGED}
    names |= {
        HELD: "teacher and `sft`, homes of its calibration",
        HELD_BLIND: "the same, by a judge without pictures",
    }
    for part in (HELD, HELD_BLIND, *JUDGED):
        shares = [f"{100 * mean(part, n):.1f} %" for n in ("success", "said", "false_share")]
        cells = [f"{mean(part, n):.3f}" for n in ("f1", "auc", "ece")]
        lines.append(f"| {names[part]} | {' | '.join([*shares, *cells])} |")
    spent = [row["spent"] for row in stored(folder, "rlef-judged")]
    if spent:
        said, true, wrong = (
            100 * float(np.mean([one[f"judge/{name}"] for one in spent]))
            for name in ("said", "true", "false_success")
        )
        lines += [
            "",
            f"At the end of `rlef-judged`, the judge calls {said:.1f} % of what it rewards a "
            f"success, {true:.1f} % are, and {wrong:.1f} % are none that it takes for one.",
        ]
    return "\n".join(lines)
