"""RLIR from recordings: readers of actions behind their gates, then the world model they reward."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octoworld.core.io import atomic_folder, write_json
from octoworld.core.rng import torch_generator
from octoworld.rl import Hook
from worldmodels.autoencoder import encode_dataset, redraw_dataset
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.inverse_dynamics import (
    GateConfig,
    GateReport,
    InverseDynamics,
    InverseDynamicsTrainConfig,
    InverseReward,
    check_independent,
    clips_card,
    gate,
    judge_config,
    reward_config,
    split_for_roles,
    train_inverse_dynamics,
)
from worldmodels.inverse_dynamics.reward import GATE_FILE
from worldmodels.rlir import (
    FollowingReward,
    MustMove,
    RlirConfig,
    Sampler,
    ThingsStay,
    Watch,
    WatchConfig,
    rlir,
    sampler_of,
)
from worldmodels.rlir.measure import draw_clips, imagine_clips

from .worldmodel_data import load_episodes, open_datasets
from .worldmodel_eval import run_facts
from .worldmodel_train import check_model

ROLES = ("reward", "judge")
SAME = ("config.yaml", "data.json")
"""Files of a run folder that say what a model is made for."""


@dataclass(frozen=True)
class ReadersConfig:
    """Two networks that read actions, and what they have to pass."""

    reward: InverseDynamicsTrainConfig = field(default_factory=reward_config)
    """Who gives the reward."""
    judge: InverseDynamicsTrainConfig = field(default_factory=judge_config)
    """Who judges: another architecture, other episodes, another seed."""
    gate: GateConfig = field(default_factory=GateConfig)
    """Asked of both, on episodes that neither has seen."""
    held_out: float = 0.2
    """Share of the episodes for the gate."""


def train_readers(
    run: Path,
    folders: Sequence[Path],
    config: ReadersConfig,
    out: Path,
    *,
    seed: int,
    device: str = "cpu",
) -> dict[str, GateReport]:
    """Both readers in `out`/reward and `out`/judge, and what the gate found; a stopped one goes on.

    Args:
        run: run folder of `train_worldmodel`, whose autoencoder redraws part of what they see.
        folders: recordings of that robot; actions of every size and sign are best.
        config: sizes, training, gate.
        out: where they go.
        seed: the judge's is this plus one.
        device: where to train.

    Raises:
        CheckpointError: the run is missing or damaged.
        DatasetError: recordings of another robot, or too few or too short ones.
    """
    facts, _ = run_facts(run)
    codec = load_latent_model(run / "worldmodel").autoencoder.to(device)  # type: ignore[arg-type]
    data = load_episodes(open_datasets(folders), facts)
    encode_dataset(codec, data)
    parts = split_for_roles(data, seed=seed, held_out=config.held_out)
    reports = {}
    for number, role in enumerate(ROLES):
        place, settings = out / role, getattr(config, role)
        looks = dataclasses.replace(settings.model, cameras=facts.cameras)
        settings = dataclasses.replace(settings, model=looks)
        if not (place / GATE_FILE).exists():
            model, _ = train_inverse_dynamics(
                parts[number], settings, place, seed=seed + number, device=device,
                held_out=parts[2], redrawn=redraw_dataset(codec, parts[number]),
            )  # fmt: skip
            generator = torch_generator(seed, "gate", role)
            gate(model, parts[2], generator, config.gate).save(place / GATE_FILE)
        reports[role] = GateReport.load(place / GATE_FILE)
    return reports


def gates_table(reports: dict[str, GateReport]) -> str:
    """What was read rightly, of whole actions, by kind of clip; as Markdown."""
    kinds = list(next(iter(reports.values())).joint)
    lines = [f"| reader | {' | '.join(kinds)} | passed |", f"|{'---|' * (len(kinds) + 2)}"]
    for role, report in reports.items():
        cells = " | ".join(f"{report.score(kind):.2f}" for kind in kinds)
        lines.append(f"| {role} | {cells} | {'yes' if report.passed else 'no'} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class ImproveConfig:
    """How a world model is rewarded, watched and judged."""

    rlir: RlirConfig = field(default_factory=RlirConfig)
    """The trainer, prompts and data term."""
    soft_share: float = 0.5
    """Part of the reward that falls with the error of what is read, beside the exact match."""
    watch: WatchConfig = field(default_factory=WatchConfig)
    """What is looked at on held-out recordings meanwhile."""
    judged_clips: int = 128
    """Held-out clips on which the judge looks before and after."""


def improve_worldmodel(
    run: Path,
    folders: Sequence[Path],
    held_out: Path,
    readers: Path,
    config: ImproveConfig,
    out: Path,
    *,
    seed: int,
    device: str = "cpu",
) -> dict[str, Any]:
    """Post-train a run's world model by RLIR into the run folder `out`; what the judge says.

    Args:
        run: run folder of `train_worldmodel`.
        folders: recordings of prompts and of the data term.
        held_out: recordings that the watch and the judge look at.
        readers: folder of `train_readers`.
        config: reward, watch, trainer.
        out: run folder of the result; a stopped one goes on.
        seed: of all random streams.
        device: where to train.

    Raises:
        GateError: a reader is not fit for its role.
        CheckpointError: a part is missing or damaged, or the judge is not independent.
        DatasetError: recordings of another robot, or too short ones.
    """
    facts, _ = run_facts(run)
    model = load_latent_model(run / "worldmodel")
    check_model(model, facts)
    model.to(device)  # type: ignore[arg-type]
    inverse = InverseReward.from_pretrained(readers / "reward", device=device)
    judge = load_part(InverseDynamics, readers / "judge").to(device)
    GateReport.load(readers / "judge" / GATE_FILE).require("a judge")
    check_independent(inverse.model, judge)
    data, unseen = (load_episodes(open_datasets(x), facts) for x in (folders, [held_out]))
    for part in (data, unseen):
        encode_dataset(model.autoencoder, part)
    sampler = sampler_of(model)
    before = _judged(sampler, judge, unseen, config, seed)
    reward = FollowingReward(inverse, config.soft_share, [ThingsStay(), MustMove(data)])
    seen = FollowingReward(inverse, config.soft_share, [ThingsStay()])
    hooks: list[Hook] = [Watch(sampler, unseen, seen, config.watch, seed=seed)]
    rlir(sampler, reward, data, config.rlir, out / "rlir", seed, hooks=hooks)
    after = _judged(sampler, judge, unseen, config, seed)
    with atomic_folder(out / "worldmodel") as temporary:
        model.eval().save_pretrained(str(temporary))
    for name in SAME:
        shutil.copy(run / name, out / name)
    told = {"before": before, "after": after}
    write_json(out / "judged.json", told)
    return told


def judged_table(told: dict[str, Any]) -> str:
    """The judge's macro-F1 and exact match before and after, as Markdown."""
    lines = ["| | macro-F1 | whole actions right | refused |", "|---|---|---|---|"]
    for name, card in told.items():
        lines.append(
            f"| {name} | {card['mean_f1']:.3f} | {card['joint']:.3f} | {card['refused']:.3f} |"
        )
    return "\n".join(lines)


def _judged(
    sampler: Sampler,
    judge: InverseDynamics,
    data: EpisodeDataset,
    config: ImproveConfig,
    seed: int,
) -> dict[str, Any]:
    model = sampler.model
    clips = draw_clips(
        data, config.judged_clips, config.watch.steps, model.context_length,
        torch_generator(seed, "judged", "clips"),
    )  # fmt: skip
    frames = imagine_clips(
        sampler, data, clips, torch_generator(seed, "judged", "noise"), config.watch.temperature
    )
    return clips_card(judge, frames, data.actions[clips.rows[:, :-1]]).as_dict()
