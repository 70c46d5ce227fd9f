"""PhysicalMotion: skills' moves by servos and contacts. What fails stays as physics has left it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.world import Snapshot

from ..executors import CAMERAS, SkillExecutor
from ..furniture import leaves
from ..geometry import GAP, spots_on_piece
from ..home import Home, Piece
from ..motion import open_pieces
from ..planner import planner_of
from ..result import SkillCall, SkillFailureError
from ..state import Spot, State, kind
from .entries import LIFT, back_again, drops, entries, spot_in_world, upon_of
from .foreign import hand_over
from .grips import grips, rests
from .hand import Base, Hand, Way
from .handles import check_swung, swing
from .machine import SQUEEZE, Machine
from .reach import Reach, between
from .switches import press, switch_point
from .sync import held_still, sync
from .tool import compose, inverse, pose, raised

SHIFTS = (
    (0.0, 0.0), (0.10, 0.0), (0.0, 0.15), (0.0, -0.15), (0.10, 0.15), (0.10, -0.15), (0.20, 0.0),
    (-0.15, 0.0), (0.0, 0.30), (0.0, -0.30), (-0.15, 0.20), (-0.15, -0.20),
)  # fmt: skip
"""Ahead and to the left of a piece's stand: where else the base may be for a while [m]."""
WIDER = 0.10
"""Room that the base keeps around it with a full hand, where there is a way that has it [m]."""
NEARBY = 0.05
"""How near an executor must bring the base or the hand to where a skill leads it [m]."""
MOST_GRIPS, MOST_RESTS, MOST_SPOTS, TRIES = 60, 16, 8, 3
"""Ways to take and to set down that are planned at one stand, spots, and grips that are tried."""


@dataclass(frozen=True)
class Saved:
    """One moment of the world and of the hand."""

    world: Snapshot
    control: NDArray
    ticks: int
    held: str
    in_tool: NDArray
    load: tuple[str, ...]


