"""Manipulation: four table-top tasks in one scene, told apart by the instruction; and Reach."""

from .open_drawer import OpenDrawer
from .pick_up import PickUp
from .place_in_bin import PlaceInBin
from .push_to_zone import PushToZone
from .reach import Reach
from .tabletop import TabletopTask

__all__ = ["OpenDrawer", "PickUp", "PlaceInBin", "PushToZone", "Reach", "TabletopTask"]
__suite__ = "octoworld"
