"""After: what is seen and told once a program has run, without photographing the home again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from tasks.household import Household
from tasks.household.album import photograph
from tasks.household.geometry import thing_pose
from tasks.household.state import flags
from tasks.household.text_view import inventory, rooms_told
from vla.programmer import Call, DoneCall, Execution, Failed, Finished, describe_execution
from vla.programmer.tiny import Line, Seen, TinyProgrammer, look, mentions, where

from .language import is_hidden
from .scenes import told_state

Looks: TypeAlias = dict[str, tuple]
"""Place -> all that its picture depends on, but for what neighbours show at the edge."""


@dataclass(frozen=True)
class After:
    """What a policy would be shown and told after a program; a judge reads the same."""

    changed: tuple[int, ...]
    """Pictures of places that look different from before."""
    features: torch.Tensor
    """(changed, F) float16, of the eye."""
    at: int
    """Picture of the place where the robot is, or NOWHERE."""
    mentioned: tuple[int, ...]
    """As `Seen.mentioned`, of every place."""
    words: tuple[int, ...]
    """As `Seen.words`."""
    calls: int
    """How many calls were carried out, the one that failed included."""


def looks(house: Household) -> Looks:
    """How every place of a home looks now."""
    state, home = house.state, house.home
    found: dict[str, list] = {
        p.name: [state.opened.get(p.name), state.running.get(p.name), state.locked.get(p.name)]
        for p in home.pieces
    }
    for thing in state.place:
        root = state.root(thing)
        if root in found and not is_hidden(state, home, thing):
            found[root].append(
                (
                    thing, thing_pose(home, state, thing), state.color.get(thing),
                    state.liquid.get(thing), tuple(flags(state, thing).values()),
                )
            )  # fmt: skip
    return {name: tuple(parts) for name, parts in found.items()}


class Onlooker:
    """Photographs places that look different from before, and remembers how they looked.

    A picture costs as much as several programs. A program changes few places, and programs of one
    scene leave them in few ways.
    """

    def __init__(self, model: TinyProgrammer, *, keep: int = 200_000) -> None:
        """`keep`: most pictures that are remembered, as features."""
        self.model, self.keep = model, keep
        self.asked = self.pictures = 0
        """Places that looked different, and how many of them had to be photographed."""
        self._known: dict[tuple[str, str, tuple], torch.Tensor] = {}

    def after(self, house: Household, before: Looks, lines: Sequence[Line]) -> After:
        """What there is to see and read after `lines`, whose results are `house.feedback`."""
        places, now = list(house.home.by_name), looks(house)
        changed = [name for name in places if now[name] != before[name]]
        keys = {name: (house.instance.key, name, now[name]) for name in changed}
        missing = [name for name in changed if keys[name] not in self._known]
        self.asked += len(changed)
        self.pictures += len(missing)
        if len(self._known) > self.keep:
            self._known = {k: self._known[k] for k in keys.values() if k in self._known}
        if missing:
            size = self.model.config.eye.image_size
            photos = photograph(house.views, house.state, size, missing)
            for name, row in zip(missing, look(self.model, torch.from_numpy(photos)), strict=True):
                self._known[keys[name]] = row
        features = [self._known[keys[name]] for name in changed]
        told, state = feedback_of(house, lines), inventory(house.state)
        return After(
            tuple(places.index(name) for name in changed),
            torch.stack(features) if features else torch.zeros(0, self.model.eye.size),
            where(state, places),
            tuple(mentions(told, places, house.instruction, rooms_told(house.home))),
            tuple(self.model.read(house.instruction, told_state(state), told)),
            len(house.feedback),
        )  # fmt: skip


def feedback_of(house: Household, lines: Sequence[Line]) -> str:
    """What a program whose results are `house.feedback` is told: as after `run_program`."""
    done = [
        DoneCall(Call(c.skill, c.args, i + 1), r.ok, r.message, r.value, r.seconds, r.code)
        for i, (c, r) in enumerate(zip(lines, house.feedback, strict=False))
    ]
    end: Finished | Failed = Finished()
    if done and not done[-1].ok:
        end = Failed("skill", done[-1].message, done[-1].call.line)
    return describe_execution(Execution("", tuple(done), end))


def seen_after(before: Seen, after: Sequence[After]) -> Seen:
    """What is seen after N programs, from what was seen before each."""
    features = before.features.clone()
    mentioned = torch.zeros_like(before.mentioned)
    for row, one in enumerate(after):
        features[row, list(one.changed)] = one.features.to(features)
        mentioned[row, : len(one.mentioned)] = torch.tensor(one.mentioned)
    return Seen(
        features, before.pictures, torch.tensor([one.at for one in after]), mentioned,
        torch.tensor([one.words for one in after]),
    )  # fmt: skip
