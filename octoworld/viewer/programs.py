"""ProgramTab: plan, code with the line that runs, call results, state changes, feedback."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import viser

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.programs import PROGRAM, ProgramMoment, is_program, moment_of

from .frames import PAPER, captioned_row
from .recording import cameras, true_images

WIDTH, VIEW, MOST_VIEWS = 600, 192, 3
"""Of the picture, of one camera in it [px], and cameras shown."""
RUNNING, GOOD, BAD, DIM = "#f59f00", "#40c057", "#fa5252", "#8b909a"
"""Of the line that runs, of what went well and badly, and of what is beside the point."""
SEVERAL_TURNS = "Turn {turn} of {turns}"
LONG_PLAN = 8
"""Lines from which on a plan is folded away."""
COLUMNS = "display:grid;grid-template-columns:1fr 1fr;gap:12px"
CODE = "font:12px/1.5 monospace;white-space:pre-wrap;overflow-wrap:anywhere"
MARK = f"background:{RUNNING}33;border-left:3px solid {RUNNING};padding-left:5px"
PLAIN = "border-left:3px solid transparent;padding-left:5px"
KEYWORDS = (
    "def", "for", "in", "if", "elif", "else", "while", "return", "not", "and", "or", "True",
    "False", "None", "try", "except", "break", "continue", "pass",
)  # fmt: skip
_WORD = re.compile(rf"""('[^']*'|"[^"]*")|(#.*)|\b({"|".join(KEYWORDS)})\b""")
_INKS = ("#b5bd68", DIM, "#b197fc")
"""Of strings, comments and the language's words."""


class ProgramTab:
    """The tab's text; empty for episodes without a program."""

    def __init__(self, gui: viser.GuiApi, theme: str) -> None:
        """Add it to the GUI container that is open."""
        self._theme = theme
        blank = np.full((1, WIDTH, 3), PAPER[theme], np.uint8)
        self.picture = gui.add_image(blank, format="jpeg", visible=False)
        self.text = gui.add_html("")

    def show(self, episode: Episode, row: int) -> None:
        """Draw a row.

        Raises:
            DatasetError: what was recorded does not fit the episode.
        """
        self._look(episode, row)
        if not is_program(episode.info):
            self.text.content = _note("This episode has no program: actions were chosen directly.")
            return
        self.text.content = program_html(episode.info[PROGRAM], moment_of(episode, row))

    def _look(self, episode: Episode, row: int) -> None:
        """What the agent's cameras saw, in one row."""
        seen = {camera: true_images(episode, camera) for camera in cameras(episode)[:MOST_VIEWS]}
        tiles = {camera: frames[row] for camera, frames in seen.items() if frames is not None}
        self.picture.visible = bool(tiles)
        if tiles:
            scale = max(1, VIEW // next(iter(tiles.values())).shape[1])
            self.picture.image = captioned_row(
                list(tiles.values()), list(tiles), scale, self._theme
            )


def program_html(facts: Mapping[str, Any], now: ProgramMoment) -> str:
    """Everything about one moment, as HTML that fits both themes.

    Raises:
        DatasetError: something is missing in what was recorded.
    """
    try:
        parts = [_note(f"{facts['agent']}, strategy {facts['strategy']}")]
        if len(facts["turns"]) > 1:
            told = SEVERAL_TURNS.format(turn=now.number + 1, turns=len(facts["turns"]))
            parts.append(f"<b>{told}</b>")
        parts += _turn(now)
        if now.is_end and now.number == len(facts["turns"]) - 1:
            told = f"The episode ended ({facts['ended']}); {100 * facts['progress']:.0f} %"
            parts.append(_said(f"{told} of the goal.", GOOD if facts["progress"] == 1 else BAD))
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"the recorded program is damaged ({error!r}); record it again"
        ) from None
    return _page(parts)


def turn_html(turn: Mapping[str, Any], num_done: int) -> str:
    """One turn alone, of whose calls `num_done` are done, as HTML that fits both themes."""
    return _page(_turn(ProgramMoment(0, turn, num_done)))


def _page(parts: list[str]) -> str:
    body = "".join(f'<div style="margin:0 0 10px">{part}</div>' for part in parts if part)
    return f'<div style="padding:4px 10px;font:13px/1.45 sans-serif">{body}</div>'


