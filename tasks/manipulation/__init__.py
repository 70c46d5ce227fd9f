"""Table-top manipulation: four tasks in one scene, told apart by the instruction alone."""

from .open_drawer import OpenDrawer
from .pick_up import PickUp
from .place_in_bin import PlaceInBin
from .push_to_zone import PushToZone
from .tabletop import TabletopTask

__all__ = ["OpenDrawer", "PickUp", "PlaceInBin", "PushToZone", "TabletopTask"]
__suite__ = "octoworld"