class PhysicalMotion:
    """The moves of `Motion` in MuJoCo. Poses of the world are the truth; States are read off it."""

    def __init__(self, home: Home, executors: Mapping[str, SkillExecutor] | None = None) -> None:
        self.home = home
        self.executors = dict(executors or {})
        self.planner = planner_of(home)
        self.reach = Reach()
        self.machine: Machine
        self.hand: Hand

    # -- the seam ----------------------------------------------------------------------------------

    def begin(self, state: State) -> None:
        """Build the world of a state, or put it back there."""
        things = tuple(state.place)
        if getattr(self, "machine", None) is None or self.machine.things != things:
            self.machine = Machine(self.home, things)
        self.hand = Hand(self.machine, self.reach)
        self.machine.reset(state)

    def save(self) -> Saved:
        """The world to the bit, and what the hand holds."""
        machine, hand = self.machine, self.hand
        return Saved(
            machine.world.snapshot(), machine.control.copy(), machine.ticks, hand.held,
            hand.in_tool.copy(), hand.load,
        )  # fmt: skip

    def load(self, saved: Saved) -> None:
        """Undo everything since `save`."""
        machine, hand = self.machine, self.hand
        machine.world.restore(saved.world)
        machine.control[:], machine.ticks = saved.control, saved.ticks
        hand.held, hand.in_tool, hand.load = saved.held, saved.in_tool.copy(), saved.load

    def failed(self, state: State, saved: Saved, seconds: float) -> float:
        """What happened is not undone: the state is what the world is now. Time it took [s]."""
        del saved
        self._settle(state)
        return seconds

    # -- helpers -----------------------------------------------------------------------------------

    def _settle(self, state: State) -> None:
        hand, machine = self.hand, self.machine
        if hand.held and not held_still(machine, hand.held, hand.in_tool):
            hand.held, hand.load = "", ()
            machine.grip(0.04, 0.3)
        sync(machine, state, hand.held)

    def _timed(self, state: State, move: Callable[[], None]) -> float:
        """Carry a move out and read off what came of it; its time [s]."""
        start = self.machine.seconds
        try:
            move()
        except SkillFailureError as failure:
            failure.seconds = max(failure.seconds, self.machine.seconds - start)
            raise
        finally:
            self._settle(state)
        return self.machine.seconds - start

    def _bases(self, state: State, piece: Piece | None) -> Iterator[Base]:
        """Where the base may be for a reach, the present place first."""
        x, y, yaw = self.machine.stance
        yield (x, y, yaw)
        if piece is None:
            return
        sx, sy, facing = piece.stand
        c, s = math.cos(facing), math.sin(facing)
        yaw += math.remainder(facing - yaw, 2 * math.pi)
        opened = open_pieces(state)
        for ahead, left in SHIFTS[1:]:
            to = (sx + ahead * c - left * s, sy + ahead * s + left * c)
            steps = [(x + (to[0] - x) * i / 4, y + (to[1] - y) * i / 4) for i in range(1, 5)]
            if all(self.planner.is_free(*p, opened) for p in steps):
                yield (*to, yaw)

    def shift(self, base: Base) -> None:
        """Move the base a little, in a straight line."""
        if math.dist(base[:2], self.machine.stance[:2]) > 0.005:
            self.machine.drive([base[:2]], base[2], 2.0)

    def _keep(self, thing: str) -> None:
        hand = self.hand
        if not held_still(self.machine, thing, hand.in_tool):
            hand.held, hand.load = "", ()
            self.machine.grip(0.04, 0.3)
            raise SkillFailureError("DROPPED", f"{thing} slipped out of the hand")

    # -- moves -------------------------------------------------------------------------------------

    def drive(self, state: State, goal: Base) -> float:
        """Along the shortest free way, with the arm over the base."""
        start, opened = self.machine.stance, open_pieces(state)
        planner, way = self.planner, None
        if self.hand.held:  # what is held may stick out beyond the base
            planner = planner_of(self.home, WIDER)
            way = planner.way(start[:2], goal, opened)
        if way is None:
            planner = self.planner
            way = planner.way(start[:2], goal, opened)
        if way is None:
            raise SkillFailureError(
                "NO_WAY", "no free way leads there; an open door may block it", 2.0
            )

        def move() -> None:
            if self._handed("go_to", state, state.at or "there"):
                arrived = math.dist(self.machine.base[:2], goal[:2]) < NEARBY
                if not arrived:
                    state.at = ""
                    raise SkillFailureError("STUCK", "the base did not get there")
                return
            arrived = self.machine.drive(planner.points(way), goal[2], 4.0)
            if self.hand.held:
                self._keep(self.hand.held)
            if not arrived:
                state.at = ""
                raise SkillFailureError("STUCK", "something stopped the base on its way")

        return self._timed(state, move)

    def grasp(self, state: State, thing: str) -> float:
        """Take a thing between the fingers and lift it."""
        return self._timed(state, lambda: self._grasp(state, thing))

    def _handed(self, skill: str, state: State, *args: str) -> bool:
        """Have an executor do a skill, where there is one for it."""
        executor = self.executors.get(skill)
        if executor is None:
            return False

        def draw(size: tuple[int, int]) -> dict[str, NDArray]:
            from ..views import views_of

            now = state.copy()
            sync(self.machine, now, self.hand.held)
            images = views_of(self.home).render(now, CAMERAS, size, self.shown())
            return dict(zip(CAMERAS, images, strict=True))

        hand_over(self.hand, executor, SkillCall(skill, args), draw)
        return True

    def _is_lifted(self, state: State, thing: str) -> bool:
        """Whether a thing is between the fingers and stands on nothing."""
        machine, now = self.machine, state.copy()
        near = np.linalg.norm(machine.pose(thing)[:3] - machine.pose("tool")[:3])
        sync(machine, now, "")
        spot, before = now.spot[thing], state.spot[thing]
        lifted = now.place[thing] != state.place[thing] or spot[2] - before[2] > LIFT / 2
        return bool(near < 0.2 and machine.gap > 0.003 and lifted)

    def _grasp(self, state: State, thing: str) -> None:
        machine, hand = self.machine, self.hand
        if self._handed("pick", state, thing):
            if not self._is_lifted(state, thing):
                raise SkillFailureError("SLIPPED", f"{thing} is not in the hand")
            hand.held = thing
            hand.load = (thing, *upon_of(state, thing))
            hand.in_tool = compose(inverse(machine.pose("tool")), machine.pose(thing))
            hand.rest()
            self._keep(thing)
            return
        piece = self.home.by_name.get(state.root(thing))
        stand = machine.stance
        tried = 0
        upon = upon_of(state, thing)
        for base in self._bases(state, piece):
            for i, grip in enumerate(grips(kind(thing), machine.pose(thing), base[2])):
                if i >= MOST_GRIPS or tried >= TRIES:
                    break
                found = self._way(piece, base, grip.tool, (thing, *upon), grip.from_above)
                if found is None:
                    continue
                way, poses = found
                tried += 1
                if self._take(way, thing, upon, grip.width, poses):
                    hand.rest()
                    self._keep(thing)
                    self._return(stand)
                    self._keep(thing)
                    return
                machine.grip(0.04, 0.3)
                hand.lines(poses[::-1][1:])
                hand.rest()
        self._return(stand)
        if tried:
            raise SkillFailureError("SLIPPED", f"the fingers did not get hold of {thing}")
        raise SkillFailureError("OUT_OF_REACH", f"the hand does not get to {thing} from here", 1.0)

    def _way(
        self,
        piece: Piece | None,
        base: Base,
        tool: NDArray,
        ignored: tuple[str, ...],
        upwards: bool = False,
        is_put: bool = False,
    ) -> tuple[Way, list[NDArray]] | None:
        """A way of the arm to a tool pose at a piece, and the poses it leads through."""
        if not self.hand.arrives(base, tool, ignored):
            return None
        for poses in entries(piece, tool, upwards):
            way = self.hand.way(base, poses, ignored)
            # at the edge of its reach the arm gets to a thing, and not up from there
            if way is not None and self._leaves(way, poses, is_put):
                return way, poses
        return None

    def _leaves(self, way: Way, poses: list[NDArray], is_put: bool) -> bool:
        """Whether the hand gets away again the way that it will take."""
        points, at = [], poses[-1]
        for goal in back_again(poses, is_put):
            points += between(at, goal)
            at = goal
        return self.reach.line(way.base, way.near[-1], points) is not None

    def _take(
        self, way: Way, thing: str, upon: tuple[str, ...], width: float, poses: list[NDArray]
    ) -> bool:
        machine, hand = self.machine, self.hand
        self.shift(way.base)
        hand.go(way)
        machine.grip(width / 2 - SQUEEZE, 0.5)
        if machine.gap < 0.5 * width or machine.gap < 0.003:
            return False
        in_tool = compose(inverse(machine.pose("tool")), machine.pose(thing))
        hand.held, hand.in_tool, hand.load = thing, in_tool, (thing, *upon)
        out = back_again(poses, False)
        if not hand.lines(out, 0.4):
            machine.follow(way.near[::-1], 0.4)
        if held_still(machine, thing, in_tool):
            hand.in_tool = compose(inverse(machine.pose("tool")), machine.pose(thing))
            return True
        hand.held, hand.load = "", ()
        return False

    def _return(self, stand: Base) -> None:
        self.shift(stand)

    def release(self, state: State, relation: str, parent: str, spot: Spot) -> float:
        """Set down what is held, and let go."""
        thing = state.held
        seconds = self._timed(state, lambda: self._release(state, relation, parent, spot))
        now = state.place[thing]
        if now != (relation, parent):
            where = " ".join(now)
            raise SkillFailureError("MISPLACED", f"{thing} ended {where}", seconds)
        return seconds

    def _release(self, state: State, relation: str, parent: str, spot: Spot) -> None:
        machine, hand = self.machine, self.hand
        thing = hand.held
        if self._handed("place_on" if relation == "on" else "place_in", state, parent):
            machine.grip(0.04, 0.3)
            hand.held, hand.load = "", ()
            hand.rest()
            return
        piece = self.home.by_name.get(parent) or self.home.by_name.get(state.root(parent))
        stand = machine.stance
        tool, at = machine.pose("tool"), machine.pose(thing)
        in_tool = compose(inverse(tool), at)
        for base in self._bases(state, piece):
            for place in self._places(state, relation, parent, spot):
                ways = rests(kind(thing), tool, at, base[2])
                for i, (quat, tilt) in enumerate(ways):
                    if i >= MOST_RESTS:
                        break
                    under = kind(thing).radius * abs(math.sin(tilt)) + 0.005
                    goal = pose((0, 0, 0), quat)
                    offset = compose(goal, in_tool)[:3]
                    goal[:3] = raised(place, under) - offset
                    found = self._way(piece, base, goal, (), upwards=True, is_put=True)
                    if found is not None:
                        self._put(found[0], thing, found[1])
                        self._return(stand)
                        return
        raise SkillFailureError(
            "OUT_OF_REACH", f"the hand finds no way to set {thing} down at {parent}", 1.0
        )

    def _put(self, way: Way, thing: str, poses: list[NDArray]) -> None:
        machine, hand = self.machine, self.hand
        self.shift(way.base)
        hand.go(way, 0.4)
        machine.grip(machine.gap / 2 + 0.004, 0.15)
        machine.grip(0.04 if machine.gap > 0.03 else machine.gap / 2 + 0.02, 0.3)
        hand.held, hand.load = "", ()
        out = back_again(poses, True)
        if not hand.lines(out):
            machine.follow(way.near[::-1], 0.5)
        machine.grip(0.04, 0.1)
        hand.rest()

    def _places(self, state: State, relation: str, parent: str, spot: Spot) -> Iterator[NDArray]:
        """Points of the world for the underside: the given spot, others, from higher up."""
        thing, piece = state.held, self.home.by_name.get(parent)
        if piece is None:
            at = self.machine.pose(parent)
            own = kind(parent)
            for up in (0.0, 0.02, 0.05):
                yield compose(at, (spot[0], spot[1], spot[2] + up, 1, 0, 0, 0))[:3]
            yield raised(at[:3], own.height + 0.01)
            return
        given = (spot,)
        if relation == "in" and len(leaves(piece.kind)) == 1:  # the hand must get out past the door
            given = (_in_the_middle(state, piece, thing, spot), spot)
        spots = [*given, *(s for s in spots_on_piece(state, piece, relation, thing) if s != spot)]
        chosen = spots[:1] + spots[1 :: max(1, len(spots) // MOST_SPOTS)]
        for up in drops(piece.kind, relation):
            for s in chosen[:MOST_SPOTS]:
                yield raised(spot_in_world(self.home, state, thing, relation, parent, s), up)

    def swing(self, state: State, piece: Piece, is_open: bool) -> float:
        """Take the handle and lead it along its way."""
        after = open_pieces(state) | {piece.name}
        if not self.planner.is_free(*self.machine.stance[:2], frozenset(after)):
            raise SkillFailureError(
                "BLOCKED", f"the robot is in the way of {piece.name}'s door", 1.0
            )
        stand = self.machine.stance
        bases = list(self._bases(state, piece))

        def move() -> None:
            if self._handed("open" if is_open else "close", state, piece.name):
                self.hand.rest()
                check_swung(self.machine, piece, is_open)
                return
            try:
                swing(self.hand, bases, piece, is_open)
            finally:
                self.hand.rest()
                self._return(stand)

        return self._timed(state, move)

    def press(self, state: State, piece: Piece) -> float:
        """Touch the switch with the tips of the fingers, or what is held with the knuckles."""
        stand = self.machine.stance
        bases = list(self._bases(state, piece))

        def move() -> None:
            verb = "turn_off" if state.running.get(piece.name) else "turn_on"
            if self._handed(verb, state, piece.name):
                near = np.linalg.norm(self.machine.pose("tool")[:3] - switch_point(piece))
                self.hand.rest()
                if near > NEARBY:
                    raise SkillFailureError("OUT_OF_REACH", "the switch was not touched")
                return
            press(self.hand, bases, piece, self.shift)
            self.hand.rest()
            if self.hand.held:
                self._keep(self.hand.held)
            self._return(stand)

        return self._timed(state, move)

    def shown(self) -> Any:
        """Joints and poses to draw instead of those of the State."""
        machine = self.machine
        return machine.shown()


def _in_the_middle(state: State, piece: Piece, thing: str, spot: Spot) -> Spot:
    """A spot, moved to the middle of the doorway if nothing stands there."""
    x = sum(leaves(piece.kind)[0]) / 2
    for other in state.on_or_in(piece.name):
        far = math.hypot(state.spot[other][0] - x, state.spot[other][1] - spot[1])
        if state.place[other][0] == "in" and far < kind(other).radius + kind(thing).radius + GAP:
            return spot
    return (x, spot[1], spot[2])
