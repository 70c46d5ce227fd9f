"""Motion: how skills move the robot. The seam between the kinematic and the physical fidelity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from .geometry import grip_point, reaches
from .home import Home, Piece
from .planner import Planner, planner_of
from .result import SkillFailureError
from .state import ROBOT, Spot, State

GRASP_SECONDS = 4.0
RELEASE_SECONDS = 4.0
SWING_SECONDS = 3.0
PRESS_SECONDS = 1.5
SWITCH_HEIGHT = 1.0
"""Highest place of a switch [m]."""


@dataclass(frozen=True)
class Shown:
    """Where everything really is."""

    joints: Mapping[str, float]
    """Of the robot and of the furniture [rad] or [m]."""
    poses: Mapping[str, NDArray]
    """Of things, (7,)."""


class Motion(Protocol):
    """Moves that skills are made of. Each changes the state and returns its seconds.

    A move that does not succeed raises SkillFailureError; the household then takes its old state
    back and has `failed` make of it what has become of the home.
    """

    def begin(self, state: State) -> None:
        """An episode starts from this state."""
        ...

    def save(self) -> Any:
        """All that moves depend on beyond the State: of a physical world its own state."""
        ...

    def load(self, saved: Any) -> None:
        """Undo everything since `save`."""
        ...

    def failed(self, state: State, saved: Any, seconds: float) -> float:
        """After a skill that failed: make `state`, that of before, what is the case now.

        `saved` is what `save` gave before the skill; the result is the time that it took [s].
        """
        ...

    def shown(self) -> Shown | None:
        """Joints and poses that differ from what the State implies, to be drawn."""
        ...

    def drive(self, state: State, goal: tuple[float, float, float]) -> float:
        """Bring the base to (x, y, yaw)."""
        ...

    def grasp(self, state: State, thing: str) -> float:
        """Take a thing into the gripper, with what is on or in it."""
        ...

    def release(self, state: State, relation: str, parent: str, spot: Spot) -> float:
        """Put what is held at a spot of a piece or of a thing."""
        ...

    def swing(self, state: State, piece: Piece, is_open: bool) -> float:
        """Open or close the doors or the drawer of a piece."""
        ...

    def press(self, state: State, piece: Piece) -> float:
        """Press the switch of a piece; the skill says what that does."""
        ...


def open_pieces(state: State) -> frozenset[str]:
    """Names of the pieces that stand open."""
    return frozenset(name for name, is_open in state.opened.items() if is_open)


class KinematicMotion:
    """Moves that always come out as planned: ways without collisions, targets within reach."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.planner: Planner = planner_of(home)

    def begin(self, state: State) -> None:
        """Nothing: the State is all."""

    def save(self) -> None:
        """Nothing, as well."""

    def load(self, saved: None) -> None:
        """Nothing to undo."""

    def failed(self, state: State, saved: None, seconds: float) -> float:
        """A failed skill has cost time and changed nothing."""
        return seconds

    def shown(self) -> None:
        """What the State says is all there is to draw."""

    def drive(self, state: State, goal: tuple[float, float, float]) -> float:
        """Along the shortest free way; NO_WAY where there is none."""
        if math.dist(state.base[:2], goal[:2]) < 1e-6:
            state.base = goal
            return 0.5
        way = self.planner.way(state.base[:2], goal, open_pieces(state))
        if way is None:
            raise SkillFailureError(
                "NO_WAY", "no free way leads there; an open door may block it", 2.0
            )
        state.base = goal
        return way.seconds

    def _check(self, state: State, point: tuple[float, float, float], what: str) -> None:
        if not reaches(state.base, point):
            raise SkillFailureError("OUT_OF_REACH", f"the arm does not reach {what} from here", 1.0)

    def grasp(self, state: State, thing: str) -> float:
        """Where the tool gets to."""
        self._check(state, grip_point(self.home, state, thing), thing)
        state.place[thing], state.spot[thing] = ("held", ROBOT), (0.0, 0.0, 0.0)
        return GRASP_SECONDS

    def release(self, state: State, relation: str, parent: str, spot: Spot) -> float:
        """Where the tool gets to; the thing then stands upright."""
        thing = state.held
        before = state.place[thing], state.spot[thing]
        state.place[thing], state.spot[thing] = (relation, parent), spot
        point = grip_point(self.home, state, thing)
        if not reaches(state.base, point):
            state.place[thing], state.spot[thing] = before
            raise SkillFailureError("OUT_OF_REACH", f"the arm does not reach into {parent}", 1.0)
        return RELEASE_SECONDS

    def swing(self, state: State, piece: Piece, is_open: bool) -> float:
        """Unless the robot stands in the way of the leaves."""
        after = frozenset(open_pieces(state) | {piece.name})
        if not self.planner.is_free(*state.base[:2], after):
            raise SkillFailureError(
                "BLOCKED", f"the robot is in the way of {piece.name}'s door", 1.0
            )
        state.opened[piece.name] = is_open
        return SWING_SECONDS

    def press(self, state: State, piece: Piece) -> float:
        """Where the tool gets to."""
        _, depth, height = piece.kind.size
        front = piece.to_world(0.0, -depth / 2)
        self._check(state, (*front, min(height, SWITCH_HEIGHT)), f"the switch of {piece.name}")
        return PRESS_SECONDS
