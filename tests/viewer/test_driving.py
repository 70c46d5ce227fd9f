"""Teleoperation in a true browser: keys and sticks move the tool, buttons keep what was done."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from octoworld.data.reader import Dataset
from octoworld.recipes.rollouts import RolloutConfig
from octoworld.recipes.teleop import TeleopConfig, teleoperate
from octoworld.recipes.teleop.commands import Commands
from octoworld.viewer.driving import DrivingPage

from .browser import DRAWS, UNDRAWN, needs_browser, open_tab, pictures, wait_for

pytestmark = [needs_browser, pytest.mark.timeout(240)]

GAMEPAD = """
window.testPad = { connected: true, axes: [0, 0, 0, 0], buttons: [] };
navigator.getGamepads = () => [window.testPad];
"""
"""A gamepad whose sticks the test moves; no such thing is plugged in here."""


class Job(threading.Thread):
    """`teleoperate` beside the test, with what its page shows."""

    page: DrivingPage
    commands: Commands

    def __init__(self, out):
        super().__init__(daemon=True)
        self.out, self.opened, self.moments = out, threading.Event(), []
        self.facts = None

    def run(self):
        def on_open(page, commands):
            self.page, self.commands, show = page, commands, page.show
            page.show = lambda moment: (self.moments.append(moment), show(moment))
            self.opened.set()

        config = TeleopConfig(2, 11, seconds=600.0, port=18480)
        rollouts = RolloutConfig(1, 6, cameras=("front", "wrist"))
        self.facts = teleoperate("PickUp", self.out, rollouts, config, on_open=on_open)

    @property
    def now(self):
        return self.moments[-1]

    @property
    def tool(self):
        """Where the 3D view has the tool [m]."""
        assert self.page.stage.replay is not None
        return self.page.stage.replay.data.site("tool").xpos.copy()


def test_keys_move_the_tool_and_buttons_keep_the_episode(tmp_path):
    job = Job(tmp_path / "data")
    job.start()
    assert job.opened.wait(90)
    with open_tab(job.page.url, "Ready", GAMEPAD + UNDRAWN) as tab:
        assert wait_for(lambda: job.page.held.is_listening, 60)
        tab.wait_for_selector("text=block", timeout=60_000)
        before, step = job.tool, job.now.seconds
        assert step == 0 and job.now.phase == "waiting"

        tab.keyboard.down("w")  # away from the person, who looks at the arm: toward its base
        assert wait_for(lambda: job.now.phase == "driving")
        tab.keyboard.down("d")  # both at once
        assert wait_for(lambda: (np.abs(job.tool - before)[:2] > 0.02).all())
        moved = job.tool - before
        assert moved[0] < -0.02 and moved[1] > 0.02, moved
        tab.keyboard.up("w")
        tab.keyboard.up("d")
        assert wait_for(lambda: not job.page.held.text.value.strip("-"))
        tab.keyboard.press("Space")

        height = job.tool[2]
        tab.evaluate("window.testPad.axes[3] = -1")  # a stick that is pushed up
        assert wait_for(lambda: job.tool[2] > height + 0.02), job.page.held.text.value
        tab.evaluate("window.testPad.axes[3] = 0")
        if DRAWS:
            screenshot(tab, pictures(tmp_path) / "teleop.png")

        tab.click("text=Keep")
        tab.wait_for_selector("text=1 kept", timeout=60_000)
        assert Dataset(job.out).episode(0)["action"][:, -1].min() == -1
        tab.keyboard.press("Space")  # drives; does not click the button that was clicked last
        assert wait_for(lambda: job.now.phase == "driving")
        assert job.now.note == "1 kept, 0 discarded"
        tab.keyboard.press("Backspace")
        tab.wait_for_selector("text=1 discarded", timeout=60_000)
        tab.click("text=Finish")
        job.join(60)
    assert job.facts is not None and job.facts["episodes"] == 1


def screenshot(tab, path):
    """Take it once the scene is drawn."""

    def is_drawn():
        tab.screenshot(path=path)
        with Image.open(path) as picture:
            middle = np.asarray(picture.convert("RGB"))[100:700, 370:1000]
        return len(np.unique(middle.reshape(-1, 3) // 16, axis=0)) > 20

    assert wait_for(is_drawn, 60.0), "the 3D scene was not drawn"
