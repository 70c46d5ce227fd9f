"""Checker: success once more, from the poses and joints of the MuJoCo world, by code of its own.

It shares no judgement with the evaluator: what is on or in what, what is held, what is open and
where the robot is are read off the world's geometry; only what geometry cannot show (hot, dirty,
running, ...) comes from the state. Goals are read from their text by a second interpreter.
"""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .bodies import joint_names, moving_body, opened_at
from .furniture import BOARD
from .goals import text
from .home import Home, Piece
from .objects import GROUPS, KINDS, kind_of
from .state import COLD, COOKED_AFTER, HOT, State

if TYPE_CHECKING:
    from .household import Household

LEVEL = 0.006
"""How far from its support a thing may be to count as standing on it [m]."""
LYING = 0.10
"""The same for a thing that may lie on its side [m]."""
EDGE = 0.19
"""Distance of the tool from a thing that may be held by its edge [m]."""
GRASP = 0.04
"""Distance of the tool from a thing that is held [m]."""
STAND = 0.02
"""Distance of the base from the stand of the piece that it is at [m]."""


def check_success(household: Household) -> bool:
    """Whether a kinematic household's goal is true in its MuJoCo world, as it is now."""
    views = household.views
    with views.lock:
        views.set_state(household.state)
        checker = Checker(household.home, views.world, household.state)
        return checker.success(text(household.goal))


