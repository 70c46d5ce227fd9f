"""The viewer and its exported pages in a true browser: they come up and obey the keyboard."""

import time

import pytest

from octoworld.viewer.app import ViewerApp
from octoworld.viewer.export import export_episode
from octoworld.viewer.labelling import GLANCE
from octoworld.viewer.recording import open_recording

from .browser import looks_as_stored, needs_browser, open_tab, pictures, wait_for

pytestmark = [needs_browser, pytest.mark.timeout(400)]
SCENE, SIDE = (370, 250, 740, 700), (760, 60, 1350, 700)
"""Where the page has the 3D scene, and the tab at the right."""


@pytest.fixture(scope="module")
def app(run_folder):
    app = ViewerApp(open_recording(run_folder), port=18280)
    yield app
    app.close()


@pytest.fixture
def tab(app):
    """A browser tab that has loaded the viewer."""
    with open_tab(app.url, "Timeline") as tab:
        yield tab


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

    shot = pictures(tmp_path) / "viewer.png"
    assert looks_as_stored(tab, "replay-scene", SCENE, shot, 60.0), "the 3D scene was not drawn"
    assert looks_as_stored(tab, "replay-signals", SIDE, shot)


def test_exported_page_plays_from_a_file(run_folder, tmp_path):
    page = export_episode(run_folder, tmp_path / "episode.html", dataset="after")
    with open_tab(page.as_uri(), "reward and success") as tab:
        film = "document.querySelector('video')"
        tab.wait_for_function(f"{film}.readyState >= 2", timeout=60_000)
        assert tab.evaluate(f"[{film}.videoWidth, {film}.error]") == [776, None]
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#clock") == "step 1 of 23 · 0.10 s"
        tab.wait_for_function(f"Math.abs({film}.currentTime - 0.15) < 1e-3", timeout=20_000)
        first, second = (tab.locator(".cursor").nth(k).get_attribute("transform") for k in (0, 1))
        assert first == second and first.startswith("translate(25")
        tab.keyboard.press("Space")
        tab.wait_for_function("document.getElementById('step').value === '23'", timeout=60_000)
        assert tab.inner_text("#play") == "Play"  # it stopped at the end
        assert "success 1" in tab.inner_text(".legend >> nth=0")


def test_two_browsers_label_at_once(run_folder, tmp_path):
    (tmp_path / "episodes").symlink_to(run_folder / "episodes")
    app = ViewerApp(open_recording(tmp_path), port=18281, label_seed=0)
    try:
        with open_tab(app.url, "Timeline") as first:
            browser = first.context.browser
            assert browser is not None
            second = browser.new_page()
            second.goto(app.url)
            for tab in (first, second):
                tab.get_by_role("tab", name="Labels").click(timeout=60_000)
                tab.get_by_role("button", name="Start").click(timeout=60_000)
            assert wait_for(lambda: all(t.clips for t in app.label_tabs.values()), 60.0)
            questions = {tab.clips for tab in app.label_tabs.values()}
            shot = pictures(tmp_path) / "labels.png"
            assert looks_as_stored(first, "labels", SIDE, shot)
            time.sleep(2 * GLANCE)  # an answer at once is one to the question before
            first.get_by_role("button", name="A is better").click(timeout=60_000)
            second.get_by_role("button", name="as good").click(timeout=60_000)
            assert wait_for(lambda: len(app.store.labels()) == 2, 60.0)
            labels = app.store.labels()
            assert {label.clips for label in labels} == questions
            assert {label.preference for label in labels} == {1.0, 0.5}
            second.close()
            assert wait_for(lambda: len(app.label_tabs) == 1)
        assert len(app.store.labels()) == 2  # a closed browser loses nothing
    finally:
        app.close()
