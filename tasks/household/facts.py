"""StateFacts: the evaluator's answers, from the state's own records of what is where and how."""

from __future__ import annotations

from collections.abc import Iterator

from .home import Home
from .objects import GROUPS, KINDS, kind_of
from .state import FLOOR, ROBOT, State, flags

_FLAGS = {
    "open": ("open", True), "closed": ("open", False), "switched_on": ("on", True),
    "switched_off": ("on", False), "locked": ("locked", True), "unlocked": ("locked", False),
    "hot": ("hot", True), "cold": ("cold", True), "cooked": ("cooked", True),
    "raw": ("cooked", False), "dirty": ("dirty", True), "clean": ("dirty", False),
    "sliced": ("sliced", True), "whole": ("sliced", False), "filled": ("filled", True),
    "empty": ("filled", False),
}  # fmt: skip


def members(domain: str, things: list[str], home: Home) -> list[str]:
    """Names in a domain: `thing`, `piece`, `openable`, `switchable`, a kind or a group."""
    if domain == "thing":
        return things
    if domain == "piece":
        return [p.name for p in home.pieces]
    if domain == "openable":
        return [p.name for p in home.pieces if p.kind.openable]
    if domain == "switchable":
        return [p.name for p in home.pieces if p.kind.switch]
    if domain in KINDS:
        return [t for t in things if kind_of(t) == domain]
    if domain in GROUPS:
        return [t for t in things if KINDS[kind_of(t)].group == domain]
    return list(home.of_kind(domain))


class StateFacts:
    """Facts from a State."""

    def __init__(self, state: State, home: Home) -> None:
        self.state, self.home = state, home

    def members(self, domain: str) -> list[str]:
        """See `members`."""
        return members(domain, list(self.state.place), self.home)

    def holds(self, predicate: str, args: tuple[str, ...]) -> bool:
        """See `goals.Facts`; what a kind cannot be, it is not."""
        state = self.state
        if predicate in _FLAGS:
            flag, value = _FLAGS[predicate]
            return flags(state, args[0]).get(flag) == value
        if predicate in ("on", "in"):
            return state.place.get(args[0]) == (predicate, args[1])
        if predicate == "holding":
            return state.place.get(args[0]) == ("held", ROBOT)
        if predicate == "hand_empty":
            return not state.held
        if predicate == "at":
            return state.at == args[0]
        if predicate == "together":
            return _root(state, args[0]) == _root(state, args[1])
        if predicate == "robot_in":
            return self.home.room_at(*state.base[:2]) == args[0]
        if predicate == "in_room":
            return self._room(args[0]) == args[1]
        if predicate == "filled_with":
            return state.liquid.get(args[0]) == args[1]
        if predicate == "color":
            return state.color.get(args[0]) == args[1]
        if predicate == "same_color":
            a, b = (state.color.get(name) for name in args)
            return a is not None and a == b
        if predicate == "same_place":
            return state.place.get(args[0]) == state.place.get(args[1])
        return state.finished and spoken(state.answer) == args[0]  # answered

    def _room(self, name: str) -> str:
        root = self.state.root(name)
        if root == ROBOT:
            return self.home.room_at(*self.state.base[:2])
        if root == FLOOR:
            below = next(t for t, p in _chain(self.state, name) if p == FLOOR)
            return self.home.room_at(*self.state.spot[below][:2])
        piece = self.home.by_name.get(root)
        return "" if piece is None else piece.room


def _chain(state: State, name: str) -> Iterator[tuple[str, str]]:
    """(thing, parent) from a thing down to what it rests on at last."""
    for _, parent in state.parents(name):
        yield name, parent
        name = parent


def spoken(answer: str | int | float | bool | None) -> str:
    """An answer as goals write it: "3" for 3 and 3.0, "living_room" for "the living room"."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, float) and answer.is_integer():
        return str(int(answer))
    words = "_".join(str(answer).strip().lower().split())
    return words.removeprefix("the_")


def _root(state: State, name: str) -> str:
    return state.root(name) if name in state.place else name
