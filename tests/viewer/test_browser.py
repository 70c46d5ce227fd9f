"""The viewer in a true browser: the page comes up, shows its panels, and obeys the keyboard."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from octoworld.viewer.app import ViewerApp
from octoworld.viewer.recording import open_recording

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

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH (apt-get install chromium)"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def app(run_folder):
    app = ViewerApp(open_recording(run_folder), port=18280)
    yield app
    app.close()


@pytest.fixture
def tab(app):
    """A browser tab that has loaded the viewer."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1366, "height": 720})
        tab.goto(app.url)
        tab.wait_for_selector("text=Timeline", timeout=90_000)
        yield tab
        browser.close()


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def test_page_shows_its_panels_and_obeys_keys(app, tab, tmp_path):
    for text in (
        "Cameras and signals",
        "camera front",
        "reward and success",
        "reflector",
        "Results",
        "PushToZone",
        "push the block to the green zone",
    ):
        tab.wait_for_selector(f"text={text}", timeout=60_000)
    assert tab.locator("canvas").count() >= 3  # the scene and two plots
    tab.keyboard.press("l")
    assert wait_for(lambda: app.step == 1), f"the L key led to step {app.step}"
    tab.keyboard.press("End")
    assert wait_for(lambda: app.step == 23), f"the end key led to step {app.step}"
    app.timeline.value = 12
    tab.wait_for_selector("text=of 23", timeout=20_000)

    folder = Path(os.environ.get("OCTOWORLD_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def scene_is_drawn():
        tab.screenshot(path=folder / "viewer.png")
        with Image.open(folder / "viewer.png") as picture:
            middle = np.asarray(picture.convert("RGB"))[250:700, 370:740]
        # table, floor, arm and block: many colours where the empty page has one
        return len(np.unique(middle.reshape(-1, 3) // 16, axis=0)) > 20

    assert wait_for(scene_is_drawn, 60.0), "the 3D scene was not drawn"
