"""One episode as one HTML file that plays without a server or a network: films, plots, facts."""

from __future__ import annotations

import base64
import html
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from octoworld.core.io import write_text
from octoworld.data.episode import Episode

from .films import write_film
from .plots import Curve, curves_of
from .recording import cameras, outcome
from .svgplots import LEFT, RIGHT, WIDTH, legend, svg_plot

STYLE = """
:root { color-scheme: light dark; --line: #8b909a55; --ink: #7c828d; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 1.5rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } .facts, figcaption { opacity: .75; margin: 0; }
.controls { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; padding: .6rem 0;
  position: sticky; top: 0; background: Canvas; z-index: 1; }
.controls input { flex: 1 1 16rem; } .controls output { min-width: 11rem; }
.parts { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; flex: 1 1 30rem; max-width: 42rem; }
video { max-width: 100%; border: 1px solid var(--line); }
svg { width: 100%; cursor: pointer; } svg path { fill: none; stroke-width: 1.8; }
svg text { font: 11px sans-serif; fill: var(--ink); } .grid { stroke: var(--line); }
.cursor { stroke: #f59f00; stroke-width: 1.6; }
.legend { font-size: .85rem; } .legend span { margin-right: .8rem; white-space: nowrap; }
td { padding: .1rem .8rem .1rem 0; vertical-align: top; }
"""

SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const slider = document.getElementById("step"), clock = document.getElementById("clock");
const play = document.getElementById("play"), speed = document.getElementById("speed");
const films = [...document.querySelectorAll("video")];
const plots = [...document.querySelectorAll(".plot")];
let step = 0, playing = false, began = 0, from = 0;
const draw = (wanted) => {
  step = Math.min(Math.max(wanted, 0), data.last);
  slider.value = step;
  clock.textContent = `step ${step} of ${data.last} · ${(step / data.fps).toFixed(2)} s`;
  plots.forEach((plot, i) => {
    const at = data.left + (data.right - data.left) * step / Math.max(data.last, 1);
    plot.querySelector(".cursor").setAttribute("transform", `translate(${at - data.left})`);
    plot.querySelectorAll("b").forEach((value, k) => {
      const number = data.plots[i][k][step];
      value.textContent = number === null ? "-" : Number(number.toPrecision(4));
    });
  });
};
// the middle of a frame: rounding of times never shows the one before
const seek = (film) => { film.currentTime = (step + 0.5) / data.fps; };
const show = (wanted) => { draw(wanted); films.forEach(seek); restart(); };
const restart = () => { began = performance.now(); from = step; };
const pause = () => {
  playing = false;
  play.textContent = "Play";
  films.forEach((film) => film.pause());
};
const start = () => {
  if (step >= data.last) show(0);
  playing = true;
  play.textContent = "Pause";
  restart();
  films.forEach((film) => { film.playbackRate = Number(speed.value); film.play(); });
  requestAnimationFrame(tick);
};
const tick = (now) => {
  if (!playing) return;
  const seconds = films.length ? films[0].currentTime
    : from / data.fps + (now - began) / 1000 * Number(speed.value);
  draw(Math.floor(seconds * data.fps + 1e-6));
  for (const film of films.slice(1))
    if (Math.abs(film.currentTime - films[0].currentTime) > 2 / data.fps) seek(film);
  if (step >= data.last) { pause(); show(data.last); return; }
  requestAnimationFrame(tick);
};
const jump = (wanted) => { pause(); show(wanted); };
slider.oninput = () => jump(Number(slider.value));
play.onclick = () => playing ? pause() : start();
speed.onchange = () => { if (playing) { pause(); start(); } };
document.querySelectorAll("[data-move]").forEach((button) => {
  button.onclick = () => jump(step + Number(button.dataset.move));
});
plots.forEach((plot) => {
  const svg = plot.querySelector("svg");
  svg.onclick = (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * data.width;
    jump(Math.round((x - data.left) / (data.right - data.left) * data.last));
  };
});
const keys = { " ": () => play.click(), ArrowRight: () => jump(step + 1),
  ArrowLeft: () => jump(step - 1), l: () => jump(step + 1), j: () => jump(step - 1),
  Home: () => jump(0), End: () => jump(data.last) };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === speed) return;
  const act = keys[event.key];
  if (act) { event.preventDefault(); act(); }
});
show(0);
"""

CONTROLS = """<div class="controls">
<button data-move="-1000000000">|&lt;</button><button data-move="-1">&lt;</button>
<button id="play">Play</button>
<button data-move="1">&gt;</button><button data-move="1000000000">&gt;|</button>
<select id="speed"><option value="0.25">1/4x</option><option value="0.5">1/2x</option>
<option value="1" selected>1x</option><option value="2">2x</option><option value="4">4x</option>
</select>
<input id="step" type="range" min="0" max="%d" value="0"><output id="clock"></output></div>
<p class="facts">Keys: space plays, arrows step, home and end jump; a click on a plot goes there.
</p>
"""


def write_offline(path: Path | str, episode: Episode, *, title: str = "") -> Path:
    """Write an episode as one HTML page with its films inside, atomically; returns its path.

    The page plays from a file, in any browser, with no network: every camera's true, imagined and
    difference pictures in step with the plots of `curves_of`. An episode without
    cameras has its plots alone.
    """
    path, plots = Path(path), curves_of(episode)
    data: dict[str, Any] = {
        "fps": episode.fps, "last": len(episode) - 1, "left": LEFT, "right": RIGHT, "width": WIDTH,
        "plots": [[_numbers(curve) for curve in curves] for _, curves in plots],
    }  # fmt: skip
    films = [_film(episode, camera) for camera in cameras(episode)]
    drawn = [
        f'<figure class="plot"><figcaption>{html.escape(name)}</figcaption>'
        f'{svg_plot(curves, episode.fps)}<div class="legend">{legend(curves)}</div></figure>'
        for name, curves in plots
    ]
    facts = outcome(episode)
    # "<" only occurs in strings of JSON, where this is another way to write it
    numbers = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>octoworld: {html.escape(title or episode.instruction)}</title>"
        f"<style>{STYLE}</style></head>\n<body>\n"
        f"<h1>“{html.escape(episode.instruction)}”</h1>\n"
        f'<p class="facts">{html.escape(title)}{" · " if title else ""}{html.escape(facts)}</p>\n'
        + CONTROLS % (len(episode) - 1)
        + f'<div class="parts">{"".join(films)}</div>\n<div class="parts">{"".join(drawn)}</div>\n'
        + _info(episode.info)
        + f'<script type="application/json" id="data">{numbers}</script>\n'
        f"<script>{SCRIPT}</script>\n</body></html>\n",
    )
    return path


def _film(episode: Episode, camera: str) -> str:
    """A camera's film as a video element that carries its own bytes."""
    with tempfile.TemporaryDirectory() as folder:
        coded = base64.b64encode(
            write_film(Path(folder) / "film.mp4", episode, [camera]).read_bytes()
        )
    return (
        f"<figure><figcaption>camera {html.escape(camera)}</figcaption>"
        f'<video muted playsinline preload="auto" src="data:video/mp4;base64,{coded.decode()}">'
        "</video></figure>"
    )


def _numbers(curve: Curve) -> list[float | None]:
    return [round(float(v), 6) if np.isfinite(v) else None for v in curve.values]


def _info(info: dict[str, Any]) -> str:
    rows = [
        f"<tr><td>{html.escape(str(k))}</td><td>{html.escape(str(v))}</td></tr>"
        for k, v in info.items()
    ]
    heading = "<details><summary>Facts of the episode</summary>"
    return f"{heading}<table>{''.join(rows)}</table></details>\n" if rows else ""
