"""HomeSession: the loop of a household's live page: take orders, call skills, record, show."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

from numpy.typing import NDArray

from octoworld.core.errors import OctoworldError, UnknownNameError
from octoworld.viewer.controls import Order
from octoworld.viewer.frames import Frames
from octoworld.viewer.homepage import HomeInstant
from tasks.household import Household, Instance, solve
from tasks.household.facts import StateFacts
from tasks.household.goals import Combined, is_met, text
from tasks.household.oracle import OracleError
from tasks.household.scene import ABOVE, HOUSE, SURROUND
from tasks.household.text_view import scene_graph
from vla.programmer import Runner

from ..teleop.actor import Clock, RealTime
from .cast import YOU
from .home_cast import PLANS, slots_of
from .home_recorder import HomeRecorder
from .home_turns import HomeTurns
from .session import IDLE, STILL_PERIOD, Page
from .steering import Steering

CAMERAS = {"ego": SURROUND[0], "above": ABOVE, "house": HOUSE}
"""Shown camera -> camera of the home."""
PICTURE = (192, 192)
"""Of what is shown, (H, W)."""
AFTER_END = 2.0
"""Until the next start, where one is to follow [s]."""


class HomeSession:
    """One household, those who can call its skills, and the page that shows it."""

    def __init__(
        self,
        instance: Instance,
        runner: Runner,
        steering: Steering,
        recorder: HomeRecorder,
        *,
        driver: str,
        pace: float,
        clock: Clock | None = None,
    ) -> None:
        """A session from `instance` on, with `pace` calls a second; `clock` None is real time.

        Raises:
            UnknownNameError: there is no such driver.
        """
        self.steering, self.recorder = steering, recorder
        self.turns = HomeTurns(Household(instance), runner, recorder)
        self.driver = ""
        self._drive(driver)
        self.is_paused = False
        self._real, self._clock = clock is None, clock or RealTime(1 / pace)
        self._repeats, self._trouble, self._suggested = False, "", ""
        self._shown = self._called = 0.0
        self._seen: tuple[tuple[str, int], NDArray, dict[str, Frames]] | None = None
        self._is_finished = False

    @property
    def house(self) -> Household:
        """The household now."""
        return self.turns.house

    @property
    def seed(self) -> int:
        """Of the start."""
        return self.house.instance.start

    def run(self, page: Page[HomeInstant], most_rounds: int | None = None) -> None:
        """Until the person finishes, or after `most_rounds` looks at what is wanted."""
        try:
            self._show(page)
            for _ in itertools.count() if most_rounds is None else range(most_rounds):
                goes_on = self._take_orders(page)
                if self._is_finished:
                    return
                if goes_on:
                    self._advance()
                    self._show(page)
                    self._clock.tick()
        finally:
            self.turns.give_up()
            self.turns.end("stopped")
            self._is_finished = True
            self._show(page)

    # -- what is wanted ------------------------------------------------------------------------

    def _take_orders(self, page: Page[HomeInstant]) -> bool:
        """Do what is wanted; whether another call follows."""
        stands, wants_step, is_new = self.is_paused or not self._acts, False, False
        for order in self.steering.take(IDLE if stands else 0.0):
            is_new = True
            try:
                wants_step |= self._obey(order)
            except OctoworldError as error:  # what is mistyped must not end the session
                self._trouble = str(error)
            if self._is_finished:
                return False
        late = time.monotonic() - self._called > AFTER_END or not self._real
        if self.house.finished and self._repeats and not self.is_paused and late:
            self._start(self.seed + 1)
        goes_on = self._acts and (wants_step or not self.is_paused)
        # a page that stands still is not sent again and again
        if not goes_on and (is_new or time.monotonic() - self._shown > STILL_PERIOD):
            self._show(page)
        return goes_on

    @property
    def _acts(self) -> bool:
        """Whether anybody would call something next."""
        return not self.house.finished and (self.turns.is_running or self.driver != YOU)

    def _obey(self, order: Order) -> bool:
        """Do one thing; whether it is a single step."""
        what, value, self._trouble = order.what, order.value, ""
        if what == "finish":
            self._is_finished = True
        elif what == "pause":
            self.is_paused = not self.is_paused
            self._clock.restart()
        elif what == "step":
            self.is_paused |= self._acts
            return True
        elif what == "reset":
            self._start(self.seed + 1 if value is None else int(value))
        elif what == "driver":
            self._drive(str(value))
        elif what == "repeat":
            self._repeats = bool(value)
        elif what == "pace" and self._real:
            self._clock = RealTime(1 / max(float(value), 0.01))
            self._clock.restart()
        elif what == "record":
            self.turns.record()
        elif what == "call":  # who touches what drives, drives
            self.driver = YOU
            name, args = value
            self.turns.by_hand(str(name), tuple(args))
            self._called = time.monotonic()
        elif what == "program":
            self.driver = YOU
            self.turns.run(str(value))
            self._clock.restart()
        elif what == "suggest":
            self._suggested = solve(self.house).program
        return False

    def _drive(self, name: str) -> None:
        if name not in PLANS:
            raise UnknownNameError("driver", name, PLANS)
        if name != self.driver:
            self.turns.give_up()
            self.driver = name

    # -- what happens --------------------------------------------------------------------------

    def _start(self, seed: int) -> None:
        """Begin an episode."""
        self.turns.give_up()
        self.turns.end("stopped")
        self._suggested = ""
        self.turns.begin(Household(replace(self.house.instance, start=seed)))
        self._clock.restart()

    def _advance(self) -> None:
        """The next call of whoever acts."""
        try:
            self.turns.advance(self.driver)
        except OracleError as error:
            self._trouble, self.driver = f"{self.driver} knows no way: {error}", YOU
        self._called = time.monotonic()

    # -- what is seen --------------------------------------------------------------------------

    def _show(self, page: Page[HomeInstant]) -> None:
        self._shown = time.monotonic()
        house, recorder = self.house, self.recorder
        turn, count = self.turns.shown
        row, images = self._look()
        goal = house.goal
        parts = goal.parts if isinstance(goal, Combined) and goal.how == "and" else (goal,)
        facts = StateFacts(house.state, house.home)
        paused = "**paused**" if self.is_paused else ""
        page.show(HomeInstant(
            instruction=house.instruction,
            headline=self._headline(),
            seed=self.seed,
            driver=self.driver,
            seconds=house.state.time,
            row=row,
            slots=slots_of(house),
            goal={text(part): is_met(part, facts) for part in parts},
            known=scene_graph(house.state, house.home),
            turn=turn,
            num_done=count,
            lines=tuple(filter(None, [paused, *recorder.lines, self._trouble])),
            images=images,
            suggested=self._suggested,
            is_paused=self.is_paused,
            is_recording=recorder.is_on,
        ))  # fmt: skip

    def _headline(self) -> str:
        house = self.house
        if self._is_finished:
            return "Finished: this page can be closed"
        if house.finished:
            return f"Over: {'the goal holds' if house.success else 'the goal does not hold'}"
        if self.turns.is_running:
            return "The program runs"
        return "Your turn: call a skill" if self.driver == YOU else f"The {self.driver} acts"

    def _look(self) -> tuple[NDArray, dict[str, Frames]]:
        """How the home looks, for the 3D scene (S,) and in pictures; drawn once a call."""
        house = self.house
        now = (house.instance.key, house.num_calls)
        if self._seen is None or self._seen[0] != now:
            views = house.views
            with views.lock:
                drawn = views.render(
                    house.state, tuple(CAMERAS.values()), PICTURE, house.motion.shown()
                )
                whole = views.world.get_state()[0].copy()
            self._seen = now, whole, dict(zip(CAMERAS, drawn, strict=True))
        return self._seen[1:]
