"""Pictures: sizes, order of tiles, nearest-neighbour enlargement, films that play."""

import av
import numpy as np
import pytest
from PIL import Image

from octoworld.viewer.frames import (
    GAP,
    captioned_row,
    contact_sheet,
    difference,
    side_by_side,
    upscale,
    write_gif,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (2, 6, 8, 10, 3), dtype=np.uint8)


def test_upscale_repeats_pixels(pair):
    large = upscale(pair[0], 3)
    assert large.shape == (6, 24, 30, 3)
    assert (large[:, 1::3, 2::3] == pair[0]).all()


def test_side_by_side_is_true_then_imagined_then_difference(pair):
    true, imagined = pair
    film = side_by_side(true, imagined, scale=2, with_difference=True)
    assert film.shape == (6, 16, 3 * 20 + 2 * GAP, 3)
    assert (film[:, ::2, :20:2] == true).all()
    assert (film[:, ::2, 20 + GAP : 40 + GAP : 2] == imagined).all()
    assert (film[:, ::2, 40 + 2 * GAP :: 2] == difference(true, imagined)).all()


def test_side_by_side_cuts_to_the_shorter_and_takes_one_alone(pair):
    assert len(side_by_side(pair[0], pair[1, :4])) == 4
    assert side_by_side(pair[0], None, scale=1).shape == pair[0].shape


def test_side_by_side_refuses_other_sizes(pair):
    with pytest.raises(ValueError, match="differ in size"):
        side_by_side(pair[0], pair[1, :, :4])


def test_difference_is_symmetric_and_sees_a_wrong_hue():
    red, blue = np.zeros((2, 1, 1, 3), np.uint8)
    red[..., 0], blue[..., 2] = 100, 100
    assert (difference(red, blue) == 200).all()
    assert (difference(blue, red) == 200).all()
    assert (difference(red, red) == 0).all()


def test_captioned_row_keeps_the_pixels_below_its_captions(pair):
    row = captioned_row([pair[0, 0], pair[1, 0]], ["true", "imagined"], 4, "dark")
    assert row.shape[1] == 2 * 40 + GAP
    assert (row[-32:, :40] == upscale(pair[0, 0], 4)).all()


def test_contact_sheet_shows_first_and_last_frame(pair):
    true, imagined = pair
    sheet = contact_sheet(true, imagined, fps=10, columns=3, scale=2)
    last = sheet[:, -20 - GAP : -GAP]
    assert any((last[y : y + 16] == upscale(true[-1], 2)).all() for y in range(len(last) - 15))
    # three rows with what is imagined, one without
    assert contact_sheet(true, None, fps=10).shape[0] < sheet.shape[0]


def test_gif_plays_every_frame(pair, tmp_path):
    write_gif(tmp_path / "film.gif", upscale(pair[0], 4), fps=10)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.info["duration"] == 100
    with av.open(str(tmp_path / "film.gif")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6
