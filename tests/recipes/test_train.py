"""Training: it learns, resumes to the bit, keeps the best, stops when told, exports its actor."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import octoworld
from octoworld.core.config import load_config
from octoworld.core.errors import CheckpointError, ConfigError, DivergenceError, UnknownNameError
from octoworld.core.io import load_tensors
from octoworld.core.log import read_metrics
from octoworld.core.registry import TASKS, TRAININGS
from octoworld.recipes.fly.config import TrainConfig, default_config
from octoworld.recipes.fly.learner import Learner
from octoworld.recipes.fly.state import FILE, TrainState, load_state, save_state
from octoworld.recipes.fly.training import train
from octoworld.recipes.stages import Run
from sim.vec_env import VecEnv

LENGTH = 20
ON = {"num_envs": 64, "eval_every": 4000, "total_steps": 24_000, "learning_rate": 1e-3}
OFF = {
    "num_envs": 8, "eval_every": 1000, "total_steps": 2000, "hidden": (64, 64),
    "activation": "relu", "learning_rate": 1e-3, "options": {"batch_size": 64},
}  # fmt: skip
FEW = {"eval_episodes": 50, "test_episodes": 100}


class Point(VecEnv):
    """A point in the plane moves by action / 5; success is to be within 0.1 of the origin.

    Doing nothing succeeds in fewer than one of a hundred starts. A start state is a function of
    its seed; `broken` makes every reward infinite.
    """

    def __init__(self, num_envs, mode, broken=False):
        super().__init__(
            num_envs=num_envs,
            single_observation_space=gymnasium.spaces.Box(-9, 9, (2,), np.float32),
            single_action_space=gymnasium.spaces.Box(-1, 1, (2,), np.float32),
            max_episode_length=LENGTH,
            fps=10,
            autoreset_mode=mode,
        )
        self.place, self.broken = np.zeros((num_envs, 2)), broken

    def _reset(self, mask, seeds):
        for i in np.flatnonzero(mask):
            self.place[i] = np.random.default_rng(seeds[i]).uniform(-1, 1, 2)

    def _step(self, actions):
        self.place = np.where(self.live[:, None], self.place + 0.2 * actions, self.place)
        distance = np.linalg.norm(self.place, axis=1)
        reward = np.full(self.num_envs, np.inf) if self.broken else np.clip(1 - distance, 0, 1)
        return {"success": distance < 0.1}, reward, np.zeros(self.num_envs, bool)

    def _observe(self):
        return self.place.astype(np.float32)


def config(algo: str, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {**FEW, **(ON if algo in ("ppo", "a2c") else OFF), **changes}
    return TrainConfig("Point", algo, **values)  # type: ignore[arg-type]


def start(folder: Path, algo: str = "ppo", **changes: Any) -> Run:
    return Run.create(folder, config(algo, **changes))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_learns_on_every_seed(tmp_path, seed):
    outcome = train(start(tmp_path / "run", seed=seed), Point)
    assert outcome["test"]["success"] >= 0.95
    # at best 20 - sum of the distances on the way in: about 17.9 on average
    assert outcome["test"]["return"] > 14
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    judged = [row["eval/success"] for row in rows if "eval/success" in row]
    assert len(judged) == 6 and judged[0] < judged[-1] and judged[-1] >= 0.95
    assert any("train/value_loss" in row and "rollout/return" in row for row in rows)
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["a2c", "sac", "td3"])
def test_the_other_algorithms_learn(tmp_path, algo):
    more = {"total_steps": 40_000} if algo == "a2c" else {}
    outcome = train(start(tmp_path / "run", algo, **more), Point)
    assert outcome["test"]["success"] >= 0.8


@pytest.mark.parametrize(
    ("algo", "bounded"),
    [("ppo", False), ("ppo", True), ("a2c", True), ("sac", False), ("td3", False)],
)
def test_the_controller_acts_as_the_algorithm(tmp_path, algo, bounded):
    learner = Learner(config(algo, bounded_mean=bounded), Point)
    learner.begin_segment(0)
    learner.model.learn(600)
    controller = learner.controller()
    controller.save_pretrained(tmp_path)
    loaded = octoworld.load_policy(tmp_path)
    obs = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    wanted, _ = learner.model.predict(learner.env.normalize_obs(obs), deterministic=True)
    chunk = loaded.act({"observation.state": torch.from_numpy(obs)}, [""] * 50)
    assert chunk.actions.shape == (50, 1, 2) and loaded.chunk_size == 1
    assert np.abs(chunk.actions[:, 0].detach().numpy() - wanted).max() < 1e-5


@pytest.mark.parametrize("normalize", [False, True])
def test_the_controller_expects_what_the_critic_does(tmp_path, normalize):
    options = {"gae_lambda": 0.9}
    learner = Learner(config("ppo", normalize_reward=normalize, options=options), Point)
    learner.begin_segment(0)
    learner.model.learn(600)
    learner.controller().save_pretrained(tmp_path)
    loaded: Any = octoworld.load_policy(tmp_path)
    obs = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    scaled = torch.as_tensor(learner.env.normalize_obs(obs))
    policy: Any = learner.model.policy
    with torch.no_grad():
        wanted = policy.predict_values(scaled)[:, 0].numpy()
        values = loaded.value({"observation.state": torch.from_numpy(obs)}).numpy()
    # in the task's own rewards
    wanted = learner.env.unnormalize_reward(wanted) if normalize else wanted
    assert np.abs(values - wanted).max() < 1e-4 and loaded.config.trace == 0.9
    assert Learner(config("sac"), Point).controller().value({}) is None


def test_noise_of_the_controller_has_the_density_it_says():
    controller = Learner(config("ppo"), Point).controller()
    obs = {"observation.state": torch.randn(4000, 2)}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        chunk = controller.act(obs, [""] * 4000, temperature=0.5, generator=generator)
    assert chunk.raw_actions is not None and chunk.log_prob is not None
    # a Gaussian of scale 0.5 has the mean log-density -log 0.5 - log(2 pi e) / 2
    wanted = -np.log(0.5) - 0.5 * np.log(2 * np.pi * np.e)
    assert float(chunk.log_prob.mean()) == pytest.approx(wanted, abs=0.03)
    again = controller.log_prob(obs, [""] * 4000, chunk.raw_actions, temperature=0.5)
    assert torch.allclose(again, chunk.log_prob, atol=1e-5)
    assert chunk.actions.abs().max() <= 1 and chunk.raw_actions.abs().max() > 1


class KilledError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, monkeypatch, algo):
    """Killed once while learning and once between the log's row and the checkpoint."""
    short = {"total_steps": 6000 if algo == "ppo" else 1200, "eval_every": 600}
    short["normalize_reward"] = True
    whole = train(start(tmp_path / "whole", algo, **short), Point)
    run = start(tmp_path / "killed", algo, **short)
    calls = {"step": 0, "save": 0}
    step, save = Point._step, save_state

    def dying_step(self, actions):
        calls["step"] += 1
        if calls["step"] == (120 if algo == "ppo" else 200):
            raise KilledError
        return step(self, actions)

    def dying_save(*args):
        calls["save"] += 1
        if calls["save"] == 2:
            raise KilledError
        save(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Point, "_step", dying_step)
        patch.setattr("octoworld.recipes.fly.training.save_state", dying_save)
        kills = 0
        while kills < 9:
            try:
                resumed = train(Run.resume(run.folder, TrainConfig), Point)
                break
            except KilledError:
                kills += 1
    assert kills == 2
    for name in ("steps", "best_step", "selection_success", "selection_return", "test"):
        assert resumed[name] == whole[name], name
    left, right = (load_tensors(tmp_path / r / "checkpoints" / FILE) for r in ("whole", "killed"))
    assert left.keys() == right.keys()
    differing = [k for k in left if not torch.equal(left[k], right[k]) and "seconds" not in k]
    assert differing == []
    rows = [read_metrics(tmp_path / r / "metrics.jsonl") for r in ("whole", "killed")]
    steps, curves = zip(
        *([(r["step"] for r in some), [r.get("eval/return") for r in some]] for some in rows),
        strict=True,
    )
    assert list(steps[0]) == list(steps[1]) and curves[0] == curves[1]


