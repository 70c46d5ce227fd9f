"""FurnitureKind: the catalogue of furniture and appliances, their sizes and what they can do.

Frame of a piece: origin on the floor under its middle, front towards -y, where the robot stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from octoworld.core.errors import UnknownNameError

Rect = tuple[float, float, float, float]
"""Lowest x and y, highest x and y [m]."""
Look = Literal[
    "case", "block", "table", "seat", "bed", "basin", "tub", "shelf", "lamp", "tv", "fan"
]
Effect = Literal["", "heat", "cool", "water", "wash", "brew"]

LEAF = 0.30
"""Widest door leaf, deepest drawer travel and highest drop door [m]: what swings before a piece
must miss the robot in front of it."""
OPENING_STANDOFF = 0.62
"""Front of a piece that opens to the middle of the robot [m]: leaf, radius of the base, 3 cm."""
STANDOFF = 0.40
"""The same for pieces that do not open [m]."""
BOARD = 0.02
"""Thickness of boards, doors and panels [m]."""
HAND_PLAY = 0.04
"""To either side, of a hand 0.20 m wide in the opening of a single door [m]."""
INSET = 0.05
"""Nothing is put nearer to an edge than this [m]."""


@dataclass(frozen=True)
class FurnitureKind:
    """One kind of piece."""

    name: str
    size: tuple[float, float, float]
    """Width, depth, height [m]."""
    look: Look
    rgb: tuple[float, float, float]
    opening: Literal["", "doors", "drawer", "drop"] = ""
    cavity: tuple[float, float] | None = None
    """Heights of the floor and the ceiling of its inside [m]; things in it are `in`."""
    surface: float | None = None
    """Height of what things stand `on` [m]."""
    switch: bool = False
    effect: Effect = ""
    """What it does to things in it (or on it) while it runs, and is closed if it opens."""
    always_runs: bool = False
    """Works without being switched on: a fridge."""
    lockable: bool = False
    central: bool = False
    """Stands free in a room, not against a wall."""

    @property
    def standoff(self) -> float:
        """From its front to the middle of the robot [m]."""
        return OPENING_STANDOFF if self.opening else STANDOFF

    @property
    def openable(self) -> bool:
        """Whether it has a door or a drawer."""
        return bool(self.opening)

    @property
    def surface_rect(self) -> Rect:
        """Where things may be put on it, at arm's length from the front [m]."""
        width, depth, _ = self.size
        reach = 0.28 if self.opening else 0.48
        half = min(width / 2 - INSET, 0.25 if self.opening else 0.40)
        back = depth / 2 - INSET
        if self.look == "tv":  # the screen stands at the back
            back = 0.02
        elif self.effect == "brew":
            back = 0.04
        front = -depth / 2 + INSET
        return (-half, front, half, min(back, front + reach))

    @property
    def cavity_rect(self) -> Rect:
        """Where things may be put in it; a drawer's moves with the drawer [m]."""
        width, depth, _ = self.size
        half, front = min(width / 2 - INSET, 0.22), -depth / 2 + INSET
        back = min(depth / 2 - INSET, front + 0.24)
        ways = leaves(self)
        if len(ways) == 1:  # behind the door, where a hand gets in; not behind the panel beside it
            middle = (ways[0][0] + ways[0][1]) / 2
            return (middle - HAND_PLAY, front, middle + HAND_PLAY, back)
        return (-half, front, half, back)


def _kitchen(name: str, width: float, **more: object) -> FurnitureKind:
    """A unit under the worktop."""
    more = {"rgb": (0.86, 0.84, 0.80), "surface": 0.88, "look": "case"} | more
    return FurnitureKind(name, (width, 0.58, 0.88), **more)  # type: ignore[arg-type]


WOOD = (0.62, 0.44, 0.28)
STEEL = (0.72, 0.74, 0.77)
WHITE = (0.93, 0.93, 0.92)

