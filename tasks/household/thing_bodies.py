"""Bodies of things: primitive shapes with marks that show their states.

The marks (dirt, steam, what is in a cup, cuts, a crust) are geoms of their own that are drawn only
while their state holds. The origin of a thing is the middle of its underside.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from robots.spec import BodySpec, GeomSpec, JointSpec

from .objects import ObjectKind, kind_named, kind_of

CLEAR = (0.0, 0.0, 0.0, 0.0)
MARKS: dict[str, tuple[float, float, float, float]] = {
    "dirty": (0.30, 0.20, 0.08, 1.0),
    "hot": (1.00, 0.35, 0.10, 0.65),
    "cold": (0.55, 0.85, 1.00, 0.65),
    "sliced": (1.00, 1.00, 0.92, 1.0),
    "cooked": (0.36, 0.17, 0.05, 1.0),
}
"""State -> colour of its mark; `filled` has the colour of the liquid."""
LIQUIDS: dict[str, tuple[float, float, float]] = {
    "water": (0.35, 0.65, 1.00), "coffee": (0.25, 0.13, 0.05), "milk": (1.0, 1.0, 1.0),
    "juice": (1.00, 0.65, 0.05),
}  # fmt: skip
MASS = 0.15
"""Of every thing [kg]; a Panda lifts 3 kg."""
ROUND: dict = {"friction": (1.0, 0.005, 0.002), "contact_dim": 6}
"""Fruit and toys are not quite round: they come to rest where a perfect ball rolls on."""
FOLD = 0.016
"""Half the width of the fold by which cloth is taken [m]."""
FOOT = 0.001
"""Half the height of the gap below walls and rims: only a base touches what it stands on [m]."""
RIM = 0.005
"""Half the thickness of the rim of plates [m]."""


def narrow_half(kind: ObjectKind) -> float:
    """Half the width of a box between the fingers, which open 0.08 m [m]."""
    return min(0.5 * kind.radius, 0.034)


def marks_of(kind: ObjectKind) -> tuple[str, ...]:
    """States that a thing of this kind shows."""
    shown = [
        ("dirty", kind.washable),
        ("hot", kind.heatable),
        ("cold", kind.heatable or kind.group == "drink"),
        ("sliced", kind.sliceable),
        ("cooked", kind.cookable),
        ("filled", kind.fillable),
    ]
    return tuple(state for state, has in shown if has)


def thing_body(name: str, joint: Literal["free", "placed"] = "placed") -> BodySpec:
    """The body of a thing: moved by the simulator's user (`placed`) or by physics (`free`)."""
    kind = kind_named(kind_of(name))
    solid = _solid(name, kind)
    geoms = (*solid, *_marks(name, kind))
    if joint == "placed":
        return BodySpec(name, position=(0.0, 0.0, -3.0), geoms=geoms, movable_base=True)
    return BodySpec(
        name, position=(0.0, 0.0, -3.0), joint=JointSpec(f"{name}_free", "free"), geoms=geoms,
        mass=MASS,
    )  # fmt: skip


def colored_geoms(name: str) -> tuple[str, ...]:
    """Geoms that wear a thing's own colour."""
    kind = kind_named(kind_of(name))
    return tuple(g.name for g in _solid(name, kind) if not g.name.endswith(("_cap", "_inner")))


