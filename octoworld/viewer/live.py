"""LivePage: a world that runs, beside what a world model imagines of it, with all its controls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import viser
from numpy.typing import NDArray

from .controls import ControlInstant, ControlPage, Order
from .frames import Frames, difference
from .held import Held
from .scenepage import UNHEARD, write
from .sticks import add_sticks
from .strips import Strip

SIDE_WIDTH = 612
"""Of the panel at the right [px]."""
TILE, PAIRED_TILE = 288, 192
"""Width that a camera's picture is enlarged to, without a dream and with one [px]."""
PLOT_PERIOD = 0.25
"""Between two drawings of the plots [s]."""
HANDLE_SIZE = 0.2
"""Of the drag handle [m]."""


class Player(Protocol):
    """What the page tells, by viser's threads."""

    def tell(self, order: Order) -> None:
        """The person wants something."""
        ...

    def hold(self, held: Held) -> None:
        """All keys and sticks that are held from now on."""
        ...

    def look(self, direction: NDArray) -> None:
        """The person looks in this direction (3,) of the world."""
        ...


@dataclass(frozen=True)
class Offer:
    """What can be done in this world."""

    drivers: tuple[str, ...]
    """Who may act."""
    driver: str
    """Who does at the start."""
    seed: int
    """Of the first start."""
    keys: tuple[str, ...]
    """Names of keys that drive."""
    legend: str
    """What they do, in Markdown."""
    bodies: tuple[str, ...] = ()
    """What a push moves; none: there is nothing to push."""
    push: float = 1.0
    """Speed of a push at the start [m/s]."""
    dials: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Physical parameters: name -> least and greatest share of their own value."""
    drones: tuple[str, ...] = ()
    """What can be steered by itself; more than one is offered as a choice."""
    plots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Plot -> its curves."""
    has_policy: bool = False
    """Whether one of those who act looks at pictures."""
    has_dream: bool = False
    """Whether a world model dreams along."""
    record_to: str = ""
    """Where recordings go; empty: they cannot be made."""