def test_state_holds_all_that_training_changes(tmp_path):
    learner = Learner(config("sac"), Point)
    learner.begin_segment(0)
    learner.model.learn(800)
    save_state(tmp_path / FILE, learner, TrainState(segment=3, best={"a": torch.ones(2)}))
    other = Learner(config("sac"), Point)
    state = load_state(tmp_path / FILE, other)
    assert state.segment == 3 and state.best["a"].tolist() == [1, 1]
    model: Any = learner.model
    restored: Any = other.model
    assert restored.num_timesteps == model.num_timesteps > 0
    assert restored.replay_buffer.pos == model.replay_buffer.pos > 0
    assert np.array_equal(restored.replay_buffer.rewards, model.replay_buffer.rewards)
    assert torch.equal(restored.log_ent_coef, model.log_ent_coef)
    assert other.env.obs_rms.count == learner.env.obs_rms.count  # type: ignore[union-attr]
    with pytest.raises(CheckpointError, match="does not fit this run's config"):
        load_state(tmp_path / FILE, Learner(config("sac", hidden=(32,)), Point))


def test_a_finished_run_is_only_read(tmp_path):
    run = start(tmp_path / "run", total_steps=3000)
    outcome = train(run, Point)

    def never(*_):
        raise AssertionError("a finished run was trained again")

    assert train(Run.resume(run.folder, TrainConfig), never) == outcome
    assert load_config(TrainConfig, run.path("config.yaml")) == run.config
    # a run folder is as good as the policy in it
    policy: Any = octoworld.load_policy(run.folder)
    assert policy.config.task == "Point"


