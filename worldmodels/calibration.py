"""Calibration: does success in imagination tell success in truth, policy by policy, task by task?

A world model that judges policies must rank them as truth does (Spearman, MMRV), on its scale
(bias), and must not invent successes (false-success rate). Most published correlations stand on
fewer than ten units without an interval; here the interval is part of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
    leave_one_out: tuple[float, float]
    """Least and largest Pearson r when one policy is left out."""

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
    left_out = [
        pearson(*rates([u for u in units if u.policy != policy]))
        for policy in dict.fromkeys(u.policy for u in units)
        if len({u.policy for u in units}) > 1 and sum(u.policy != policy for u in units) > 2
    ]
    invented, missed = false_rates(units)
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
        leave_one_out=(min(left_out), max(left_out)) if left_out else (math.nan, math.nan),
    )


def rates(units: Sequence[Unit]) -> tuple[Floats, Floats]:
    """Imagined and true success rate of each unit, both (U,)."""
    imagined, true = ([np.mean(getattr(u, n)) for u in units] for n in ("imagined", "true"))
    return np.array(imagined, np.float64), np.array(true, np.float64)


def pearson(a: Floats, b: Floats) -> float:
    """Correlation of (U,) and (U,); NaN where one does not vary."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
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


def as_text(card: Card, units: Sequence[Unit]) -> str:
    """The card as a page of markdown: verdict, numbers, units."""
    percent = "{:.1f} %".format
    low, high = card.leave_one_out
    lines = [
        "| measure | value |",
        "|---|---|",
        f"| units (policy x task), episodes | {card.units}, {card.episodes:,} |",
        f"| Pearson r | {card.pearson:.2f} [{card.pearson_low:.2f}, {card.pearson_high:.2f}] |",
        f"| the same, one policy left out | {low:.2f} to {high:.2f} |",
        f"| Spearman | {card.spearman:.2f} |",
        f"| MMRV (ties are no violation) | {card.mmrv:.3f} |",
        f"| imagined - true | {100 * card.bias:+.1f} points |",
        f"| imagined successes that fail when replayed | {percent(100 * card.false_success)} |",
        f"| imagined failures that succeed when replayed | {percent(100 * card.false_failure)} |",
        "",
    ]
    if not card.is_conclusive:
        lines += [f"Fewer than {FEWEST_UNITS} units: the correlation says little.", ""]
    lines += ["| policy | task | imagined | true |", "|---|---|---|---|"]
    for unit, imagined, true in zip(units, *rates(units), strict=True):
        lines.append(
            f"| {unit.policy} | {unit.task} | {percent(100 * imagined)} | {percent(100 * true)} |"
        )
    return "\n".join(lines).replace("nan %", "not replayed")


def draw_card(card: Card, units: Sequence[Unit], path: Path) -> None:
    """Imagined against true success, a dot a unit, a colour a task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    imagined, true = rates(units)
    figure, axis = pyplot.subplots(figsize=(4.6, 4.4))
    axis.plot([0, 100], [0, 100], color="0.7", linewidth=1)
    for task in dict.fromkeys(u.task for u in units):
        mine = np.array([u.task == task for u in units])
        axis.scatter(100 * true[mine], 100 * imagined[mine], s=22, label=task)
    axis.set_xlabel("success in true physics [%]")
    axis.set_ylabel("success in imagination [%]")
    axis.set_title(
        f"r = {card.pearson:.2f} [{card.pearson_low:.2f}, {card.pearson_high:.2f}], "
        f"bias {100 * card.bias:+.0f} points",
        fontsize=10,
    )
    axis.legend(fontsize=7)
    axis.set_xlim(-3, 103)
    axis.set_ylim(-3, 103)
    axis.grid(alpha=0.25)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
