"""State: everything that can differ between two moments in one home; copied to branch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from .objects import ObjectKind, kind_named, kind_of

ROOM_TEMPERATURE = 20.0
"""[degree Celsius], as all below."""
HOT, COLD = 50.0, 10.0
"""From which a thing counts as hot, up to which as cold."""
COOKING, COOKED_AFTER = 70.0, 20.0
"""Food that has been above the first for the second [s] is cooked."""
ROBOT = "robot"
"""Parent of what the gripper holds."""

FLOOR = "floor"
"""Parent of what has fallen down; its spot is in the world's frame."""

Spot = tuple[float, float, float]
"""Place of a thing's underside in its parent's frame [m]."""


@dataclass
class State:
    """Where everything is and how it is. Plain values; `copy` is exact and takes microseconds."""

    base: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the robot: x, y [m], yaw [rad]."""
    at: str = ""
    """Piece at whose stand the robot is; empty elsewhere."""
    time: float = 0.0
    """Since the start [s]."""
    place: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Thing -> (`on` or `in` or `held`, parent). Things that are not listed are not in the home."""
    spot: dict[str, Spot] = field(default_factory=dict)
    color: dict[str, str] = field(default_factory=dict)
    """Thing -> name of its colour, for kinds that come in several."""
    opened: dict[str, bool] = field(default_factory=dict)
    """Piece that opens -> whether it is open."""
    running: dict[str, bool] = field(default_factory=dict)
    """Piece with a switch -> whether it is on."""
    locked: dict[str, bool] = field(default_factory=dict)
    """Piece with a lock -> whether it is locked."""
    temperature: dict[str, float] = field(default_factory=dict)
    """Of things that can be heated or cooled."""
    cooking: dict[str, float] = field(default_factory=dict)
    """Cookable thing -> how long it has been above COOKING [s]."""
    washing: dict[str, float] = field(default_factory=dict)
    """Thing -> how long it has been in a running machine that washes [s]."""
    dirty: dict[str, bool] = field(default_factory=dict)
    """Washable thing -> whether it is dirty."""
    sliced: dict[str, bool] = field(default_factory=dict)
    """Sliceable thing -> whether it is sliced."""
    liquid: dict[str, str] = field(default_factory=dict)
    """Vessel -> what is in it; empty when nothing is."""
    answer: str | int | float | bool | None = None
    """What the robot said when it was done."""
    finished: bool = False
    """Whether it said that it was done."""

    def copy(self) -> State:
        """An independent copy."""
        out = object.__new__(State)
        for name in _NAMES:
            value = getattr(self, name)
            setattr(out, name, value.copy() if type(value) is dict else value)
        return out

    @property
    def held(self) -> str:
        """What the gripper holds; empty when nothing."""
        return next((t for t, (_, parent) in self.place.items() if parent == ROBOT), "")

    def on_or_in(self, parent: str) -> list[str]:
        """Things directly on or in a piece or a thing, in a fixed order."""
        return [t for t, (_, p) in self.place.items() if p == parent]

    def parents(self, thing: str) -> Iterator[tuple[str, str]]:
        """(relation, parent) of a thing, then of that parent, up to a piece or the robot."""
        while thing in self.place:
            relation, thing = self.place[thing]
            yield relation, thing

    def root(self, thing: str) -> str:
        """The piece that a thing is on or in at last, or the robot."""
        for _, parent in self.parents(thing):
            thing = parent
        return thing

    def add(self, thing: str, relation: str, parent: str, spot: Spot) -> None:
        """Bring a thing into the home, as it is by default: clean, whole, raw, empty."""
        kind = kind_named(kind_of(thing))
        self.place[thing], self.spot[thing] = (relation, parent), spot
        if kind.heatable or kind.group == "drink":
            self.temperature[thing] = ROOM_TEMPERATURE
        if kind.cookable:
            self.cooking[thing] = 0.0
        if kind.washable:
            self.dirty[thing], self.washing[thing] = False, 0.0
        if kind.sliceable:
            self.sliced[thing] = False
        if kind.fillable or kind.pourable:
            self.liquid[thing] = kind.name if kind.pourable else ""


_NAMES = tuple(f.name for f in fields(State))


def kind(thing: str) -> ObjectKind:
    """Kind of a thing by its name."""
    return kind_named(kind_of(thing))


def flags(state: State, thing: str) -> dict[str, bool]:
    """States of a thing that can be seen, by name; only those that its kind can have."""
    found: dict[str, bool] = {}
    if thing in state.temperature:
        found["hot"] = state.temperature[thing] >= HOT
        found["cold"] = state.temperature[thing] <= COLD
    if thing in state.cooking:
        found["cooked"] = state.cooking[thing] >= COOKED_AFTER
    if thing in state.dirty:
        found["dirty"] = state.dirty[thing]
    if thing in state.sliced:
        found["sliced"] = state.sliced[thing]
    if thing in state.liquid:
        found["filled"] = bool(state.liquid[thing])
    for name, table in (
        ("open", state.opened), ("on", state.running), ("locked", state.locked),
    ):  # fmt: skip
        if thing in table:
            found[name] = table[thing]
    return found


def differences(before: State, after: State) -> dict[str, dict[str, object]]:
    """Thing -> what is different about it, for the feedback."""
    found: dict[str, dict[str, object]] = {}

    def note(thing: str, what: str, value: object) -> None:
        found.setdefault(thing, {})[what] = value

    if before.place != after.place:
        for thing, place in after.place.items():
            if before.place.get(thing) != place:
                note(thing, *place)
    for what in ("opened", "running", "locked", "dirty", "sliced", "liquid"):
        old, new = getattr(before, what), getattr(after, what)
        if old != new:
            for thing, value in new.items():
                if old.get(thing) != value:
                    note(thing, _WORDS.get(what, what), value)
    if before.temperature != after.temperature:
        for thing, now in after.temperature.items():
            was = before.temperature[thing]
            for what, a, b in (
                ("hot", was >= HOT, now >= HOT), ("cold", was <= COLD, now <= COLD),
            ):  # fmt: skip
                if a != b:
                    note(thing, what, b)
    if before.cooking != after.cooking:
        for thing, now in after.cooking.items():
            if before.cooking[thing] < COOKED_AFTER <= now:
                note(thing, "cooked", True)
    if before.at != after.at and after.at:
        note(ROBOT, "at", after.at)
    return found


_WORDS = {"opened": "open", "running": "on", "liquid": "filled"}
