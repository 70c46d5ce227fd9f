"""The inverse-dynamics models that ship read what is recorded here and now, and nothing else."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError
from octoworld.core.paths import asset
from octoworld.core.rng import torch_generator
from octoworld.recipes.rlir.parts import AUTOENCODER, redrawn, state_columns
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.wander import WanderActor
from tasks.manipulation.objects import object_state
from worldmodels.autoencoder import FrameAutoencoder
from worldmodels.checkpoint import load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.inverse_dynamics import (
    BROKEN,
    GateConfig,
    GateReport,
    InverseDynamics,
    InverseReward,
    check_independent,
    gate,
)
from worldmodels.inverse_dynamics.reward import GATE_FILE
from worldmodels.probe import StateProbe

READERS = asset("checkpoints", "readers")
FRESH = range(27_000_000, 27_000_006)
"""Starts that nothing was learned from or tuned on."""
GATE = GateConfig(clips=32, steps=6)


@pytest.fixture(scope="module")
def recorded() -> EpisodeDataset:
    """Episodes of an arm that wanders over the table."""
    rollouts = RolloutConfig(len(FRESH), 10**6, cameras=("front",))
    episodes = list(
        collect("PickUp", FRESH, rollouts, policy=None, source="wander", make_actor=WanderActor)
    )
    data = EpisodeDataset.from_episodes(episodes, ("front",))
    told = [
        object_state(e["observation.state"], e["observation.environment_state"]) for e in episodes
    ]
    data.objects = torch.from_numpy(np.concatenate(told))
    return data


@pytest.mark.parametrize("role", ["reward", "judge"])
def test_the_gate_is_passed_on_fresh_recordings_and_on_their_reconstructions(role, recorded):
    reader = load_part(InverseDynamics, READERS / role)
    report = gate(reader, recorded, torch_generator(0, "gate"), GATE)
    assert report.passed, report.failures
    assert max(report.joint[kind] for kind in BROKEN) < 0.25
    codec = load_part(FrameAutoencoder, asset(*AUTOENCODER))
    through = gate(
        reader, recorded, torch_generator(0, "gate"), GATE, redraw=lambda x: redrawn(codec, x)
    )
    assert through.joint["real"] >= 0.65  # 0.7 is asked of 128 clips; these are 32


@pytest.mark.parametrize("role", ["veto", "witness"])
def test_probes_read_where_hand_and_block_are(role, recorded):
    probe = load_part(StateProbe, READERS / role)
    columns = state_columns(recorded.proprio.shape[1])
    true = torch.cat([recorded.state[:, columns[name]] for name in probe.columns], 1)
    errors = probe.errors(probe.read(recorded.frames), true)
    assert float(errors["tool"].median()) < 0.015 and float(errors["block"].median()) < 0.015


def test_what_was_measured_is_stored_beside_the_weights_and_the_two_are_independent():
    reward = InverseReward.from_pretrained(READERS / "reward")
    judge = load_part(InverseDynamics, READERS / "judge")
    assert GateReport.load(READERS / "judge" / GATE_FILE).fingerprint == judge.fingerprint()
    check_independent(reward.model, judge)


def test_changed_weights_are_no_reward(tmp_path):
    reader = load_part(InverseDynamics, READERS / "reward")
    with torch.no_grad():
        next(reader.parameters()).mul_(1.5)
    reader.save_pretrained(str(tmp_path))
    GateReport.load(READERS / "reward" / GATE_FILE).save(tmp_path / GATE_FILE)
    with pytest.raises(CheckpointError, match="run the gate on this network"):
        InverseReward.from_pretrained(tmp_path)
