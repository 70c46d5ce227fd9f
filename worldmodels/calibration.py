"""Calibration: does success in imagination tell success in truth, policy by policy, task by task?

A world model that judges policies must rank them as truth does (Spearman, MMRV), on its scale
(bias), and must not invent successes (false-success rate). Most published correlations stand on
fewer than ten units without an interval; here the interval is part of the answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from octoworld.core.errors import ConfigError

Floats = NDArray[np.float64]
FEWEST_UNITS = 24
"""Units (policy x task) from which a correlation of .9 is known to about +-.1."""


@dataclass(frozen=True)
class Unit:
    """One policy on one task: the same starts imagined and in truth."""

    policy: str
    task: str
    imagined: tuple[bool, ...]
    """Success in imagination, start by start."""
    true: tuple[bool, ...]
    """Success in true physics from the same starts: of the policy, at liberty."""
    replayed: tuple[bool, ...] = ()
    """Success in true physics of the very actions that were imagined; () where not replayed."""

    def __post_init__(self) -> None:
        sizes = {len(self.imagined), len(self.true), len(self.replayed) or len(self.true)}
        if len(sizes) != 1 or not self.true:
            raise ConfigError(
                f"{self.policy} on {self.task}: {len(self.imagined)} imagined, {len(self.true)} "
                f"true and {len(self.replayed)} replayed outcomes; expected one of each a start"
            )


@dataclass(frozen=True)
class Card:
    """What a world model is worth as a judge; rates in [0, 1]."""

    units: int
    """Policy-task pairs."""
    episodes: int
    """Starts in all."""
    pearson: float
    """Of imagined and true success rates over units."""
    pearson_low: float
    """Ends of its 95 % interval by Fisher's z."""
    pearson_high: float
    """See `pearson_low`."""
    spearman: float
    """Rank correlation."""
    mmrv: float
    """Mean maximum rank violation (SIMPLER, arXiv 2405.05941), ties count as no violation."""
    bias: float
    """Mean of imagined minus true success rate: above 0 is optimism."""
    false_success: float
    """Share of imagined successes whose actions fail in true physics; NaN where not replayed."""
    false_failure: float
    """Share of imagined failures whose actions succeed in true physics; NaN likewise."""
    unmatched_success: float
    """Share of imagined successes from whose start the policy, at liberty, fails in true physics;
    NaN where nothing succeeds in imagination."""
    leave_one_out: tuple[float, float]
    """Least and largest Pearson r when one policy is left out."""
    leave_task_out: tuple[float, float]
    """Least and largest Pearson r when one task is left out."""
    within_task: float
    """Pearson r of deviations from the mean of each task: whether policies are told apart, where
    `pearson` may be that easy tasks are told from hard ones; NaN with one policy."""

    @property
    def is_conclusive(self) -> bool:
        """Whether there are units enough to speak of a correlation."""
        return self.units >= FEWEST_UNITS

    def as_dict(self) -> dict[str, object]:
        """Plain numbers by name."""
        return asdict(self)


def calibrate_success(units: Sequence[Unit]) -> Card:
    """The card of a world model.

    Raises:
        ConfigError: fewer than three units, or two units of one policy and task.
    """
    if len(units) < 3:
        raise ConfigError(f"calibration needs at least 3 units, got {len(units)}")
    names = [(u.policy, u.task) for u in units]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise ConfigError(f"policy {twice[0]!r} stands twice for task {twice[1]!r}")
    imagined, true = rates(units)
    r = pearson(imagined, true)
    low, high = fisher_interval(r, len(units))
    tasks = np.array([u.task for u in units])
    same = (tasks[:, None] == tasks[None]) / (tasks[:, None] == tasks[None]).sum(1, keepdims=True)
    invented, missed = false_rates(units)
    begun = [truly for u in units for seen, truly in zip(u.imagined, u.true, strict=True) if seen]
    return Card(
        units=len(units),
        episodes=sum(len(u.true) for u in units),
        pearson=r,
        pearson_low=low,
        pearson_high=high,
        spearman=pearson(stats.rankdata(imagined), stats.rankdata(true)),
        mmrv=rank_violation(imagined, true),
        bias=float((imagined - true).mean()),
        false_success=invented,
        false_failure=missed,
        unmatched_success=1 - sum(begun) / len(begun) if begun else math.nan,
        leave_one_out=left_out(units, [u.policy for u in units]),
        leave_task_out=left_out(units, [u.task for u in units]),
        within_task=pearson(imagined - same @ imagined, true - same @ true),
    )


def left_out(units: Sequence[Unit], names: Sequence[str]) -> tuple[float, float]:
    """Least and largest Pearson r when the units of one name are left out; NaN without a choice.

    One where nothing varies among the rest is no number and counts for nothing.
    """
    found = []
    for name in dict.fromkeys(names):
        rest = [u for u, of in zip(units, names, strict=True) if of != name]
        if len(rest) > 2:
            found.append(pearson(*rates(rest)))
    found = [r for r in found if math.isfinite(r)]
    return (min(found), max(found)) if found else (math.nan, math.nan)


