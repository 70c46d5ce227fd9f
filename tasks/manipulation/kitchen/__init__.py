"""Kitchen: seven tasks with a drawer, a door, a stove and food, told apart by the instruction."""

from .door import CloseDoor, OpenDoor
from .drawer import KitchenCloseDrawer, KitchenOpenDrawer
from .kitchen import KitchenTask
from .serve import ServeAndSwitch
from .store import OpenStoreClose, StoreBlock

__all__ = [
    "CloseDoor",
    "KitchenCloseDrawer",
    "KitchenOpenDrawer",
    "KitchenTask",
    "OpenDoor",
    "OpenStoreClose",
    "ServeAndSwitch",
    "StoreBlock",
]
__suite__ = "octoworld"