class Checker:
    """Reads one moment of a home off a world."""

    def __init__(self, home: Home, world: Any, state: State, *, loose: bool = False) -> None:
        """`world` shows the moment; of `state` only what geometry does not show is used.

        `loose`: physics has put things down, which may have fallen over or be held by an edge.
        """
        self.home, self.world, self.state = home, world, state
        self.level = LYING if loose else LEVEL
        self.grasp = EDGE if loose else GRASP
        self.things = list(state.place)

    def success(self, goal: str) -> bool:
        """Whether a goal in text is true."""
        tokens = re.findall(r"[()]|[^\s()]+", goal)
        tree = _read(iter(tokens[1:]))
        return self._true(tree, {})

    # -- goals -------------------------------------------------------------------------------------

    def _true(self, tree: list, bound: dict[str, str]) -> bool:
        head = tree[0]
        if head == "and":
            return min(self._true(t, bound) for t in tree[1:])
        if head == "or":
            return max(self._true(t, bound) for t in tree[1:])
        if head == "not":
            return not self._true(tree[1], bound)
        if head == "imply":
            return self._true(tree[2], bound) if self._true(tree[1], bound) else True
        if head in ("forall", "exists", "count"):
            variable, domain, body = tree[-3:]
            names = self._names(domain)
            number = sum(self._true(body, {**bound, variable: n}) for n in names)
            if head == "forall":
                return number == len(names)
            if head == "exists":
                return number > 0
            wanted = int(tree[2])
            return {"=": number == wanted, ">=": number >= wanted, "<=": number <= wanted}[tree[1]]
        return bool(getattr(self, f"_{head}")(*(bound.get(a, a) for a in tree[1:])))

    def _names(self, domain: str) -> list[str]:
        if domain in GROUPS:
            return [t for t in self.things if kind_of(t) in GROUPS[domain]]
        every = {
            "thing": self.things,
            "piece": list(self.home.by_name),
            "openable": [n for n, p in self.home.by_name.items() if joint_names(p)],
            "switchable": list(self.state.running),
        }
        if domain in every:
            return every[domain]
        pool = self.things if domain in KINDS else list(self.home.by_name)
        return [n for n in pool if kind_of(n) == domain]

    # -- geometry ----------------------------------------------------------------------------------

    def _pose(self, body: str) -> np.ndarray:
        return self.world.pose(body)[0]

    def _offset(self, thing: str, body: str) -> tuple[float, float, float]:
        """Underside of a thing in the frame of an upright body [m]."""
        pose = self._pose(body)
        d = self._pose(thing)[:3] - pose[:3]
        yaw = 2 * math.atan2(pose[6], pose[3])
        c, s = math.cos(yaw), math.sin(yaw)
        return (c * d[0] + s * d[1], -s * d[0] + c * d[1], float(d[2]))

    def _on(self, thing: str, support: str) -> bool:
        if not self._present(thing):
            return False
        if support in self.home.by_name:
            kind = self.home.by_name[support].kind
            x, y, z = self._offset(thing, support)
            top = kind.surface
            over = abs(x) <= kind.size[0] / 2 and abs(y) <= kind.size[1] / 2
            return top is not None and over and abs(z - top) < self.level
        return KINDS[kind_of(support)].form == "disc" and self._carried(thing, support)

    def _in(self, thing: str, holder: str) -> bool:
        if not self._present(thing):
            return False
        if holder in self.home.by_name:
            return self._in_piece(thing, self.home.by_name[holder])
        return KINDS[kind_of(holder)].form != "disc" and self._carried(thing, holder)

    def _in_piece(self, thing: str, piece: Piece) -> bool:
        if piece.kind.cavity is None:
            return False
        width, depth, _ = piece.kind.size
        x, y, z = self._offset(thing, moving_body(piece))
        if piece.kind.opening == "drawer":
            # the drawer's own frame lies where the piece's does when it is closed
            z_floor = piece.kind.cavity[0] + 0.008
        else:
            z_floor = piece.kind.cavity[0] + 0.002
        inside = abs(x) < width / 2 - BOARD and abs(y) < depth / 2
        return inside and abs(z - z_floor) < self.level

    def _carried(self, thing: str, holder: str) -> bool:
        """Whether a thing stands on the floor of a plate or vessel, or on others within its rim."""
        if holder not in self.things or KINDS[kind_of(holder)].holds == 0 or thing == holder:
            return False
        kind = KINDS[kind_of(holder)]
        x, y, z = self._offset(thing, holder)
        low = kind.floor - self.level
        high = kind.floor + self.level if kind.holds == 1 else kind.height
        return math.hypot(x, y) < kind.radius and low < z < high

    def _present(self, thing: str) -> bool:
        return thing in self.things

    @cached_property
    def _held(self) -> str:
        """What is between the fingers."""
        tool = self._pose("tool")[:3]
        for thing in self.things:
            pose, height = self._pose(thing), KINDS[kind_of(thing)].height
            below = tool[2] - pose[2]
            aside = math.hypot(*(pose[:2] - tool[:2]))
            if (
                aside < self.grasp
                and -self.level < below < height + self.level
                and not self._stands(thing)
            ):
                return thing
        return ""

    def _stands(self, thing: str) -> bool:
        return any(self._on(thing, p) or self._in(thing, p) for p in self.home.by_name) or any(
            self._carried(thing, t) for t in self.things
        )

    @cached_property
    def _base(self) -> np.ndarray:
        return self.world.joint_position("base_x", "base_y", "base_yaw")[0]

    def _support(self, thing: str) -> str:
        """What a thing stands on or in; empty when it is held."""
        for name in (*self.things, *self.home.by_name):
            if name != thing and (self._on(thing, name) or self._in(thing, name)):
                return name
        return ""

    def _root(self, name: str) -> str:
        while name in self.things:
            name = self._support(name) or "robot"
        return name

    def _holding(self, thing: str) -> bool:
        return thing != "" and self._held == thing

    def _hand_empty(self) -> bool:
        return self._held == ""

    def _at(self, piece: str) -> bool:
        x, y, yaw = self.home.by_name[piece].stand
        turned = math.remainder(self._base[2] - yaw, 2 * math.pi)
        return math.dist(self._base[:2], (x, y)) < STAND and abs(turned) < 0.05

    def _robot_in(self, room: str) -> bool:
        return self.home.rooms[room].contains(*self._base[:2])

    def _in_room(self, thing: str, room: str) -> bool:
        return self._present(thing) and self.home.rooms[room].contains(*self._pose(thing)[:2])

    def _together(self, a: str, b: str) -> bool:
        return self._root(a) == self._root(b)

    def _same_place(self, a: str, b: str) -> bool:
        support = self._support(a)
        if support != self._support(b):
            return False
        return support == "" or self._on(a, support) == self._on(b, support)

    def _opening(self, piece: str) -> np.ndarray | None:
        """How far open, of each leaf, in [0, 1]; None for what does not open."""
        found = self.home.by_name.get(piece)
        if found is None or not joint_names(found):
            return None
        return self.world.joint_position(*joint_names(found))[0] / opened_at(found.kind)

    def _open(self, piece: str) -> bool:
        opening = self._opening(piece)
        return opening is not None and bool((opening > 0.8).all())

    def _closed(self, piece: str) -> bool:
        opening = self._opening(piece)
        return opening is not None and bool((opening < 0.02).all())

    # -- what geometry does not show ---------------------------------------------------------------

    def _hot(self, thing: str) -> bool:
        return self.state.temperature.get(thing, -math.inf) >= HOT

    def _cold(self, thing: str) -> bool:
        return self.state.temperature.get(thing, math.inf) <= COLD

    def _cooked(self, thing: str) -> bool:
        return self.state.cooking.get(thing, -1.0) >= COOKED_AFTER

    def _raw(self, thing: str) -> bool:
        return 0 <= self.state.cooking.get(thing, -1.0) < COOKED_AFTER

    def _dirty(self, thing: str) -> bool:
        return self.state.dirty.get(thing) is True

    def _clean(self, thing: str) -> bool:
        return self.state.dirty.get(thing) is False

    def _sliced(self, thing: str) -> bool:
        return self.state.sliced.get(thing) is True

    def _whole(self, thing: str) -> bool:
        return self.state.sliced.get(thing) is False

    def _filled(self, thing: str) -> bool:
        return self.state.liquid.get(thing, "") != ""

    def _empty(self, thing: str) -> bool:
        return self.state.liquid.get(thing) == ""

    def _filled_with(self, thing: str, liquid: str) -> bool:
        return self.state.liquid.get(thing) == liquid

    def _switched_on(self, piece: str) -> bool:
        return self.state.running.get(piece) is True

    def _switched_off(self, piece: str) -> bool:
        return self.state.running.get(piece) is False

    def _locked(self, piece: str) -> bool:
        return self.state.locked.get(piece) is True

    def _unlocked(self, piece: str) -> bool:
        return self.state.locked.get(piece) is False

    def _color(self, thing: str, color: str) -> bool:
        return self.state.color.get(thing) == color

    def _same_color(self, a: str, b: str) -> bool:
        return a in self.state.color and self.state.color[a] == self.state.color.get(b)

    def _answered(self, word: str) -> bool:
        said = self.state.answer
        if isinstance(said, bool):
            said = {True: "yes", False: "no"}[said]
        said = str(int(said)) if isinstance(said, float) and said == int(said) else str(said)
        said = re.sub(r"\s+", "_", said.strip().lower())
        return self.state.finished and re.sub(r"^the_", "", said) == word


def _read(tokens: Any) -> list:
    found: list = []
    for token in tokens:
        if token == ")":
            return found
        found.append(_read(tokens) if token == "(" else token)
    return found
