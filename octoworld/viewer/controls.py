"""ControlPage: what pages of worlds that run share: who acts, pause, step, record, new starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import viser
from numpy.typing import NDArray
from viser._messages import HotkeyKey

from .scenepage import ScenePage

What = Literal[
    "driver", "eyes", "pause", "step", "reset", "repeat", "pace", "record", "push", "dial",
    "target", "drone", "wake", "call", "program", "suggest", "finish",
]  # fmt: skip
Button = Literal[
    "pause", "step", "reset", "record", "push", "wake", "call", "program", "suggest", "finish"
]
HOTKEYS: dict[Button, tuple[str, HotkeyKey]] = {
    "pause": ("Pause or go on", "P"),
    "step": ("One step", "T"),
    "reset": ("New start", "N"),
    "record": ("Record, or stop", "R"),
    "push": ("Push", "G"),
}
"""Buttons that have a key too: what the page's list of commands calls them, and which key."""


@dataclass(frozen=True)
class Order:
    """What a person wants of the world."""

    what: What
    """`driver` NAME acts from now on; `eyes` "truth" or "dream": what a policy sees; `pause` goes
    on, or stops; one `step`; `reset` SEED (None: the next one); `repeat` BOOL: start again after
    the end; `pace` SHARE of real time, or calls a second; `record` starts or ends a recording;
    `push` SPEED [m/s]; `dial` (NAME, SHARE); `target` (3,) where to go [m]; `drone` NAME is what is
    steered; `wake` begins the dream anew from the truth; `call` (SKILL, ARGUMENTS) of a household,
    whose `program` SOURCE runs, or is to be shown as a way to the goal (`suggest`); `finish` ends
    it all."""
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class ControlInstant:
    """What every such page shows of one moment."""

    instruction: str
    headline: str
    """How the episode stands, in words."""
    seed: int
    """Of the start."""
    driver: str
    """Who acts."""
    seconds: float
    """Into the episode, of the world's time [s]."""
    row: NDArray[np.float64]
    """How the world looks, (S,), see `recording`."""
    lines: tuple[str, ...] = ()
    """More to say: stages, what is recorded, what failed."""
    is_paused: bool = False
    is_recording: bool = False


class ControlPage(ScenePage):
    """Tells orders; those who derive from it place its parts, and add their own."""

    def __init__(
        self,
        scene_path: Path,
        tell: Callable[[Order], None],
        driver: str,
        seed: int,
        *,
        port: int,
        host: str,
        theme: str,
    ) -> None:
        """Serve the world of an MJCF file; `tell` is called by viser's threads."""
        super().__init__(scene_path, port=port, host=host, theme=theme)
        self._order = tell
        self._seed, self._driver = seed, driver
        """As the page shows them; what differs from that was typed by a person."""
        self.buttons: dict[Button, viser.GuiButtonHandle] = {}
        self._values: dict[Button, Callable[[], Any]] = {}

    # parts, added to the GUI container that is open

    def add_driver(self, names: Sequence[str]) -> None:
        """The choice of who acts."""
        self.driver = self.server.gui.add_dropdown("Acts", names, initial_value=self._driver)
        self.driver.on_update(lambda _: self._driver_chosen())

    def add_buttons(self, step: str, *, can_record: bool) -> None:
        """Pause, one step (called `step`), record."""
        self.add_button("pause", "Pause", viser.Icon.PLAYER_PAUSE, "blue")
        self.add_button("step", step, viser.Icon.PLAYER_SKIP_FORWARD)
        if can_record:
            self.add_button("record", "Record", viser.Icon.PLAYER_RECORD, "red")

    def add_start(self, *, repeats: bool) -> None:
        """Seed, new start, and whether another follows the end."""
        gui = self.server.gui
        self.seed = gui.add_number("Seed", self._seed, min=0, step=1)
        self.seed.on_update(lambda _: self._seed_typed())
        self.add_button("reset", "New start", viser.Icon.DICE)
        self.repeat = gui.add_checkbox("Start again after the end", repeats)
        self.repeat.on_update(lambda _: self.tell("repeat", self.repeat.value))

    def add_button(
        self,
        what: Button,
        label: str,
        icon: viser.IconName,
        color: Any = "gray",
        value: Callable[[], Any] = lambda: None,
    ) -> None:
        """A button that orders `what`, with what `value` gives then."""
        self.buttons[what] = self.server.gui.add_button(label, icon=icon, color=color)
        self._values[what] = value
        self.buttons[what].on_click(lambda _: self._clicked(what))

    def add_hotkeys(self) -> None:
        """Keys of the buttons that were added."""
        for what, (label, key) in HOTKEYS.items():
            if what in self.buttons:
                command = self.server.gui.add_command(label, hotkey=key)
                command.on_trigger(lambda _, what=what: self._clicked(what))

    # what they do

    def tell(self, what: What, value: Any = None) -> None:
        """The person wants something."""
        self._order(Order(what, value))

    def show_controls(self, now: ControlInstant) -> None:
        """How things stand."""
        self._label("pause", "Go on" if now.is_paused else "Pause")
        if "record" in self.buttons:
            self._label("record", "Stop recording" if now.is_recording else "Record")
        if now.seed != self._seed:
            self._seed = now.seed
            self.seed.value = now.seed
        if now.driver != self._driver:
            self._driver = now.driver
            self.driver.value = now.driver

    def _clicked(self, what: Button) -> None:
        self.tell(what, self._values[what]())

    def _driver_chosen(self) -> None:
        if self.driver.value != self._driver:
            self._driver = self.driver.value
            self.tell("driver", self._driver)

    def _seed_typed(self) -> None:
        if int(self.seed.value) != self._seed:
            self._seed = int(self.seed.value)
            self.tell("reset", self._seed)

    def _label(self, what: Button, label: str) -> None:
        if self.buttons[what].label != label:
            self.buttons[what].label = label
