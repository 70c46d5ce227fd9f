"""The page of a world model's card: numbers as JSON and Markdown, and a picture of all units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octoworld.core.io import atomic_file, write_json, write_text
from worldmodels.calibration import (
    FEWEST_UNITS,
    Card,
    calibrate_success,
    draw_units,
    measures,
    share,
)

from .world_card_units import READINGS, UnitRecord


def write_page(records: Sequence[UnitRecord], facts: dict[str, Any], out: Path) -> str:
    """Write `card.json`, `card.md` and `card.png` into `out`; returns the Markdown."""
    cards = {r: calibrate_success([x.unit(r) for x in records]) for r in READINGS}
    text = markdown(records, cards)
    write_json(
        out / "card.json",
        facts
        | {"cards": {r: numbers(card) for r, card in cards.items()}}
        | {"units": [record.to_json() | tallies(record) for record in records]},
    )
    write_text(out / "card.md", text)
    draw_page(records, cards, out / "card.png")
    return text


def numbers(card: Card) -> dict[str, Any]:
    """The card's fields; None for what is no number (JSON has no NaN)."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: plain(value) for name, value in card.as_dict().items()}


def tallies(record: UnitRecord) -> dict[str, Any]:
    """Rates of a unit, and of its imagined successes how many fail truly."""
    starts = len(record.imagined)
    won = [i for i, seen in enumerate(record.imagined) if seen]
    return {
        "imagined_rate": len(won) / starts,
        "oracle_rate": sum(record.oracle) / starts,
        "self_stopped_rate": sum(record.self_stopped) / starts,
        "imagined_successes": len(won),
        "of_these_fail_oracle": sum(not record.oracle[i] for i in won),
        "of_these_fail_self_stopped": sum(not record.self_stopped[i] for i in won),
        "of_these_fail_replayed": sum(not record.replayed[i] for i in won),
    }


def markdown(records: Sequence[UnitRecord], cards: dict[str, Card]) -> str:
    """Measures by what true success means, and a row for each unit."""
    told = {r: measures(card) for r, card in cards.items()}
    first = next(iter(told.values()))
    lines = [
        "| measure | " + " | ".join(f"true episodes {READINGS[r]}" for r in told) + " |",
        "|---|" + "---|" * len(told),
    ]
    lines += [f"| {n} | " + " | ".join(told[r][n] for r in told) + " |" for n in first]
    if not next(iter(cards.values())).is_conclusive:
        lines += ["", f"Fewer than {FEWEST_UNITS} units: the correlations say little."]
    lines += [
        "",
        "| policy | task | imagined | true, ended by the simulator | true, ended by the reflector "
        "| imagined successes | whose start truly fails | that fail when replayed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        t = tallies(record)
        rates = [share(t[f"{name}_rate"]) for name in ("imagined", "oracle", "self_stopped")]
        counts = [t["imagined_successes"], t["of_these_fail_oracle"], t["of_these_fail_replayed"]]
        cells = [record.policy, record.task, *rates, *map(str, counts)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw_page(records: Sequence[UnitRecord], cards: dict[str, Card], path: Path) -> None:
    """Two scatter plots, how imagined and true outcomes meet in each unit, and the numbers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(8.3, 7.6 + 0.13 * len(records)))
    grid = figure.add_gridspec(3, 2, height_ratios=[3.5, 0.6 + 0.13 * len(records), 2.4])
    for column, (reading, card) in enumerate(cards.items()):
        axis = figure.add_subplot(grid[0, column])
        draw_units(axis, card, [r.unit(reading) for r in records], READINGS[reading])
    _draw_outcomes(figure.add_subplot(grid[1, :]), records)
    _draw_numbers(figure.add_subplot(grid[2, :]), cards)
    figure.tight_layout()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def _draw_outcomes(axis: Any, records: Sequence[UnitRecord]) -> None:
    """A bar a unit: shares of starts by what imagination and truth said of them."""
    kinds = [
        ("success in both", "tab:green", lambda seen, true: seen and true),
        ("imagined only", "tab:red", lambda seen, true: seen and not true),
        ("true only", "tab:blue", lambda seen, true: true and not seen),
    ]
    left = [0.0] * len(records)
    for label, colour, holds in kinds:
        width = [
            100 * sum(map(holds, r.imagined, r.oracle)) / len(r.imagined) for r in records
        ]  # both end at the first success that they see
        axis.barh(range(len(records)), width, left=left, color=colour, label=label, height=0.75)
        left = [a + b for a, b in zip(left, width, strict=True)]
    axis.set_yticks(range(len(records)), [f"{r.task}, {r.policy}" for r in records], fontsize=6.5)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("share of starts [%], true episodes ended by the simulator", fontsize=9)
    axis.legend(fontsize=7, loc="lower right")
    axis.grid(alpha=0.25, axis="x")


def _draw_numbers(axis: Any, cards: dict[str, Card]) -> None:
    axis.axis("off")
    told = {r: measures(card) for r, card in cards.items()}
    rows = [[n, *(told[r][n] for r in told)] for n in next(iter(told.values()))]
    table = axis.table(
        cellText=rows,
        colLabels=["", *(f"true: {READINGS[r]}" for r in told)],
        colWidths=[0.46, 0.27, 0.27],
        cellLoc="left",
        loc="center",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.15)
