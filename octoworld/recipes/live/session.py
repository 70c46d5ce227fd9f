"""LiveSession: the loop of the live page: take orders, act, step, dream along, record, show."""

from __future__ import annotations

import itertools
import time
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import OctoworldError
from octoworld.viewer.controls import Order
from octoworld.viewer.live import Instant
from tasks.env import TaskEnv

from ..scene_rows import SceneRows
from ..teleop.actor import Clock, RealTime
from .cast import YOU, Cast
from .dream import Dream
from .hands import DroneHand
from .physics import Dial, Push, turn
from .recorder import LiveRecorder
from .steering import Steering

IMAGES = "observation.images."
IDLE = 0.1
"""Between two looks at what is wanted while the world stands still [s]."""
STILL_PERIOD = 1.0
"""Between two drawings of a page on which nothing moves [s]."""
SHOW_PERIOD = 0.04
"""Between two drawings of the page, at least [s]."""
SUCCEEDED = 1.0
"""Time that an episode goes on after success, where success ends it and no person drives [s]."""
JUDGED, ACTIONS = "reward and success", "actions"
MOST_ACTIONS = 8


Shown = TypeVar("Shown", contravariant=True)


class Page(Protocol[Shown]):
    """Where a session is seen."""

    def show(self, now: Shown) -> None:
        """Draw an instant."""
        ...


