"""HomePage: a household that is at work, with its skills at hand: calls, programs, what they do."""

from __future__ import annotations

import ast
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import viser

from .controls import ControlInstant, ControlPage, Order
from .frames import Frames
from .programs import turn_html
from .scenepage import write

SIDE_WIDTH = 640
"""Of the panel at the right [px]."""
TILE = 192
"""Width that a camera's picture is enlarged to [px]."""
KNOWN = "columns:2;column-gap:16px;font:11px/1.5 monospace;padding:2px 10px;opacity:.85"
"""Style of what is in sight."""
NOTHING = "(nothing)"
"""An argument that is left out."""
MOST_ARGUMENTS = 2
"""Of a skill; no household skill has more."""


@dataclass(frozen=True)
class Slot:
    """One argument of a skill."""

    name: str
    choices: tuple[str, ...] = ()
    """Names that it can have; none: it is typed."""
    is_optional: bool = False


@dataclass(frozen=True)
class HomeOffer:
    """What can be done in a household."""

    drivers: tuple[str, ...]
    """Who may act."""
    driver: str
    """Who does at the start."""
    seed: int
    """Of the first start."""
    skills: Mapping[str, str]
    """Skill -> how it is called, and what it does."""
    pace: float = 2.0
    """Calls a second at the start."""
    record_to: str = ""
    """Where recordings go."""


@dataclass(frozen=True, kw_only=True)
class HomeInstant(ControlInstant):
    """What the page shows of one moment."""

    slots: Mapping[str, tuple[Slot, ...]]
    """Skill -> its arguments, with the names that exist now."""
    goal: Mapping[str, bool]
    """Parts of the goal, and whether they hold."""
    known: str
    """What is in sight and what is held, in lines of text."""
    turn: Mapping[str, Any] | None = None
    """What acts now or did last, see `octoworld.data.programs`; a call that comes is its last."""
    num_done: int = 0
    """Calls of the turn that are done."""
    images: Mapping[str, Frames] = field(default_factory=dict)
    """Pictures (H, W, 3) by camera; the same object as before: nothing has moved."""
    suggested: str = ""
    """A program for the text box; it is put there when it is another than before."""


