"""Splits: what training may show, and four axes on which tests show what it never does."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from octoworld.core.errors import UnknownNameError
from octoworld.core.rng import derive_seed

from .family import FAMILIES
from .furniture import FURNITURE
from .objects import KINDS
from .tasks import Instance, Task, all_tasks

HELD_OUT_OBJECTS = ("bottle", "bowl", "egg", "juice", "lemon", "pizza", "teddy", "towel", "vase")
"""Kinds of things that training never shows."""
HELD_OUT_FURNITURE = ("bookshelf", "coffee_table", "hamper", "wardrobe", "washing_machine")
"""Kinds of furniture that no training task is about; they do stand in the homes."""
HELD_OUT_SHARE = 6
"""One goal combination in so many is held out."""
TRAIN_LAYOUTS = range(0, 40)
TEST_LAYOUTS = range(1000, 1040)
STARTS = 1_000_000
"""Start seeds that each split has for itself."""


def axis_of(task: Task) -> str:
    """What training misses about a task: `objects`, `furniture`, `combinations`; "" nothing."""
    words = set(task.parameters)
    if words & set(HELD_OUT_OBJECTS):
        return "objects"
    if words & set(HELD_OUT_FURNITURE):
        return "furniture"
    named = [p for p in task.parameters if p in KINDS or p in FURNITURE or p in ("dish", "toy")]
    mixed = zlib.crc32(task.name.encode()) % HELD_OUT_SHARE == 0
    return "combinations" if len(named) > 1 and mixed else ""


@dataclass(frozen=True)
class HouseholdSplit:
    """One split: its tasks, homes and starts."""

    name: str
    says: str
    axis: str
    """What `axis_of` its tasks is."""
    layouts: range
    number: int
    """Of the split: its start seeds are number * STARTS and the following."""
    last_wording: bool = False
    """Whether sentences are those that training never says (else all the others)."""

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks of the split."""
        return tuple(t for t in all_tasks() if axis_of(t) == self.axis)

    def instance(self, index: int) -> Instance:
        """The instance number `index`: families take turns evenly, all else is drawn."""
        if not 0 <= index < STARTS:
            raise IndexError(f"instance {index}: expected 0..{STARTS - 1}")
        rng = np.random.default_rng(derive_seed(self.number, "household", index))
        families = _families(self.name)
        tasks = families[int(rng.integers(len(families)))]
        task = tasks[int(rng.integers(len(tasks)))]
        wordings = len(task.family.templates)
        wording = wordings - 1 if self.last_wording else int(rng.integers(wordings - 1))
        layout = self.layouts[int(rng.integers(len(self.layouts)))]
        start = self.number * STARTS + index
        return Instance(task.name, layout, start, wording, any_clutter=self.axis == "objects")

    def instances(self, count: int, first: int = 0) -> Iterator[Instance]:
        """`count` instances from number `first` on."""
        return (self.instance(i) for i in range(first, first + count))

    def sha256(self) -> str:
        """Hash of all that decides the split's instances."""
        rows = [
            self.name, self.axis, repr(self.layouts), str(self.number), str(self.last_wording),
            *(task.name for task in self.tasks),
            *(words for name in self.families for words in FAMILIES[name].templates.templates),
        ]  # fmt: skip
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    @property
    def families(self) -> tuple[str, ...]:
        """Families with tasks in the split."""
        return tuple(dict.fromkeys(t.family_name for t in self.tasks))


SPLITS: dict[str, HouseholdSplit] = {
    s.name: s
    for s in (
        HouseholdSplit("train", "what training may show", "", TRAIN_LAYOUTS, 0),
        HouseholdSplit("validation", "as training, other starts", "", TRAIN_LAYOUTS, 1),
        HouseholdSplit("seen", "as training, other starts", "", TRAIN_LAYOUTS, 2),
        HouseholdSplit("layouts", "homes that training never shows", "", TEST_LAYOUTS, 3),
        HouseholdSplit("objects", "things that training never shows", "objects", TRAIN_LAYOUTS, 4),
        HouseholdSplit("combinations", "things and furniture that training never asks for together",
                       "combinations", TRAIN_LAYOUTS, 5),
        HouseholdSplit("furniture", "furniture that no training task is about", "furniture",
                       TRAIN_LAYOUTS, 6),
        HouseholdSplit("paraphrases", "sentences that training never says", "", TRAIN_LAYOUTS, 7,
                       last_wording=True),
    )
}  # fmt: skip


@cache
def _families(split: str) -> tuple[tuple[Task, ...], ...]:
    tasks = SPLITS[split].tasks
    return tuple(
        tuple(t for t in tasks if t.family_name == name) for name in SPLITS[split].families
    )


def household_split(name: str) -> HouseholdSplit:
    """The split `name`; UnknownNameError lists the choices."""
    if name not in SPLITS:
        raise UnknownNameError("household split", name, SPLITS)
    return SPLITS[name]
