"""Album: one picture of each piece of furniture, as the robot would see it from before the piece.

Furniture is fixed, so its places and names can be known beforehand; what lies on it and how it is
cannot. A picture stands for its piece: agents that see point at places by pointing at pictures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robots.mobile_panda.spec import MAST

from .home import Piece
from .scene import SURROUND
from .state import State

if TYPE_CHECKING:
    from .views import Views

BACK = 0.30
"""How far behind a piece's stand its picture is taken [m]: as much as is kept free there."""


def photo_pose(piece: Piece) -> tuple[float, float, float]:
    """Base (x, y, yaw) from which the mast, which is beside the arm, sees a piece in the middle."""
    depth = piece.kind.size[1] / 2 + piece.kind.standoff + BACK
    return (*piece.to_world(MAST[1], -depth), piece.yaw + math.pi / 2)


def photograph(views: Views, state: State, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pictures (pieces, H, W, 3) in the home's order, of a state that is left as it is.

    Furniture of other rooms is left out, which makes it four times as fast; through a doorway it
    would be in the background of some pictures.
    """
    home = views.home
    shown = state.copy()
    images = np.empty((len(home.pieces), *size, 3), np.uint8)
    for room in home.rooms:
        elsewhere = frozenset(p.name for p in home.pieces if p.room != room)
        for index, piece in enumerate(home.pieces):
            if piece.room == room:
                shown.base = photo_pose(piece)
                views.set_state(shown)
                images[index] = views.world.render(SURROUND[0], size=size, without=elsewhere)[0]
    return images
