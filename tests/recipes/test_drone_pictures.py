"""The sheet of drone tasks: all are on it, and what is asked for can be seen."""

import numpy as np

from octoworld.core.registry import TASKS
from octoworld.recipes.drone_pictures import COLUMNS, HEIGHT, STRIP, VIEWS, WIDTH, picture, sheet
from tasks.drones.flying import FlyingTask
from tasks.language import COLORS


def pixels_like(image: np.ndarray, color: str) -> int:
    """How many have about the hue of a named colour, in whatever light."""
    ours = image.astype(float) / np.maximum(image.max(axis=-1, keepdims=True), 1)
    named = np.array(COLORS[color]) / max(COLORS[color])
    return int((np.abs(ours - named).max(axis=-1) < 0.08).sum())


def test_every_drone_task_has_its_picture():
    flying = {name for name in TASKS.names() if issubclass(TASKS.get(name), FlyingTask)}
    assert {view.task for view in VIEWS} == flying - {"Hover1D"}  # which looks as Hover does


def test_the_colour_that_is_asked_for_is_in_the_picture():
    view = next(v for v in VIEWS if v.task == "LandOnColoredPad")
    image, words = picture(view)
    assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
    asked = next(c for c in COLORS if c in words)
    assert pixels_like(image, asked) > 200


def test_a_sheet_has_whole_rows():
    views = tuple(v for v in VIEWS if v.task in ("Hover", "TakeOff"))
    image = sheet(views)
    assert image.shape == (HEIGHT + STRIP, COLUMNS * WIDTH, 3)
    assert (image[:, 2 * WIDTH :] == 255).all()
