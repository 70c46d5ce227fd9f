"""A home to try things in: layout 0 with chosen things in chosen places, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.household import Household, Instance, SkillCall, SkillResult
from tasks.household.geometry import spot_in_thing, spots_on_piece
from tasks.household.home import make_home
from tasks.household.state import State


class Bench:
    """A household whose things are put where a test wants them."""

    def __init__(self, layout: int = 0) -> None:
        self.house = Household(Instance("put_on:mug:desk", layout))
        home = self.house.home
        state = State(base=home.start)
        for piece in home.pieces:
            if piece.kind.openable:
                state.opened[piece.name] = False
            if piece.kind.switch:
                state.running[piece.name] = False
            if piece.kind.lockable:
                state.locked[piece.name] = False
        self.house.state = state

    @property
    def state(self) -> State:
        return self.house.state

    def put(self, thing: str, relation: str, parent: str, color: str = "red") -> Bench:
        """Have `thing` on or in a piece or a thing."""
        self.state.add(thing, relation, parent, (0.0, 0.0, 0.0))
        self.state.color[thing] = color
        if parent in self.house.home.by_name:
            piece = self.house.home.by_name[parent]
            spot = spots_on_piece(self.state, piece, relation, thing)[0]
        else:
            del self.state.place[thing]
            found = spot_in_thing(self.state, parent, thing)
            assert found is not None
            spot = found
        self.state.place[thing], self.state.spot[thing] = (relation, parent), spot
        return self

    def do(self, name: str, *args: Any) -> SkillResult:
        """One call."""
        return self.house.execute(SkillCall(name, args))

    def ok(self, name: str, *args: Any) -> SkillResult:
        """One call that must succeed."""
        result = self.do(name, *args)
        assert result.ok, (name, args, result.code, result.message)
        return result

    def fails(self, code: str, name: str, *args: Any) -> SkillResult:
        """One call that must fail so, and change nothing but the clock."""
        before = self.state.copy()
        result = self.do(name, *args)
        assert not result.ok and result.code == code, (name, args, result)
        assert result.value is None and result.message
        after = self.state.copy()
        assert after.time == before.time + result.seconds
        before.time = after.time
        # what warms up or cools down goes on doing so
        before.temperature, before.cooking = after.temperature, after.cooking
        before.washing = after.washing
        assert after == before
        return result


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench


@pytest.fixture(scope="session")
def homes() -> list:
    return [make_home(seed) for seed in range(30)]
