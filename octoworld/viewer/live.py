"""LivePage: a world that runs, beside what a world model imagines of it, with all its controls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import viser
from numpy.typing import NDArray
from viser._messages import HotkeyKey

from .frames import Frames, difference
from .held import Held
from .scenepage import UNHEARD, ScenePage, write
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

What = Literal[
    "driver", "eyes", "pause", "step", "reset", "repeat", "pace", "record", "push", "dial",
    "target", "drone", "wake", "finish",
]  # fmt: skip
Button = Literal["pause", "step", "reset", "record", "push", "wake", "finish"]
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
    the end; `pace` SHARE of real time; `record` starts or ends a recording; `push` SPEED [m/s];
    `dial` (NAME, SHARE); `target` (3,) where to go [m]; `drone` NAME is what is steered; `wake`
    begins the dream anew from the truth; `finish` ends it all."""
    value: Any = None


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


@dataclass(frozen=True)
class Instant:
    """What the page shows of one moment."""

    instruction: str
    headline: str
    """How the episode stands, in words."""
    seed: int
    """Of the start."""
    driver: str
    seconds: float
    """Into the episode [s]."""
    row: NDArray[np.float64]
    """How the world looks, (S,), see `recording`."""
    lines: tuple[str, ...] = ()
    """More to say: stages, what is recorded, what failed."""
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
    is_paused: bool = False
    is_recording: bool = False


class LivePage(ScenePage):
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
        super().__init__(scene_path, port=port, host=host, theme=theme)
        self.offer, self._player = offer, player
        self._seed, self._driver = offer.seed, offer.driver
        """As the page shows them; what differs from that was typed by a person."""
        self._is_dragged = False
        self._plotted = 0.0
        self._ball: viser.IcosphereHandle | None = None
        self.buttons: dict[Button, viser.GuiButtonHandle] = {}
        self._values: dict[Button, Callable[[], Any]] = {}
        self.dials: dict[str, viser.GuiSliderHandle[float]] = {}
        self.strips: dict[str, Strip] = {}
        self.handle: viser.TransformControlsHandle | None = None
        self._build()

    def _build(self) -> None:
        gui, offer = self.server.gui, self.offer
        self.instruction, self.status = gui.add_markdown(""), gui.add_markdown("")
        self.driver = gui.add_dropdown("Acts", offer.drivers, initial_value=offer.driver)
        self.driver.on_update(lambda _: self._driver_chosen())
        if offer.has_policy and offer.has_dream:
            self.eyes = gui.add_dropdown(
                "Policy sees", ("truth", "dream"), hint="Whose pictures a policy acts on."
            )
            self.eyes.on_update(lambda _: self._tell("eyes", self.eyes.value))
        if len(offer.drones) > 1:
            self.drone = gui.add_dropdown("Steers", offer.drones)
            self.drone.on_update(lambda _: self._tell("drone", self.drone.value))
        icon = viser.Icon
        self._button("pause", "Pause", icon.PLAYER_PAUSE, "blue")
        self._button("step", "One step", icon.PLAYER_SKIP_FORWARD)
        if offer.record_to:
            self._button("record", "Record", icon.PLAYER_RECORD, "red")
        if offer.has_dream:
            self._button("wake", "Dream anew from here", icon.REFRESH)
        with gui.add_folder("Start"):
            self.seed = gui.add_number("Seed", offer.seed, min=0, step=1)
            self.seed.on_update(lambda _: self._seed_typed())
            self._button("reset", "New start", icon.DICE)
            self.repeat = gui.add_checkbox("Start again after the end", True)
            self.repeat.on_update(lambda _: self._tell("repeat", self.repeat.value))
            self.pace = gui.add_slider("Pace", 0.1, 2.0, 0.1, 1.0, hint="Of real time.")
            self.pace.on_update(lambda _: self._tell("pace", self.pace.value))
        if offer.bodies or offer.dials:
            with gui.add_folder("Physics"):
                self._add_physics()
        with gui.add_folder("Sticks and keys"):
            add_sticks(gui)
            self._listening = gui.add_markdown(UNHEARD)
            gui.add_markdown(offer.legend)
        self._button("finish", "Finish", icon.FLAG)
        for what, (label, key) in HOTKEYS.items():
            if what in self.buttons:
                command = gui.add_command(label, hotkey=key)
                command.on_trigger(lambda _, what=what: self._clicked(what))
        self.add_side("Cameras and signals", SIDE_WIDTH)
        self.listen(offer.keys, self._player.hold, self._player.look)

    def _add_physics(self) -> None:
        gui, offer = self.server.gui, self.offer
        if offer.bodies:
            self.push = gui.add_slider(
                "Push [m/s]", 0.1, 3.0, 0.1, offer.push,
                hint=f"Away from you, within a moment: {', '.join(offer.bodies)}.",
            )  # fmt: skip
            self._button("push", "Push", viser.Icon.WIND, value=lambda: self.push.value)
        for name, (low, high) in offer.dials.items():
            self.dials[name] = gui.add_slider(f"{name} x", low, high, 0.05, 1.0)
            self.dials[name].on_update(
                lambda _, name=name: self._tell("dial", (name, self.dials[name].value))
            )

    def _button(
        self,
        what: Button,
        label: str,
        icon: viser.IconName,
        color: Any = "gray",
        value: Callable[[], Any] = lambda: None,
    ) -> None:
        self.buttons[what] = self.server.gui.add_button(label, icon=icon, color=color)
        self._values[what] = value
        self.buttons[what].on_click(lambda _: self._clicked(what))

    def _clicked(self, what: Button) -> None:
        self._tell(what, self._values[what]())

    def _tell(self, what: What, value: Any = None) -> None:
        self._player.tell(Order(what, value))

    def _driver_chosen(self) -> None:
        if self.driver.value != self._driver:
            self._driver = self.driver.value
            self._tell("driver", self._driver)

    def _seed_typed(self) -> None:
        if int(self.seed.value) != self._seed:
            self._seed = int(self.seed.value)
            self._tell("reset", self._seed)

    # what is shown

    def show(self, now: Instant) -> None:
        """Draw an instant everywhere."""
        write(self.instruction, f"### “{now.instruction}”")
        lines = [f"**{now.headline}** · {now.seconds:.1f} s", *now.lines]
        write(self.status, "\n\n".join(lines))
        write(self._listening, "" if self.held.is_listening else UNHEARD)
        self._label("pause", "Go on" if now.is_paused else "Pause")
        if "record" in self.buttons:
            self._label("record", "Stop recording" if now.is_recording else "Record")
        if now.seed != self._seed:
            self._seed = now.seed
            self.seed.value = now.seed
        if now.driver != self._driver:
            self._driver = now.driver
            self.driver.value = now.driver
        self.stage.show(now.row)
        self._place(now)
        for camera in dict.fromkeys([*now.imagined, *now.images]):
            self._show_camera(camera, now.images.get(camera), now.imagined.get(camera))
        self._plot(now)

    def _label(self, what: Button, label: str) -> None:
        if self.buttons[what].label != label:
            self.buttons[what].label = label

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
                self._tell("target", np.array(event.target.position, float))


def _differ(a: Sequence[float] | NDArray, b: NDArray) -> bool:
    return bool(np.abs(np.asarray(a) - b).max() > 1e-3)