def _turn(now: ProgramMoment) -> list[str]:
    turn, parts = now.turn, []
    if turn["plan"]:
        plan = f'<div style="{CODE}">{html.escape(turn["plan"])}</div>'
        parts.append(_fold("Plan", plan, is_open=turn["plan"].count("\n") < LONG_PLAN))
    if turn["problem"]:
        parts.append(_said(f"no program: {turn['problem']}", BAD))
    code = _code(turn["program"], now.line) if turn["program"] else ""
    parts.append(f'<div style="{COLUMNS}"><div>{code}</div><div>{_calls(now)}</div></div>')
    return [*parts, *(_ending(turn) if now.is_end else [])]


def _code(program: str, running: int) -> str:
    """The program with line numbers; the line that runs is marked."""
    lines = []
    for number, line in enumerate(program.rstrip("\n").split("\n"), 1):
        style = MARK if number == running else PLAIN
        lines.append(
            f'<div style="{style}"><span style="color:{DIM}">{number:3d}  </span>'
            f"{_inked(line)}</div>"
        )
    return f'<div style="{CODE}">{"".join(lines)}</div>'


def _inked(line: str) -> str:
    """A line of code as HTML, its words in their colours."""
    parts, at = [], 0
    for found in _WORD.finditer(line):
        parts.append(html.escape(line[at : found.start()]))
        ink = _INKS[(found.lastindex or 1) - 1]
        parts.append(f'<span style="color:{ink}">{html.escape(found[0])}</span>')
        at = found.end()
    return "".join([*parts, html.escape(line[at:])])


def _calls(now: ProgramMoment) -> str:
    """The calls so far, the last of them with what it changed, and the one that comes."""
    done = now.turn["calls"][: now.call]
    rows = [_call(call, is_last=k == len(done) - 1) for k, call in enumerate(done)]
    if not now.is_end:
        comes = now.turn["calls"][now.call]
        rows.append(_said(f"▶ line {comes['line']}: {_written(comes)}", RUNNING))
    return "".join(rows)


def _call(call: Mapping[str, Any], *, is_last: bool) -> str:
    ink, mark = (GOOD, "✓") if call["ok"] else (BAD, "✗")
    told = call["message"] or ("done" if call["ok"] else "failed")
    value = "" if call["value"] is None else f" → {call['value']!r}"
    code = f" {call['code']}" if call["code"] else ""
    lines = [
        f'<div><span style="color:{ink}">{mark}{code}</span> '
        f'<span style="{CODE}">{html.escape(_written(call) + value)}</span></div>',
        f'<div style="color:{DIM};padding-left:16px">{html.escape(told)} '
        f"({call['seconds']:.1f} s)</div>",
    ]
    if is_last:
        for thing, states in call["changed"].items():
            now = ", ".join(f"{what}: {_plain(value)}" for what, value in states.items())
            lines.append(
                f'<div style="padding-left:16px"><b>{html.escape(str(thing))}</b> is now '
                f"{html.escape(now)}</div>"
            )
    return "".join(lines)


def _ending(turn: Mapping[str, Any]) -> list[str]:
    """How the turn ended, and what the agent was told."""
    parts = []
    if turn["output"]:
        parts.append(f'printed: <span style="{CODE}">{html.escape(turn["output"])}</span>')
    if turn["error"]:
        parts.append(_said(f"The program stopped at {turn['error']}", BAD))
    if turn["feedback"]:
        feedback = f'<div style="{CODE}">{html.escape(turn["feedback"])}</div>'
        parts.append(_fold("Feedback to the agent", feedback, is_open=False))
    return parts


def _written(call: Mapping[str, Any]) -> str:
    return f"{call['skill']}({', '.join(repr(a) for a in call['args'])})"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else str(value)


def _said(text: str, ink: str) -> str:
    return f'<div style="color:{ink}">{html.escape(text)}</div>'


def _note(text: str) -> str:
    return f'<div style="color:{DIM};padding:4px 0">{html.escape(text)}</div>'


def _fold(title: str, body: str, *, is_open: bool = True) -> str:
    opened = " open" if is_open else ""
    return f"<details{opened}><summary><b>{title}</b></summary>{body}</details>"
