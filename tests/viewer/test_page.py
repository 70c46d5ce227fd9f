"""The static page: it names what it shows, its files are there and play, nothing is fetched."""

import re

import av
import pytest
from PIL import Image

from octoworld.cli.view import main
from octoworld.core.errors import DatasetError
from octoworld.viewer.page import write_page


@pytest.fixture(scope="module")
def page(run_folder, tmp_path_factory):
    return write_page(run_folder, tmp_path_factory.mktemp("page"), episodes_per_dataset=1)


def test_page_shows_results_and_episodes(page):
    text = page.read_text()
    for expected in ("PickUp", "0.42", "0.61", "push the block to", "after", "before"):
        assert expected in text
    assert "success, 24 steps" in text


def test_page_is_self_contained(page):
    links = re.findall(r'(?:src|href)="([^"]+)"', page.read_text())
    assert len(links) == 4  # two data sets, one episode each: a film and a sheet
    for link in links:
        assert "://" not in link and (page.parent / link).stat().st_size > 0


def test_pictures_and_films_open(page):
    with Image.open(page.parent / "after-000-front.png") as sheet:
        assert sheet.width > 8 * 128  # eight frames of 64 px, twice enlarged
    with av.open(str(page.parent / "after-000-front.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.height, stream.width) == (192, 3 * 192 + 8)
        assert stream.codec_context.pix_fmt == "yuv420p"  # what every browser plays
        assert sum(1 for _ in film.decode(stream)) == 24


def test_text_of_a_run_is_escaped(bare_folder, tmp_path):
    folder = tmp_path / "a<b>"
    folder.mkdir()
    (folder / "episodes").mkdir()
    (folder / "episodes" / "numbers").symlink_to(bare_folder)
    text = write_page(folder, tmp_path / "out").read_text()
    assert "a&lt;b&gt;" in text and "<b>" not in text


def test_command_line_writes_the_page(run_folder, tmp_path, capsys):
    assert main([str(run_folder), "--page", str(tmp_path / "p"), "--episodes", "1"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "p" / "index.html")


def test_command_line_wrong_path(tmp_path):
    with pytest.raises(DatasetError, match="expected a run folder"):
        main([str(tmp_path / "nowhere")])