@pytest.mark.parametrize(
    ("limit", "reason"),
    [({"target_success": 0.5}, "target_success"), ({"time_budget": 0.2}, "time_budget")],
)
def test_it_stops_when_told(tmp_path, limit, reason):
    outcome = train(start(tmp_path / "run", total_steps=10**6, **limit), Point)
    assert reason in outcome["stopped"] and outcome["steps"] < 10**6
    if reason == "time_budget":
        assert outcome["best_step"] > 0  # what it has is judged and kept all the same


def test_the_rate_falls_with_the_whole_run(tmp_path):
    run = start(tmp_path / "run", total_steps=12_000, final_learning_rate=0.0, log_every=1)
    train(run, Point)
    rows = read_metrics(run.path("metrics.jsonl"))
    rates = [row["train/learning_rate"] for row in rows if "train/learning_rate" in row]
    assert rates[0] == pytest.approx(1e-3) and 0 < rates[-1] < 4e-4
    assert all(a >= b for a, b in pairwise(rates))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_numbers_that_are_none_stop_it(tmp_path):
    with pytest.raises(DivergenceError, match=r"not finite|is nan|is inf"):
        train(start(tmp_path / "run", log_every=1), lambda n, mode: Point(n, mode, broken=True))


def test_segments_are_whole_and_long_enough():
    learner = Learner(config("ppo", eval_every=1), Point)
    rollout = 64 * learner.options["n_steps"]
    assert learner.segment_steps % rollout == 0
    assert learner.segment_steps >= 2 * LENGTH * 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"n_stepz": 4}}, "n_stepz.*n_steps"),
        ({"options": {"gamma": 0.9}}, "options.gamma"),
    ],
)
def test_unknown_options_list_the_known(changes, words):
    with pytest.raises(ConfigError, match=words):
        Learner(config("ppo", **changes), Point)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_envs": 0}, "num_envs: expected at least 1, got 0"),
        ({"discount": 1.5}, "1.5"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"time_budget": -1.0}, "time_budget"),
        ({"target_success": 2.0}, "target_success"),
    ],
)
def test_bad_values_are_named(changes, words):
    with pytest.raises(ConfigError, match=words):
        TrainConfig("Point", **changes)


def test_defaults_come_from_algorithm_then_task_then_user(monkeypatch):
    with pytest.raises(UnknownNameError, match=r"'dqn'.*ppo"):
        default_config("PickUp", "dqn")
    with pytest.raises(UnknownNameError, match="PickUp"):
        default_config("PickUpp")
    assert default_config("PickUp", "sac").num_envs == 16

    def suits(algo):
        return {"num_envs": 32, "discount": 0.9, "options": {"n_epochs": 3, "ent_coef": 0.1}}

    monkeypatch.setitem(TRAININGS._members, "PickUp", suits)
    assert "PickUp" in TASKS
    made = default_config("PickUp", "ppo", discount=0.8, options={"n_epochs": 7})
    assert (made.num_envs, made.discount, made.learning_rate) == (32, 0.8, 1e-3)
    assert made.options == {"n_epochs": 7, "ent_coef": 0.1}
    with pytest.raises(ConfigError, match="num_env: unknown field"):
        default_config("PickUp", "ppo", num_env=3)


def test_the_best_checkpoint_is_kept_not_the_last(tmp_path, monkeypatch):
    """Success counts before return, but one lucky start does not outweigh a far better return."""
    from octoworld.recipes.fly import training
    from octoworld.rl.evaluate import Evaluation

    def judged(hits, share):
        success = np.arange(50) < hits
        returns = np.full(50, share * LENGTH)
        return Evaluation(np.arange(50), success, returns, np.full(50, LENGTH))

    answers = iter([judged(1, 0.1), judged(0, 0.4), judged(40, 0.2), judged(30, 0.3)])
    steps = []

    def score(worlds, controller, *_):
        steps.append({k: v.clone() for k, v in controller.state_dict().items()})
        return next(answers)

    monkeypatch.setattr(training, "score", score)
    run = start(tmp_path / "run", total_steps=16_000, test_episodes=0)
    outcome = train(run, Point)
    assert len(steps) == 4 and outcome["selection_success"] == 0.8
    assert outcome["best_step"] == 3 * outcome["steps"] // 4
    kept, last = (
        load_tensors(run.path("checkpoints", name, "model.safetensors"))
        for name in ("best", "last")
    )
    assert all(torch.equal(kept[k], steps[2][k]) for k in kept)
    assert all(torch.equal(last[k], steps[3][k]) for k in last)
