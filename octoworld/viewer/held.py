"""Held: which keys, sticks and buttons are held down in the browser, told to Python.

viser has hot-keys that trigger once, but no event when a key is let go, and no gamepads. So a small
script goes with the page; it watches the keyboard and the browser's Gamepad API and writes what is
held as words into a text field of the page ("w d", "axis0:-0.53 pad9"), which viser brings to
Python like any other input: through the one port that is open anyway, for whoever the page is open
to. The field also shows what has arrived.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable

import viser

Held = dict[str, float]
"""What is held, by name: "w", "space", "shift", "pad0" at 1, "axis0" between -1 and 1."""
LABEL = "Held"
"""Of the field, by which the script finds it."""
NOTHING = "-"
"""What the field says when nothing is held; empty until a browser has told anything."""

SCRIPT = """
if (window.octoworldHeld) { window.octoworldHeld(); return; }
const wanted = new Set(%(keys)s), down = new Map(), deadzone = 0.12, shortest = 120;
let told = null;
const name = (code) =>
  code.replace(/^(Key|Digit)/, "").replace(/^(Shift)(Left|Right)$/, "$1").toLowerCase();
const field = () => {
  for (const label of document.querySelectorAll("label")) {
    if (label.textContent.trim() !== %(label)s) continue;
    for (let at = label; at; at = at.parentElement) {
      const input = at.querySelector("input");
      if (input) return input;
    }
  }
};
const pad = () => {
  const words = [];
  if (document.hidden || !navigator.getGamepads) return words;
  const found = [...navigator.getGamepads()].find((one) => one && one.connected);
  if (!found) return words;
  found.axes.slice(0, 4).forEach((value, i) => {
    const push = (Math.abs(value) - deadzone) / (1 - deadzone);
    if (push > 0.005) words.push(`axis${i}:${(Math.sign(value) * push).toFixed(2)}`);
  });
  found.buttons.forEach((button, i) => { if (button.pressed) words.push(`pad${i}`); });
  return words;
};
const sticks = () => Object.entries(window.octoworldSticks || {})
  .filter(([, value]) => Math.abs(value) > 0.05)
  .map(([name, value]) => `${name}:${value.toFixed(2)}`);
const tell = () => {
  const text = [...down.keys(), ...pad(), ...sticks()].join(" ") || %(nothing)s;
  const input = field();
  if (!input || text === told) return;
  told = text;
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, text);
  input.dispatchEvent(new Event("input", { bubbles: true }));
};
const take = (event) => {
  event.preventDefault();
  event.stopPropagation();
};
window.addEventListener("keydown", (event) => {
  const key = name(event.code);
  if (!wanted.has(key) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest && event.target.closest("input, textarea, select")) return;
  if (document.activeElement instanceof HTMLButtonElement) document.activeElement.blur();
  take(event);
  if (event.repeat) return;
  if (down.has(key)) clearTimeout(down.get(key).ending);
  down.set(key, { since: performance.now() });
  tell();
}, true);
window.addEventListener("keyup", (event) => {
  const key = name(event.code), press = down.get(key);
  if (!press) return;
  take(event);
  press.ending = setTimeout(() => { down.delete(key); tell(); },
    Math.max(0, shortest - (performance.now() - press.since)));
}, true);
const release = () => {
  for (const press of down.values()) clearTimeout(press.ending);
  down.clear();
  tell();
};
window.addEventListener("blur", release);
document.addEventListener("visibilitychange", release);
window.octoworldHeld = () => { told = null; tell(); };
setInterval(tell, 33);
tell();
"""
# - Listening in the capture phase, before viser, which moves its camera by some of these keys and
#   presses the button that was clicked last by the space bar.
# - The text goes in through the prototype's setter, since React hides the element's own.
# - viser sends at most one message in 50 ms for all inputs of one panel, the last one: hence a tap
#   is held for longer than that, and the field must not be in a panel with buttons.


class HeldInput:
    """The text field and the script, in the GUI container that is open."""

    def __init__(
        self, server: viser.ViserServer, keys: Iterable[str], on_change: Callable[[Held], None]
    ) -> None:
        """Call `on_change` whenever something is pressed or let go.

        Args:
            server: the page.
            keys: names of the keys that are taken; all others stay the browser's and viser's.
            on_change: called, in order, with all that is held; with nothing when a page closes.
        """
        words = {"keys": sorted(keys), "label": LABEL, "nothing": NOTHING}
        script = SCRIPT % {name: json.dumps(value) for name, value in words.items()}
        # an image without a picture: scripts among a page's later HTML are not run, handlers are
        server.gui.add_html(
            f'<img src="data:," style="display:none" onerror="{html.escape(script)}">'
        )
        self._is_closed = False
        self.text = server.gui.add_text(
            LABEL, "", hint="Keys, sticks and buttons that this page holds down now."
        )

        @self.text.on_update
        async def _(_: viser.GuiEvent) -> None:  # async: in the order of arrival
            on_change(parse_held(self.text.value))

        @server.on_client_disconnect
        async def _(_: viser.ClientHandle) -> None:
            on_change({})
            if not (server.get_clients() or self._is_closed):
                self.text.value = ""

    def close(self) -> None:
        """The server is about to stop: write nothing to the page any more."""
        self._is_closed = True

    @property
    def is_listening(self) -> bool:
        """Whether a browser's script has spoken."""
        return self.text.value != ""


def parse_held(text: str) -> Held:
    """What the field says: words that are names (held fully) or `name:value`, value in [-1, 1]."""
    held = {}
    for word in text.split():
        name, _, value = word.partition(":")
        try:
            held[name] = min(max(float(value), -1.0), 1.0) if value else 1.0
        except ValueError:  # typed by hand
            continue
    held.pop(NOTHING, None)
    return held
