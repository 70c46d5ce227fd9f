"""Sharing an episode: a film, a page that plays offline, a recording for Rerun."""

import base64
import json
import re
import sys

import av
import numpy as np
import pytest

from octoworld.cli.view import main
from octoworld.core.errors import ConfigError, DatasetError, DependencyError, OctoworldError
from octoworld.data.episode import Episode
from octoworld.data.writer import DatasetWriter
from octoworld.viewer.export import export_episode
from octoworld.viewer.films import film
from octoworld.viewer.offline import write_offline
from octoworld.viewer.svgplots import ticks

from .conftest import STEPS


def decoded(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def page(run_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("share") / "episode.html"
    return export_episode(run_folder, path, dataset="after", episode=1)


def numbers_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def test_film_has_a_frame_for_each_step(run_folder, tmp_path):
    path = export_episode(run_folder, tmp_path / "e.mp4", dataset="after")
    frames = decoded(path)
    assert len(frames) == STEPS
    # true, imagined, difference: 64 px four times enlarged, with gaps, under captions
    assert frames[0].shape == (4 * 64 + 18, 3 * 256 + 2 * 4, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["e.mp4"]


def test_rows_of_cameras_stand_under_one_another(episode):
    columns = dict(episode.columns)
    columns["observation.images.side"] = np.full((STEPS, 32, 32, 3), 7, np.uint8)
    frame = next(film(Episode(columns, "x", 10)))
    assert frame.shape == (2 * (256 + 18), 3 * 256 + 8, 3)
    assert (frame[-256:, :256] == 7).all()
    assert (frame[-256:, 256:] == 255).all()  # paper, where the second row is shorter


def test_page_is_one_file_that_fetches_nothing(page):
    text = page.read_text()
    assert [p.name for p in page.parent.iterdir()] == ["episode.html"]
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert "http://" not in text and "https://" not in text


def test_page_carries_the_film(page, tmp_path):
    (coded,) = re.findall(r'src="data:video/mp4;base64,([^"]+)"', page.read_text())
    (tmp_path / "inside.mp4").write_bytes(base64.b64decode(coded))
    assert len(decoded(tmp_path / "inside.mp4")) == STEPS


def test_page_carries_every_curve(page, run_folder):
    text = page.read_text()
    data = numbers_of(text)
    assert (data["fps"], data["last"]) == (10, STEPS - 1)
    rewards, reflector, actions = data["plots"]
    probability = 1 / (1 + np.exp(-(np.arange(STEPS) - 15) / 2.0))
    np.testing.assert_allclose(rewards[0], 0.8 * probability, atol=1e-6)
    assert reflector[2] == [float(p > 0.9) for p in probability]
    assert len(actions) == 4
    for name in ("reward", "success", "stop threshold", "action 3", "after, episode 1"):
        assert name in text


def test_page_of_numbers_alone(bare_folder, tmp_path):
    text = export_episode(bare_folder, tmp_path / "e.html").read_text()
    assert "<video" not in text and text.count("<svg") == 2


def test_page_escapes_what_the_recording_says(tmp_path):
    columns = {"next.reward": np.array([0.0, 1.0], np.float32)}
    told = Episode(columns, "</script><b>", 10, {"task": "<i>"})
    text = write_offline(tmp_path / "e.html", told).read_text()
    assert "<b>" not in text.replace("<b></b>", "") and "<i>" not in text
    numbers_of(text)


def test_values_that_are_not_finite_are_gaps(tmp_path):
    columns = {"next.reward": np.array([0.0, 2.0, np.nan, np.inf, 1.0], np.float32)}
    text = write_offline(tmp_path / "e.html", Episode(columns, "x", 10)).read_text()
    assert numbers_of(text)["plots"] == [[[0.0, 2.0, None, None, 1.0]]]
    (line,) = re.findall(r'<path d="([^"]+)"', text)
    assert line.count("M") == 2 and line.count("L") == 1


def test_ticks_are_round():
    assert ticks(-0.05, 1.05) == pytest.approx([0, 0.5, 1.0])
    assert ticks(0, 2.3) == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert ticks(-40, 900) == [0, 200, 400, 600, 800]


def test_command_line(run_folder, tmp_path, capsys):
    out = tmp_path / "e.html"
    data = str(run_folder / "episodes" / "before")
    assert main([data, "--export", str(out), "--episode", "1"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "before, episode 1" in out.read_text()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"path": "e.gif", "dataset": "after"}, ConfigError, ".mp4, .html, .rrd"),
        ({"path": "e.mp4"}, ConfigError, "--dataset after|before"),
        ({"path": "e.mp4", "dataset": "during"}, DatasetError, "after, before"),
        ({"path": "e.mp4", "dataset": "after", "episode": 2}, DatasetError, "0..1"),
        ({"path": "e.mp4", "dataset": "after", "episode": -1}, DatasetError, "0..1"),
    ],
)
def test_wrong_wishes_are_one_line(run_folder, tmp_path, options, error, words):
    path = tmp_path / options.pop("path")
    with pytest.raises(error) as caught:
        export_episode(run_folder, path, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_film(bare_folder, tmp_path):
    with pytest.raises(DatasetError, match="nothing to film"):
        export_episode(bare_folder, tmp_path / "e.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_video_leaves_the_earlier_export(run_folder, tmp_path):
    with DatasetWriter(tmp_path / "d", fps=10, robot="r") as writer:
        frames = np.zeros((3, 16, 16, 3), np.uint8)
        writer.add(Episode({"observation.images.front": frames}, "x", 10))
    out = export_episode(tmp_path / "d", tmp_path / "e.html")
    before = out.read_bytes()
    next((tmp_path / "d").rglob("*.mp4")).write_bytes(b"no video")
    with pytest.raises(OctoworldError, match="cannot be decoded"):
        export_episode(tmp_path / "d", out)
    assert out.read_bytes() == before


def test_rerun_has_cameras_plots_and_bodies_on_one_timeline(run_folder, tmp_path):
    chunks = pytest.importorskip("rerun.chunk", reason="pip install 'octoworld[rerun]'")
    path = export_episode(run_folder, tmp_path / "e.rrd", dataset="after")
    rows: dict[str, int] = {}
    for chunk in chunks.RrdReader(path).stream():
        if not chunk.is_static:
            assert set(chunk.timeline_names) >= {"step", "time"}
            rows[chunk.entity_path] = rows.get(chunk.entity_path, 0) + chunk.num_rows
    for place in (
        "/cameras/front/true",
        "/cameras/front/imagined",
        "/cameras/front/difference",
        "/plots/reflector",
        "/plots/actions",
        "/world/block",
        "/world/fore",
    ):
        assert rows[place] == STEPS


def test_without_rerun_the_command_says_what_to_install(bare_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)  # as if it were not installed
    with pytest.raises(DependencyError, match=r"pip install 'octoworld\[rerun\]'"):
        export_episode(bare_folder, tmp_path / "e.rrd")
    assert list(tmp_path.iterdir()) == []
