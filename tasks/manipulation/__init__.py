"""Manipulation: four table-top tasks in one scene, four at the workbench in another; and Reach."""

from .kitchen import (
    CloseDoor,
    KitchenCloseDrawer,
    KitchenOpenDrawer,
    OpenDoor,
    OpenStoreClose,
    ServeAndSwitch,
    StoreBlock,
)
from .open_drawer import OpenDrawer
from .pick_up import PickUp
from .place_in_bin import PlaceInBin
from .press_button import PressButton
from .push_to_zone import PushToZone
from .reach import Reach
from .sort_by_color import SortByColor
from .stack_two import StackTwo
from .tabletop import TabletopTask
from .turn_lever import TurnLever
from .workbench_task import WorkbenchTask

__all__ = [
    "OpenDrawer",
    "PickUp",
    "PlaceInBin",
    "PressButton",
    "PushToZone",
    "Reach",
    "SortByColor",
    "StackTwo",
    "TabletopTask",
    "TurnLever",
    "WorkbenchTask",
]
__suite__ = "octoworld"
