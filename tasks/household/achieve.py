"""Achiever: brings single facts about, by calls of skills with all that must come before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from octoworld.core.errors import OctoworldError

from .facts import StateFacts
from .goals import Atom
from .home import Piece
from .objects import kind_of
from .result import SkillCall, SkillResult
from .state import FLOOR, ROBOT, State

if TYPE_CHECKING:
    from .household import Household

STAGES = (
    ("unlocked",),
    ("sliced",),
    ("clean", "empty"),
    ("filled", "filled_with"),
    ("cooked", "hot", "cold"),
    ("on", "in", "in_room", "together", "same_place"),
    ("dirty", "raw", "whole"),
    ("open", "closed", "switched_on", "switched_off", "locked"),
    ("hand_empty", "holding", "at", "robot_in", "answered"),
)
"""Order in which kinds of facts are brought about: what would be undone comes last."""
RESTS = ("counter", "table", "desk", "dresser", "bed", "sofa", "coffee_table", "tv")
"""Where things that are in the way are put."""


class StuckError(OctoworldError, RuntimeError):
    """A fact cannot be brought about."""


class Achiever:
    """Acts on a household and remembers the calls."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self.calls: list[SkillCall] = []

    # -- calls -------------------------------------------------------------------------------------

    def call(self, name: str, *args: object) -> SkillResult:
        """One call, which must succeed."""
        call = SkillCall(name, args)  # type: ignore[arg-type]
        before = self.household.snapshot()
        result = self.household.execute(call)
        if not result.ok:
            self.household.restore(before)
            raise StuckError(f"{call}: {result.code}: {result.message}")
        self.calls.append(call)
        return result

    @property
    def _state(self) -> State:
        return self.household.state

    def _piece(self, name: str) -> Piece:
        return self.household.home.by_name[name]

    def go(self, piece: str) -> None:
        """Be at a piece."""
        if self._state.at != piece:
            self.call("go_to", piece)

    def free_hand(self) -> None:
        """Put down what is held, here if possible."""
        if not self._state.held:
            return
        here = [self._state.at] if self._state.at else []
        rests = [p.name for p in self.household.home.pieces if p.kind.name in RESTS]
        for name in [*(n for n in here if self._piece(n).kind.surface), *rests]:
            kind_here = self._piece(name).kind
            if kind_here.effect in ("heat", "brew"):
                continue
            try:
                self.go(name)
                self.call("place_on", name)
            except StuckError:
                continue
            return
        raise StuckError(f"no place to put {self._state.held} down")

    def open(self, piece: str) -> None:
        """Have a piece open (or be one that needs no opening)."""
        if self._state.opened.get(piece, True):
            return
        self.unlock(piece)
        self.free_hand()
        self.go(piece)
        self.call("open", piece)

    def close(self, piece: str) -> None:
        """Have a piece closed."""
        if self._state.opened.get(piece):
            self.free_hand()
            self.go(piece)
            self.call("close", piece)

    def unlock(self, piece: str) -> None:
        """Have a piece unlocked."""
        if self._state.locked.get(piece):
            keys = [t for t in self._state.place if kind_of(t) == "key"]
            if not keys:
                raise StuckError(f"{piece} is locked and there is no key")
            self.fetch(keys[0])
            self.go(piece)
            self.call("unlock", piece)

    def switch(self, piece: str, running: bool) -> None:
        """Have an appliance on or off."""
        if self._state.running.get(piece) != running:
            if running:
                self.close(piece)
            self.go(piece)
            self.call("turn_on" if running else "turn_off", piece)

    def fetch(self, thing: str) -> None:
        """Hold a thing."""
        state = self._state
        if thing not in state.place:
            raise StuckError(f"{thing} is not in the home")
        if state.held == thing:
            return
        self.free_hand()
        state = self._state
        root = state.root(thing)
        if root == FLOOR:
            raise StuckError(f"{thing} lies on the floor")
        inside = any(r == "in" and p == root for r, p in state.parents(thing))
        if inside and self._piece(root).kind.openable:
            self.open(root)
            self.free_hand()
        self.go(root)
        self.call("pick", thing)

    def put(self, thing: str, relation: str, target: str) -> None:
        """Have a thing on or in a piece or another thing."""
        if self._state.place.get(thing) == (relation, target):
            return
        piece = target if target in self.household.home.by_name else self._state.root(target)
        if piece == ROBOT:
            self.free_hand()
            piece = self._state.root(target)
        inside = relation == "in" if piece == target else self._is_inside(target, piece)
        if inside:
            self.open(piece)
        self.fetch(thing)
        self.go(piece)
        self.call("place_on" if relation == "on" else "place_in", target)

    def _is_inside(self, thing: str, piece: str) -> bool:
        return any(r == "in" and p == piece for r, p in self._state.parents(thing))

    # -- states of things --------------------------------------------------------------------------

    def _first(self, effect: str) -> list[str]:
        """Pieces with an effect, the quick ones first."""
        order = ("microwave", "stove", "oven")
        found = [p for p in self.household.home.pieces if p.kind.effect == effect]
        found.sort(key=lambda p: order.index(p.kind.name) if p.kind.name in order else 0)
        return [p.name for p in found]

    def clean(self, thing: str) -> None:
        """Washed under running water."""
        sink = self._first("water")[0]
        self.switch(sink, True)
        self.fetch(thing)
        self.go(sink)
        self.call("wash", thing)
        self.switch(sink, False)

    def fill(self, thing: str, liquid: str) -> None:
        """Full of water, coffee, or what a bottle or carton here contains."""
        if self._state.liquid.get(thing) not in ("", liquid):
            self.empty(thing)
        if liquid == "water":
            sink = self._first("water")[0]
            self.switch(sink, True)
            self.fetch(thing)
            self.go(sink)
            self.call("fill")
            self.switch(sink, False)
        elif liquid == "coffee":
            machine = self._first("brew")[0]
            self.put(thing, "on", machine)
            self.switch(machine, True)
            self.call("brew", thing)
            self.switch(machine, False)
        else:
            sources = [t for t, what in self._state.liquid.items() if what == liquid and t != thing]
            if not sources:
                raise StuckError(f"there is no {liquid}")
            root = self._state.root(thing)
            if self._is_inside(thing, root):
                self.open(root)
            self.fetch(sources[0])
            self.go(root)
            self.call("pour", thing)
            self.free_hand()

    def empty(self, thing: str) -> None:
        """Poured away."""
        sink = self._first("water")[0]
        self.fetch(thing)
        self.go(sink)
        self.call("pour", sink)

    def warm(self, thing: str, verb: str) -> None:
        """Hot or cooked, by the first heater that takes it."""
        self._treat(thing, verb, "heat")

    def chill(self, thing: str) -> None:
        """Cold."""
        self._treat(thing, "cool", "cool")

    def _treat(self, thing: str, verb: str, effect: str) -> None:
        why = StuckError("no appliance")
        for piece in self._first(effect):
            kind_here = self._piece(piece).kind
            relation = "in" if kind_here.cavity is not None else "on"
            before, calls = self.household.snapshot(), len(self.calls)
            try:
                self.put(thing, relation, piece)
                self.close(piece)
                if not kind_here.always_runs:
                    self.switch(piece, True)
                self.go(piece)
                self.call(verb, thing)
                if not kind_here.always_runs:
                    self.switch(piece, False)
            except StuckError as error:
                why = error
                self.household.restore(before)
                del self.calls[calls:]
                continue
            return
        raise why

    def slice(self, thing: str) -> None:
        """Cut on something flat."""
        if self._state.place[thing][0] != "on" or self._state.place[thing][1] in self._state.place:
            self.fetch(thing)
            self.free_hand()
        root = self._state.root(thing)
        knives = [t for t in self._state.place if kind_of(t) == "knife"]
        if not knives:
            raise StuckError("there is no knife")
        self.fetch(knives[0])
        self.go(root)
        self.call("slice", thing)
        self.free_hand()

    # -- facts -------------------------------------------------------------------------------------

    def bring_about(self, literals: Sequence[tuple[bool, Atom]]) -> None:
        """Make all facts true, kind after kind; what a later one undid is done again."""
        for _ in range(3):
            for stage in STAGES[:-1]:
                for wanted, atom in literals:
                    if atom.predicate in stage and not self._is(wanted, atom):
                        self._make(wanted, atom)
            if all(self._is(w, a) for w, a in literals if a.predicate not in STAGES[-1]):
                return

    def finish(self, literals: Sequence[tuple[bool, Atom]]) -> None:
        """What is about the robot itself, and the end."""
        answer: str | int | None = None
        for wanted, atom in literals:
            if atom.predicate == "answered":
                word = atom.args[0]
                answer = int(word) if word.lstrip("-").isdigit() else word
            elif atom.predicate in STAGES[-1] and not self._is(wanted, atom):
                self._make(wanted, atom)
        self.call("done", *(() if answer is None else (answer,)))

    def _is(self, wanted: bool, atom: Atom) -> bool:
        facts = StateFacts(self._state, self.household.home)
        return facts.holds(atom.predicate, atom.args) == wanted

    def _make(self, wanted: bool, atom: Atom) -> None:
        name, args = atom.predicate, atom.args
        if not wanted:
            opposite = _OPPOSITE.get(name)
            if opposite is not None:
                self._make(True, Atom(opposite, args))
            elif name in ("on", "in"):
                self.fetch(args[0])
                self._rest(args[1])
            elif name == "holding":
                self.free_hand()
            else:
                raise StuckError(f"cannot undo {name}")
            return
        thing = args[0] if args else ""
        if name in ("on", "in"):
            self.put(thing, name, args[1])
        elif name in ("hot", "cooked"):
            self.warm(thing, "heat" if name == "hot" else "cook")
        elif name == "cold":
            self.chill(thing)
        elif name == "filled_with":
            self.fill(thing, args[1])
        elif name == "filled":
            self.fill(thing, "water")
        elif name in ("clean", "empty", "slice", "sliced", "unlocked"):
            {"clean": self.clean, "empty": self.empty, "sliced": self.slice,
             "unlocked": self.unlock}[name](thing)  # fmt: skip
        elif name in ("open", "closed"):
            (self.open if name == "open" else self.close)(thing)
        elif name in ("switched_on", "switched_off"):
            self.switch(thing, name == "switched_on")
        elif name == "holding":
            self.fetch(thing)
        elif name == "hand_empty":
            self.free_hand()
        elif name == "at":
            self.go(thing)
        elif name == "robot_in":
            self.call("go_to", thing)
        else:
            raise StuckError(f"no skill makes {name} true of {', '.join(args)}")

    def _rest(self, not_on: str) -> None:
        """Put what is held on a piece of another kind than `not_on`."""
        unwanted = kind_of(not_on)
        for piece in self.household.home.pieces:
            if piece.kind.name in RESTS and piece.kind.name != unwanted:
                try:
                    self.go(piece.name)
                    self.call("place_on", piece.name)
                except StuckError:
                    continue
                return
        raise StuckError(f"no place for {self._state.held}")


_OPPOSITE = {
    "open": "closed", "closed": "open", "switched_on": "switched_off",
    "switched_off": "switched_on", "dirty": "clean", "locked": "unlocked", "filled": "empty",
    "empty": "filled", "raw": "cooked", "whole": "sliced", "hand_empty": "holding",
}  # fmt: skip
