"""Places of things on a table: room for each, and a start that is its own seed's."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from tasks.manipulation.places import Place, draw_places


def test_places_keep_their_room_and_depend_on_their_own_seed():
    place = Place((0.3, 0.6), (-0.2, 0.2), 0.06, (-0.2, 0.2))
    more = dict.fromkeys("abc", place)
    everyone = np.ones(200, bool)
    drawn = draw_places(WorldRng(range(200)), everyone, more)
    at = np.stack([drawn[name][:, :2] for name in more])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(at[i] - at[j], axis=1).min() >= 0.12
    some = np.arange(200) % 7 == 3
    again = draw_places(WorldRng(range(200)), some, more)
    np.testing.assert_array_equal(again["c"], drawn["c"][some])


def test_places_without_room_are_an_error():
    crowd = {str(i): Place((0.4, 0.5), (0.0, 0.1), 0.2) for i in range(3)}
    with pytest.raises(ConfigError, match="wider ranges or less room"):
        draw_places(WorldRng([0]), np.ones(1, bool), crowd)
