"""Album: one picture of each piece of furniture, as the robot would see it from before the piece.

Furniture is fixed, so its places and names can be known beforehand; what lies on it and how it is
cannot. A picture stands for its piece: agents that see point at places by pointing at pictures.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from robots.mobile_panda.spec import MAST

from .furniture import FurnitureKind
from .home import Piece
from .scene import PITCH, SURROUND, SURROUND_FOVY
from .state import State

if TYPE_CHECKING:
    from .views import Views

BACK = 0.30
"""How far behind a piece's stand its picture is taken [m]: as much as is kept free there."""
SHARPER = 2
"""Pictures are taken at so many times their size, and the part with the piece is cut out."""
TALL = 0.20
"""Height of things that is kept in the picture above what they stand on [m]."""


def photo_pose(piece: Piece) -> tuple[float, float, float]:
    """Base (x, y, yaw) from which the mast, which is beside the arm, sees a piece in the middle."""
    return (*piece.to_world(MAST[1], -_distance(piece.kind)), piece.yaw + math.pi / 2)


def _distance(kind: FurnitureKind) -> float:
    return kind.size[1] / 2 + kind.standoff + BACK


@lru_cache(maxsize=256)
def window(kind: FurnitureKind) -> tuple[float, float, float]:
    """The square of a picture that holds what a piece carries: middle (x, y) and half its edge.

    In halves of the picture, x to the right and y up; never beyond the picture.
    """
    width, depth, height = kind.size
    levels = [kind.surface + TALL] if kind.surface else []
    levels += [*kind.cavity] if kind.cavity else []
    levels += [min(height, kind.surface or height)]
    points = [
        _projected(kind, x, y, z)
        for x, y, z in product((-width / 2, width / 2), (-depth / 2, depth / 2), levels)
    ]
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    low, high = np.clip(low - 0.08, -1, 1), np.clip(high + 0.08, -1, 1)
    half = float(max(1 / SHARPER, *(high - low) / 2))
    x, y = (float(v) for v in np.clip((low + high) / 2, half - 1, 1 - half))
    return x, y, half


def _projected(kind: FurnitureKind, x: float, y: float, z: float) -> tuple[float, float]:
    """Where a point of a piece's frame [m] is in its picture, in halves of the picture."""
    ahead, up = y + _distance(kind) - MAST[0], z - MAST[2]
    c, s = math.cos(PITCH), math.sin(PITCH)
    scale = (ahead * c - up * s) * math.tan(math.radians(SURROUND_FOVY) / 2)
    return x / scale, (ahead * s + up * c) / scale


def photograph(
    views: Views, state: State, size: tuple[int, int], only: Container[str] | None = None
) -> NDArray[np.uint8]:
    """Pictures (pieces, H, W, 3) in the home's order, of a state that is left as it is.

    `only`: names of the pieces wanted; None: all. Furniture of other rooms is left out, which makes
    it faster; through a doorway it would be in the background of some pictures.
    """
    found: dict[int, NDArray[np.uint8]] = {}
    for index, piece, elsewhere in _posed(views, state, only):
        # one sample a pixel: what is made smaller is smooth anyway
        image = views.world.render(
            SURROUND[0], size=_sharp(size), without=elsewhere, exact=True
        )[0]  # fmt: skip
        cut = _cut(image, window(piece.kind))
        cut = cv2.resize(cut, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        found[index] = np.asarray(cut, np.uint8)
    return np.stack([found[index] for index in sorted(found)])


def places_of_things(
    views: Views, state: State, size: tuple[int, int], cell: int
) -> list[dict[str, NDArray[np.float32]]]:
    """Where things are in the pictures that `photograph` takes.

    For each piece, name of a thing -> share (H / cell, W / cell) of each cell of `cell` pixels that
    it fills, of the things on or in the piece that are in sight. What teaches eyes.
    """
    found: list[dict[str, NDArray[np.float32]]] = [{} for _ in views.home.pieces]
    grid = (size[0] // cell, size[1] // cell)
    fine = SHARPER * cell
    names = views.world.segments
    roots = {thing: state.root(thing) for thing in state.place}
    for index, piece, _ in _posed(views, state, set(roots.values())):
        ids = views.world.render_segmentation(SURROUND[0], size=_sharp(size))[0]
        cut = _cut(ids, window(piece.kind)).astype(np.float32)
        cut = cv2.resize(cut, (grid[1] * fine, grid[0] * fine), interpolation=cv2.INTER_NEAREST)
        seen = {names[int(i)] for i in np.unique(cut)}
        for thing in sorted(seen & {t for t, root in roots.items() if root == piece.name}):
            mask = cut == names.index(thing)
            found[index][thing] = mask.reshape(grid[0], fine, grid[1], fine).mean(
                (1, 3), dtype=np.float32
            )
    return found


def _posed(
    views: Views, state: State, wanted: Container[str] | None = None
) -> Iterator[tuple[int, Piece, frozenset[str]]]:
    """Each wanted piece (all), with the robot before it, and the furniture of other rooms."""
    home, shown = views.home, state.copy()
    with views.lock:
        for room in home.rooms:
            elsewhere = frozenset(p.name for p in home.pieces if p.room != room)
            for index, piece in enumerate(home.pieces):
                if piece.room == room and (wanted is None or piece.name in wanted):
                    shown.base = photo_pose(piece)
                    views.set_state(shown)
                    yield index, piece, elsewhere


def _sharp(size: tuple[int, int]) -> tuple[int, int]:
    return SHARPER * size[0], SHARPER * size[1]


def _cut(image: NDArray, part: tuple[float, float, float]) -> NDArray:
    x, y, half = part
    height, width = image.shape[:2]
    top, left = round((1 - y - half) * height / 2), round((1 + x - half) * width / 2)
    rows, columns = round(half * height), round(half * width)
    return image[top : top + rows, left : left + columns]
