"""Manipulation: table-top tasks in one scene, workbench and kitchen in theirs; and Reach."""

from .hold_over_bin import HoldOverBin
from .kitchen import KitchenTask
from .open_drawer import OpenDrawer
from .pick_up import PickUp
from .place_in_bin import PlaceInBin
from .place_on_zone import PlaceOnZone
from .press_button import PressButton
from .push_to_zone import PushToZone
from .reach import Reach
from .sort_by_color import SortByColor
from .stack_two import StackTwo
from .tabletop import TabletopTask
from .turn_lever import TurnLever
from .workbench_task import WorkbenchTask

__all__ = [
    "HoldOverBin",
    "KitchenTask",
    "OpenDrawer",
    "PickUp",
    "PlaceInBin",
    "PlaceOnZone",
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
