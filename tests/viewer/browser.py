"""Headless Chromium for tests of pages; it has WebGL without a graphics card."""

import contextlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",  # WebGL without a graphics card
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), "")
needs_browser = pytest.mark.skipif(
    not CHROMIUM, reason="no chromium on the PATH (apt-get install chromium)"
)

DRAWS = bool(os.environ.get("OCTOWORLD_SCREENSHOTS"))
UNDRAWN = (
    ""
    if DRAWS
    else """
for (const name of ['drawElements', 'drawArrays', 'drawElementsInstanced', 'drawArraysInstanced'])
  WebGL2RenderingContext.prototype[name] = () => {};
"""
)
"""Script of a tab whose 3D stays empty, unless screenshots are asked for: without a graphics card
a browser draws seconds at one picture of a scene of many parts, and obeys nobody meanwhile."""


@contextlib.contextmanager
def open_tab(url, text, script=""):
    """A browser tab that has loaded `url` up to `text`; `script` runs before the page's own."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1366, "height": 720})
        if script:
            tab.add_init_script(script)
        tab.goto(url)
        tab.wait_for_selector(f"text={text}", timeout=90_000)
        # that WebGL runs in software is known here
        tab.add_style_tag(content=".mantine-Notifications-root { display: none }")
        yield tab
        browser.close()


def wait_for(condition, seconds=60.0):
    """Whether `condition()` comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def pictures(tmp_path):
    """Where screenshots go: a folder of the reader's choice, or of the test."""
    folder = Path(os.environ.get("OCTOWORLD_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


STORED = Path(__file__).with_name("pictures")
SMALLER, TOLERANCE = 4, 14.0
"""Stored pictures are so many times smaller; mean difference of grey levels, of 255, that passes:
other versions of browser and fonts draw edges elsewhere, but no other robot."""


def looks_as_stored(tab, name, box, path, seconds=90.0):
    """Whether what stands in `box` (left, top, right, bottom) comes to look as the stored picture.

    With OCTOWORLD_DRAW_PICTURES set it is stored anew instead, after a while. The whole page is
    left at `path`.
    """
    stored = STORED / f"{name}.png"
    if os.environ.get("OCTOWORLD_DRAW_PICTURES"):
        time.sleep(20)
        STORED.mkdir(exist_ok=True)
        Image.fromarray(_small(tab, box, path)).save(stored, optimize=True)
        return True
    with Image.open(stored) as picture:
        wanted = np.asarray(picture.convert("RGB")).astype(float)
    return wait_for(lambda: np.abs(_small(tab, box, path) - wanted).mean() < TOLERANCE, seconds)


def _small(tab, box, path):
    """The part of a screenshot, (H, W, 3), smaller: single pixels do not matter."""
    tab.screenshot(path=path)
    with Image.open(path) as picture:
        part = picture.convert("RGB").crop(box)
        size = (part.width // SMALLER, part.height // SMALLER)
        return np.asarray(part.resize(size, Image.Resampling.BOX))
