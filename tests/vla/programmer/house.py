"""A small world of its own for tests: three rooms, a drawer, a fridge, a mug; rules and time."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from vla.programmer import Call, Observation

SKILLS = {
    "go_to": "go_to(place) -> bool: drive to a piece of furniture",
    "look": "look() -> list: names of what is seen here",
    "open": "open(thing) -> bool: open the piece that the robot stands at",
    "close": "close(thing) -> bool: close it",
    "pick": "pick(thing) -> bool: take a thing that is seen here",
    "place_on": "place_on(place) -> bool: put down what is held, on the piece here",
    "done": "done() -> bool: say that the task is done",
}


@dataclass(frozen=True)
class Outcome:
    ok: bool
    message: str = ""
    value: Any = None
    seconds: float = 1.0
    code: str = ""


class Impossible(Exception):  # noqa: N818
    pass


class House:
    """A mug is in the closed drawer in the study; it belongs on the table in the kitchen."""

    instruction = "Put the mug on the table."

    def __init__(self, skills: dict[str, str] = SKILLS) -> None:
        self.skills = skills
        self.finished = False
        self.state: dict[str, Any] = {
            "rooms": {"table": "kitchen", "fridge": "kitchen", "drawer": "study", "sofa": "living"},
            "open": {"drawer": False, "fridge": False},
            "where": {"mug": "drawer", "milk": "fridge", "book": "sofa"},
            "at": "sofa",
            "held": None,
        }
        self.clock = 0.0

    @property
    def success(self) -> bool:
        return self.state["where"]["mug"] == "table"

    @property
    def progress(self) -> float:
        return 1.0 if self.success else 0.5 if self.state["held"] == "mug" else 0.0

    def observe(self) -> Observation:
        held = self.state["held"]
        image = np.zeros((8, 8, 3), np.uint8)
        image[:, : 1 + list(self.state["rooms"]).index(self.state["at"])] = 255
        return Observation(f"You are at the {self.state['at']} and hold {held}.", {"ahead": image})

    def execute(self, call: Call) -> Outcome:
        try:
            outcome = getattr(self, f"_{call.name}")(*call.args)
        except Impossible as reason:
            outcome = Outcome(False, str(reason), seconds=0.5, code="IMPOSSIBLE")
        self.clock += outcome.seconds
        return outcome

    def snapshot(self) -> Any:
        return copy.deepcopy((self.state, self.clock, self.finished))

    def restore(self, snapshot: Any) -> None:
        self.state, self.clock, self.finished = copy.deepcopy(snapshot)

    def _go_to(self, place: Any) -> Outcome:
        if not isinstance(place, str) or place not in self.state["rooms"]:
            raise Impossible(f"there is no {place}; there are {', '.join(self.state['rooms'])}")
        near = self.state["rooms"][place] == self.state["rooms"][self.state["at"]]
        self.state["at"] = place
        return Outcome(True, f"at the {place}", seconds=2.0 if near else 6.0)

    def _seen(self) -> list[str]:
        at = self.state["at"]
        if self.state["open"].get(at) is False:
            return []
        return [thing for thing, place in self.state["where"].items() if place == at]

    def _look(self) -> Outcome:
        return Outcome(True, value=self._seen())

    def _swing(self, thing: Any, to: bool) -> Outcome:
        if thing != self.state["at"]:
            raise Impossible(f"the robot is at the {self.state['at']}, not at the {thing}")
        if thing not in self.state["open"]:
            raise Impossible(f"the {thing} cannot be opened or closed")
        self.state["open"][thing] = to
        return Outcome(True, f"the {thing} is {'open' if to else 'closed'}", seconds=3.0)

    def _open(self, thing: Any) -> Outcome:
        return self._swing(thing, True)

    def _close(self, thing: Any) -> Outcome:
        return self._swing(thing, False)

    def _pick(self, thing: Any) -> Outcome:
        if self.state["held"]:
            raise Impossible(f"the gripper holds the {self.state['held']}")
        if thing not in self._seen():
            raise Impossible(f"no {thing} is seen at the {self.state['at']}")
        self.state["held"], self.state["where"][thing] = thing, "gripper"
        return Outcome(True, f"holds the {thing}")

    def _place_on(self, place: Any) -> Outcome:
        if place != self.state["at"]:
            raise Impossible(f"the robot is at the {self.state['at']}, not at the {place}")
        if not self.state["held"]:
            raise Impossible("the gripper is empty")
        self.state["where"][self.state["held"]], self.state["held"] = place, None
        return Outcome(True, f"on the {place}")

    def _done(self) -> Outcome:
        self.finished = True
        return Outcome(True, seconds=0.0)


FETCH = """\
# Look everywhere for the mug, and bring it.
for place in ["fridge", "sofa", "drawer"]:
    go_to(place)
    if place != "sofa":
        open(place)
    if "mug" in look():
        pick("mug")
        break
go_to("table")
place_on("table")
print(f"found at the {place}")
"""
