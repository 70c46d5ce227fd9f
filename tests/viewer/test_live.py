"""A live world in a true browser: who acts, pushes and pauses it; what it dreams; what is kept."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from octoworld.data.check import check
from octoworld.data.reader import Dataset
from octoworld.recipes.live import LiveConfig, play_live
from octoworld.recipes.live.session import LiveSession
from octoworld.viewer.live import LivePage

from .browser import needs_browser, open_tab, pictures, wait_for

pytestmark = [needs_browser, pytest.mark.timeout(240)]
WORLD = Path(__file__).resolve().parents[2] / "assets/checkpoints/tabletop"


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
            self.opened.set()

        config = LiveConfig(7, seconds=600.0, port=18580)
        self.facts = play_live(self.task, self.out, config, on_open=on_open, **self.options)

    @property
    def now(self):
        return self.instants[-1]


def test_arm_with_its_dream(tmp_path):
    job = Job("PickUp", tmp_path / "data", world_model=WORLD)
    job.start()
    assert job.opened.wait(90)
    with open_tab(job.page.url, "Acts") as tab:
        assert wait_for(lambda: job.page.held.is_listening, 60)
        assert wait_for(lambda: job.now.driver == "expert" and job.now.seconds > 0.5)
        tab.screenshot(path=pictures(tmp_path) / "live.png")
        tab.click("text=Finish")
        job.join(60)
