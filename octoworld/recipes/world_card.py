"""A world model's card: does success in it tell success in truth? Every unit is done once.

A unit is a policy on a task (and at a noise level): from the same start seeds it acts in
imagination, judged by the reflector, and in true physics, and what it did in imagination is
replayed in true physics. A job that is killed goes on with the unit that it was at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from diffusers import ModelMixin

from octoworld.bench.provenance import code_version, hardware
from octoworld.core.config import load_config, save_config, to_dict
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import read_json, write_json
from octoworld.core.log import Progress
from octoworld.core.registry import TASKS
from octoworld.data.words import split_words
from vla.checkpoint import load_policy, policy_folder
from vla.policy import Policy
from worldmodels.checkpoint import load_part, world_model_class
from worldmodels.reflector import Reflector

from .world_card_units import UnitRecord, measure_unit
from .worldenv.config import TASKS as TABLETOP
from .worldenv.learning import load_reflector

FEWEST = 4
"""Units below which a correlation has no interval (Fisher's needs count - 3 > 0)."""
PATHS = ("world", "policies")
"""Fields of `CardConfig` that say where things lie, not what they are."""


@dataclass(frozen=True)
class CardConfig:
    """What is compared, and from which starts."""

    world: str
    """Folder with worldmodel/ and reflector/, or a run that has them in checkpoints/."""
    policies: tuple[str, ...]
    """Folders of policies."""
    tasks: tuple[str, ...] = TABLETOP
    """Registered tasks, whose words the reflector knows."""
    temperatures: tuple[float, ...] = (0.0,)
    """Factors on the policy's own noise scale, each a unit of its own; 0 is the mean action."""
    episodes: int = 40
    """Starts of each unit."""
    first_seed: int = 13_000_000
    """Task i starts from first_seed + i * episodes and the seeds that follow."""
    num_envs: int = 20
    """Worlds rolled out together, imagined and true."""
    horizon: int = 0
    """Steps after which an imagined episode has failed; 0 is each task's own clock."""

    def __post_init__(self) -> None:
        if not self.policies:
            raise ConfigError("policies: expected at least one folder of a policy, got none")
        for task in self.tasks:
            TASKS.get(task)
        for name in ("tasks", "temperatures"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"{name}: expected one or more, none twice, got {list(values)}")
        if min(self.temperatures) < 0:
            raise ConfigError(f"temperatures: expected 0 or more, got {min(self.temperatures)}")
        for name, least in (("episodes", 1), ("num_envs", 1), ("first_seed", 0), ("horizon", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: expected {least} or more, got {getattr(self, name)}")
        parts = [len(self.policies), len(self.temperatures), len(self.tasks)]
        if self.num_units < FEWEST:
            raise ConfigError(
                f"{self.num_units} units ({parts[0]} policies x {parts[1]} temperatures x "
                f"{parts[2]} tasks): an interval of a correlation needs {FEWEST}, a narrow one 24; "
                "give more policies, temperatures or tasks"
            )

    @property
    def num_units(self) -> int:
        """Policies x temperatures x tasks."""
        return len(self.policies) * len(self.temperatures) * len(self.tasks)

    def seeds(self, task: str) -> range:
        """Of the starts of a task; no two tasks share one."""
        first = self.first_seed + self.episodes * self.tasks.index(task)
        return range(first, first + self.episodes)


@dataclass(frozen=True)
class Entrant:
    """A policy at a temperature."""

    name: str
    policy: Policy
    temperature: float


def run_card(config: CardConfig, out: Path) -> list[UnitRecord]:
    """Measure every unit that `out` does not hold yet; all of them, in order.

    Raises:
        CheckpointError: a checkpoint is missing, damaged, or of another robot.
        ConfigError: the parts do not fit each other, or `out` holds units of other settings or
            checkpoints.
    """
    model, judge = load_world(Path(config.world))
    entrants = enter(config)
    for entrant in entrants:
        check_policy(entrant.name, entrant.policy, model)
    for task in config.tasks:
        check_words(task, judge)
    claim_folder(config, out)
    records: list[UnitRecord] = []
    with Progress("card", config.num_units) as progress:
        for task in config.tasks:
            for entrant in entrants:
                progress.update(len(records), f"{entrant.name} on {task}")
                path = out / "units" / f"{task}-{entrant.name.replace(' ', '-')}.json"
                if not path.exists():
                    record = measure_unit(
                        entrant.name, entrant.policy, entrant.temperature, task,
                        config.seeds(task), model, judge, config.num_envs, config.horizon,
                    )  # fmt: skip
                    write_json(path, record.to_json())
                records.append(UnitRecord.from_json(read_json(path)))
    return records


def load_world(folder: Path) -> tuple[Any, Reflector]:
    """World model and reflector of a folder of published parts, or of a run.

    Raises:
        CheckpointError: the folder has neither, or a part is damaged.
    """
    found = [f for f in (folder, folder / "checkpoints") if (f / "worldmodel").is_dir()]
    if not found:
        raise CheckpointError(
            f"{folder} holds no worldmodel/, nor does {folder}/checkpoints; expected a run of "
            "`octoworld worldenv`, or published parts such as assets/checkpoints/tabletop"
        )
    place = found[0] / "worldmodel"
    cls = world_model_class(place)
    # those on a pretrained video model have files of their own kind
    model = load_part(cls, place) if issubclass(cls, ModelMixin) else cls.from_pretrained(place)
    return model, load_reflector(found[0] / "reflector")


def enter(config: CardConfig) -> list[Entrant]:
    """Every policy at every temperature, named so that no two share a name."""
    robots = {TASKS.get(task).robot for task in config.tasks}
    if len(robots) > 1:
        raise ConfigError(f"tasks {', '.join(config.tasks)} are of {sorted(robots)}; give one's")
    names = short_names(config.policies)
    entrants = []
    for name, folder in zip(names, config.policies, strict=True):
        policy = load_policy(folder, robot=next(iter(robots)))
        for temperature in config.temperatures:
            several = len(config.temperatures) > 1
            label = f"{name} t={temperature:g}" if several else name
            entrants.append(Entrant(label, policy, temperature))
    return entrants


def short_names(folders: Sequence[str]) -> list[str]:
    """What distinguishes paths: their last parts, without those that all of them end in.

    Raises:
        ConfigError: two are the same.
    """
    parts = [Path(folder).parts for folder in folders]
    while len(parts) > 1 and min(map(len, parts)) > 1 and len({p[-1] for p in parts}) == 1:
        parts = [p[:-1] for p in parts]
    names = [p[-1] for p in parts]
    if len(set(names)) < len(names):
        names = ["-".join(p).strip("/-") for p in parts]
    if len(set(names)) < len(names):
        twice = next(f for f, n in zip(folders, names, strict=True) if names.count(n) > 1)
        raise ConfigError(f"policies: {twice} is given twice")
    return names


def check_policy(name: str, policy: Policy, model: Any) -> None:
    """Whether a policy can act in imagination; ConfigError says what it lacks there."""
    config: Any = getattr(policy, "config", None)
    if getattr(policy, "needs_privileged", False):
        raise ConfigError(
            f"policy {name} acts on the true state, which a world model does not show; give one "
            "that sees pictures"
        )
    unseen = [c for c in getattr(config, "cameras", ()) if c not in model.cameras]
    if unseen:
        raise ConfigError(
            f"policy {name} looks through {', '.join(unseen)}; the world model draws "
            f"{', '.join(model.cameras)}"
        )
    for field, theirs in (("action_dim", "action_dim"), ("state_dim", "proprio_dim")):
        wanted, given = model.config[theirs], getattr(config, field, model.config[theirs])
        if wanted != given:
            raise ConfigError(
                f"policy {name} has {field} {given}, the world model {theirs} {wanted}: is this "
                "another robot or control mode?"
            )


def check_words(task: str, judge: Reflector) -> None:
    """Whether the reflector knows all that a task can say; ConfigError names what it does not."""
    known = set(judge.config["vocabulary"])
    said = {word for text in TASKS.get(task).vocabulary() for word in split_words(text)}
    if strange := sorted(said - known):
        raise ConfigError(
            f"task {task} says {', '.join(map(repr, strange))}, words that the reflector was not "
            f"taught; it knows {', '.join(sorted(known))}"
        )


def claim_folder(config: CardConfig, out: Path) -> None:
    """Make `out` the place of this job, or go on with it where it is.

    Raises:
        ConfigError: units of other settings, or of other checkpoints, lie there.
    """
    made_of = fingerprints(config)
    if (out / "config.yaml").exists():
        before = load_config(CardConfig, out / "config.yaml")
        changed = [
            f"{f.name} was {getattr(before, f.name)}, is {getattr(config, f.name)}"
            for f in fields(CardConfig)
            if f.name not in PATHS and getattr(before, f.name) != getattr(config, f.name)
        ]
        held = read_json(out / "made_of.json")["files"]
        changed += [f"{k} is another" for k in {**held, **made_of} if held.get(k) != made_of.get(k)]
        if changed:
            raise ConfigError(f"{out} holds another card ({'; '.join(changed)}); use another --out")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(
        out / "made_of.json",
        {"files": made_of, "code": code_version(), "hardware": hardware()},
    )
    save_config(config, out / "config.yaml")


def fingerprints(config: CardConfig) -> dict[str, str]:
    """What the parts are, wherever they lie: name -> SHA-256 of the weights, 16 digits of it."""
    world = Path(config.world)
    if not (world / "worldmodel").is_dir():
        world = world / "checkpoints"
    folders = {part: world / part for part in ("worldmodel", "reflector")}
    for name, folder in zip(short_names(config.policies), config.policies, strict=True):
        folders[name] = policy_folder(folder)
    found = {}
    for name, folder in folders.items():
        digest = hashlib.sha256()
        for file in sorted(folder.glob("*.safetensors")):
            digest.update(file.read_bytes())
        found[name] = digest.hexdigest()[:16]
    return found


def described(config: CardConfig, out: Path) -> dict[str, Any]:
    """Settings, fingerprints, code and machine, as the report tells them."""
    return {"config": to_dict(config)} | read_json(out / "made_of.json")
