"""A world model's card: policies imagined and in truth, start by start, stored unit by unit."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from octoworld.cli.worldmodel_card import main
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import read_json
from octoworld.core.registry import TASKS
from octoworld.data.words import build_vocabulary
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.world_card import CardConfig, load_world, run_card, short_names
from octoworld.recipes.world_card_page import markdown, numbers, write_page
from octoworld.recipes.world_card_units import (
    Imaginary,
    UnitRecord,
    imagine,
    measure_unit,
    record_starts,
    replay_actions,
)
from vla.checkpoint import load_policy
from vla.processors import Processor
from vla.tiny import TinyConfig, TinyPolicy
from worldmodels.autoencoder import FrameAutoencoder
from worldmodels.calibration import calibrate_success
from worldmodels.flow import FlowConfig, FlowWorldModel
from worldmodels.reflector import Reflector, ReflectorConfig

TOLD = ("PickUp", "OpenDrawer")
"""Tasks whose words the tiny reflector knows."""
SEEDS = range(13_000_000, 13_000_003)


def save_policy(folder: Path, seed: int = 0, **config: Any) -> str:
    """A tiny policy with random weights."""
    rng = np.random.default_rng(0)
    processor = Processor.fit(["pick it up"], rng.normal(size=(9, 8)), rng.normal(size=(9, 4)))
    sizes: dict[str, Any] = {
        "state_dim": 8, "action_dim": 4, "robot": "panda", "control_mode": "ee_delta_pos",
        "width": 24, "depth": 2, "heads": 2, "stem_channels": 8, "num_keypoints": 4,
        "keypoint_tokens": 1, "text_width": 8,
    }  # fmt: skip
    torch.manual_seed(seed)
    TinyPolicy(TinyConfig(**sizes | config), processor).save_pretrained(folder)
    return str(folder)


def save_world(folder: Path, threshold: float) -> str:
    """World model and reflector with random weights; the reflector says 'done' from `threshold`."""
    torch.manual_seed(0)
    autoencoder = FrameAutoencoder(
        {"cameras": ("front",), "image_size": 64, "width": 8, "latent_channels": 16}
    )
    flow = FlowConfig(
        dim=24, layers=1, heads=2, cell_width=8, cell_blocks=(1, 1), state_hidden=16, eyes_width=8
    )
    FlowWorldModel.build(autoencoder, flow, 8, 4).save_pretrained(str(folder / "worldmodel"))
    words = build_vocabulary([text for t in TOLD for text in TASKS.get(t).vocabulary()])
    judge = Reflector.build(
        autoencoder,
        ReflectorConfig(dim=24, heads=2, text_layers=1, width=8, blocks=1, points=4),
        words,
        torch.rand(9, 8),
    )
    judge.threshold.fill_(threshold)
    judge.save_pretrained(str(folder / "reflector"))
    return str(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> CardConfig:
    """Two policies at two temperatures on one task, in a world that calls all a success."""
    folder = tmp_path_factory.mktemp("card")
    return CardConfig(
        world=save_world(folder / "world", threshold=-1.0),
        policies=(save_policy(folder / "weak/policy"), save_policy(folder / "odd/policy", 1)),
        tasks=("PickUp",),
        temperatures=(0.0, 1.0),
        episodes=2,
        num_envs=2,
        horizon=6,
    )


def test_imagination_starts_where_truth_does_and_the_policy_does_there_the_same(made):
    model, judge = load_world(Path(made.world))
    judge.threshold.fill_(2.0)  # it is never done
    policy = load_policy(made.policies[0])
    rollouts = RolloutConfig(2, hold_steps=10**6, temperature=1.0)
    true = list(collect("PickUp", SEEDS, rollouts, policy=policy, source="test"))
    starts, clock = record_starts("PickUp", SEEDS, policy, rollouts, model)
    assert clock == len(true[0])
    for number, episode in enumerate(true):
        first = starts.frames["front"][number].numpy()
        assert np.array_equal(first, episode["observation.images.front"][0])
        assert starts.instruction(number) == episode.instruction
    seen = imagine(policy, 1.0, model, judge, starts, SEEDS, num_envs=2, horizon=9)
    assert not seen.success.any() and (seen.lengths == 9).all()
    # the same frame and the same noise: the first four actions are equal, later frames differ
    ours = np.stack([e["action"] for e in true])
    assert np.allclose(seen.actions[:, :4], ours[:, :4], atol=1e-5)
    assert not np.allclose(seen.actions[:, 4:9], ours[:, 4:9], atol=1e-3)


def test_what_the_expert_did_succeeds_when_it_is_replayed(made):
    expert = list(collect("PickUp", SEEDS, RolloutConfig(3), policy=None, source="expert"))
    done = np.array([e.info["first_success"] + 1 for e in expert])
    actions = np.zeros((3, done.max(), 4), np.float32)
    for row, episode in zip(actions, expert, strict=True):
        row[: len(episode)] = episode["action"][: len(row)]
    policy = load_policy(made.policies[0])
    whole = Imaginary(np.ones(3, bool), done, actions)
    assert replay_actions("PickUp", policy, SEEDS, whole, num_envs=2).all()
    cut = replace(whole, lengths=np.array([done[0], 1, done[2] - 3]))
    assert replay_actions("PickUp", policy, SEEDS, cut, 2).tolist() == [True, False, False]


def test_a_judge_that_calls_all_a_success_is_caught(made):
    model, judge = load_world(Path(made.world))
    policy = load_policy(made.policies[0])
    record = measure_unit("weak", policy, 0.0, "PickUp", SEEDS, model, judge, 2, horizon=6)
    assert record.imagined == (True,) * 3 and record.imagined_steps == (2,) * 3  # its patience
    # true episodes end by the same judge, at once
    assert record.self_stopped == record.replayed == record.oracle == (False,) * 3
    assert UnitRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    card = calibrate_success([replace(record, policy=p).unit("oracle") for p in "abcd"])
    assert card.false_success == card.unmatched_success == 1.0 and card.bias == 1.0


@pytest.mark.slow
def test_a_killed_card_goes_on_and_is_the_same(made, tmp_path):
    records = run_card(made, tmp_path / "card")
    assert len(records) == made.num_units == 4
    assert [r.policy for r in records] == ["weak t=0", "weak t=1", "odd t=0", "odd t=1"]
    files = sorted((tmp_path / "card/units").iterdir())
    before = {f: f.read_bytes() for f in files}
    files[0].unlink()
    kept = files[1].stat().st_mtime_ns
    assert run_card(made, tmp_path / "card") == records
    assert {f: f.read_bytes() for f in files} == before
    assert files[1].stat().st_mtime_ns == kept, "it was not done again"
    with pytest.raises(ConfigError, match=r"episodes was 2, is 3.*use another --out"):
        run_card(replace(made, episodes=3), tmp_path / "card")
    other = save_policy(tmp_path / "weak/policy", seed=7)
    with pytest.raises(ConfigError, match="weak is another"):
        run_card(replace(made, policies=(other, made.policies[1])), tmp_path / "card")


@pytest.mark.slow
def test_the_command_leaves_a_page(made, tmp_path, capsys):
    out = tmp_path / "page"
    argv = [
        made.world,
        "--card",
        "--policies",
        made.policies[0],
        "--tasks",
        *TOLD,
        "--out",
        str(out),
    ]
    argv += ["--noise", "0", "2", "--episodes", "2", "--num-envs", "2", "--horizon", "4"]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert (out / "card.md").read_text().strip() in shown and "Fewer than 24 units" in shown
    facts = json.loads((out / "card.json").read_text(), parse_constant=pytest.fail)
    assert len(facts["units"]) == 4 and facts["config"]["temperatures"] == [0.0, 2.0]
    assert facts["cards"]["oracle"]["pearson"] is None  # nothing varies: no number, not zero
    assert facts["cards"]["oracle"]["units"] == 4
    # no two tasks share a start
    assert {(u["task"], u["first_seed"]) for u in facts["units"]} == {
        ("PickUp", 13_000_000),
        ("OpenDrawer", 13_000_002),
    }
    assert (out / "card.png").stat().st_size > 20_000


def test_the_page_tells_units_apart(tmp_path):
    def record(policy: str, task: str, imagined: str, true: str) -> UnitRecord:
        seen, truly = (tuple(c == "1" for c in text) for text in (imagined, true))
        return UnitRecord(policy, task, 0.0, 0, seen, truly, truly, truly, (3,) * len(seen))

    rows = [
        record("a", "PickUp", "1110", "1100"),
        record("b", "PickUp", "1000", "0000"),
        record("a", "OpenDrawer", "1111", "1111"),
        record("b", "OpenDrawer", "0011", "0111"),
    ]
    text = write_page(rows, {}, tmp_path)
    assert "| a | PickUp | 75.0 % | 50.0 % | 50.0 % | 3 | 1 | 1 |" in text
    facts = read_json(tmp_path / "card.json")
    assert facts["cards"]["oracle"]["bias"] == pytest.approx((1 + 1 + 0 - 1) / 16)
    assert facts["cards"]["oracle"]["unmatched_success"] == pytest.approx(2 / 10)
    assert UnitRecord.from_json(facts["units"][0]) == rows[0]
    card = calibrate_success([r.unit("oracle") for r in rows])
    assert numbers(card)["leave_one_out"] == [None, None]  # two policies: what is left is too few
    assert "none to none" in markdown(rows, {"oracle": card})


def test_names_are_what_differs():
    assert short_names(["runs/a/checkpoints/sft", "runs/b/checkpoints/sft"]) == ["a", "b"]
    assert short_names(["runs/a/policy", "b"]) == ["policy", "b"]
    assert short_names(["x/a/1", "y/a/2", "y/a/1"]) == ["x-a-1", "y-a-2", "y-a-1"]
    with pytest.raises(ConfigError, match="a is given twice"):
        short_names(["a", "b", "a"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policies": ()}, "policies: expected at least one folder"),
        ({"temperatures": (0.0,)}, "2 units (2 policies x 1 temperatures x 1 tasks): an interval"),
        ({"temperatures": (-1.0, 0.0)}, "temperatures: expected 0 or more, got -1.0"),
        ({"tasks": ("PickUpp",)}, "Did you mean 'PickUp'"),
        ({"tasks": ("PickUp", "PressButton")}, "task PressButton says 'button', 'clicks'"),
        ({"tasks": ("PickUp", "Hover")}, "'panda'"),
        ({"episodes": 0}, "episodes: expected 1 or more, got 0"),
        ({"world": "runs/nothing"}, "runs/nothing holds no worldmodel/"),
    ],
)
def test_what_cannot_be_carded_is_named(made, tmp_path, change, said):
    with pytest.raises((ConfigError, CheckpointError, KeyError), match=re.escape(said)):
        run_card(replace(made, **change), tmp_path / "card")
    assert not (tmp_path / "card").exists(), "nothing is begun"


def test_policies_that_cannot_act_in_imagination_are_named(made, tmp_path, repository):
    other = save_policy(tmp_path / "ur5e", robot="ur5e")
    with pytest.raises(CheckpointError, match="made for robot 'ur5e', not 'panda'"):
        run_card(replace(made, policies=(other, made.policies[0])), tmp_path / "card")
    controller = str(repository / "assets/checkpoints/reach-ppo")
    with pytest.raises(ConfigError, match="acts on the true state"):
        run_card(replace(made, policies=(controller, made.policies[0])), tmp_path / "card")
    wide = save_policy(tmp_path / "wide", cameras=("front", "wrist"))
    with pytest.raises(ConfigError, match=r"wide t=0 looks through wrist; .* draws front"):
        run_card(replace(made, policies=(wide, made.policies[0])), tmp_path / "card")
