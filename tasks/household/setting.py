"""Setting: builds a start state piece by piece, by draws that depend on the start's seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octoworld.core.errors import ConfigError

from ..language import COLOR_NAMES
from .geometry import (
    grip_point,
    reaches,
    spare_of,
    spot_in_thing,
    spots_on_piece,
    stack_height,
)
from .home import Home
from .objects import KINDS, kind_named
from .state import State

SURFACES = (
    "counter", "table", "coffee_table", "desk", "sofa", "bed", "tv", "bookshelf", "cabinet",
    "drawer", "dresser", "nightstand", "washing_machine", "dishwasher",
)  # fmt: skip
"""Kinds of furniture on which things lie in sight."""
HIDDEN = ("cabinet", "drawer", "fridge", "nightstand", "dresser", "wardrobe", "dishwasher", "oven")
"""Kinds of furniture in which things are out of sight while they are closed."""
AJAR = 0.12
"""Share of pieces that stand open at the start."""
RUNNING = 0.15
"""Share of lamps, fans and televisions that are on at the start."""


class Setting:
    """A start in the making."""

    def __init__(self, home: Home, rng: np.random.Generator, banned: Sequence[str] = ()) -> None:
        """An empty home; kinds in `banned` are never drawn as clutter."""
        self.home, self.rng, self.banned = home, rng, tuple(banned)
        self.state = State(base=home.start)
        for piece in home.pieces:
            if piece.kind.openable:
                self.state.opened[piece.name] = False
            if piece.kind.switch:
                self.state.running[piece.name] = False
            if piece.kind.lockable:
                self.state.locked[piece.name] = False
        self.answers: dict[str, str] = {}
        self.touched: set[str] = set()
        """Pieces that the task is about: `daily_life` leaves them alone."""
        self._keep_room = False
        self.unwanted: set[str] = set()
        """Kinds that must not lie about unasked."""

    # -- furniture ---------------------------------------------------------------------------------

    def piece(self, kind: str) -> str:
        """One of the pieces of a kind, for the task's own use."""
        names = self.home.of_kind(kind)
        if not names:
            raise ConfigError(f"layout {self.home.seed} has no {kind}")
        name = names[int(self.rng.integers(len(names)))]
        self.touched.add(name)
        return name

    def pieces(self, kind: str) -> tuple[str, ...]:
        """All pieces of a kind, for the task's own use."""
        self.touched.update(self.home.of_kind(kind))
        return self.home.of_kind(kind)

    # -- things ------------------------------------------------------------------------------------

    def add(
        self,
        kind: str,
        *,
        hidden: bool | None = False,
        where: Sequence[str] = (),
        avoid: Sequence[str] = (),
        color: str | None = None,
    ) -> str:
        """Bring a thing into the home, in or on a drawn piece; its name.

        Args:
            kind: of the thing.
            hidden: in something that is closed (True), in sight (False), or either (None).
            where: kinds or names of pieces to choose from.
            avoid: kinds of pieces where it must not be.
            color: of the thing; None draws one.

        Raises:
            ConfigError: the home has no room for it.
        """
        name = self._next(kind)
        if kind_named(kind).color is None:
            drawn = COLOR_NAMES[int(self.rng.integers(len(COLOR_NAMES)))]
            self.state.color[name] = color or drawn
        choices = self._choices(hidden, where, avoid)
        for index in self.rng.permutation(len(choices)):
            piece, relation = choices[int(index)]
            if self._put(name, piece, relation):
                if hidden:
                    self.touched.add(piece)
                return name
        raise ConfigError(f"layout {self.home.seed}: no room for {name}")

    def add_in(self, kind: str, parent: str, color: str | None = None) -> str:
        """Bring a thing into the home on or in another thing; its name."""
        name = self._next(kind)
        if kind_named(kind).color is None:
            drawn = COLOR_NAMES[int(self.rng.integers(len(COLOR_NAMES)))]
            self.state.color[name] = color or drawn
        holder = kind_named(parent.rsplit("_", 1)[0])
        spot = spot_in_thing(self.state, parent, name)
        if spot is None:
            raise ConfigError(f"no room for {name} {holder.relation} {parent}")
        self.state.add(name, holder.relation, parent, spot)
        return name

    def _next(self, kind: str) -> str:
        number = 1 + sum(t.rsplit("_", 1)[0] == kind for t in self.state.place)
        if number > kind_named(kind).pool:
            raise ConfigError(f"a home has {kind_named(kind).pool} of {kind}, not {number}")
        return f"{kind}_{number}"

    def _choices(
        self, hidden: bool | None, where: Sequence[str], avoid: Sequence[str]
    ) -> list[tuple[str, str]]:
        found = []
        for piece in self.home.pieces:
            kind = piece.kind
            if kind.name in avoid or piece.name in avoid:
                continue
            wished = kind.name in where or piece.name in where
            if (wished if where else kind.name in SURFACES) and kind.surface and hidden is not True:
                found.append((piece.name, "on"))
            inside = wished if where else hidden is not False and kind.name in HIDDEN
            if self._keep_room and piece.name in self.touched:
                inside = False
            if inside and kind.cavity and (hidden is not False or not kind.openable):
                found.append((piece.name, "in"))
        return found

    def _put(self, thing: str, piece_name: str, relation: str) -> bool:
        piece = self.home.by_name[piece_name]
        self.state.add(thing, relation, piece_name, (0.0, 0.0, 0.0))
        if relation == "in" and piece.kind.openable and piece.kind.cavity is not None:
            floor, ceiling = piece.kind.cavity
            if floor + stack_height(self.state, thing) > ceiling:
                del self.state.place[thing], self.state.spot[thing]
                return False
        spots = spots_on_piece(self.state, piece, relation, thing)
        for index in self.rng.permutation(len(spots)):
            self.state.spot[thing] = spots[int(index)]
            point = grip_point(self.home, self.state, thing)
            if reaches(piece.stand, point, spare_of(thing)):
                return True
        del self.state.place[thing], self.state.spot[thing]
        return False

    # -- what nobody asks for ----------------------------------------------------------------------

    def clutter(self, count: int, without: Sequence[str] = ()) -> None:
        """Things in sight that the task is not about: of kinds that are not there yet."""
        present = {t.rsplit("_", 1)[0] for t in self.state.place}
        unwanted = {*present, *self.banned, *self.unwanted, *without}
        free = [k for k in KINDS if k not in unwanted]
        self._keep_room = True  # what the task is about does not fill up
        for index in self.rng.permutation(len(free))[:count]:
            try:
                self.add(free[int(index)], hidden=None)
            except ConfigError:
                continue  # a full home needs no more clutter

    def daily_life(self) -> None:
        """Some doors stand open and some lamps are on, except those that the task is about."""
        for name in self.state.opened:
            # one that is closed hides things, so what is asked for may be behind it
            drawn = bool(self.rng.random() < AJAR)
            if name not in self.touched and not self.state.locked.get(name):
                self.state.opened[name] = drawn
        for name in self.state.running:
            drawn = bool(self.rng.random() < RUNNING)
            if name not in self.touched and self.home.by_name[name].kind.name in _SAFE:
                self.state.running[name] = drawn


_SAFE = ("lamp", "fan", "tv")
