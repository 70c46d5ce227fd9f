"""Commands: what a person wants now, from keys and a gamepad to actions of a control mode."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.viewer.driving import Wish
from octoworld.viewer.held import Held


@dataclass(frozen=True)
class Pair:
    """Two opposite pushes: of the tool, or of its orientation."""

    keys: tuple[str, str]
    """For the negative and for the positive push."""
    says: tuple[str, str]
    """What they do, to the person."""
    stick: str
    """Axis of a gamepad in the browsers' standard layout."""
    sign: int = 1
    """Of that axis; sticks point right and down."""


MOVES = (
    Pair(("s", "w"), ("toward you", "away from you"), "axis1", -1),
    Pair(("a", "d"), ("left", "right"), "axis0"),
    Pair(("q", "e"), ("down", "up"), "axis3", -1),
)
TURNS = (
    Pair(("j", "l"), ("tip left", "tip right"), ""),
    Pair(("i", "k"), ("tip away from you", "tip toward you"), ""),
    Pair(("o", "u"), ("turn clockwise", "turn anticlockwise"), "axis2", -1),
)
CONTROLS: dict[str, tuple[Pair, ...]] = {"ee_delta_pos": MOVES, "ee_delta_pose": MOVES + TURNS}
"""Control mode -> pairs, three for each vector of its action: away, right, up as the person sees it
(a turn is about that axis); the gripper comes last."""
FLYING = "velocity"
"""What a person gives a drone instead: a push away, right and up, and a gripper that it has not."""
GRIPPER = ("space", "pad0")
"""Opens a closed gripper, and closes an open one."""
SLOW, SLOWED = "shift", 0.25
"""Held for fine work, and the share of the speed that is left."""
WISHES: dict[str, Wish] = {
    "n": "start", "enter": "keep", "backspace": "discard",
    "pad9": "start", "pad3": "keep", "pad8": "discard",
}  # fmt: skip
"""Keys and buttons of a gamepad (start, Y, back) beside the page's buttons."""
_FRAMES = np.array([
    [[c, s, 0], [s, -c, 0], [0, 0, 1]] for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))
])  # fmt: skip
"""Away, right and up in the world's frame, by quarter turns of the person's view."""


class Commands:
    """What a person wants; the page's threads write it, the roll-out reads it once a step.

    Safe for any number of threads. A tap between two readings is not lost.
    """

    def __init__(
        self, control_mode: str, speed: float = 0.5, wishes: Mapping[str, Wish] = WISHES
    ) -> None:
        """Commands for one control mode.

        Args:
            control_mode: one of CONTROLS, or FLYING.
            speed: share of a full action, in (0, 1].
            wishes: keys and buttons beside those that drive, and what they ask for.

        Raises:
            ConfigError: a person cannot drive this control mode.
        """
        if control_mode not in CONTROLS and control_mode != FLYING:
            raise ConfigError(
                f"control mode {control_mode!r} cannot be driven by hand; these can: "
                f"{', '.join(CONTROLS)}"
            )
        self.pairs, self.speed = CONTROLS.get(control_mode, MOVES), speed
        self._grips, self._wanted = control_mode != FLYING, wishes
        self._frame = _FRAMES[0]
        self._held: Held = {}
        self._tapped: Held = {}
        self._gripper = 1.0
        self._lock = threading.Lock()
        self._wishes: queue.SimpleQueue[Wish] = queue.SimpleQueue()

    @property
    def keys(self) -> list[str]:
        """All keys that mean something."""
        pairs = [key for pair in self.pairs for key in pair.keys]
        others = [key for key in (*GRIPPER, *self._wanted) if not key.startswith("pad")]
        return [*pairs, *others, SLOW]

    # what the page says

    def hold(self, held: Held) -> None:
        """Everything that is held from now on, by name; see `octoworld.viewer.held`."""
        with self._lock:
            pressed = {name: value for name, value in held.items() if name not in self._held}
            self._held = dict(held)
            self._tapped |= pressed
            if any(name in pressed for name in GRIPPER):
                self._gripper = -self._gripper
        for name in pressed:
            if name in self._wanted:
                self.wish(self._wanted[name])

    def wish(self, wish: Wish) -> None:
        """Ask for something."""
        self._wishes.put(wish)

    def look(self, direction: NDArray) -> None:
        """The person looks in `direction` (3,), in the world's frame; moves follow to a quarter."""
        turns = round(float(np.arctan2(direction[1], direction[0])) / (np.pi / 2)) % 4
        self._frame = _FRAMES[turns]

    # what the roll-out reads

    def begin(self, gripper: float) -> None:
        """A new episode, with the gripper's command as it is (+1 open, -1 closed)."""
        with self._lock:
            self._tapped, self._gripper = {}, 1.0 if gripper >= 0 else -1.0

    @property
    def is_touched(self) -> bool:
        """Whether anything that drives was pressed since `begin` or the last action."""
        drives = {*GRIPPER, *(name for p in self.pairs for name in (*p.keys, p.stick))}
        with self._lock:
            return not drives.isdisjoint(self._tapped)

    @property
    def held(self) -> Held:
        """All that is held now."""
        with self._lock:
            return dict(self._held)

    def action(self) -> NDArray[np.float32]:
        """(A,): what is held now, or was tapped since the last call."""
        with self._lock:
            active, self._tapped = self._tapped | self._held, {}
            gripper = self._gripper
        scale = self.speed * (SLOWED if SLOW in active else 1.0)
        push = np.clip([_push(pair, active) for pair in self.pairs], -1, 1)
        vectors = scale * push.reshape(-1, 3) @ self._frame
        return np.append(vectors.ravel(), gripper).astype(np.float32)

    def take_wish(self, timeout: float = 0.0) -> Wish | None:
        """The oldest wish that nobody has taken; waits up to `timeout` [s] for one."""
        try:
            return self._wishes.get(timeout > 0, timeout or None)
        except queue.Empty:
            return None

    def legend(
        self,
        more: Sequence[tuple[str, str]] = (
            ("n", "start, or another start"), ("enter / backspace", "keep / discard"),
        ),
        pad: str = "Start starts, Y keeps, Back discards",
    ) -> str:  # fmt: skip
        """What the keys do, in Markdown; `more` keys, and what `pad` buttons do beside the A."""
        rows = [(" / ".join(p.keys), " / ".join(p.says)) for p in self.pairs]
        rows += [("space", "close or open the gripper")] if self._grips else []
        rows += [(SLOW, "slower"), *more]
        lines = [f"| `{keys}` | {says} |" for keys, says in rows]
        told = ["sticks move", *(["A grips"] if self._grips else []), *([pad] if pad else [])]
        return "\n".join(
            ["| key | what it does |", "|---|---|", *lines, "", f"Gamepad: {', '.join(told)}."]
        )


def _push(pair: Pair, active: Held) -> float:
    """How far a pair is pushed, by keys and stick together."""
    less, more = (active.get(key, 0.0) for key in pair.keys)
    return more - less + pair.sign * active.get(pair.stick, 0.0)
