"""Scenes: instances with what an eye sees of them, prepared once and kept in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.core.io import load_tensors, read_json, save_tensors, write_json
from octoworld.core.rng import derive_seed, torch_generator
from tasks.household import Household, Instance, household_split
from tasks.household.album import photograph, places_of_things
from tasks.household.home import make_home
from tasks.household.objects import kind_of
from tasks.household.state import State
from tasks.household.text_view import rooms_told
from vla.programmer.tiny import CELL, Stills, TinyProgrammer, look, mentions, where
from vla.programmer.tiny.model import IN_ROOM

from .config import SHARD, TEACHERS, OctopusConfig
from .episodes import (
    Turn,
    as_rows,
    attempt,
    carry_out,
    from_rows,
    household,
    instances,
    perfect_tokens,
)
from .language import ADJECTIVES, DIRTY, GRAMMAR, LABELS, labels_of

PHOTOS = "photos.safetensors"
SWITCHED = 0.3
"""Share of doors, switches and washable things that are changed for stills."""
FILLED = 0.3
"""Share of a cell that a thing fills, for which the cell shows it."""
TEST_SHARDS = 4
"""Pieces in which a test split is prepared."""


# -- stills for the eye ----------------------------------------------------------------------------


def record_stills(config: OctopusConfig, shard: int, folder: Path) -> None:
    """Pictures of homes in all kinds of states, and what they show."""
    path = folder / "stills" / f"{shard}.safetensors"
    if path.exists():
        return
    count = share(config.stills, config.shards, shard)
    columns: dict[str, list[NDArray]] = {}
    train = household_split("train")
    first = config.first("stills", shard)
    numbers = (i for i in range(first, first + SHARD) if train.instance(i).layout < config.homes)
    for index in islice(numbers, count):
        instance = train.instance(index)
        house = household(instance, config.eye.image_size)
        state = house.state.copy()
        rng = np.random.default_rng(derive_seed(index, "stills"))
        for table in (state.opened, state.running, state.dirty):
            for name in table:
                if rng.random() < SWITCHED:
                    table[name] = not table[name]
        for name, values in still(house, state, config.eye.image_size).items():
            columns.setdefault(name, []).append(values)
    save_tensors(path, {k: torch.from_numpy(np.concatenate(v)) for k, v in columns.items()})


def still(house: Household, state: State, size: tuple[int, int]) -> dict[str, NDArray]:
    """Columns of `Stills` of all places of a home in a state."""
    pieces = house.home.pieces
    grid = (len(pieces), size[0] // CELL, size[1] // CELL)
    present = np.zeros((len(pieces), len(LABELS)), bool)
    for row, labels in zip(present, labels_of(state, house.home), strict=True):
        row[labels] = True
    nouns, looks = np.zeros(grid, np.uint8), np.zeros(grid, np.uint8)
    for index, things in enumerate(places_of_things(house.views, state, size, CELL)):
        if not things:
            continue
        shares = np.stack(list(things.values()))
        most = shares.max(0)
        # the smallest things fill no cell: where each is most, it is
        here = (shares == most) & (
            (shares > FILLED) | (shares == shares.max((1, 2), keepdims=True))
        ) & (most > 0)  # fmt: skip
        for thing, mask in zip(things, here, strict=True):
            nouns[index][mask] = 1 + GRAMMAR.nouns.index(kind_of(thing))
            worn = [state.color.get(thing), DIRTY if state.dirty.get(thing) else None]
            looks[index][mask] = sum(1 << ADJECTIVES.index(a) for a in worn if a)
    images = photograph(house.views, state, size)
    return {"images": images, "present": present, "nouns": nouns, "looks": looks}


def load_stills(config: OctopusConfig, folder: Path) -> Stills:
    """Pictures of all shards and what they show."""
    parts = [load_tensors(folder / "stills" / f"{i}.safetensors") for i in range(config.shards)]
    return Stills(**{name: torch.cat([p[name] for p in parts]) for name in parts[0]})


def share(total: int, shards: int, shard: int) -> int:
    """How many of a total a shard has."""
    return total // shards + (shard < total % shards)


# -- scenes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenes:
    """S scenes: what is seen, and where each comes from."""

    columns: dict[str, torch.Tensor]
    """As `Seen.columns`, features in half precision."""
    instances: list[Instance]
    """Of each scene."""
    turns: list[Turn | None]
    """A teacher's turn that begins in the scene, where there is one."""

    def __len__(self) -> int:
        return len(self.instances)

    def obs(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """What a policy is given in scenes `rows` (N,)."""
        found = {name: column[rows] for name, column in self.columns.items()}
        return found | {"features": found["features"].float(), "scene": rows}

    def some(self, rows: Sequence[int]) -> Scenes:
        """Some of them, in that order."""
        picked = torch.tensor(list(rows), dtype=torch.long)
        columns = {name: column[picked] for name, column in self.columns.items()}
        return Scenes(columns, [self.instances[i] for i in rows], [self.turns[i] for i in rows])

    def untold(self, told: int) -> Scenes:
        """The same without feedback, of which the first `told` words have none."""
        if not len(self):
            return self
        words = self.columns["words"].clone()
        words[:, told:] = 0
        mentioned = self.columns["mentioned"]
        kept = {"words": words, "mentioned": mentioned - mentioned % IN_ROOM}
        return Scenes(self.columns | kept, self.instances, self.turns)

    def blind(self) -> Scenes:
        """The same without anything to see: all pictures alike."""
        if not len(self):
            return self
        features = torch.zeros_like(self.columns["features"])
        return Scenes(self.columns | {"features": features}, self.instances, self.turns)

    def shuffled(self, seed: int) -> Scenes:
        """Each scene with the pictures of another one, in their order."""
        order = torch.randperm(len(self), generator=torch_generator(seed, "shuffled"))
        other = torch.empty_like(order)
        other[order] = order.roll(1)
        features = self.columns["features"][other]
        # where the other home has fewer pictures, its first ones stand in
        has = self.columns["pictures"][other].sum(1)
        spots = torch.arange(features.shape[1])[None] % has[:, None]
        features = features.gather(1, spots[..., None].expand_as(features))
        return Scenes(self.columns | {"features": features}, self.instances, self.turns)

    def places(self, row: int) -> list[str]:
        """Names of the pictures of a scene."""
        return list(make_home(self.instances[row].layout).by_name)


def see(
    model: TinyProgrammer, house: Household, state: str, feedback: str
) -> dict[str, torch.Tensor]:
    """Columns of one scene, without the first axis."""
    photos = photograph(house.views, house.state, model.config.eye.image_size)
    places = list(house.home.by_name)
    return {
        "features": look(model, torch.from_numpy(photos)),
        "at": torch.tensor(where(state, places)),
        "mentioned": torch.tensor(
            mentions(feedback, places, house.instruction, rooms_told(house.home))
        ),
        "words": torch.tensor(model.read(house.instruction, told_state(state), feedback)),
    }


def told_state(state: str) -> str:
    """The lines about the robot that are read as words; where it is is shown as a picture."""
    return "\n".join(line for line in state.splitlines() if not line.startswith("at: "))


def stack(rows: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Columns of several scenes, padded to the most pictures."""
    most = max(len(r["features"]) for r in rows)

    def padded(values: torch.Tensor) -> torch.Tensor:
        return torch.cat([values, values.new_zeros(most - len(values), *values.shape[1:])])

    return {
        "features": torch.stack([padded(r["features"]) for r in rows]),
        "pictures": torch.stack([padded(torch.ones(len(r["features"])).bool()) for r in rows]),
        "at": torch.stack([r["at"] for r in rows]),
        "mentioned": torch.stack([padded(r["mentioned"]) for r in rows]),
        "words": torch.stack([r["words"] for r in rows]),
    }


def prepare(config: OctopusConfig, name: str, shard: int, folder: Path) -> None:
    """Scenes of a purpose or a test split; with turns for `demonstrations-TEACHER`."""
    path = folder / "scenes" / name / f"{shard}.safetensors"
    if path.exists():
        return
    model = TinyProgrammer.from_pretrained(folder / "eye" / "policy")
    purpose, _, teacher = name.partition("-")
    if purpose in config.tests:
        count = share(config.tests[purpose], TEST_SHARDS, shard)
        found = instances(purpose, count, SHARD * shard, config.max_tokens, config.homes)
    else:
        count = share(getattr(config, purpose), config.shards, shard)
        first = config.first(purpose, shard)
        found = instances("train", count, first, config.max_tokens, config.homes)
    rows: list[dict[str, torch.Tensor]] = []
    told: list[dict[str, Any]] = []
    for instance in found:
        turns = attempt(instance, TEACHERS[teacher], config.max_turns) if teacher else [None]
        house = household(instance)
        for turn in turns:
            house.reset()
            for program in turn.before if turn else ():
                carry_out(house, program)
            text = ("", "") if turn is None else (turn.state, turn.feedback)
            if not text[0]:
                text = (house.observe("blind").text, "")
            rows.append(see(model, house, *text))
            told.append(
                {"instance": vars_of(instance), "turn": as_rows([turn])[0] if turn else None}
            )
    write_json(path.with_suffix(".json"), told)
    save_tensors(path, stack(rows))


def vars_of(instance: Instance) -> list[Any]:
    """An instance as plain values."""
    return [
        instance.task_name, instance.layout, instance.start, instance.wording, instance.any_clutter,
    ]  # fmt: skip


def load_scenes(config: OctopusConfig, name: str, folder: Path) -> Scenes:
    """What `prepare` left of all shards."""
    shards = TEST_SHARDS if name in config.tests else config.shards
    return read_scenes([folder / "scenes" / name / f"{i}.safetensors" for i in range(shards)])


def read_scenes(paths: Sequence[Path]) -> Scenes:
    """Scenes of several files, one after the other."""
    rows: list[dict[str, torch.Tensor]] = []
    told: list[dict[str, Any]] = []
    for path in paths:
        columns = load_tensors(path)
        told += read_json(path.with_suffix(".json"))
        if "at" not in columns:
            continue  # nothing of the kind was found
        for i in range(len(columns["at"])):
            count = int(columns["pictures"][i].sum())
            row = {k: v[i] for k, v in columns.items() if k != "pictures"}
            rows.append(
                {k: v[:count] if k in ("features", "mentioned") else v for k, v in row.items()}
            )
    found = [Instance(*one["instance"]) for one in told]
    turns = [from_rows([one["turn"]])[0] if one["turn"] else None for one in told]
    if len(told) != len(rows):
        raise DatasetError(f"{paths[0].parent}: {len(rows)} scenes, but {len(told)} descriptions")
    return Scenes(stack(rows) if rows else {}, found, turns)


def concatenated(*parts: Scenes) -> Scenes:
    """Scenes one after the other; parts may be empty."""
    parts = tuple(p for p in parts if len(p))
    most = max(p.columns["features"].shape[1] for p in parts)

    def wide(values: torch.Tensor) -> torch.Tensor:
        missing = most - values.shape[1]
        more = values.new_zeros(len(values), missing, *values.shape[2:])
        return torch.cat([values, more], 1)

    columns = {
        name: torch.cat(
            [
                wide(p.columns[name]) if name in ("features", "pictures", "mentioned")
                else p.columns[name]
                for p in parts
            ]
        )
        for name in parts[0].columns
    }  # fmt: skip
    return Scenes(
        columns, [i for p in parts for i in p.instances], [t for p in parts for t in p.turns]
    )


def perfect_turns(scenes: Scenes) -> Scenes:
    """Scenes in which an attempt begins, with the program of the perfect teacher."""
    rows = [i for i, turn in enumerate(scenes.turns) if turn is not None and not turn.before]
    turns: list[Turn | None] = [
        replace(turn, tokens=perfect_tokens(scenes.instances[i]), success=True)
        for i, turn in enumerate(scenes.turns)
        if turn is not None and not turn.before
    ]
    return replace(scenes.some(rows), turns=turns)