class LiveSession:
    """One world, those who can act in it, and the page that shows it."""

    def __init__(
        self,
        env: TaskEnv,
        cast: Cast,
        steering: Steering,
        recorder: LiveRecorder,
        seed: int,
        *,
        push: Push,
        dials: dict[str, Dial],
        dream: Dream | None = None,
        clock: Clock | None = None,
    ) -> None:
        """A session that starts from `seed`; `clock` None runs at the task's rate."""
        self.env, self.cast, self.steering, self.recorder = env, cast, steering, recorder
        self.push, self.dials, self.dream = push, dials, dream
        self.seed, self.step = seed, 0
        """Of the start; steps since then."""
        self.is_paused = self.is_over = False
        self._repeats, self._sees_dream, self._trouble = True, False, ""
        self._real, self._clock = clock is None, clock or RealTime(1 / env.fps)
        self._rows = SceneRows(env.world)
        self._obs: dict[str, NDArray] = {}
        self._headline = ""
        self._since = self._ended = self._shown = 0.0
        self._is_finished = self._is_shown = False

    @property
    def plots(self) -> dict[str, tuple[str, ...]]:
        """Plot -> curves of what `run` shows."""
        names = self.env.drive.action_names or [f"a{i}" for i in range(self.env.drive.action_dim)]
        own = {JUDGED: ("reward", "success"), ACTIONS: tuple(names[:MOST_ACTIONS])}
        return ({} if self.dream is None else self.dream.curves) | own

    def run(self, page: Page[Instant], most_steps: int | None = None) -> None:
        """Until the person finishes, or after `most_steps`; what is being recorded is saved."""
        try:
            self._start(self.seed)
            self._show(page, {}, always=True)
            for _ in itertools.count() if most_steps is None else range(most_steps):
                goes_on = self._take_orders(page)
                if self._is_finished:
                    return
                if goes_on:
                    self._advance(page)
                    self._clock.tick()
        finally:
            self.recorder.end()
            self._headline = "Finished: this page can be closed"
            self._show(page, {}, always=True)

    # -- what is wanted ------------------------------------------------------------------------

    def _take_orders(self, page: Page[Instant]) -> bool:
        """Do what is wanted; whether the world then makes a step."""
        stands = self.is_paused or self.is_over
        wants_step = False
        for order in self.steering.take(IDLE if stands else 0.0):
            self._is_shown = False
            try:
                wants_step |= self._obey(order)
            except OctoworldError as error:  # what is mistyped must not end the session
                self._trouble = str(error)
            if self._is_finished:
                return False
        self._take_over()
        late = time.monotonic() - self._ended > SUCCEEDED or not self._real
        if self.is_over and self._repeats and not self.is_paused and late:
            self._start(self.seed + 1)
        if self.is_over or (self.is_paused and not wants_step):
            # a page that stands still is not sent again and again
            if not self._is_shown or time.monotonic() - self._shown > STILL_PERIOD:
                self._show(page, {}, always=True)
                self._is_shown = True
            return False
        self._is_shown = False
        return True

    def _obey(self, order: Order) -> bool:
        """Do one thing; whether it is a single step."""
        what, value, self._trouble = order.what, order.value, ""
        if what == "finish":
            self._is_finished = True
        elif what == "pause":
            self.is_paused = not self.is_paused
            self._clock.restart()
        elif what == "step":
            self.is_paused = True
            return True
        elif what == "reset":
            self._start(self.seed + 1 if value is None else int(value))
        elif what == "driver":
            self.cast.begin(self.seed, value)
        elif what == "eyes":
            self._sees_dream = value == "dream"
        elif what == "repeat":
            self._repeats = bool(value)
        elif what == "pace" and self._real:
            self._clock = RealTime(1 / (self.env.fps * max(float(value), 0.01)))
            self._clock.restart()
        elif what == "record":
            self.recorder.toggle(self.seed, self.step)
        elif what == "wake" and self.dream is not None:
            self.dream.wake()
        elif what in ("push", "dial"):
            self._disturb(what, value)
        elif what in ("target", "drone"):
            self._steer(what, value)
        return False

    def _disturb(self, what: str, value: Any) -> None:
        if what == "dial":
            name, share = value
            turn(self.dials, name, share)
            self.recorder.turned(name, share)
            return
        along = self.steering.view * (1, 1, 0)
        length = float(np.linalg.norm(along))
        way = along / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
        velocity = (1.0 if value is None else float(value)) * way
        self.push.start(velocity)
        self.recorder.note("push", velocity.tolist())

    def _steer(self, what: str, value: Any) -> None:
        hand = self.cast.hand
        if hand is None:
            return
        if what == "target":
            if self.cast.acts != YOU:
                self.cast.begin(self.seed, YOU)
            hand.target = np.asarray(value, float)
        elif isinstance(hand, DroneHand):
            hand.choose(value)

    def _take_over(self) -> None:
        """Whoever touches what drives, drives."""
        hand = self.cast.hand
        if hand is not None and self.cast.acts != YOU and hand.commands.is_touched:
            held = dict(hand.commands.held)
            self.cast.begin(self.seed, YOU)
            hand.commands.hold({})
            hand.commands.hold(held)  # what was touched counts

    # -- what happens --------------------------------------------------------------------------

    def _start(self, seed: int) -> None:
        """Begin an episode."""
        self.seed, self.step = seed, 0
        self._obs, _ = self.env.reset(seed=[seed])
        self.cast.begin(seed)
        self.push.stop()
        if self.dream is not None:
            self.dream.begin(self._obs, seed)
        self.recorder.begin(seed)
        self.is_over, self._since, self._headline = False, np.inf, "Running"
        self._clock.restart()

    def _advance(self, page: Page[Instant]) -> None:
        """One control step of the true world, and of the dream."""
        env, dream, obs = self.env, self.dream, self._obs
        seen = dream.observation(obs) if dream is not None and self._sees_dream else obs
        action = self.cast.act(seen)
        self.push.act()
        notes = {"is_intervention": np.array([self.cast.acts == YOU])}
        self.recorder.before(obs, action, notes | (dream.columns() if dream else {}))
        self._obs, reward, _, _, infos = env.step(action)
        self.recorder.after(reward, infos["success"])
        if dream is not None:
            dream.step(action, self._obs)
        self.step += 1
        success = bool(infos["success"][0])
        self._judge(success)
        names = self.plots[ACTIONS]
        values = {
            JUDGED: {"reward": float(reward[0]), "success": float(success)},
            ACTIONS: dict(zip(names, action[0, : len(names)].tolist(), strict=True)),
        }
        if dream is not None:
            values |= dream.divergence(self._obs, env)
        self._show(page, values, always=self.is_over or self.is_paused)

    def _judge(self, success: bool) -> None:
        """Whether the episode is over, and what is said about it."""
        env, seconds = self.env, self.step / self.env.fps
        self._since = min(self._since, seconds) if success else np.inf
        self._headline = "Running, in success" if success else "Running"
        if not env.live[0]:
            failed = (
                bool(env.judged.get("failure", np.zeros(1, bool))[0]) or env.judged["diverged"][0]
            )
            self._headline = "Over: failed" if failed else f"Over: the clock, success {success}"
        elif env.task.ends_on_success and self.cast.acts != YOU:
            if seconds - self._since < SUCCEEDED:
                return
            self._headline = "Over: success"
        else:
            return
        self.is_over, self._ended = True, time.monotonic()
        self.recorder.end()

    def _show(
        self, page: Page[Instant], values: dict[str, dict[str, float]], *, always: bool
    ) -> None:
        now = time.monotonic()
        if not always and self._real and now - self._shown < SHOW_PERIOD:
            return
        self._shown = now
        env, recorder, dream = self.env, self.recorder, self.dream
        hand = self.cast.hand
        lines = [self._stages(), "**paused**" if self.is_paused else ""]
        page.show(Instant(
            instruction=env.instructions[0],
            headline=self._headline,
            seed=self.seed,
            driver=self.cast.acts,
            seconds=self.step / env.fps,
            row=self._rows()[0],
            lines=tuple(filter(None, [*lines, *recorder.lines, self._trouble])),
            images={
                k.removeprefix(IMAGES): v[0] for k, v in self._obs.items() if k.startswith(IMAGES)
            },
            imagined={} if dream is None else dream.now.images,
            values=values,
            handle=None if hand is None else hand.handle(env, self.cast.acts == YOU),
            dreamt=None if dream is None else dream.place,
            is_paused=self.is_paused,
            is_recording=recorder.is_on,
        ))  # fmt: skip

    def _stages(self) -> str:
        names = self.env.task.stage_names if self.step else ()
        done = {name: bool(self.env.judged[name][0]) for name in names}
        return " · ".join(f"{'✓' if on else '–'} {name}" for name, on in done.items())
