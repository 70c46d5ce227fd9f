"""A live world in a true browser: who acts, pushes and pauses it; what it dreams; what is kept."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from octoworld.data.reader import Dataset
from octoworld.recipes.live import LiveConfig, play_live
from octoworld.recipes.live.session import LiveSession
from octoworld.viewer.live import LivePage

from .browser import looks_as_stored, needs_browser, open_tab, pictures, wait_for

pytestmark = [needs_browser, pytest.mark.timeout(600)]
WORLD = Path(__file__).resolve().parents[2] / "assets/checkpoints/tabletop"
SCENE, SIDE = (370, 100, 740, 700), (760, 60, 1350, 700)
"""Where the page has the 3D scene, and cameras and plots."""


class Job(threading.Thread):
    """`play_live` beside the test, with what its page shows."""

    page: LivePage
    session: LiveSession

    def __init__(self, task, out, **options):
        super().__init__(daemon=True)
        self.task, self.out, self.options = task, out, options
        self.opened, self.instants, self.facts = threading.Event(), [], None

    def run(self):
        def on_open(page, session):
            self.page, self.session, show = page, session, page.show
            page.show = lambda now: (self.instants.append(now), show(now))
            session.is_paused = True
            self.opened.set()

        config = LiveConfig(7, seconds=600.0, port=18580)
        self.facts = play_live(self.task, self.out, config, on_open=on_open, **self.options)

    @property
    def now(self):
        return self.instants[-1]

    @property
    def step(self):
        return round(self.now.seconds * 10)


def test_a_person_drives_the_world_and_its_dream(tmp_path):
    job, shots = Job("PickUp", tmp_path / "data", world_model=WORLD), pictures(tmp_path)
    job.start()
    assert job.opened.wait(90)
    with open_tab(job.page.url, "Acts") as tab:
        assert wait_for(lambda: job.page.held.is_listening, 60)
        for number in range(1, 5):  # the expert, step by step, from a known start
            tab.keyboard.press("t")
            assert wait_for(lambda number=number: job.step == number)
        tab.wait_for_selector("text=reward and success", timeout=60_000)
        assert job.now.is_paused and job.now.driver == "expert"
        assert looks_as_stored(tab, "live-scene", SCENE, shots / "live.png")
        assert looks_as_stored(tab, "live-dream", SIDE, shots / "live.png")

        tab.keyboard.press("r")
        assert wait_for(lambda: job.now.is_recording)
        tab.keyboard.press("p")
        tab.keyboard.down("w")
        assert wait_for(lambda: job.now.driver == "you" and not job.now.is_paused)
        before = job.now.handle
        assert wait_for(lambda: job.now.handle[0] < before[0] - 0.02)
        tab.keyboard.up("w")

        stick = tab.locator("[data-stick]").first
        stick.scroll_into_view_if_needed()
        box = stick.bounding_box()
        assert box is not None
        middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
        before = job.now.handle
        tab.mouse.move(*middle)
        tab.mouse.down()
        tab.mouse.move(middle[0] + 40, middle[1])  # to the right
        assert wait_for(lambda: job.now.handle[1] > before[1] + 0.02), job.page.held.text.value
        tab.mouse.up()
        assert wait_for(lambda: "axis" not in job.page.held.text.value)

        tab.get_by_role("button", name="Push", exact=True).click(timeout=60_000)
        tab.keyboard.press("r")
        assert wait_for(lambda: job.session.recorder.saved == 1, 60)
        tab.get_by_role("button", name="Finish").click(timeout=60_000)
        job.join(60)
    episode = Dataset(job.out).episode(0)
    assert episode["is_intervention"].any() and len(episode.info["orders"]) == 1
    assert "observation.images.imagined.front" in episode.columns
    assert job.facts == {"episodes": 1, "dataset": str(job.out)}
