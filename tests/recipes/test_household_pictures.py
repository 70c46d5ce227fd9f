"""The sheet of household scenes: its parts have their places, and what was done can be seen."""

import numpy as np

from octoworld.recipes.household_pictures import (
    EPISODE,
    SMALL,
    STRIP,
    TILE,
    WIDTH,
    homes,
    moments,
    surround,
)
from tasks.household import Household


def test_the_parts_are_as_wide_as_the_sheet():
    house = Household(EPISODE)
    assert surround(house).shape == (SMALL + STRIP, WIDTH, 3)
    assert homes((2,)).shape == (TILE + STRIP, TILE, 3)
    drawn = moments(house)
    assert drawn.shape == (TILE + STRIP, WIDTH, 3) and drawn.dtype == np.uint8
    assert house.success