@dataclass(frozen=True, kw_only=True)
class Instant(ControlInstant):
    """What the page shows of one moment."""

    images: Mapping[str, Frames] = field(default_factory=dict)
    """Pictures (H, W, 3) by camera; none leaves those that are shown."""
    imagined: Mapping[str, Frames] = field(default_factory=dict)
    """What the world model drew for the same moment, by camera."""
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Plot -> curve -> its value now; none adds no point."""
    handle: NDArray[np.float64] | None = None
    """Where the drag handle is, (3,) [m]; None: there is none."""
    dreamt: NDArray[np.float64] | None = None
    """Where the world model believes the robot to be, (3,) [m], drawn as a ball; None: nowhere."""


class LivePage(ControlPage):
    """The page; it shows instants and tells orders, and knows no task and no algorithm."""

    def __init__(
        self,
        scene_path: Path,
        offer: Offer,
        player: Player,
        *,
        port: int = 8080,
        host: str = "127.0.0.1",
        theme: str = "dark",
    ) -> None:
        """Open the page.

        Args:
            scene_path: MJCF file of the world.
            offer: what can be done.
            player: told what the person does.
            port: first port to try.
            host: address to listen on.
            theme: "dark" or "light".
        """
        super().__init__(
            scene_path, player.tell, offer.driver, offer.seed, port=port, host=host, theme=theme
        )
        self.offer, self._player = offer, player
        self._is_dragged = False
        self._plotted = 0.0
        self._ball: viser.IcosphereHandle | None = None
        self.dials: dict[str, viser.GuiSliderHandle[float]] = {}
        self.strips: dict[str, Strip] = {}
        self.handle: viser.TransformControlsHandle | None = None
        self._build()

    def _build(self) -> None:
        gui, offer = self.server.gui, self.offer
        self.instruction, self.status = gui.add_markdown(""), gui.add_markdown("")
        self.add_driver(offer.drivers)
        if offer.has_policy and offer.has_dream:
            self.eyes = gui.add_dropdown(
                "Policy sees", ("truth", "dream"), hint="Whose pictures a policy acts on."
            )
            self.eyes.on_update(lambda _: self.tell("eyes", self.eyes.value))
        if len(offer.drones) > 1:
            self.drone = gui.add_dropdown("Steers", offer.drones)
            self.drone.on_update(lambda _: self.tell("drone", self.drone.value))
        self.add_buttons("One step", can_record=bool(offer.record_to))
        if offer.has_dream:
            self.add_button("wake", "Dream anew from here", viser.Icon.REFRESH)
        with gui.add_folder("Start"):
            self.add_start(repeats=True)
            self.pace = gui.add_slider("Pace", 0.1, 2.0, 0.1, 1.0, hint="Of real time.")
            self.pace.on_update(lambda _: self.tell("pace", self.pace.value))
        if offer.bodies or offer.dials:
            with gui.add_folder("Physics"):
                self._add_physics()
        with gui.add_folder("Sticks and keys"):
            add_sticks(gui)
            self._listening = gui.add_markdown(UNHEARD)
            gui.add_markdown(offer.legend)
        self.add_button("finish", "Finish", viser.Icon.FLAG)
        self.add_hotkeys()
        self.add_side("Cameras and signals", SIDE_WIDTH)
        self.listen(offer.keys, self._player.hold, self._player.look)

    def _add_physics(self) -> None:
        gui, offer = self.server.gui, self.offer
        if offer.bodies:
            self.push = gui.add_slider(
                "Push [m/s]", 0.1, 3.0, 0.1, offer.push,
                hint=f"Away from you, within a moment: {', '.join(offer.bodies)}.",
            )  # fmt: skip
            self.add_button("push", "Push", viser.Icon.WIND, value=lambda: self.push.value)
        for name, (low, high) in offer.dials.items():
            self.dials[name] = gui.add_slider(f"{name} x", low, high, 0.05, 1.0)
            self.dials[name].on_update(
                lambda _, name=name: self.tell("dial", (name, self.dials[name].value))
            )

    # what is shown

    def show(self, now: Instant) -> None:
        """Draw an instant everywhere."""
        write(self.instruction, f"### “{now.instruction}”")
        lines = [f"**{now.headline}** · {now.seconds:.1f} s", *now.lines]
        write(self.status, "\n\n".join(lines))
        write(self._listening, "" if self.held.is_listening else UNHEARD)
        self.show_controls(now)
        self.stage.show(now.row)
        self._place(now)
        for camera in dict.fromkeys([*now.imagined, *now.images]):
            self._show_camera(camera, now.images.get(camera), now.imagined.get(camera))
        self._plot(now)

    def _show_camera(self, camera: str, true: Frames | None, imagined: Frames | None) -> None:
        found = {camera: true, f"{camera}, imagined": imagined}
        tiles = {name: picture for name, picture in found.items() if picture is not None}
        if true is not None and imagined is not None and true.shape == imagined.shape:
            tiles["difference x2"] = difference(true, imagined)
        width = PAIRED_TILE if self.offer.has_dream else TILE
        self.picture(camera, list(tiles.values()), list(tiles), width)

    def _plot(self, now: Instant) -> None:
        if not self.strips:  # below the cameras
            with self.side:
                for title, names in self.offer.plots.items():
                    self.strips[title] = Strip(self.server.gui, title, names)
        for title, values in now.values.items():
            self.strips[title].add(now.seconds, values)
        late = time.monotonic()
        if late - self._plotted >= PLOT_PERIOD or now.is_paused:
            self._plotted = late
            for strip in self.strips.values():
                strip.draw()

    def _place(self, now: Instant) -> None:
        """Put the handle and the ball where they are, unless the handle is being dragged."""
        if now.handle is not None:
            if self.handle is None:
                self._add_handle(now.handle)
            elif not self._is_dragged and _differ(self.handle.position, now.handle):
                self.handle.position = now.handle
        if now.dreamt is None:
            if self._ball is not None:
                self._ball.visible = False
            return
        if self._ball is None:
            self._ball = self.server.scene.add_icosphere("/dreamt", 0.015, (177, 151, 252))
        self._ball.position, self._ball.visible = now.dreamt, True

    def _add_handle(self, position: NDArray[np.float64]) -> None:
        self.handle = self.server.scene.add_transform_controls(
            "/handle", HANDLE_SIZE, disable_rotations=True, depth_test=False, position=position
        )

        @self.handle.on_update
        async def _(event: viser.TransformControlsEvent) -> None:  # async: in order
            self._is_dragged = event.phase != "end"
            if event.phase == "update":
                self.tell("target", np.array(event.target.position, float))


def _differ(a: Sequence[float] | NDArray, b: NDArray) -> bool:
    return bool(np.abs(np.asarray(a) - b).max() > 1e-3)