def _solid(name: str, kind: ObjectKind) -> tuple[GeomSpec, ...]:
    r, h = kind.radius, kind.height
    if kind.form == "cup":
        wall = GeomSpec(f"{name}_wall", "cylinder", (r, h / 2), (0, 0, h / 2))
        parts = [wall]
        if kind.fillable:
            parts.append(GeomSpec(
                f"{name}_inner", "cylinder", (0.8 * r, 0.001), (0, 0, h),
                rgba=(0.12, 0.12, 0.14, 1), collides=False,
            ))  # fmt: skip
        if kind.name == "mug":
            parts.append(
                GeomSpec(f"{name}_ear", "box", (0.012, 0.006, 0.025), (r + 0.01, 0, h / 2),
                         collides=False)  # a finger goes through an ear
            )  # fmt: skip
        return tuple(parts)
    if kind.form == "disc":
        if kind.name == "steak":
            return (GeomSpec(f"{name}_meat", "box", (0.85 * r, 0.55 * r, h / 2), (0, 0, h / 2)),)
        base = kind.floor if kind.holds else 0.5 * h
        parts = [
            GeomSpec(f"{name}_base", "cylinder", (0.94 * r, base / 2), (0, 0, base / 2)),
            *_rim(name, r, h),
        ]
        if kind.name == "plate":
            parts.append(GeomSpec(
                f"{name}_inner", "cylinder", (0.65 * r, 0.0005), (0, 0, base),
                rgba=(1, 1, 1, 1), collides=False,
            ))  # fmt: skip
        return tuple(parts)
    if kind.form == "bowl":
        base = GeomSpec(f"{name}_base", "cylinder", (0.72 * r, 0.006), (0, 0, 0.006))
        walls = [
            GeomSpec(
                f"{name}_wall{i}", "box",
                (0.006, 0.70 * r, h / 2 - FOOT) if i < 2 else (0.70 * r, 0.006, h / 2 - FOOT),
                ((-1) ** i * 0.70 * r if i < 2 else 0, (-1) ** i * 0.70 * r if i > 1 else 0,
                 h / 2 + FOOT),
            )
            for i in range(4)
        ]  # fmt: skip
        parts = [base, *walls]
        if kind.group == "food":
            white = (0.9, 0.9, 0.92, 1)
            parts = [replace(part, name=f"{part.name}_inner", rgba=white) for part in parts]
            side = 0.70 * r - 0.006
            parts.append(GeomSpec(f"{name}_food", "box", (side, side, 0.15 * h), (0, 0, 0.31 * h)))
        if kind.name in ("pot", "pan"):
            at = (r + 0.04, 0, h - 0.012)
            parts.append(GeomSpec(f"{name}_grip", "box", (0.06, 0.010, 0.008), at))
        return tuple(parts)
    if kind.form == "ball":
        if kind.name == "teddy":
            return (
                GeomSpec(f"{name}_body", "ellipsoid", (r, r, 0.30 * h), (0, 0, 0.30 * h), **ROUND),
                GeomSpec(f"{name}_head", "sphere", (0.25 * h,), (0, 0, 0.75 * h), **ROUND),
            )
        return (GeomSpec(f"{name}_ball", "ellipsoid", (r, r, h / 2), (0, 0, h / 2), **ROUND),)
    if kind.form == "stick":
        return (GeomSpec(f"{name}_stick", "box", (r, 0.012, h / 2), (0, 0, h / 2)),)
    if kind.form == "bottle":
        return (
            GeomSpec(f"{name}_body", "cylinder", (r, 0.35 * h), (0, 0, 0.35 * h)),
            GeomSpec(f"{name}_neck", "cylinder", (0.4 * r, 0.12 * h), (0, 0, 0.82 * h)),
            GeomSpec(f"{name}_cap", "cylinder", (0.45 * r, 0.03 * h), (0, 0, 0.97 * h),
                     rgba=(0.9, 0.9, 0.9, 1)),
        )  # fmt: skip
    if kind.form == "key":
        return (
            GeomSpec(f"{name}_shaft", "box", (0.030, 0.005, h / 2), (0.01, 0, h / 2)),
            GeomSpec(f"{name}_bow", "cylinder", (0.017, h / 2), (-0.026, 0, h / 2)),
        )
    if kind.form == "cloth":
        return (
            GeomSpec(f"{name}_cloth", "box", (0.8 * r, 0.6 * r, 0.25 * h), (0, 0, 0.25 * h)),
            GeomSpec(f"{name}_fold", "box", (0.75 * r, FOLD, 0.30 * h), (0, 0, 0.70 * h)),
        )
    narrow = narrow_half(kind)
    box = GeomSpec(f"{name}_box", "box", (r * 0.85, narrow, h / 2), (0, 0, h / 2))
    if kind.name == "car":
        cabin = GeomSpec(f"{name}_cap", "box", (r * 0.4, r * 0.42, 0.012), (0, 0, h + 0.005),
                         rgba=(0.85, 0.95, 1.0, 1))  # fmt: skip
        return (box, cabin)
    return (box,)


def _rim(name: str, radius: float, height: float) -> list[GeomSpec]:
    """Eight straight pieces, between which things stand and by which the fingers take it."""
    middle = radius - RIM
    parts = []
    for i in range(8):
        angle = math.pi / 4 * i
        at = (middle * math.cos(angle), middle * math.sin(angle), height / 2 + FOOT)
        turn = (math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2))
        size = (RIM, middle * math.tan(math.pi / 8), height / 2 - FOOT)
        parts.append(GeomSpec(f"{name}_rim{i}", "box", size, at, turn))
    return parts


def _marks(name: str, kind: ObjectKind) -> list[GeomSpec]:
    r, h = kind.radius, kind.height
    parts = []
    for state in marks_of(kind):
        part = f"{name}_{state}"
        if state == "dirty":
            size, at = (0.45 * r, 0.004), (0.3 * r, 0.2 * r, _face(kind))
            parts.append(_mark(part, "cylinder", size, at))
            band = (r * 1.02, 0.10 * h) if kind.form in ("cup", "bottle") else (0.2 * r, 0.004)
            low = (-0.5 * r, -0.3 * r, _face(kind))
            at = (0, 0, 0.45 * h) if kind.form in ("cup", "bottle") else low
            parts.append(_mark(f"{part}_b", "cylinder", band, at))
        elif state in ("hot", "cold"):
            parts.append(_mark(part, "ellipsoid", (0.35 * r + 0.008, 0.35 * r + 0.008, 0.045),
                               (0, 0, h + 0.055)))  # fmt: skip
        elif state == "sliced":
            flat = 0.3 * h if kind.form == "disc" else 0.52 * h
            for i in (-1, 0, 1):
                at = (0.4 * r * i, 0, h / 2 + 0.002)
                parts.append(_mark(f"{part}{i + 1}", "box", (0.004, 1.02 * r, flat), at))
        elif state == "cooked":
            parts.append(_mark(part, "ellipsoid", (1.02 * r, 1.02 * r, 0.35 * h), (0, 0, 0.70 * h)))
        else:
            level = 0.6 * h if kind.form == "bowl" else h + 0.001
            inner = 0.6 * r if kind.form == "bowl" else 0.72 * r
            parts.append(_mark(part, "cylinder", (inner, 0.003), (0, 0, level)))
    return parts


def _face(kind: ObjectKind) -> float:
    """Height of what is seen of a thing from above [m]."""
    return kind.floor if kind.form == "disc" and kind.holds else kind.height


def _mark(name: str, shape: str, size: tuple, at: tuple) -> GeomSpec:
    return GeomSpec(name, shape, size, at, rgba=CLEAR, collides=False)  # type: ignore[arg-type]


def mark_geoms(name: str) -> dict[str, tuple[str, ...]]:
    """State -> geoms that show it."""
    kind = kind_named(kind_of(name))
    drawn = [g.name for g in _marks(name, kind)]
    return {
        state: tuple(g for g in drawn if g.removeprefix(f"{name}_").startswith(state))
        for state in marks_of(kind)
    }
