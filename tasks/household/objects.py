"""ObjectKind: the catalogue of things that can be picked up, with what can be done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from octoworld.core.errors import UnknownNameError

from ..language import COLORS

Form = Literal["cup", "disc", "bowl", "ball", "box", "stick", "bottle", "cloth", "key"]


@dataclass(frozen=True)
class ObjectKind:
    """One kind of thing. Sizes are of its upright bounding cylinder."""

    name: str
    group: str
    """dish, cutlery, food, drink, toy, clothing, or item."""
    form: Form
    """How it is drawn."""
    radius: float
    """[m]."""
    height: float
    """[m]."""
    color: tuple[float, float, float] | None = None
    """RGB; None: comes in the named colours of `tasks.language`."""
    washable: bool = False
    heatable: bool = False
    cookable: bool = False
    sliceable: bool = False
    fillable: bool = False
    pourable: bool = False
    """Full of itself at the start: milk, juice."""
    holds: int = 0
    """How many things go into (form bowl, box, cup: `in`) or onto (form disc: `on`) it."""
    pool: int = 1
    """How many of them a home has at hand."""

    @property
    def relation(self) -> str:
        """How things stand to it: `in` or `on`; empty for what holds nothing."""
        return "" if not self.holds else "on" if self.form == "disc" else "in"

    @property
    def floor(self) -> float:
        """Height above its underside at which things in or on it stand [m]."""
        return 0.006 if self.form == "disc" else 0.012


def _dish(name: str, form: Form, radius: float, height: float, **more: object) -> ObjectKind:
    return ObjectKind(name, "dish", form, radius, height, washable=True, **more)  # type: ignore[arg-type]


def _food(
    name: str, form: Form, radius: float, height: float, rgb: tuple[float, float, float],
    **more: object,
) -> ObjectKind:  # fmt: skip
    return ObjectKind(name, "food", form, radius, height, rgb, heatable=True, **more)  # type: ignore[arg-type]


KINDS: dict[str, ObjectKind] = {
    kind.name: kind
    for kind in (
        _dish("mug", "cup", 0.036, 0.090, fillable=True, heatable=True, pool=3),
        _dish("glass", "cup", 0.034, 0.110, fillable=True, pool=2),
        _dish("plate", "disc", 0.095, 0.022, holds=1, pool=3),
        _dish("bowl", "bowl", 0.075, 0.060, fillable=True, heatable=True, holds=1, pool=2),
        _dish("pot", "bowl", 0.095, 0.110, color=(0.62, 0.64, 0.68), fillable=True, heatable=True,
              holds=1),
        _dish("pan", "bowl", 0.105, 0.045, color=(0.20, 0.20, 0.22), heatable=True, holds=1),
        ObjectKind("knife", "cutlery", "stick", 0.080, 0.022, (0.80, 0.82, 0.86), washable=True),
        ObjectKind("spoon", "cutlery", "stick", 0.070, 0.020, (0.93, 0.93, 0.80), washable=True,
                   pool=2),
        _food("apple", "ball", 0.036, 0.072, (0.85, 0.12, 0.12), sliceable=True, pool=3),
        _food("orange", "ball", 0.037, 0.074, (1.00, 0.55, 0.05), sliceable=True, pool=2),
        _food("tomato", "ball", 0.034, 0.060, (0.95, 0.25, 0.15), sliceable=True, pool=2),
        _food("lemon", "ball", 0.030, 0.058, (0.98, 0.92, 0.20), sliceable=True),
        _food("potato", "ball", 0.036, 0.062, (0.72, 0.55, 0.32), sliceable=True, cookable=True,
              pool=2),
        _food("bread", "box", 0.060, 0.075, (0.85, 0.62, 0.30), sliceable=True),
        _food("egg", "ball", 0.026, 0.052, (0.98, 0.93, 0.85), cookable=True, pool=2),
        _food("steak", "disc", 0.060, 0.026, (0.75, 0.25, 0.28), cookable=True),
        _food("fish", "box", 0.060, 0.040, (0.55, 0.66, 0.75), cookable=True),
        _food("pizza", "disc", 0.080, 0.022, (0.95, 0.75, 0.30), sliceable=True),
        _food("soup", "bowl", 0.070, 0.060, (0.90, 0.45, 0.15)),
        ObjectKind("milk", "drink", "box", 0.037, 0.170, (0.96, 0.97, 1.00), pourable=True),
        ObjectKind("juice", "drink", "bottle", 0.036, 0.180, (1.00, 0.70, 0.10), pourable=True),
        ObjectKind("bottle", "drink", "bottle", 0.034, 0.200, fillable=True, washable=True),
        ObjectKind("can", "drink", "cup", 0.033, 0.115, (0.80, 0.10, 0.20)),
        ObjectKind("car", "toy", "box", 0.055, 0.050, pool=2),
        ObjectKind("ball", "toy", "ball", 0.037, 0.074, pool=2),
        ObjectKind("teddy", "toy", "ball", 0.055, 0.130, (0.60, 0.40, 0.22)),
        ObjectKind("cube", "toy", "box", 0.040, 0.060, pool=2),
        ObjectKind("shirt", "clothing", "cloth", 0.085, 0.040, washable=True, pool=2),
        ObjectKind("sock", "clothing", "cloth", 0.050, 0.030, washable=True, pool=2),
        ObjectKind("towel", "clothing", "cloth", 0.090, 0.060, washable=True),
        ObjectKind("book", "item", "box", 0.085, 0.035, pool=2),
        ObjectKind("phone", "item", "box", 0.050, 0.016, (0.10, 0.10, 0.12)),
        ObjectKind("remote", "item", "stick", 0.075, 0.022, (0.15, 0.16, 0.18)),
        ObjectKind("key", "item", "key", 0.045, 0.016, (0.95, 0.80, 0.20)),
        ObjectKind("vase", "item", "bottle", 0.036, 0.180, fillable=True, washable=True),
        ObjectKind("basket", "item", "bowl", 0.170, 0.160, (0.70, 0.52, 0.30), holds=5),
        ObjectKind("box", "item", "bowl", 0.120, 0.100, (0.75, 0.60, 0.42), holds=3),
    )
}  # fmt: skip
"""Every kind by name."""
GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(k.name for k in KINDS.values() if k.group == group)
    for group in dict.fromkeys(k.group for k in KINDS.values())
}
"""Groups such as `food`, with the kinds in them."""


def kind_named(name: str) -> ObjectKind:
    """The kind `name`; UnknownNameError lists the choices."""
    if name not in KINDS:
        raise UnknownNameError("kind of object", name, KINDS)
    return KINDS[name]


def kind_of(thing: str) -> str:
    """Kind in a name: "mug" of "mug_1", also of furniture ("coffee_table" of "coffee_table_1")."""
    return thing.rsplit("_", 1)[0]


def pool() -> tuple[str, ...]:
    """Names of all things that a home has at hand, used or in store."""
    return tuple(f"{k.name}_{i + 1}" for k in KINDS.values() for i in range(k.pool))


def rgb_of(kind: ObjectKind, color: str) -> tuple[float, float, float]:
    """Colour of a thing [RGB]: of its kind, or the named one."""
    return kind.color if kind.color is not None else COLORS[color]
