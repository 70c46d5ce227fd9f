"""DrivingPage: a live scene in the browser with a person at the controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import viser
from numpy.typing import NDArray

from .held import Held
from .scenepage import UNHEARD, ScenePage, write

CAMERA_WIDTH = 340
"""Of the panel at the right [px]."""
TILE = 288
"""Width that a camera's picture is enlarged to, about [px]."""

Wish = Literal["start", "keep", "discard", "finish"]
"""What a person asks for beside movement."""
Phase = Literal["waiting", "driving", "judging", "closed"]
HEADLINES: dict[Phase, str] = {
    "waiting": "Ready: the clock runs from the first movement",
    "driving": "Recording",
    "judging": "The episode is over: keep it, or discard it",
    "closed": "Finished: this page can be closed",
}
BUTTONS: dict[Wish, tuple[viser.IconName, Literal["blue", "green", "red", "gray"]]] = {
    "start": (viser.Icon.PLAYER_PLAY, "blue"),
    "keep": (viser.Icon.CHECK, "green"),
    "discard": (viser.Icon.TRASH, "red"),
    "finish": (viser.Icon.FLAG, "gray"),
}


@dataclass(frozen=True)
class Moment:
    """What the page shows of one moment."""

    instruction: str
    """What is to be done."""
    phase: Phase
    seconds: float
    """Into the episode [s]."""
    limit: float
    """Length of the episode at most [s]."""
    success: bool
    """Whether the task is done now."""
    stages: Mapping[str, bool]
    """Parts of the task, and whether they are done."""
    note: str
    """One more line: what was kept so far."""
    row: NDArray[np.float64]
    """How the world looks, (S,), see `recording`."""
    images: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Pictures (H, W, 3) by camera; none leaves those that are shown."""


class Driver(Protocol):
    """What a page tells of the person."""

    speed: float
    """Share of full speed, in (0, 1]; the slider sets it."""

    def hold(self, held: Held) -> None:
        """All that is held from now on."""
        ...

    def wish(self, wish: Wish) -> None:
        """A button was clicked."""
        ...

    def look(self, direction: NDArray[np.float64]) -> None:
        """The person looks in this direction (3,) of the world."""
        ...


class DrivingPage(ScenePage):
    """The page: 3D scene, cameras, state of the episode, buttons; tells what is held and wished."""

    def __init__(
        self,
        scene_path: Path,
        keys: Iterable[str],
        legend: str,
        driver: Driver,
        *,
        port: int = 8080,
        host: str = "127.0.0.1",
        theme: str = "dark",
    ) -> None:
        """Open the page.

        Args:
            scene_path: MJCF file of the world.
            keys: names of keys that drive, see `held`.
            legend: what they do, in Markdown.
            driver: told what the person does, by viser's threads.
            port: first port to try.
            host: address to listen on.
            theme: "dark" or "light".
        """
        super().__init__(scene_path, port=port, host=host, theme=theme)
        gui = self.server.gui
        self.instruction, self.status = gui.add_markdown(""), gui.add_markdown("")
        self.buttons: dict[Wish, viser.GuiButtonHandle] = {}
        for wish, (icon, color) in BUTTONS.items():
            self.buttons[wish] = gui.add_button(wish.capitalize(), icon=icon, color=color)
            self.buttons[wish].on_click(lambda _, wish=wish: driver.wish(wish))
        self.speed = gui.add_slider("Speed", 0.1, 1.0, 0.05, initial_value=driver.speed)
        self.speed.on_update(lambda _: setattr(driver, "speed", self.speed.value))
        self._listening = gui.add_markdown("")
        gui.add_markdown(legend)
        self.add_side("Cameras and keys", CAMERA_WIDTH)
        self.listen(keys, driver.hold, driver.look)

    def show(self, moment: Moment) -> None:
        """Draw a moment everywhere."""
        done = "**yes**" if moment.success else "no"
        stages = " · ".join(f"{'✓' if on else '–'} {name}" for name, on in moment.stages.items())
        write(self.instruction, f"### “{moment.instruction}”")
        lines = [
            f"**{HEADLINES[moment.phase]}**",
            f"{moment.seconds:.1f} of {moment.limit:.0f} s · success: {done}",
            *([stages] if stages else []),
            moment.note,
        ]
        write(self.status, "\n\n".join(lines))
        write(self._listening, "" if self.held.is_listening else UNHEARD)
        self._enable(moment.phase)
        self.stage.show(moment.row)
        for camera, picture in moment.images.items():
            self.picture(camera, [picture], [camera], TILE)

    def _enable(self, phase: Phase) -> None:
        usable: dict[Wish, bool] = {
            "start": phase != "closed",
            "keep": phase in ("driving", "judging"),
            "discard": phase != "closed",
            "finish": phase != "closed",
        }
        for wish, button in self.buttons.items():
            if button.disabled == usable[wish]:
                button.disabled = not usable[wish]
        label = "Start" if phase == "waiting" else "Another start"
        if self.buttons["start"].label != label:
            self.buttons["start"].label = label