class HomePage(ControlPage):
    """The page; it shows instants and tells orders, and knows no household."""

    def __init__(
        self,
        scene_path: Path,
        offer: HomeOffer,
        tell: Callable[[Order], None],
        *,
        port: int = 8080,
        host: str = "127.0.0.1",
        theme: str = "dark",
    ) -> None:
        """Open the page of the home in an MJCF file; `tell` is called by viser's threads."""
        super().__init__(
            scene_path, tell, offer.driver, offer.seed, port=port, host=host, theme=theme
        )
        self.offer = offer
        self._slots: Mapping[str, tuple[Slot, ...]] = {}
        self._suggested = ""
        self._images: Mapping[str, Frames] = {}
        gui = self.server.gui
        self.instruction, self.status = gui.add_markdown(""), gui.add_markdown("")
        self.add_driver(offer.drivers)
        self.add_buttons("One call", can_record=bool(offer.record_to))
        with gui.add_folder("A call"):
            self._add_call()
        with gui.add_folder("A program"):
            self.program = gui.add_text("Program", "", multiline=True)
            self.add_button(
                "program", "Run the program", viser.Icon.PLAYER_PLAY, "green",
                value=lambda: self.program.value,
            )  # fmt: skip
            self.add_button("suggest", "Write the oracle's program", viser.Icon.BULB)
        with gui.add_folder("Start"):
            self.add_start(repeats=False)
            self.pace = gui.add_slider("Calls a second", 0.2, 10.0, 0.2, offer.pace)
            self.pace.on_update(lambda _: self.tell("pace", self.pace.value))
        self.add_button("finish", "Finish", viser.Icon.FLAG)
        self.add_hotkeys()
        self.add_side("Home and program", SIDE_WIDTH)
        with self.side:
            blank = np.zeros((1, SIDE_WIDTH, 3), np.uint8)
            self.views = gui.add_image(blank, format="jpeg", visible=False)
            self.goal = gui.add_markdown("")
            self.known = gui.add_html("")
            self.turn = gui.add_html("")

    def _add_call(self) -> None:
        gui = self.server.gui
        self.skill = gui.add_dropdown("Skill", tuple(self.offer.skills))
        self.meaning = gui.add_markdown("")
        self.chosen: list[viser.GuiDropdownHandle[str]] = [
            gui.add_dropdown(f"argument {k}", [str(NOTHING)], visible=False)
            for k in range(MOST_ARGUMENTS)
        ]
        self.typed = [
            gui.add_text(f"argument {k}", "", visible=False) for k in range(MOST_ARGUMENTS)
        ]
        self.add_button(
            "call", "Call the skill", viser.Icon.HAND_CLICK, "green",
            value=lambda: (self.skill.value, self._arguments()),
        )  # fmt: skip
        self.skill.on_update(lambda _: self._arrange())

    def _arguments(self) -> tuple[Any, ...]:
        """What is chosen and typed, up to the first that is left out."""
        found = []
        for k, slot in enumerate(self._slots.get(self.skill.value, ())):
            value = self.chosen[k].value if slot.choices else _typed(self.typed[k].value)
            if slot.is_optional and value in (NOTHING, ""):
                break
            found.append(value)
        return tuple(found)

    def _arrange(self) -> None:
        """Offer the arguments of the skill that is chosen."""
        slots = self._slots.get(self.skill.value, ())
        write(self.meaning, f"`{self.offer.skills[self.skill.value]}`")
        for k in range(MOST_ARGUMENTS):
            slot = slots[k] if k < len(slots) else None
            is_chosen = slot is not None and bool(slot.choices)
            if slot is not None and slot.choices:
                options = (NOTHING, *slot.choices) if slot.is_optional else slot.choices
                if self.chosen[k].options != options:
                    self.chosen[k].options = options
                self.chosen[k].label = slot.name
            elif slot is not None:
                self.typed[k].label = slot.name
            self.chosen[k].visible = is_chosen
            self.typed[k].visible = slot is not None and not is_chosen

    def show(self, now: HomeInstant) -> None:
        """Draw an instant everywhere."""
        write(self.instruction, f"### “{now.instruction}”")
        lines = [f"**{now.headline}** · {now.seconds:.1f} simulated s", *now.lines]
        write(self.status, "\n\n".join(lines))
        self.show_controls(now)
        if now.slots != self._slots:
            self._slots = now.slots
            self._arrange()
        if now.suggested != self._suggested:
            self._suggested = self.program.value = now.suggested
        if now.images is not self._images:  # else nothing has happened since
            self._images = now.images
            self.stage.show(now.row)
            self.views.image = self.row_of(list(now.images.values()), list(now.images), TILE)
            self.views.visible = True
        done = [f"{'✓' if holds else '–'} `{part}`" for part, holds in now.goal.items()]
        share = sum(now.goal.values()) / max(1, len(now.goal))
        write(self.goal, "\n\n".join([f"**Goal: {100 * share:.0f} % holds**", *done]))
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in now.known.splitlines())
        _change(self.known, f'<div style="{KNOWN}">{lines}</div>')
        self._show_turn(now)

    def _show_turn(self, now: HomeInstant) -> None:
        content = ""
        if now.turn is not None:
            content = turn_html(now.turn, now.num_done)
        _change(self.turn, content)


def _change(handle: viser.GuiHtmlHandle, content: str) -> None:
    if handle.content != content:
        handle.content = content


def _typed(text: str) -> Any:
    """What was typed: a number, a truth value, or else words."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()
    return value if isinstance(value, int | float | bool | str) else text.strip()
