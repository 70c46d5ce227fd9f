"""Views: what the pictures show, how they are packed, and that the world agrees with the state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from tasks.household import Household
from tasks.household.checker import check_success
from tasks.household.explore import IMPERFECT, explore
from tasks.household.programs import run
from tasks.household.scene import SURROUND, household_scene
from tasks.household.splits import SPLITS
from tasks.household.views import CAMERAS


def test_ten_views_in_two_packings(bench):
    b = bench().put("mug_1", "on", "table_1")
    images = b.house.observe("separate").images
    assert tuple(images) == CAMERAS and len(CAMERAS) == 10
    for image in images.values():
        assert image.shape == (64, 64, 3) and image.dtype == np.uint8 and image.std() > 5
    sheet = b.house.observe("sheet").images["sheet"]
    assert sheet.shape == (128, 320, 3)
    np.testing.assert_array_equal(sheet[:64, 128:192], images["surround0"])  # ahead
    np.testing.assert_array_equal(sheet[64:, 256:], images["house"])
    with pytest.raises(ConfigError, match=r"'video'.*separate, sheet, album, text, blind"):
        b.house.observe("video")


@pytest.mark.parametrize(
    ("table", "what", "value"),
    [
        ("dirty", "plate_1", True), ("temperature", "apple_1", 60.0), ("sliced", "apple_1", True),
        ("temperature", "apple_1", 5.0), ("cooking", "egg_1", 90.0), ("liquid", "glass_1", "milk"),
        ("running", "stove_1", True), ("opened", "cabinet_1", True), ("color", "glass_1", "blue"),
    ],
)  # fmt: skip
def test_every_state_is_seen(bench, table, what, value):
    def shown(changed: bool) -> np.ndarray:
        b = bench().put("plate_1", "on", "table_1").put("apple_1", "on", "table_1")
        b.put("egg_1", "on", "table_1").put("glass_1", "on", "table_1")
        if changed:
            getattr(b.state, table)[what] = value
        b.ok("go_to", "table_1" if what in b.state.place else what)
        return b.house.views.render(b.state, (SURROUND[0],), (128, 128)).astype(int)

    assert np.abs(shown(True) - shown(False)).max() > 25


def test_hidden_things_are_not_drawn_until_the_door_is_open(bench):
    b = bench().put("milk_1", "in", "fridge_1")
    b.ok("go_to", "fridge_1")
    views = b.house.views
    assert not any("milk_1" in seen for seen in views.seen(b.state, CAMERAS))
    b.ok("open", "fridge_1")
    seen = views.seen(b.state, CAMERAS, (128, 128))
    assert any("milk_1" in names for names in seen)
    assert all("mug_1" not in names for names in seen)  # in store
    assert "fridge_1" in seen[0]


def test_the_text_view_says_what_is_in_sight(bench):
    b = bench().put("mug_1", "on", "counter_1", "blue").put("milk_1", "in", "fridge_1")
    b.state.dirty["mug_1"] = True
    b.ok("go_to", "counter_1")
    words = b.house.observe("text").text
    assert "counter_1: mug_1 (blue, dirty) on it" in words and "fridge_1 (closed)" in words
    assert (
        "milk" not in words
        and "bed_1" not in words
        and words.endswith("held: nothing\nat: counter_1")
    )


def test_an_image_is_a_function_of_the_state(bench):
    """What another household of this home has shown in between leaves no trace."""
    b, other = bench().put("mug_1", "on", "table_1"), bench().put("apple_1", "on", "counter_1")
    first = b.house.observe("sheet").images["sheet"]
    other.ok("go_to", "counter_1")
    other.state.running["stove_1"] = other.state.opened["oven_1"] = True
    assert (other.house.observe("sheet").images["sheet"] != first).any()
    np.testing.assert_array_equal(b.house.observe("sheet").images["sheet"], first)


def test_threads_draw_one_home(bench):
    """Services have a thread for each session; OpenGL contexts go from hand to hand."""
    houses = [bench().put("mug_1", "on", f).house for f in ("table_1", "counter_1")] * 2

    def pictures(house):
        return [house.observe(p).images[n] for p, n in (("sheet", "sheet"), ("album", "table_1"))]

    expected = [pictures(house) for house in houses]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            for mine, told in zip(threads.map(pictures, houses), expected, strict=True):
                np.testing.assert_array_equal(mine[0], told[0])
                np.testing.assert_array_equal(mine[1], told[1])


def test_evaluator_and_checker_agree_after_every_program():
    """The checker reads the MuJoCo world; in long runs too there was no disagreement."""
    count = 0
    for name in ("seen", "objects"):
        for drawn in SPLITS[name].instances(16):
            instance = replace(drawn, layout=drawn.layout % 2)
            house = Household(instance)
            for turn in explore(instance, IMPERFECT).turns:
                for call in turn.calls:
                    run(house, [call])
                    assert check_success(house) == house.success, instance.key
                    count += 1
    assert count > 100


def test_the_scene_also_compiles_with_things_that_physics_moves(homes):
    from octoworld.core.registry import BACKENDS

    scene = household_scene(homes[0], "free")
    world = BACKENDS.get("mujoco")(scene, 1, num_threads=1)
    assert world.model.nv > 300
    world.close()


def test_the_album_has_a_picture_of_each_piece_and_shows_what_lies_there(bench):
    b = bench().put("mug_1", "on", "table_1")
    before = b.house.state.copy()
    seen = b.house.observe("album")
    album = seen.images
    (told,) = [line for line in seen.text.splitlines() if line.startswith("rooms: ")]
    assert all(f"{p.room} (" in told and p.name in told for p in b.house.home.pieces)
    assert list(album) == list(b.house.home.by_name) and b.house.state == before
    b.put("apple_1", "on", "desk_1")
    after = b.house.observe("album").images
    changed = {name for name in album if (album[name] != after[name]).any()}
    assert "desk_1" in changed
    rooms = {b.house.home.by_name[name].room for name in changed}
    assert rooms == {b.house.home.by_name["desk_1"].room}
