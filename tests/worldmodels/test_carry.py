"""Old frames' things are copied to where the state says they are now."""

import numpy as np
import torch

from octoworld.core.registry import TASKS
from sim.cameras import image_matrix, projection
from tasks.env import scene_cameras
from worldmodels.carry import Sight, carried, channels, points_in_image

SIGHT = Sight(torch.tensor([[[[2.0, 0, -1], [0, 2.0, -1], [0, 0, 1.0]]]]), torch.tensor([0.15]))
"""One camera, one point; the state is its place from the upper left corner, in images."""


def test_a_thing_moves_with_its_point():
    cells = torch.zeros(1, 2, 16, 16)
    cells[:, 0, 4:6, 4:6] = 1.0  # around (5/16, 5/16) of the image
    cells[:, 1, 12:, 12:] = 1.0  # something else, far from the point
    was = points_in_image(SIGHT.maps, torch.tensor([[5 / 16, 5 / 16]]))
    now = points_in_image(SIGHT.maps, torch.tensor([[[11 / 16, 8 / 16], [5 / 16, 5 / 16]]]))
    planes = carried([cells, cells], [was, was], now, SIGHT.spread)
    assert planes.shape == (2, channels(1, 2, 2), 16, 16)
    here, there, first, _, last, _ = planes[0]
    assert np.unravel_index(int(here.argmax()), (16, 16)) in [(7, 10), (7, 11), (8, 10), (8, 11)]
    assert np.unravel_index(int(there.argmax()), (16, 16)) in [(4, 4), (4, 5), (5, 4), (5, 5)]
    assert torch.equal(first, last)
    # carried by 6 columns and 3 rows, faded around the point
    assert first[7:9, 10:12].min() > 0.8
    assert first[4:6, 4:6].max() < 0.05
    # where nothing moved, the copy is the frame around the point
    still = planes[1, 2]
    torch.testing.assert_close(still, cells[0, 0] * planes[1, 0], atol=1e-5, rtol=1e-5)


def test_a_camera_behind_which_a_point_lies_gives_numbers():
    maps = torch.tensor([[[[1.0, 0, 0], [0, 1.0, 0], [0, 0, -1.0]]]])
    assert torch.isfinite(points_in_image(maps, torch.rand(3, 2))).all()


def test_image_matrix_is_the_projection():
    camera = scene_cameras(TASKS.get("PickUp")(1).scene())["front"]
    points = np.random.default_rng(0).uniform([0.3, -0.3, 0.0], [0.7, 0.3, 0.4], (20, 3))
    flat = np.c_[points, np.ones(20)] @ image_matrix(camera).T
    pixels, _ = projection(camera, points)
    size = np.array([camera.width, camera.height])
    np.testing.assert_allclose((flat[:, :2] / flat[:, 2:] + 1) / 2 * size, pixels, atol=1e-9)
