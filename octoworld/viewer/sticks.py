"""Sticks: two joysticks drawn on the page, for whoever has neither keys nor a gamepad.

They tell through `held` what they push, under the names that a gamepad's sticks have there:
`axis0` and `axis1` of the left one (right and down are positive), `axis2` and `axis3` of the right.
"""

from __future__ import annotations

import html

import viser

SCRIPT = """
const values = (window.octoworldSticks = window.octoworldSticks || {});
this.parentElement.querySelectorAll('[data-stick]').forEach((pad) => {
  const names = pad.dataset.stick.split(' '), knob = pad.firstElementChild;
  const put = (x, y) => {
    values[names[0]] = x;
    values[names[1]] = y;
    knob.style.transform = `translate(${34 * x}px, ${34 * y}px)`;
    if (window.octoworldHeld) window.octoworldHeld();
  };
  const follow = (event) => {
    const box = pad.getBoundingClientRect();
    let x = (2 * (event.clientX - box.left)) / box.width - 1;
    let y = (2 * (event.clientY - box.top)) / box.height - 1;
    const far = Math.max(1, Math.hypot(x, y));
    put(x / far, y / far);
    event.preventDefault();
  };
  pad.onpointerdown = (event) => {
    pad.setPointerCapture(event.pointerId);
    pad.onpointermove = follow;
    follow(event);
  };
  const release = () => { pad.onpointermove = null; put(0, 0); };
  pad.onpointerup = pad.onpointercancel = pad.onlostpointercapture = release;
});
"""
PAD = (
    "width:104px;height:104px;border-radius:50%;background:rgba(139,144,154,.18);"
    "border:1px solid rgba(139,144,154,.5);touch-action:none;cursor:grab;display:flex;"
    "align-items:center;justify-content:center"
)
KNOB = "width:36px;height:36px;border-radius:50%;background:#4dabf7;pointer-events:none"
WORDS = "font:11px sans-serif;color:#8b909a;text-align:center;margin-top:4px"


def add_sticks(gui: viser.GuiApi, left: str = "move", right: str = "up and down") -> None:
    """Add both to the GUI container that is open, with words below them."""
    pads = "".join(
        f'<div><div data-stick="{axes}" style="{PAD}"><div style="{KNOB}"></div></div>'
        f'<div style="{WORDS}">{html.escape(words)}</div></div>'
        for axes, words in (("axis0 axis1", left), ("axis2 axis3", right))
    )
    # an image without a picture: scripts among a page's later HTML are not run, handlers are
    starter = f'<img src="data:," style="display:none" onerror="{html.escape(SCRIPT)}">'
    row = "display:flex;justify-content:space-around;padding:6px 0"
    gui.add_html(f'<div style="{row}">{pads}{starter}</div>')