FURNITURE: dict[str, FurnitureKind] = {
    kind.name: kind
    for kind in (
        FurnitureKind("fridge", (0.60, 0.60, 1.50), "case", STEEL, "doors", (0.70, 1.05),
                      effect="cool", always_runs=True),
        _kitchen("oven", 0.60, rgb=(0.30, 0.31, 0.34), opening="drop", cavity=(0.42, 0.72),
                 switch=True, effect="heat"),
        _kitchen("stove", 0.60, rgb=(0.22, 0.23, 0.26), look="block", switch=True, effect="heat"),
        FurnitureKind("microwave", (0.56, 0.50, 1.12), "case", (0.40, 0.42, 0.46), "doors",
                      (0.80, 1.08), switch=True, effect="heat"),
        _kitchen("dishwasher", 0.60, rgb=STEEL, opening="drop", cavity=(0.30, 0.60), switch=True,
                 effect="wash"),
        _kitchen("sink", 0.80, look="basin", surface=None, cavity=(0.72, 0.88), switch=True,
                 effect="water"),
        _kitchen("counter", 0.90, look="block"),
        _kitchen("cabinet", 0.60, rgb=(0.35, 0.55, 0.62), opening="doors", cavity=(0.38, 0.76)),
        _kitchen("drawer", 0.58, rgb=(0.66, 0.50, 0.34), opening="drawer", cavity=(0.62, 0.80)),
        FurnitureKind("coffee_machine", (0.45, 0.50, 1.15), "block", (0.45, 0.20, 0.18),
                      surface=0.82, switch=True, effect="brew"),
        FurnitureKind("bin", (0.36, 0.36, 0.50), "tub", (0.30, 0.42, 0.34), cavity=(0.06, 0.50)),
        FurnitureKind("table", (1.30, 0.70, 0.74), "table", WOOD, surface=0.74, central=True),
        FurnitureKind("sofa", (1.60, 0.80, 0.80), "seat", (0.34, 0.42, 0.60), surface=0.42),
        FurnitureKind("armchair", (0.80, 0.75, 0.80), "seat", (0.60, 0.36, 0.34), surface=0.42),
        FurnitureKind("coffee_table", (0.90, 0.50, 0.42), "table", (0.50, 0.36, 0.24),
                      surface=0.42, central=True),
        FurnitureKind("tv", (1.20, 0.42, 1.15), "tv", (0.30, 0.26, 0.24), surface=0.50,
                      switch=True),
        FurnitureKind("bookshelf", (0.80, 0.34, 1.60), "shelf", WOOD, surface=0.80),
        FurnitureKind("lamp", (0.34, 0.34, 1.50), "lamp", (0.35, 0.33, 0.32), switch=True),
        FurnitureKind("fan", (0.40, 0.40, 1.20), "fan", WHITE, switch=True),
        FurnitureKind("bed", (1.90, 1.00, 0.50), "bed", (0.78, 0.80, 0.88), surface=0.50),
        FurnitureKind("nightstand", (0.46, 0.42, 0.56), "case", WOOD, "drawer", (0.32, 0.50),
                      surface=0.56),
        FurnitureKind("dresser", (0.58, 0.50, 0.82), "case", (0.80, 0.74, 0.64), "drawer",
                      (0.56, 0.76), surface=0.82),
        FurnitureKind("wardrobe", (0.60, 0.55, 1.70), "case", (0.70, 0.58, 0.44), "doors",
                      (0.55, 1.00)),
        FurnitureKind("desk", (1.10, 0.58, 0.74), "table", (0.72, 0.60, 0.46), surface=0.74),
        FurnitureKind("safe", (0.44, 0.44, 0.66), "case", (0.25, 0.28, 0.26), "doors",
                      (0.28, 0.60), surface=0.66, lockable=True),
        FurnitureKind("washbasin", (0.70, 0.50, 0.85), "basin", WHITE, cavity=(0.70, 0.85),
                      switch=True, effect="water"),
        FurnitureKind("washing_machine", (0.60, 0.58, 0.88), "case", WHITE, "doors", (0.35, 0.70),
                      surface=0.88, switch=True, effect="wash"),
        FurnitureKind("hamper", (0.48, 0.44, 0.55), "tub", (0.80, 0.72, 0.58), cavity=(0.08, 0.55)),
    )
}  # fmt: skip
"""Every kind by name."""


def furniture_named(name: str) -> FurnitureKind:
    """The kind `name`; UnknownNameError lists the choices."""
    if name not in FURNITURE:
        raise UnknownNameError("kind of furniture", name, FURNITURE)
    return FURNITURE[name]


def leaves(kind: FurnitureKind) -> tuple[tuple[float, float], ...]:
    """Door leaves as (x of the hinge, x of the free edge) when closed [m].

    Two, or one with a fixed panel beside it (where a microwave has its buttons).
    """
    if kind.opening != "doors":
        return ()
    half = kind.size[0] / 2 - BOARD
    if kind.name in ("microwave", "safe", "washing_machine"):
        return ((-half, -half + min(LEAF, 2 * half)),)
    return ((-half, 0.0), (half, 0.0))
