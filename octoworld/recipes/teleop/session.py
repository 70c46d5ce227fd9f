"""A session: one episode after another, each kept or discarded by the person who drove it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from octoworld.data.episode import Episode
from octoworld.data.journal import Journal
from octoworld.viewer.driving import Moment, Phase, Wish
from tasks.env import TaskEnv

from ..rollouts import roll_out
from ..scene_rows import SceneRows
from ..tape import Tape
from .actor import Clock, TeleopActor
from .commands import Commands

REVIEW_WAIT = 0.2
"""Between two drawings of the page when an episode is over [s]."""
IMAGES = "observation.images."


class Page(Protocol):
    """Where a session is seen."""

    def show(self, moment: Moment) -> None:
        """Draw a moment."""
        ...


class Session:
    """The one world of `env`, the person's commands, and the page that shows what comes of them."""

    def __init__(
        self,
        env: TaskEnv,
        commands: Commands,
        clock: Clock,
        page: Page,
        facts: Mapping[str, Any] | None = None,
        open_journal: Callable[[Mapping[str, Any]], Journal] | None = None,
    ) -> None:
        """A session; episodes have `facts` beside their own, and a journal: see `Tape`."""
        self._env, self._commands, self._clock, self._page = env, commands, clock, page
        self._rows = SceneRows(env.world)
        self._facts, self._open_journal = dict(facts or {}), open_journal
        self._tape: Tape | None = None
        self.kept = self.discarded = 0

    def episodes(self, seeds: Iterable[int], hold_steps: int, most: int) -> Iterator[Episode]:
        """The episodes that were kept, `most` of them at most, from start after start.

        An episode ends `hold_steps` after its first success, with the clock, or as the person
        wishes: `keep` and `discard` decide about it, `start` discards it and begins the next one at
        once, `finish` ends the session without it.
        """
        at_once = False
        for seed in seeds:
            actor = TeleopActor(self._commands, self._clock, self._show, at_once=at_once)
            try:
                driven = roll_out(self._env, actor, [seed], hold_steps, make_tape=self._new_tape)
                wish = actor.wish or self._judged(len(driven[0]))
            except KeyboardInterrupt:  # as good as `finish`
                self._forget()
                raise
            at_once = wish == "start"
            if wish == "keep" and driven:
                self.kept += 1
                yield driven[0]
                # whoever asks for the next one has it on disk
            elif driven:  # else another start was wanted before anything was done
                self.discarded += 1
            self._forget()
            if wish == "finish" or self.kept == most:
                self._show(self._env, {}, len(driven[0]) if driven else 0, "closed")
                return

    def _new_tape(self, env: TaskEnv, seeds: Sequence[int]) -> Tape:
        self._tape = Tape(env, seeds, self._facts, self._open_journal)
        return self._tape

    def _forget(self) -> None:
        if self._tape is not None:
            self._tape.forget()

    def _judged(self, steps: int) -> Wish:
        """What shall become of an episode that has ended by itself."""
        while True:
            self._show(self._env, {}, steps, "judging")
            wish = self._commands.take_wish(REVIEW_WAIT)
            if wish is not None:
                return wish

    def _show(self, env: TaskEnv, obs: Mapping[str, NDArray], step: int, phase: Phase) -> None:
        # before the first step, `judged` is of another episode
        judged = {k: bool(env.judged[k][0]) for k in ("success", *env.task.stage_names) if step}
        moment = Moment(
            instruction=env.instructions[0],
            phase=phase,
            seconds=step / env.fps,
            limit=env.max_episode_length / env.fps,
            success=judged.get("success", False),
            stages={name: judged.get(name, False) for name in env.task.stage_names},
            note=f"{self.kept} kept, {self.discarded} discarded",
            row=self._rows()[0],
            images={k.removeprefix(IMAGES): v[0] for k, v in obs.items() if k.startswith(IMAGES)},
        )
        self._page.show(moment)
