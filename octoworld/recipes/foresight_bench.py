"""Bench `foresight`: what the world model foresees of things under recorded actions, by physics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.config import to_dict
from octoworld.core.io import read_json
from octoworld.core.paths import asset
from octoworld.core.registry import register_bench
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from tasks.manipulation.hindsight import SEEN, judge_places, places_read
from tasks.manipulation.objects import OBJECTS
from tasks.manipulation.tabletop import JudgeConfig
from tasks.suites import SCENES
from worldmodels.autoencoder import encode_dataset
from worldmodels.checkpoint import load_latent_model
from worldmodels.dataset import EpisodeDataset
from worldmodels.latent_model import LatentWorldModel
from worldmodels.metrics import mask_recall, saturated_pixels

from .play import PlayActor
from .questions import recorded_objects, recorded_places
from .recording import write_dataset
from .rollouts import RolloutConfig, collect

CAMERA = "front"
KINDS = ("noisy", "play")
"""Who acted: an expert under noise that fails about as often as it succeeds; aimless handling."""
IMAGINED, TOLD, STILL = "from pictures", "told where things are", "nothing moves"
FIRST_SEED, SEEDS_A_TASK = 35_000_000, 10_000
HORIZONS = (8, 12, 20, 32, 44)
"""Steps after the start at which places are compared; the experts need some twenty."""
SUCCESS = 20
"""The horizon of the gate."""
BOUND = JudgeConfig().zone_distance / 2
"""Half the tolerance of success [m]."""
RECALL = 0.95
MOVED = 0.01
"""From there on a thing has moved [m]."""
CONTRAST = 30
"""By how much a pixel differs from the background where a thing is."""


@dataclass(frozen=True)
class ForesightConfig:
    """Defaults are the published bench."""

    world: str = ""
    """Folder of the world model; "" is `assets/checkpoints/tabletop/worldmodel`."""
    tasks: tuple[str, ...] = SCENES["table"]
    """Whose starts and experts."""
    episodes: int = 30
    """Of each task and kind."""
    noise: float = 0.5
    """Of the noisy expert."""

    def start_seeds(self, task: str, kind: str) -> list[int]:
        """Start seeds; no other bench or recipe has those of 35 to 36 million."""
        block = KINDS.index(kind) * len(self.tasks) + self.tasks.index(task)
        first = FIRST_SEED + SEEDS_A_TASK * block
        return list(range(first, first + self.episodes))


def claims() -> list[Claim]:
    """The gate before a reflector or a policy learns from imagined frames."""
    far = f"block beyond bound, {SUCCESS} steps"
    return [
        Claim(
            "moved blocks", (IMAGINED,), (0,), far, direction="less",
            statement="a moved block is foreseen to half the tolerance of success",
        ),
        Claim(
            "nothing fades", (IMAGINED,), (0,), f"recall below bound, {SUCCESS} steps",
            direction="less",
            statement=f"coloured things are drawn where they are, to {RECALL:.0%} of their pixels",
        ),
        Claim(
            "success is foreseen", (IMAGINED,), (0,), "answers differ", direction="less",
            margin=0.10,
            statement="whether recorded actions ever succeed is foreseen rightly in 90 %",
        ),
        Claim(
            "for comparison", (TOLD, STILL), (0,), far, direction="less",
            statement="from true places at the start; if nothing moved",
        ),
    ]  # fmt: skip


@register_bench("foresight")
class ForesightBench:
    """The shipped world model, free-running under actions that physics has seen."""

    name = "foresight"
    description = "the world model's gate: places of moved things, object pixels, success foreseen"

    def run(self, quick: bool, folder: Path) -> None:
        """Record what is missing in `runs/`, and imagine it."""
        config = ForesightConfig(episodes=2, tasks=("PickUp", "OpenDrawer")) if quick else (
            ForesightConfig()
        )  # fmt: skip
        episodes = []
        for kind in KINDS:
            place = Path("runs") / folder.name / kind
            write_dataset(place, recorded(config, kind), video=False)
            episodes += Dataset(place).load_all()
        world = Path(config.world) if config.world else asset("checkpoints", "tabletop/worldmodel")
        model, data = load_latent_model(world), dataset_of(episodes)
        encode_dataset(model.autoencoder, data)

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            return foresee(model, data, arm)

        run(claims(), measure, folder, config=to_dict(config))

    def report(self, folder: Path) -> str:
        """Verdicts, and errors by horizon."""
        return "\n\n".join(part for part in (report(folder), table(folder)) if part)


def recorded(config: ForesightConfig, kind: str) -> Iterator[Episode]:
    """Episodes that run to the clock, whatever happens."""
    for task in config.tasks:
        seeds = config.start_seeds(task, kind)
        noise = config.noise if kind == "noisy" else 0.0
        rollouts = RolloutConfig(min(25, len(seeds)), 10**6, cameras=(CAMERA,), noise=noise)
        actor = PlayActor if kind == "play" else None
        yield from collect(task, seeds, rollouts, policy=None, source=kind, make_actor=actor)


def dataset_of(episodes: list[Episode]) -> EpisodeDataset:
    """The episodes, with where their things are."""
    data = EpisodeDataset.from_episodes(episodes, (CAMERA,))
    data.objects = recorded_objects(episodes)
    return data


@torch.no_grad()
def foresee(model: LatentWorldModel, data: EpisodeDataset, arm: str) -> ArmResult:
    """Of each episode: where its block is foreseen, what is drawn, and whether it succeeds.

    A mean over those whose block moved is no mean over all: `... beyond bound` is error - bound
    where it moved, else 0, and its mean is below 0 exactly where that mean is below the bound.
    """
    assert data.objects is not None
    count, steps = len(data), int(data.lengths.min()) - 1
    steps -= steps % model.max_chunk
    rows = torch.from_numpy(data.starts)[:, None] + torch.arange(steps + 1)
    places, pictures = imagine(model, data, rows, arm)
    true = data.objects[rows]
    block, drawer = OBJECTS["block"], OBJECTS["drawer"]
    outcomes: dict[str, NDArray[np.float64]] = {}
    errors: dict[str, list[float]] = {}
    for horizon in (h for h in HORIZONS if h <= steps):
        after = f", {horizon} steps"
        for name, columns in (("block", block), ("drawer", drawer)):
            error = (places[:, horizon] - true[:, horizon])[:, columns].norm(dim=-1)
            moved = (true[:, horizon] - true[:, 0])[:, columns].norm(dim=-1) > MOVED
            errors[name + after] = error[moved].tolist()
            outcomes[f"{name} beyond bound{after}"] = (moved * (error - BOUND)).double().numpy()
        shown = data.frames[CAMERA][rows[:, horizon]]
        background = model.autoencoder.background[0].cpu().movedim(0, -1).mul(255)
        things = saturated_pixels(shown)
        things &= (shown.float() - background).abs().amax(-1) > CONTRAST
        recall = mask_recall(things, saturated_pixels(pictures[horizon]))
        errors["recall" + after] = recall[recall.isfinite()].tolist()
        below = (RECALL - recall).nan_to_num(0.0)
        outcomes[f"recall below bound{after}"] = below.double().numpy()
    answers = np.zeros(count)
    for number, episode in enumerate(data.episodes):
        mine = recorded_places(episode)
        proprio = data.proprio[rows[number]].numpy()
        task, zone = str(episode.info["task"]), mine.zone[0]
        # the same rule for both: read off numbers, without the physics' own contacts
        both = [
            judge_places(task, places_read(proprio, x[number].numpy(), zone, episode.fps), SEEN)
            for x in (places, true)
        ]
        answers[number] = both[0].success.any() != both[1].success.any()
    outcomes["answers differ"] = answers
    return ArmResult(
        [int(e.info["seed"]) for e in data.episodes],
        {name: values.tolist() for name, values in outcomes.items()},
        facts={
            "tasks": [str(e.info["task"]) for e in data.episodes],
            "sources": [str(e.info["source"]) for e in data.episodes],
            "measured": errors,
        },
    )


def imagine(
    model: LatentWorldModel, data: EpisodeDataset, rows: torch.Tensor, arm: str
) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """Objects (E, T + 1, 17) that are believed in, and frames drawn at the horizons."""
    assert data.objects is not None
    latents, objects = data.need_latents(), data.objects[rows]
    size, steps = model.max_chunk, rows.shape[1] - 1
    if arm == STILL:
        first = data.frames[CAMERA][rows[:, 0]]
        return objects[:, :1].expand_as(objects), {h: first for h in HORIZONS if h <= steps}
    history = model.start_latents(latents[rows[:, :1]], data.proprio[rows[:, :1]])
    if arm == TOLD:
        history.objects[:] = objects[:, :1]
    generator = torch_generator(0, "foresight", arm)
    believed, pictures = [history.objects[:, -1:]], {}
    for begin in range(0, steps, size):
        actions = data.actions[rows[:, begin : begin + size]]
        looked_at = begin + size in HORIZONS
        history, seen = model.imagine(history, actions, generator, "last" if looked_at else "none")
        believed.append(seen.objects)
        if looked_at:
            pictures[begin + size] = seen.frames[CAMERA][:, 0]
    return torch.cat(believed, 1), pictures


def table(folder: Path) -> str:
    """Errors of moved things [mm] and object recall [%], by horizon."""
    lines = [
        "| arm | " + " | ".join(f"{h} steps: block, drawer [mm], recall [%]" for h in HORIZONS)
        + " | success foreseen wrongly |",
        "|---|" + "---|" * (len(HORIZONS) + 1),
    ]  # fmt: skip
    for arm in (IMAGINED, TOLD, STILL):
        path = folder / "rows" / arm / "0.json"
        if not path.exists():
            continue
        row = read_json(path)
        cells = [arm]
        for horizon in HORIZONS:
            some = [
                (scale, row["facts"]["measured"].get(f"{name}, {horizon} steps"))
                for name, scale in (("block", 1000), ("drawer", 1000), ("recall", 100))
            ]
            cells.append(", ".join(f"{s * np.mean(x):.0f}" if x else "-" for s, x in some))
        cells.append(f"{100 * float(np.mean(row['outcomes']['answers differ'])):.1f} %")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""
