"""Arms of the RLIR bench: the base trained further in several ways by the same compute."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from octoworld.core.fit import fit
from octoworld.core.io import read_json, write_json
from octoworld.core.rng import torch_generator
from worldmodels.checkpoint import load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.probe import StateProbe
from worldmodels.rlir import (
    FollowingReward,
    MustMove,
    PixelReward,
    Reward,
    RlirConfig,
    ThingsStay,
    ThingsWhereTheyWere,
    Video,
    Watch,
    WatchConfig,
    rlir,
    sampler_of,
)
from worldmodels.rlir.sampler import training_loss

from .config import READ_FROM, RlirBenchConfig
from .parts import base_model, load, reward_of, state_columns

COMPUTE = "compute.json"
"""Operations of an iteration of RLIR and of a step of plain training, measured."""


def improve(config: RlirBenchConfig, paradigm: str, arm: str, seed: int, folder: Path) -> None:
    """Train an arm of one seed; its weights and `outcome.json` are left in its folder."""
    place = arm_folder(folder, paradigm, arm, seed)
    if (place / "model" / "config.json").exists():
        return
    data = learned_from(config, folder)
    plain = replace(data, objects=None)  # nobody tells the models where things are
    model = base_model(config, paradigm, folder)
    if arm == "continued":
        _continue(config, model, plain, place, seed, equal_steps(config, paradigm, folder))
    else:
        reward = reward_for(config, arm, data, folder)
        sampler = sampler_of(model, config.chain)
        hooks = []
        if arm == "rlir":
            held_out = load(folder, ("wander validation", "expert validation"))
            watch = FollowingReward(reward_of(config, folder), vetoes=[ThingsStay()])
            hooks = [Watch(sampler, held_out, watch, WatchConfig(steps=config.steps), seed=seed)]
        rlir(sampler, reward, plain, settings_of(config, arm), place, seed, hooks=hooks)
    model.eval().save_pretrained(str(place / "model"))


def arm_folder(folder: Path, paradigm: str, arm: str, seed: int) -> Path:
    """Where an arm of one seed is trained."""
    return folder / paradigm / f"{arm.replace(' ', '-')}-{seed}"


def learned_from(config: RlirBenchConfig, folder: Path) -> EpisodeDataset:
    """The recordings of all arms; where things are is for a veto alone."""
    return load(folder, READ_FROM, config.device)


def settings_of(config: RlirBenchConfig, arm: str) -> RlirConfig:
    """The trainer of an arm."""
    settings = config.rlir
    if arm == "pixels":
        # nobody knows the true pixels under actions from elsewhere
        prompts = replace(settings.prompts, foreign_share=0.0)
        return replace(settings, prompts=prompts)
    if arm == "data term":
        # without a reward no group differs, and all of them count
        return replace(settings, rl=replace(settings.rl, min_group_std=0.0))
    return settings


def reward_for(config: RlirBenchConfig, arm: str, data: EpisodeDataset, folder: Path) -> Reward:
    """What an arm is rewarded for."""
    if arm == "data term":
        return nothing
    if arm == "pixels":
        return PixelReward(data)
    probe = load_part(StateProbe, folder / "veto").to(config.device)
    true = state_columns(data.proprio.shape[1])["block"]
    behind = slice(true.start - data.proprio.shape[1], true.stop - data.proprio.shape[1])
    vetoes = [
        ThingsStay(),
        MustMove(data),
        ThingsWhereTheyWere(probe, data, probe.columns["block"], behind),
    ]
    return FollowingReward(reward_of(config, folder), vetoes=vetoes)


def nothing(video: Video) -> torch.Tensor:
    """No reward at all: what is left is the data term."""
    return torch.zeros(video.actions.shape[:2])


def _continue(
    config: RlirBenchConfig, model: Any, data: EpisodeDataset, place: Path, seed: int, steps: int
) -> None:
    """Plain training, as long as RLIR's compute lasts, at the rate of RLIR's own steps."""
    base = config.base("flow" if hasattr(model.settings, "noise_scale") else "autoregressive")
    settings = replace(
        base.fit, steps=steps, learning_rate=config.rlir.rl.learning_rate, checkpoint_every=100
    )
    loss = training_loss(model, data, settings.batch_size)
    for name, parameter in model.named_parameters():
        if name.split(".")[0] in sampler_of(model).frozen:
            parameter.requires_grad_(False)
    fit(
        model, lambda step, generator: {"loss": loss(generator)}, settings, place, seed=seed,
        label="continued",
    )  # fmt: skip


# -- equal compute -----------------------------------------------------------------------------


def equal_steps(config: RlirBenchConfig, paradigm: str, folder: Path) -> int:
    """Steps of plain training that cost as many operations as all iterations of RLIR."""
    cost = read_json(folder / paradigm / COMPUTE)
    return math.ceil(config.rlir.rl.iterations * cost["iteration"] / cost["step"])


def measure_compute(config: RlirBenchConfig, paradigm: str, folder: Path) -> None:
    """Count the operations of one iteration of RLIR (readers included) and of one plain step."""
    path = folder / paradigm / COMPUTE
    if path.exists():
        return
    data = learned_from(config, folder)
    plain = replace(data, objects=None)
    model = base_model(config, paradigm, folder)
    sampler = sampler_of(model, config.chain)
    one = replace(config.rlir, rl=replace(config.rlir.rl, iterations=1))
    reward = reward_for(config, "rlir", data, folder)
    with FlopCounterMode(display=False) as counter:
        rlir(sampler, reward, plain, one, folder / paradigm / "counted", 0)
    iteration = counter.get_total_flops()
    loss = training_loss(model, plain, config.base(paradigm).fit.batch_size)
    with FlopCounterMode(display=False) as counter:
        loss(torch_generator(0, "counted")).backward()
    write_json(path, {"iteration": iteration, "step": counter.get_total_flops()})
