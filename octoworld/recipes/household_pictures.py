"""The picture of the household scenes: homes, what the robot sees, and moments of an episode.

`python -m octoworld.recipes.household_pictures [FILE]` draws `assets/pictures/household.png` anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import OctoworldError
from tasks.household import Household, Instance, SkillResult
from tasks.household.oracle import solve
from tasks.household.scene import ABOVE, HOUSE, SURROUND
from tasks.household.views import CAMERAS

WIDTH, TILE, SMALL, STRIP = 1280, 320, 160, 26
"""Of the sheet, of large and of small pictures, and of the line of words below one [pixel]."""
LAYOUTS = (0, 3, 11, 18)
EPISODE = Instance("breakfast:bread:coffee:coffee_table", 2, 14)
"""A sliced bread, and a mug of coffee on the coffee table."""
MOMENTS = ("slice", "brew", "pick", "place_on")
"""Calls after which the episode is drawn; of the last one the last time."""
DETAIL = 2
"""Pictures are drawn this many times larger and made small: thin things stay smooth."""

Image = NDArray[np.uint8]


def words_below(image: Image, words: str) -> Image:
    """A picture with a line of words under it."""
    strip = np.full((STRIP, image.shape[1], 3), 255, np.uint8)
    cv2.putText(
        strip, words, (6, STRIP - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.40, (40, 40, 40), 1, cv2.LINE_AA
    )
    return np.concatenate([image, strip])


def drawn(house: Household, cameras: tuple[str, ...], size: int) -> list[Image]:
    """Square pictures of the household's present state."""
    # no larger than the off-screen buffer of the scene
    large = min(DETAIL * size, 480)
    images = house.views.render(house.state, cameras, (large, large))
    return [cv2.resize(i, (size, size), interpolation=cv2.INTER_AREA) for i in images]  # type: ignore[misc]


def homes(layouts: tuple[int, ...] = LAYOUTS) -> Image:
    """Whole homes from above, side by side."""
    found = []
    for layout in layouts:
        house = Household(Instance("put_on:mug:desk", layout, 3))
        image = drawn(house, (HOUSE,), TILE)[0]
        found.append(words_below(image, f"layout {layout}: {len(house.home.rooms)} rooms"))
    return np.concatenate(found, axis=1)


def surround(house: Household) -> Image:
    """The eight views around the robot."""
    images = drawn(house, SURROUND, SMALL)
    order = (3, 2, 1, 0, 7, 6, 5, 4)  # from left to right, ahead in the middle
    return words_below(
        np.concatenate([images[i] for i in order], axis=1),
        f"the eight views around the robot in the kitchen, 45 degrees apart; two more look down. "
        f"task: {house.instruction}",
    )


def moments(house: Household, names: tuple[str, ...] = MOMENTS) -> Image:
    """The episode after some calls of the oracle's program, with what the robot was told."""
    calls = list(solve(house).calls)
    wanted = [max(i for i, c in enumerate(calls) if c.name == n) for n in names]
    tiles: dict[int, Image] = {}
    for i, call in enumerate(calls):
        result: SkillResult = house.execute(call)
        if i in wanted:
            camera = ABOVE if call.name in ("pick", "place_on") else SURROUND[0]
            words = f"{call}: {result.message}"
            tiles[i] = words_below(drawn(house, (camera,), TILE)[0], words)
    return np.concatenate([tiles[i] for i in wanted], axis=1)


def sheet() -> Image:
    """The whole sheet, (H, 1280, 3) RGB."""
    house = Household(EPISODE)
    kitchen = next(p for p in house.home.pieces if p.kind.name == "counter")
    house.state.base = (*house.home.rooms[kitchen.room].center, 0.0)
    views = surround(house)
    house.reset()
    return np.concatenate([homes(), views, moments(house)])


def main() -> None:
    """Draw the sheet into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path("assets/pictures/household.png")
    parser.add_argument("out", nargs="?", type=Path, default=default)
    out = parser.parse_args().out
    image = np.ascontiguousarray(sheet()[..., ::-1])
    if not cv2.imwrite(str(out), image, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise OctoworldError(f"could not write {out}")
    print(f"{out}: {image.shape[1]} x {image.shape[0]}, {len(CAMERAS)} cameras a home")


if __name__ == "__main__":
    main()
