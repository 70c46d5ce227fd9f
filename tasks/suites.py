"""Suites: named groups of tasks that are trained and reported together."""

from __future__ import annotations

from octoworld.core.errors import UnknownNameError

SCENES: dict[str, tuple[str, ...]] = {
    "reach": ("Reach",),
    "table": (
        "PushToZone", "PickUp", "PlaceInBin", "OpenDrawer", "PlaceOnZone", "HoldOverBin",
    ),
    "workbench": ("PressButton", "TurnLever", "StackTwo", "SortByColor"),
    "kitchen": (
        "KitchenOpenDrawer", "KitchenCloseDrawer", "OpenDoor", "CloseDoor", "ServeAndSwitch",
        "StoreBlock", "OpenStoreClose",
    ),
}  # fmt: skip
"""Tasks that share one scene, which a policy can tell apart by the instruction alone."""
SUITES: dict[str, tuple[str, ...]] = {
    "tabletop": SCENES["reach"] + SCENES["table"] + SCENES["workbench"],
    "kitchen": SCENES["kitchen"],
}


def suite(name: str) -> tuple[str, ...]:
    """Tasks of a suite, or of one scene; UnknownNameError lists the choices."""
    known = SCENES | SUITES
    if name not in known:
        raise UnknownNameError("suite", name, known)
    return known[name]