def rates(units: Sequence[Unit]) -> tuple[Floats, Floats]:
    """Imagined and true success rate of each unit, both (U,)."""
    imagined, true = ([np.mean(getattr(u, n)) for u in units] for n in ("imagined", "true"))
    return np.array(imagined, np.float64), np.array(true, np.float64)


def pearson(a: Floats, b: Floats) -> float:
    """Correlation of (U,) and (U,); NaN where one does not vary."""
    if np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def fisher_interval(r: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a correlation of `count` units: tanh(atanh r -+ z / sqrt(count - 3))."""
    if count < 4 or not math.isfinite(r):
        return math.nan, math.nan
    if abs(r) >= 1:
        return r, r
    reach = float(stats.norm.ppf(0.5 + level / 2)) / math.sqrt(count - 3)
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def rank_violation(imagined: Floats, true: Floats) -> float:
    """MMRV: mean over units of the largest true difference to a unit that is ranked wrongly."""
    worse = imagined[:, None] < imagined[None]
    truly = true[:, None] < true[None]
    wrong = (worse & truly.T) | (worse.T & truly)
    return float(np.where(wrong, np.abs(true[:, None] - true[None]), 0.0).max(1).mean())


def false_rates(units: Sequence[Unit]) -> tuple[float, float]:
    """False-success and false-failure rate over all replayed episodes; NaN where there are none."""
    pairs = [p for u in units if u.replayed for p in zip(u.imagined, u.replayed, strict=True)]
    won = [truly for imagined, truly in pairs if imagined]
    lost = [truly for imagined, truly in pairs if not imagined]
    return (
        1 - sum(won) / len(won) if won else math.nan,
        sum(lost) / len(lost) if lost else math.nan,
    )


def measures(card: Card) -> dict[str, str]:
    """What the card says, name -> value, to be read."""
    names = {
        "units (policy x task), episodes": f"{card.units}, {card.episodes:,}",
        "Pearson r": f"{card.pearson:.2f} [{card.pearson_low:.2f}, {card.pearson_high:.2f}]",
        "the same, one policy left out": "{:.2f} to {:.2f}".format(*card.leave_one_out),
        "the same, one task left out": "{:.2f} to {:.2f}".format(*card.leave_task_out),
        "Pearson r within tasks": f"{card.within_task:.2f}",
        "Spearman": f"{card.spearman:.2f}",
        "MMRV (ties are no violation)": f"{card.mmrv:.3f}",
        "imagined - true": f"{100 * card.bias:+.1f} points",
        "imagined successes that fail when replayed": share(card.false_success),
        "imagined failures that succeed when replayed": share(card.false_failure),
        "imagined successes whose start truly fails": share(card.unmatched_success),
    }
    return {name: value.replace("nan", "none") for name, value in names.items()}


def share(value: float) -> str:
    """A share in [0, 1] in percent; NaN is "none"."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "none"


def as_text(card: Card, units: Sequence[Unit]) -> str:
    """The card as a page of markdown: verdict, numbers, units."""
    lines = ["| measure | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in measures(card).items()]
    lines.append("")
    if not card.is_conclusive:
        lines += [f"Fewer than {FEWEST_UNITS} units: the correlation says little.", ""]
    lines += ["| policy | task | imagined | true |", "|---|---|---|---|"]
    for unit, imagined, true in zip(units, *rates(units), strict=True):
        lines.append(f"| {unit.policy} | {unit.task} | {share(imagined)} | {share(true)} |")
    return "\n".join(lines)


def draw_units(axis: Any, card: Card, units: Sequence[Unit], truth: str) -> None:
    """Imagined against true success on a matplotlib axis: a dot a unit, a colour a task.

    Units that fall on one another are drawn as one larger dot.
    """
    imagined, true = (np.round(100 * x, 6) for x in rates(units))
    axis.plot([0, 100], [0, 100], color="0.7", linewidth=1)
    for task in dict.fromkeys(u.task for u in units):
        mine = [i for i, u in enumerate(units) if u.task == task]
        dots = Counter((true[i], imagined[i]) for i in mine)
        sizes = [22 * count for count in dots.values()]
        axis.scatter(*zip(*dots, strict=True), s=sizes, label=task, alpha=0.8)
    axis.set_xlabel(f"success in true physics, {truth} [%]", fontsize=9)
    axis.set_ylabel("success in imagination [%]", fontsize=9)
    axis.set_title(
        f"r = {card.pearson:.2f} [{card.pearson_low:.2f}, {card.pearson_high:.2f}], "
        f"bias {100 * card.bias:+.0f} points",
        fontsize=10,
    )
    axis.legend(fontsize=7)
    axis.set_xlim(-3, 103)
    axis.set_ylim(-3, 103)
    axis.grid(alpha=0.25)


def draw_card(card: Card, units: Sequence[Unit], path: Path) -> None:
    """Imagined against true success as a picture file, see `draw_units`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(4.6, 4.4))
    draw_units(axis, card, units, "at liberty")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
