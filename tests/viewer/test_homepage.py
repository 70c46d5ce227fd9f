"""A household in a true browser: a person chooses a skill and runs it, and finds it recorded."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from octoworld.data.programs import PROGRAM
from octoworld.data.reader import Dataset
from octoworld.recipes.live.home import HomeConfig, play_home
from octoworld.viewer.homepage import HomePage

from .browser import UNDRAWN, needs_browser, open_tab, pictures, wait_for

pytestmark = [needs_browser, pytest.mark.timeout(600)]
SLOW = 120_000
"""[ms]"""


class Job(threading.Thread):
    """`play_home` beside the test, with what its page shows."""

    page: HomePage

    def __init__(self, out):
        super().__init__(daemon=True)
        self.out, self.opened, self.instants, self.facts = out, threading.Event(), [], None

    def run(self):
        def on_open(page, session):
            self.page, show = page, page.show
            page.show = lambda now: (self.instants.append(now), show(now))
            self.opened.set()

        config = HomeConfig(first_seed=3, port=18880, pace=10.0)
        self.facts = play_home("put_away:mug:cabinet", self.out, config, on_open=on_open)

    @property
    def now(self):
        return self.instants[-1]


def test_a_person_calls_a_skill_and_runs_a_program(tmp_path, monkeypatch):
    shots = pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    job = Job(Path("data"))
    job.start()
    assert job.opened.wait(90)
    with open_tab(job.page.url, "Acts", UNDRAWN) as tab:
        tab.set_default_timeout(SLOW)

        def click(name):
            tab.get_by_role("button", name=name, exact=True).click()

        click("Record")
        assert wait_for(lambda: job.now.is_recording)

        choose(tab, "go_to", "open")
        assert wait_for(lambda: job.page.chosen[0].label == "piece")
        choose(tab, "fridge_1", "cabinet_1")  # only what has a door is offered
        click("Call the skill")
        tab.wait_for_selector("text=the robot is not at cabinet_1")  # and why it did not work
        choose(tab, "open", "go_to")
        assert wait_for(lambda: job.page.chosen[0].label == "place")
        click("Call the skill")
        tab.wait_for_selector("text=robot is now at")

        click("Write the oracle's program")
        assert wait_for(lambda: "done()" in job.page.program.value)
        click("Run the program")
        tab.wait_for_selector("text=Over: the goal holds")
        tab.wait_for_selector("text=Goal: 100 % holds")
        tab.screenshot(path=shots / "home.png")
        click("Finish")
        job.join(60)
    assert job.facts == {"episodes": 1, "dataset": "data"}
    failed, went, oracle = Dataset(job.out).episode(0).info[PROGRAM]["turns"]
    assert failed["calls"][0]["code"] == "NOT_NEAR" and went["calls"][0]["ok"]
    assert oracle["calls"][-1]["skill"] == "done"


def choose(tab, shown, wanted):
    """Another option of the drop-down that shows `shown`."""
    # a drop-down keeps its value in a hidden input, behind the one that is seen and clicked: what
    # that one reads may be drawn late
    field = tab.locator(f"input[type=hidden][value='{shown}']").first
    field.locator("xpath=preceding::input[1]").click()
    tab.get_by_role("option", name=wanted, exact=True).click()
